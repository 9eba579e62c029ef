"""The command line: one sentence and a status for every failure, and no TensorFlow before it is needed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import convert.cli
import convert.pipeline
from convert.recipe import load_recipe

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
        (("build", "--recipe", "cnn", "--work", "w"), 2, "pass --output and --name for another"),
        (("build", "--set", "batch=8", "--work", "w"), 2, "pass --output and --name for another"),
        (("build", "--seed", "5", "--work", "w"), 2, "pass --output and --name for another"),
        (("build", "--residue", "paper", "--work", "w"), 2, "pass --output and --name for another"),
        (("build", "--ratios", "80/10/10", "--work", "w"), 2, "pass --output and --name for another"),
        (("build", "--weights", "none", "--work", "w"), 2, "pass --output and --name for another"),
        (("evaluate", "--strangers", "/nowhere"), 2, "/nowhere is no folder; pass --strangers"),
        (("evaluate", "--float-only", "--strangers", "/"), 2, "leave out --float-only"),
        (("quantize", "--name", "A b"), 2, "--name 'A b': expected small letters"),
        (("quantize", "--contamination", "2"), 2, "--contamination is 2, expected a share between 0 and 1"),
        (("train", "--set", "network.side_px=100"), 2, "multiple of 16"),
        (("train", "--recipe", "our"), 2, "there is no recipe 'our'; take a YAML file or one of cnn,"),
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


def test_a_recipe_and_its_changes_become_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(convert.pipeline, "run_train", lambda job, weights, **options: seen.append((job, options)))
    words = ["train", "--work", str(tmp_path / "work"), "--recipe", "cnn", "--set", "network.side_px=96", "--seed", "7"]
    words += ["--residue", "glass", "--residue", "paper", "--restart"]
    convert.cli.app(words, standalone_mode=False)
    ((job, options),) = seen
    assert job.recipe == load_recipe("cnn", ["network.side_px=96"], 7)
    assert job.settings == job.recipe.settings(["glass", "paper"])
    assert (job.settings.seed, job.settings.side_px, job.settings.augmentation) == (7, 96, "published")
    assert options == {"restarts": True, "keeps_cache": False}


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
