"""The first layer takes BGR after the swap: the same integers for the same picture, and nothing that does not fit."""

import numpy as np
import pytest

from edge.bundle import load_bundle
from edge.classify.first_layer import with_swapped_channels
from edge.classify.interpreters import open_interpreter
from edge.classify.tflite import TfliteClassifier
from tests.rigs import SHIPPED_BUNDLE
from tests.scenes import picture

MODELS = [SHIPPED_BUNDLE, SHIPPED_BUNDLE.with_name("waste-mobilenetv2-fast")]


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_swapped_model_gives_the_same_integers_for_swapped_pictures(folder):
    bundle = load_bundle(folder)
    swapped = with_swapped_channels(bundle.model)
    assert swapped is not None
    assert len(swapped) == len(bundle.model)
    plain, turned = (open_interpreter("litert", model, 1) for model in (bundle.model, swapped))
    rng = np.random.default_rng(0)
    for _ in range(10):
        tensor = rng.integers(-128, 128, bundle.manifest.input.shape, dtype=np.int8)
        outputs = []
        for interpreter, given in ((plain, tensor), (turned, tensor[..., ::-1])):
            interpreter.tensor(interpreter.get_input_details()[0]["index"])()[...] = given
            interpreter.invoke()
            outputs.append(interpreter.tensor(interpreter.get_output_details()[0]["index"])()[0].tolist())
        assert outputs[0] == outputs[1]


def test_swapping_twice_gives_the_model_back():
    model = load_bundle(SHIPPED_BUNDLE).model
    swapped = with_swapped_channels(model)
    assert swapped is not None and swapped != model
    assert with_swapped_channels(swapped) == model


@pytest.mark.parametrize(
    "model",
    [b"", b"TFL3", bytes(64), bytes(range(256)) * 8, b"\xff" * 4096],
    ids=["nothing", "four bytes", "zeros", "numbers", "ones"],
)
def test_what_is_no_such_model_is_left_alone(model: bytes):
    assert with_swapped_channels(model) is None


def test_a_cut_model_is_left_alone_or_swapped_but_never_breaks():
    model = load_bundle(SHIPPED_BUNDLE).model
    for length in range(8, len(model), len(model) // 50):
        found = with_swapped_channels(model[:length])
        assert found is None or len(found) == length


def test_a_model_that_cannot_be_swapped_is_fed_rgb_as_it_wants(monkeypatch):
    bundle = load_bundle(SHIPPED_BUNDLE)
    swapped = TfliteClassifier(bundle, "litert")
    monkeypatch.setattr("edge.classify.tflite.with_swapped_channels", lambda model: None)
    plain = TfliteClassifier(bundle, "litert")
    for seed in range(4):
        image = picture(seed, 640, 480)
        assert plain.logits(image) == swapped.logits(image)
        assert plain.classify(image, 0.0, plain.prepare(image)).probabilities == swapped.classify(image).probabilities
