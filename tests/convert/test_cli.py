"""The command line: one sentence and a status for every failure, and no TensorFlow before it is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import convert.cli
import convert.pipeline
from convert.settings import Settings

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
    ("words", "status", "message"),
    [
        (("split", "--data", "/nowhere"), 2, "SORTER_DATA"),
        (("split", "--seed", "-1"), 2, "--seed"),
        (("build", "--data", "/nowhere"), 2, "SORTER_DATA"),
        (("train", "--side", "100"), 2, "multiple of 32"),
        (("evaluate",), 2, "run `edge-convert split` first"),
        (("quantize",), 2, "run `edge-convert split` first"),
        (("package",), 2, "run `edge-convert quantize` first"),
        (("prune",), 2, "prune"),
    ],
)
def test_failures_are_one_sentence(words: tuple[str, ...], status: int, message: str, tmp_path: Path) -> None:
    has_work = words[0] not in ("prune",)
    done = run(*words, *(("--work", str(tmp_path / "work")) if has_work else ()), SORTER_DATA=str(tmp_path))
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("edge-convert: ")
    assert done.stdout == ""
    assert not (tmp_path / "work").exists()


def test_a_candidate_that_is_no_bundle_has_a_status_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "work" / "candidate").mkdir(parents=True)
    done = run("package", "--work", str(tmp_path / "work"))
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1


def test_options_become_settings_and_the_rest_keeps_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []
    monkeypatch.setattr(convert.pipeline, "run_train", lambda job, weights: seen.append(job.settings))
    words = ["train", "--side", "96", "--alpha", "0.35", "--seed", "7", "--residue", "glass", "--residue", "paper"]
    convert.cli.app(words, standalone_mode=False)
    assert seen == [Settings(seed=7, side_px=96, alpha=0.35, residue=("glass", "paper"))]


def test_tensorflow_keeps_quiet_unless_it_is_asked_to_speak() -> None:
    probe = (
        "import os, sys, convert.cli; sys.argv = ['x', '--help']\n"
        "try: convert.cli.main()\n"
        "finally: print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    )
    for given, expected in ((None, "2"), ("0", "0")):
        environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
        if given is not None:
            environment["TF_CPP_MIN_LOG_LEVEL"] = given
        done = subprocess.run(
            [sys.executable, "-c", probe], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.splitlines()[-1] == expected


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
