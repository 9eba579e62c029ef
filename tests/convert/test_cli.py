"""The command line: one sentence and a status for every failure, and no TensorFlow before it is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "convert", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("split", "--data", "/nowhere"), "SORTER_DATA"),
        (("split", "--seed", "-1"), "--seed"),
        (("build", "--data", "/nowhere"), "SORTER_DATA"),
        (("train", "--side", "100"), "multiple of 32"),
        (("evaluate",), "edge-convert split"),
        (("quantize",), "edge-convert split"),
        (("package",), "candidate"),
        (("prune",), "prune"),
    ],
)
def test_failures_are_one_sentence(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    has_work = words[0] not in ("prune",)
    done = run(*words, *(("--work", str(tmp_path / "work")) if has_work else ()), SORTER_DATA=str(tmp_path))
    assert done.returncode in (2, 4), done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "work").exists()


def test_the_data_folder_comes_from_the_environment(tmp_path: Path) -> None:
    done = run("split", "--work", str(tmp_path / "work"), SORTER_DATA=str(tmp_path / "photos"))
    assert done.returncode == 2
    assert str(tmp_path / "photos") in done.stderr


def test_help_names_the_commands_without_tensorflow() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("split", "train", "quantize", "evaluate", "package", "build"):
        assert command in done.stdout
    probe = "import sys, convert.cli, convert.pipeline; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
