"""The graph that the converters read, and what they write of it."""

import importlib
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from edge.bench import peers
from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.preprocess import Preprocessor
from tests.rigs import SHIPPED_BUNDLE

SCRIPTS = Path(peers.__file__).parent
FAST_BUNDLE = SHIPPED_BUNDLE.with_name("waste-mobilenetv2-fast")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts' folder on the path, as it is where they run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def graph(scripts: None) -> ModuleType:
    return importlib.import_module("graph")


def test_the_graph_computes_what_the_model_does(graph):
    """In real numbers, layer by layer, with NumPy: the same label, and logits within a few steps."""
    network_ = graph.read_network(FAST_BUNDLE / "model.tflite")
    assert [node.kind for node in network_.nodes].count("depthwise") == 17
    bundle = load_bundle(FAST_BUNDLE)
    classifier, preprocess = TfliteClassifier(bundle), Preprocessor(bundle.manifest.input.spec())
    output = network_.tensors[network_.output]
    for golden in sorted((FAST_BUNDLE / "golden").iterdir()):
        image = np.asarray(cv2.imread(str(golden)), dtype=np.uint8)
        expected = np.array(classifier.logits(image))
        rgb = preprocess(image).astype(np.float64)
        first = network_.tensors[network_.input]
        found = compute(network_, (rgb - first.zero_point) * first.scale)
        assert found.argmax() == expected.argmax()
        assert np.abs(found / output.scale + output.zero_point - expected).max() < 8


def compute(network_, image):
    values = {network_.input: image[0]}
    for node in network_.nodes:
        data = values[node.inputs[0]]
        constants = [network_.tensors[one].real() for one in node.inputs[1:] if one not in values]
        if node.kind == "add":
            result = data + values[node.inputs[1]]
        elif node.kind == "mean":
            result = data.mean(axis=(0, 1))
        elif node.kind == "dense":
            result = constants[0] @ data + constants[1]
        else:
            result = convolve(node, np.pad(data, (node.rows, node.columns, (0, 0))), constants[0]) + constants[1]
        values[node.output] = np.clip(result, 0, 6) if node.is_clipped else result
    return values[network_.output]


def convolve(node, data, weights):
    windows = np.lib.stride_tricks.sliding_window_view(data, weights.shape[1:3], axis=(0, 1))
    windows = windows[:: node.stride[0], :: node.stride[1]]
    return np.einsum("yxchw,ohwc->yxo" if node.kind == "conv" else "yxchw,ohwc->yxc", windows, weights, optimize=True)


def test_padding_is_as_tensorflow_pads(graph):
    assert graph.same_padding(224, 3, 2) == (0, 1)
    assert graph.same_padding(112, 3, 1) == (1, 1)
    assert graph.same_padding(7, 1, 1) == (0, 0)
    assert graph.same_padding(7, 3, 2) == (1, 1)


def test_a_tensor_that_is_computed_has_no_values(graph):
    network_ = graph.read_network(FAST_BUNDLE / "model.tflite")
    with pytest.raises(ValueError, match="is computed; it has no values"):
        network_.tensors[network_.input].real()


def test_an_unknown_layer_is_refused_by_its_kind(graph, monkeypatch):
    monkeypatch.delitem(graph._KINDS, graph.schema.BuiltinOperator.MEAN)
    with pytest.raises(ValueError, match="layer of TFLite's kind 40, which is not known"):
        graph.read_network(FAST_BUNDLE / "model.tflite")


@pytest.mark.parametrize("is_int8", [True, False])
def test_ncnn_gets_every_layer_and_every_weight(graph, is_int8):
    network_ = graph.read_network(FAST_BUNDLE / "model.tflite")
    param, weights = importlib.import_module("to_ncnn").to_ncnn(network_, is_int8)
    magic, counts, *layers = param.splitlines()
    assert magic == "7767517"
    made = [name for line in layers for name in line.split()[4 + int(line.split()[2]) :][: int(line.split()[3])]]
    read = [name for line in layers for name in line.split()[4:][: int(line.split()[2])]]
    assert counts == f"{len(layers)} {len(made)}"
    # Every blob is made once and read once, but for the result.
    assert len(set(made)) == len(made)
    assert sorted([*read, "logits"]) == sorted(made)
    constants = [network_.tensors[one] for node in network_.nodes for one in node.inputs]
    sizes = [one.data.size for one in constants if one.data is not None]
    # Weights of four bytes, or of one and then their scales; biases always of four.
    assert len(weights) > sum(sizes) * (1 if is_int8 else 4)
    assert len(weights) < sum(sizes) * (1.2 if is_int8 else 4.01)


def test_uint8_ends_move_the_values_by_128_and_change_nothing_else(scripts, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = (FAST_BUNDLE / "model.tflite").read_bytes()
    moved = importlib.import_module("to_uint8").with_uint8_ends(model)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    found = []
    for content, image in ((model, (pixels ^ 0x80).view(np.int8)), (moved, pixels)):
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert found[1].dtype == np.uint8
    np.testing.assert_array_equal(found[0].view(np.uint8) ^ 0x80, found[1])
    (tmp_path / "model.tflite").write_bytes(moved)
    from edge.bundle import _embedded_labels

    assert _embedded_labels(moved) == load_bundle(FAST_BUNDLE).labels
    with pytest.raises(ValueError, match="input is no single int8 tensor"):
        importlib.import_module("to_uint8").with_uint8_ends(moved)
