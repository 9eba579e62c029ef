"""Evaluated models side by side."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convert.cli
from convert.figures import Answers, figures
from convert.report import load_run, side_by_side
from edge.errors import ConfigError

LABELS = ("glass", "paper", "trash")


def metrics(kind: str, guess: list[int], **more: Any) -> dict[str, Any]:
    truth = np.repeat([0, 1, 2], 4)
    logits = 4.0 * np.eye(3)[guess]
    groups = [str(place // 2) for place in range(12)]
    found = figures(Answers.of(truth, logits, groups, LABELS, ("trash",), 1.0, None), 1)
    return {"test": {kind: found}, **more}


RIGHT = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
ONE_LOST = [0, 0, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2]


def write(folder: Path, content: Any, training: Any = None) -> Path:
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(content))
    if training is not None:
        (folder / "training.json").write_text(json.dumps(training))
    return folder


def test_every_model_has_a_line_with_intervals_in_the_order_given(tmp_path: Path) -> None:
    mean = {"accuracy": 0.8, "binary_accuracy": 0.9}
    ours = write(tmp_path / "a", metrics("int8", ONE_LOST, of={"recipe": "ours"}, corruptions={"mean": mean}))
    paper = write(tmp_path / "b", metrics("float", RIGHT), {"recipe": {"name": "vgg16-frozen"}})
    text = side_by_side([load_run(ours), load_run(paper / "metrics.json")])
    lines = text.splitlines()
    assert lines[2].startswith("| ours | int8 | 12 | 91.7% [")
    assert lines[2].endswith("| 80.0%, route 90.0% |")
    assert lines[3].startswith("| vgg16-frozen | float | 12 | 100.0% [")
    assert all(line.count("|") == lines[0].count("|") for line in lines[1:4])
    assert "Of vgg16-frozen only the float model was measured" in text
    assert "cannot be compared" not in text


def test_a_name_comes_from_the_recipe_the_bundle_or_the_folder(tmp_path: Path) -> None:
    plain = metrics("int8", RIGHT)
    assert load_run(write(tmp_path / "cnn", plain)).name == "cnn"
    assert load_run(write(tmp_path / "x", plain, {"recipe": "cnn-weighted"})).name == "cnn-weighted"
    assert load_run(write(tmp_path / "y", {**plain, "of": {"name": "waste-fast", "recipe": None}})).name == "waste-fast"
    other = tmp_path / "their-model.json"
    other.write_text(json.dumps(plain))
    assert load_run(other).name == "their-model"


def test_other_photographs_are_not_compared_in_silence(tmp_path: Path) -> None:
    runs = [
        load_run(write(tmp_path / name, metrics("int8", RIGHT, of={"split_seed": seed, "data_digest_sha256": "d"})))
        for name, seed in (("a", 1), ("b", 2))
    ]
    assert "the lines cannot be compared" in side_by_side(runs)


def test_an_earlier_run_without_a_digest_is_given_the_benefit_of_the_doubt(tmp_path: Path) -> None:
    early = load_run(write(tmp_path / "early", metrics("int8", RIGHT)))
    late = load_run(write(tmp_path / "late", metrics("int8", RIGHT, of={"split_seed": 1, "data_digest_sha256": "d"})))
    assert "cannot be compared" not in side_by_side([early, late])


def test_the_command_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "cnn", metrics("float", RIGHT))
    convert.cli.app(["report", str(folder)], standalone_mode=False)
    assert "| cnn | float | 12 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing; run `edge-convert evaluate` first"),
        ("{", "cannot be read as JSON"),
        ("[]", "holds no object"),
        ('{"test": {}}', "holds no figures of test photographs"),
        ('{"of": 1}', "holds no figures of test photographs"),
    ],
)
def test_what_is_no_evaluation_is_refused_in_a_sentence(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_run(tmp_path)
