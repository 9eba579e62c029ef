"""The classifier on the shipped model: what it refuses, and that its short cuts equal the plain computation."""

import importlib.util
import logging
import os
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge.bundle import Bundle, load_bundle
from edge.classify import interpreters, tflite
from edge.classify.interpreters import open_interpreter, resolve_runtime
from edge.classify.tflite import TfliteClassifier
from edge.errors import BundleError, ConfigError
from edge.preprocess import Resize
from tests.rigs import SHIPPED_BUNDLE, edit_manifest, rehash
from tests.scenes import picture

BUNDLE = load_bundle(SHIPPED_BUNDLE)


@pytest.fixture(scope="module")
def classifier():
    return TfliteClassifier(BUNDLE, "litert")


def golden_pictures() -> list[np.ndarray]:
    return [cv2.imread(str(SHIPPED_BUNDLE / golden.file)) for golden in BUNDLE.manifest.golden]


def plain_logits(image: np.ndarray, bundle: Bundle = BUNDLE) -> np.ndarray:
    """Resize, normalize in floats, quantize as the manifest says (ties up), set_tensor, invoke: by hand."""
    promised = bundle.manifest.input
    interpreter = Interpreter(model_content=bundle.model, num_threads=1)
    interpreter.allocate_tensors()
    step = max(1, len(image) // promised.shape[1]) if promised.resize == "thinned_linear" else 1
    rows = np.ascontiguousarray(image[step // 2 :: step])
    rgb = cv2.cvtColor(cv2.resize(rows, promised.shape[2:0:-1], interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB)
    real = (rgb.astype(np.float64) - promised.mean) / promised.std
    steps = np.floor(np.round(real / promised.scale + promised.zero_point, 4) + 0.5)
    tensor = np.clip(steps, -128, 127).astype(promised.dtype)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


def test_an_image_gives_what_the_plain_computation_gives(classifier):
    for image in [*golden_pictures(), picture(1, 640, 480), cv2.blur(picture(2, 640, 480), (31, 31))]:
        assert classifier.logits(image) == plain_logits(image).tolist()


@pytest.mark.parametrize("resize", get_args(Resize))
def test_a_picture_is_resized_as_the_manifest_says(bundle_dir: Path, resize: Resize):
    edit_manifest(bundle_dir, lambda manifest: manifest["input"].update(resize=resize))
    bundle = load_bundle(bundle_dir)
    image = picture(1, 640, 480)
    assert TfliteClassifier(bundle, "litert").logits(image) == plain_logits(image, bundle).tolist()


def test_probabilities_are_the_softmax_of_the_calibrated_logits(classifier):
    output, temperature = BUNDLE.manifest.output, BUNDLE.manifest.temperature
    for image in [*golden_pictures(), picture(1), picture(2, 640, 480)]:
        logits = np.array(classifier.logits(image))
        real = output.scale * (logits - output.zero_point) / temperature
        expected = np.exp(real - real.max())
        prediction = classifier.classify(image, 3.5)
        assert np.abs(np.array(prediction.probabilities) - expected / expected.sum()).max() < 1e-9
        assert sum(prediction.probabilities) == pytest.approx(1.0)
        assert (prediction.t_s, prediction.labels) == (3.5, BUNDLE.labels)
        assert prediction.label == BUNDLE.labels[int(np.argmax(logits))]
        assert prediction.elapsed_s > 0


def test_energy_is_the_log_sum_exp_of_the_calibrated_logits_above_their_mean(classifier):
    output, temperature = BUNDLE.manifest.output, BUNDLE.manifest.temperature
    for image in [*golden_pictures(), picture(1), picture(2, 640, 480)]:
        real = output.scale * (np.array(classifier.logits(image)) - output.zero_point)
        expected = temperature * np.log(np.exp(real / temperature).sum()) - real.mean()
        assert classifier.classify(image).energy == pytest.approx(expected, abs=1e-9)


def test_golden_images_give_the_promised_outputs_to_the_step(classifier):
    outputs = [classifier.logits(image) for image in golden_pictures()]
    assert outputs == [list(golden.output) for golden in BUNDLE.manifest.golden]


def test_threads_change_no_output(classifier):
    with_two = TfliteClassifier(BUNDLE, "litert", threads=2)
    for image in [*golden_pictures(), picture(7, 320, 240)]:
        assert with_two.logits(image) == classifier.logits(image)


def test_a_golden_output_that_is_one_step_off_is_refused(bundle_dir):
    edit_manifest(bundle_dir, lambda manifest: step(manifest["golden"][1]["output"], 0))
    with pytest.raises(
        BundleError, match=r"golden/1\.png gives \[.*the manifest promises \[.*install the bundle again"
    ):
        TfliteClassifier(load_bundle(bundle_dir), "litert")


def step(values: list[int], index: int) -> None:
    values[index] += 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (b"", r"golden/0\.png cannot be decoded; install"),
        (b"no picture", r"golden/0\.png cannot be decoded; install"),
        (None, r"cannot read .*golden/0\.png .*install"),
    ],
    ids=["empty", "not a picture", "missing"],
)
def test_a_golden_image_that_cannot_be_read_is_refused(bundle_dir: Path, change: bytes | None, says: str):
    path = bundle_dir / "golden" / "0.png"
    path.unlink()
    if change is not None:
        path.write_bytes(change)
    with pytest.raises(BundleError, match=says):
        TfliteClassifier(load_bundle(bundle_dir), "litert")


@pytest.mark.parametrize(
    ("tensor", "key", "value"),
    [
        ("input", "scale", 0.0078),
        ("input", "zero_point", 0),
        ("input", "dtype", "uint8"),
        ("input", "shape", [1, 192, 192, 3]),
        ("output", "scale", 0.1),
        ("output", "zero_point", 9),
        ("output", "dtype", "uint8"),
    ],
)
def test_a_tensor_that_is_not_as_promised_is_refused(bundle_dir: Path, tensor: str, key: str, value: object):
    edit_manifest(bundle_dir, lambda manifest: manifest[tensor].update({key: value}))
    with pytest.raises(
        BundleError, match=rf"waste: the model's {tensor} is .*the manifest promises .*package the bundle"
    ):
        TfliteClassifier(load_bundle(bundle_dir), "litert")


def test_bytes_that_are_no_model_are_refused(bundle_dir):
    (bundle_dir / "model.tflite").write_bytes(b"TFL3 is not enough")
    rehash(bundle_dir)
    with pytest.raises(BundleError, match="litert does not take the model"):
        TfliteClassifier(load_bundle(bundle_dir), "litert")


def test_a_graph_that_no_delegate_took_is_told(monkeypatch, caplog):
    monkeypatch.setattr(tflite, "has_delegate", lambda interpreter: False)
    with caplog.at_level(logging.WARNING):
        slow = TfliteClassifier(BUNDLE, "litert")
    assert not slow.is_delegated
    assert f"no delegate took the graph of {BUNDLE.id.name}" in caplog.text


def test_the_shipped_model_runs_on_a_delegate_without_a_word(caplog):
    assert TfliteClassifier(BUNDLE, "litert").is_delegated
    assert caplog.records == []


def test_other_kernels_may_round_otherwise_but_must_name_the_same(bundle_dir, monkeypatch):
    monkeypatch.setattr(tflite, "has_delegate", lambda interpreter: False)
    edit_manifest(bundle_dir, lambda manifest: step(manifest["golden"][0]["output"], 0))
    TfliteClassifier(load_bundle(bundle_dir), "litert")
    edit_manifest(bundle_dir, lambda manifest: manifest["golden"][0]["output"].reverse())
    with pytest.raises(BundleError, match=r"golden/0\.png is \w+ with litert, the manifest promises \w+; use runtime"):
        TfliteClassifier(load_bundle(bundle_dir), "litert")


@pytest.mark.parametrize(
    ("wanted", "installed", "expected", "reason"),
    [
        ("auto", ("ai_edge_litert", "tflite_runtime"), "litert", "the faster one of both"),
        ("auto", ("tflite_runtime",), "tflite_runtime", "what there is"),
        ("litert", ("ai_edge_litert", "tflite_runtime"), "litert", "as asked"),
        ("tflite_runtime", ("ai_edge_litert", "tflite_runtime"), "tflite_runtime", "as asked, though it is slower"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_the_runtime_that_is_taken(monkeypatch, caplog, wanted, installed, expected, reason):
    pretend_installed(monkeypatch, installed)
    assert resolve_runtime(wanted) == expected, reason
    assert ("20 times slower" in caplog.text) == (expected == "tflite_runtime"), "slowness is told"


@pytest.mark.parametrize(
    ("wanted", "installed", "says"),
    [
        ("auto", (), "neither ai-edge-litert nor tflite-runtime is installed; install"),
        ("litert", ("tflite_runtime",), "model.runtime is litert, but ai-edge-litert is not installed; install"),
        ("tflite_runtime", ("ai_edge_litert",), "is tflite_runtime, but tflite-runtime is not installed; install"),
    ],
)
def test_a_runtime_that_is_not_installed_is_an_error_of_the_config(monkeypatch, wanted, installed, says):
    pretend_installed(monkeypatch, installed)
    with pytest.raises(ConfigError) as refused:
        resolve_runtime(wanted)
    assert says in str(refused.value)


def pretend_installed(monkeypatch, modules: tuple[str, ...]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in modules else None)


def test_the_old_runtime_is_refused_with_a_numpy_it_cannot_work_with(monkeypatch):
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(ConfigError, match=r"tflite-runtime needs numpy < 2, found 2\.4\.6"):
        open_interpreter("tflite_runtime", BUNDLE.model, 1)


def test_what_the_library_says_reaches_standard_error_but_for_its_info_lines(monkeypatch, capfd):
    def chatty(*_: object) -> None:
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: out of memory\n")

    monkeypatch.setattr(interpreters, "_make_interpreter", chatty)
    open_interpreter("litert", b"", 1)
    os.write(2, b"and after\n")
    assert capfd.readouterr().err == "ERROR: out of memory\nand after\n"


def test_an_inference_that_fails_is_an_error_of_the_model(monkeypatch):
    classifier = TfliteClassifier(BUNDLE, "litert")

    def fail():
        raise RuntimeError("Input tensor lacks data")

    monkeypatch.setattr(classifier, "invoke", fail)
    with pytest.raises(BundleError, match=r"failed in an inference \(Input tensor lacks data\); install the bundle"):
        classifier.classify(np.zeros((8, 8, 3), np.uint8))
