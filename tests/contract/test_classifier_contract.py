"""What every `ports.Classifier` promises; a new driver is done when it passes."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import SourceError
from edge.ports import Classifier
from tests.rigs import SHIPPED_BUNDLE
from tests.scenes import picture

BUNDLE = load_bundle(SHIPPED_BUNDLE)
DRIVERS: dict[str, Callable[[], Classifier]] = {
    "litert": lambda: TfliteClassifier(BUNDLE, "litert"),
    "litert, two threads": lambda: TfliteClassifier(BUNDLE, "litert", threads=2),
}
if find_spec("tflite_runtime") is not None:
    DRIVERS["tflite_runtime"] = lambda: TfliteClassifier(BUNDLE, "tflite_runtime")


@pytest.fixture(scope="module", params=DRIVERS.values(), ids=DRIVERS.keys())
def classifier(request) -> Iterator[Classifier]:
    classifier = request.param()
    yield classifier
    classifier.close()


def test_tflite_runtime_is_held_to_it_too_where_it_is_installed():
    pytest.importorskip("tflite_runtime.interpreter", reason="tflite-runtime has an environment of its own")
    assert "tflite_runtime" in DRIVERS


def test_it_says_which_model_names_what(classifier):
    assert classifier.labels == BUNDLE.labels
    assert classifier.model == BUNDLE.id


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (224, 224), (640, 480), (480, 640), (1640, 1232)], ids=str)
def test_a_picture_of_any_size_gives_one_probability_a_label(classifier, size: tuple[int, int]):
    prediction = classifier.classify(picture(1, *size), 2.5)
    assert prediction.t_s == 2.5
    assert prediction.labels == classifier.labels
    assert len(prediction.probabilities) == len(classifier.labels)
    assert all(0.0 <= probability <= 1.0 for probability in prediction.probabilities)
    assert sum(prediction.probabilities) == pytest.approx(1.0)
    assert prediction.elapsed_s > 0.0


def test_a_picture_without_a_time_is_at_zero(classifier):
    assert classifier.classify(picture(1)).t_s == 0.0


def test_the_same_picture_gives_the_same_answer_whatever_came_before(classifier):
    first, other = picture(1, 640, 480), picture(2, 320, 240)
    before = classifier.classify(first).probabilities
    assert classifier.classify(other).probabilities != before
    assert classifier.classify(first).probabilities == before


@pytest.mark.parametrize("size", [(64, 48), (224, 224), (640, 480), (1640, 1232)], ids=str)
def test_a_picture_prepared_before_gives_the_same_answer(classifier, size: tuple[int, int]):
    image, other = picture(1, *size), picture(2, *size)
    at_once = classifier.classify(image, 1.0)
    prepared, kept = classifier.prepare(image), classifier.prepare(other)
    assert classifier.classify(image, 1.0, prepared)._replace(elapsed_s=at_once.elapsed_s) == at_once
    assert classifier.classify(other, 2.0, kept).probabilities == classifier.classify(other, 2.0).probabilities


def test_a_prepared_array_is_used_again(classifier):
    first = classifier.prepare(picture(1, 640, 480))
    assert classifier.prepare(picture(2, 640, 480), first) is first
    assert classifier.classify(picture(2, 640, 480), 0.0, first).probabilities == (
        classifier.classify(picture(2, 640, 480)).probabilities
    )


def test_a_picture_of_the_wrong_kind_is_not_prepared(classifier):
    with pytest.raises(SourceError, match="expected"):
        classifier.prepare(np.zeros((4, 4), np.uint8))


def test_the_models_own_golden_images_are_named_as_promised(classifier):
    for golden in BUNDLE.manifest.golden:
        image = cv2.imread(str(SHIPPED_BUNDLE / golden.file))
        promised = BUNDLE.labels[int(np.argmax(golden.output))]
        assert classifier.classify(image).label == promised


def test_the_picture_belongs_to_others(classifier):
    image = picture(3, 640, 480)
    kept = image.copy()
    prediction = classifier.classify(image)
    assert np.array_equal(image, kept)
    image[:] = 0
    assert prediction.probabilities == classifier.classify(kept).probabilities


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
    ],
    ids=["grey", "four channels", "floats", "empty"],
)
def test_what_is_no_colour_picture_is_refused_and_the_next_one_is_classified(classifier, image: np.ndarray):
    expected = classifier.classify(picture(4)).probabilities
    with pytest.raises(SourceError, match="expected"):
        classifier.classify(image)
    assert classifier.classify(picture(4)).probabilities == expected


@pytest.mark.parametrize("make", DRIVERS.values(), ids=DRIVERS.keys())
def test_closing_twice_is_allowed(make):
    classifier = make()
    classifier.close()
    classifier.close()
