"""Evaluation: image by image, float beside int8, and what is left in the work folder."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convert.results
from convert.dataset import Photo, Split, class_root, load_split, make_split, save_split
from convert.evaluate import Evaluation, agreement, evaluate_float, float_input
from convert.figures import Answers
from convert.results import brief, save_results
from convert.settings import Settings, Workspace
from convert.tables import markdown

LABELS = ("glass", "paper", "trash")


class Rescaling:
    """Stands for the Keras layer of this name."""

    def __init__(self, scale: float) -> None:
        self.scale = scale


class InputLayer:
    """Stands for the Keras layer of this name."""


class ByColour:
    """A float model that tells the three labels of these tests by their brightest channel."""

    input_shape = (None, 32, 32, 3)

    def __init__(self, *layers: Any) -> None:
        self.layers = [InputLayer(), *layers]

    def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
        return 4 * batch.mean(axis=(1, 2))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """The float model measured on photographs of three colours."""
    folder, rng = tmp_path_factory.mktemp("evaluate"), np.random.default_rng(1)
    for place, label in enumerate(LABELS):
        (folder / "data" / label).mkdir(parents=True)
        for number in range(12):
            picture = rng.integers(0, 60, (24, 32, 3), dtype=np.uint8)
            picture[..., 2 - place] += 120  # BGR
            cv2.imwrite(str(folder / "data" / label / f"{label}{number * 10}.png"), picture)
    root = class_root(folder / "data")
    save_split(make_split(root, 1), folder / "split.json")
    split = load_split(folder / "split.json")
    return evaluate_float(root, split, ByColour(), Settings(rendered_test=3), lambda line: None)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], (-1.0, 1.0)),
        ([Rescaling(1 / 127.5)], (0.0, 255.0)),
        ([Rescaling(1 / 255)], (0.0, 255.0)),
        ([Rescaling(127.5)], (-1.0, 1.0)),
    ],
)
def test_a_float_model_is_given_what_its_first_layer_takes(layers: list[Any], expected: tuple[float, float]) -> None:
    pixels = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(3, axis=3)
    real = float_input(ByColour(*layers), pixels)
    assert real.dtype == np.float32
    assert (real.min(), real.max()) == expected


def test_a_float_model_alone_is_measured_on_every_set(found: Evaluation) -> None:
    test = found.metrics["test"]["float"]
    assert test["accuracy"] == 1.0
    assert test["ci95"]["accuracy"][0] < 1.0
    assert "int8" not in found.metrics["test"]
    assert found.metrics["temperature"] < 1.0
    assert {row["set"] for row in found.rows} == {"test", "val", "rendered"}


def test_photographs_at_the_border_of_a_part_are_left_out_once(tmp_path: Path) -> None:
    """Ten numbers of a label to train, then ten to test, then ten to val: the ends of the test part are not apart."""
    rng, photos = np.random.default_rng(2), []
    for place, label in enumerate(LABELS):
        (tmp_path / label).mkdir()
        for number in range(30):
            picture = rng.integers(0, 60, (24, 32, 3), dtype=np.uint8)
            picture[..., 2 - place] += 120
            cv2.imwrite(str(tmp_path / label / f"{label}{number}.png"), picture)
            part = ("train", "test", "val")[number // 10]
            photos.append(Photo(f"{label}/{label}{number}.png", label, f"{label}#{number // 10}", part))
    split = Split(1, LABELS, "0" * 64, tuple(photos), (), "", (34, 33, 33), ())
    found = evaluate_float(tmp_path, split, ByColour(), Settings(rendered_test=3), lambda line: None)
    assert found.metrics["test"]["float"]["n"] == 30
    assert found.metrics["apart"]["float"]["n"] == 3 * len(range(12, 18))
    assert "without a neighbouring number in another part" in markdown(found.metrics)


@pytest.mark.convert
def test_the_work_folder_holds_figures_tables_answers_and_plots(found: Evaluation, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    work = Workspace(tmp_path / "work")
    old = work.folder / "plots" / "corruptions.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of an earlier run")
    plots = save_results(work, found.metrics, found)
    assert json.loads(work.metrics.read_text()) == found.metrics
    assert "| test photographs" in (work.folder / "metrics.md").read_text()
    rows = [json.loads(line) for line in (work.folder / "predictions.jsonl").read_text().splitlines()]
    assert len(rows) == sum(found.metrics[name]["float"]["n"] for name in ("test", "val", "rendered"))
    row = next(row for row in rows if row["set"] == "test" and row["true"] == "trash")
    assert (row["float"]["label"], row["float"]["route"]) == ("trash", "residue")
    assert row["file"].startswith("trash/")
    assert {path.name for path in plots} == {"confusion.png", "labels.png", "reliability.png", "risk-coverage.png"}
    assert {path.name for path in old.parent.iterdir()} == {path.name for path in plots}
    for path in plots:
        assert min(cv2.imread(str(path)).shape[:2]) > 300


def test_without_matplotlib_the_figures_are_written_all_the_same(
    found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(convert.results, "has_matplotlib", lambda: False)
    work = Workspace(tmp_path / "work")
    assert save_results(work, found.metrics, found) == []
    assert work.metrics.is_file()
    assert "matplotlib is not installed" in caplog.text


def test_a_manifest_carries_the_figures_without_the_lists(found: Evaluation) -> None:
    metrics = {**found.metrics, "scenes": {"easy": {}}}
    short = brief(metrics)
    assert short["test"]["float"]["accuracy"] == 1.0
    assert short["scenes"] == {"easy": {}}
    assert not {"ci95", "reliability", "abstention"} & set(short["val"]["float"])
    assert len(json.dumps(short)) < 0.6 * len(json.dumps(metrics))


def test_flips_are_listed_and_logits_compared() -> None:
    def given(logits: np.ndarray) -> Answers:
        return Answers.of(np.array([0, 2, 1]), logits, "abc", LABELS, ("trash",), 1.0, None)

    floating = 5 * np.eye(3)[[0, 2, 1]]
    int8 = floating.copy()
    int8[1] = [5, 0, 4]
    same = agreement(["a.png", "b.png", "c.png"], given(floating), given(int8), floating, int8)
    assert same["same_label"] == same["same_route"] == pytest.approx(2 / 3, abs=1e-4)
    assert same["largest_logit_difference"] == 5.0
    assert same["flips"] == [
        {"file": "b.png", "true": "trash", "float": "trash", "int8": "glass", "is_route_changed": True}
    ]
