"""Corrupted photographs: every cell is measured, and the seed alone decides what a photograph suffers."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.corruptions import KINDS, SEVERITIES, corrupt
from convert.dataset import Photo, load_photo
from convert.metadata import ModelText, add_metadata
from convert.package import Parts, write_bundle
from convert.robustness import corrupted_logits, corruption_scores, robustness
from convert.tables import corruption_lines
from edge.bundle import Bundle, Thresholds
from edge.classify.tflite import TfliteClassifier

LABELS = ("glass", "paper", "trash")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[..., bytes]) -> Bundle:
    parts = Parts(
        name="tiny",
        version="1",
        labels=LABELS,
        model=add_metadata(tiny_model(), ModelText("tiny", "1", "d", "a", "MIT", LABELS, 127.5, 127.5, 32)),
        temperature=1.0,
        thresholds=Thresholds(confidence=0.6, margin=0.2),
        seed=1,
        data={},
        training={},
        metrics={},
    )
    return write_bundle(tmp_path_factory.mktemp("robustness") / "bundle", parts, None)


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    found = []
    for place, label in enumerate(LABELS):
        (tmp_path / label).mkdir()
        colour = np.random.default_rng(place).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / label / "1.png"), cv2.resize(colour, (80, 60)))
        found.append(Photo(f"{label}/1.png", label, f"{label}/#0", "test"))
    return found


def test_the_same_seed_gives_the_same_logits_whatever_else_is_measured(
    bundle: Bundle, photos: list[Photo], tmp_path: Path
) -> None:
    everything = corrupted_logits(tmp_path, photos, bundle, 1, lambda line: None)
    assert everything.shape == (len(KINDS), len(SEVERITIES), len(photos), len(bundle.labels))
    alone = corrupted_logits(tmp_path, photos[1:2], bundle, 1, lambda line: None)
    assert (everything[:, :, 1:2] == alone).all()
    other = corrupted_logits(tmp_path, photos, bundle, 2, lambda line: None)
    assert (everything != other).any()


def test_pictures_drawn_at_the_size_of_the_input_are_classified_as_the_device_would(
    bundle: Bundle, photos: list[Photo], tmp_path: Path
) -> None:
    """The smallest picture that is classified is the device's own resize of the camera frame."""
    output, classifier = bundle.manifest.output, TfliteClassifier(bundle, runtime="litert")
    image = corrupt(load_photo(tmp_path, photos[0]), "bright", 5, np.random.default_rng(0))
    raw = np.array(classifier.logits(image))
    found = corrupted_logits(tmp_path, photos[:1], bundle, 1, lambda line: None)
    assert found[list(KINDS).index("bright"), 4, 0] == pytest.approx((raw - output.zero_point) * output.scale)


def test_means_are_over_kinds_and_severities(bundle: Bundle) -> None:
    truth = np.array([0, 1, 2, 2])
    logits = np.zeros((len(KINDS), len(SEVERITIES), 4, 3))
    logits[:] = 9.0 * np.eye(3)[truth]
    logits[list(KINDS).index("noise"), 4] = 9.0 * np.eye(3)[[1, 1, 0, 2]]
    found = corruption_scores(truth, logits, ["a", "b", "c", "d"], bundle, ("trash",), 1)
    noise = found["kinds"]["noise"]
    assert noise["accuracy"] == [1.0, 1.0, 1.0, 1.0, 0.5]
    assert noise["binary_accuracy"][4] == 0.75
    assert noise["residue_recall"][4] == 0.5
    assert noise["mean"] == {"accuracy": 0.9, "binary_accuracy": 0.95, "residue_recall": 0.9}
    assert found["mean"]["accuracy"] == pytest.approx(1 - 0.5 / 45, abs=1e-4)
    low, high = found["ci95"]["kinds"]["noise"]["accuracy"]
    assert low <= 0.9 <= high
    line = next(line for line in corruption_lines(found) if "noise" in line)
    assert line.startswith("| noise | 100.0% | 100.0% | 100.0% | 100.0% | 50.0% | 90.0% [")


def test_progress_is_told(bundle: Bundle, photos: list[Photo], tmp_path: Path) -> None:
    lines: list[str] = []
    found = robustness(tmp_path, photos, bundle, ("trash",), 1, lines.append)
    assert lines == ["corruptions: 3 of 3 photographs, 45 times each"]
    assert found["n"] == 3
    assert set(found["kinds"]) == set(KINDS)
