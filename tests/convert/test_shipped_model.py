"""The shipped models are what their cards say: int8 throughout, a scale for every output channel."""

from collections.abc import Iterator
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from convert.metadata import read_metadata
from edge.bundle import Bundle, load_bundle
from edge.classify.tflite import TfliteClassifier
from tests.rigs import SHIPPED_BUNDLE

CHANNEL_AXIS = {schema.BuiltinOperator.CONV_2D: 0, schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3}
MOBILENET_V2_CONVOLUTIONS = 52


@pytest.fixture(scope="module", params=sorted(SHIPPED_BUNDLE.parent.iterdir()), ids=lambda folder: folder.name)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return load_bundle(request.param)


@pytest.fixture(scope="module")
def tree(bundle: Bundle) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bundle.model, 0))


def convolutions(tree: Any) -> Iterator[tuple[int, Any]]:
    """Operator code and weights of every convolution."""
    [graph] = tree.subgraphs
    for operator in graph.operators:
        code = tree.operatorCodes[operator.opcodeIndex].builtinCode
        if code in CHANNEL_AXIS:
            yield code, graph.tensors[operator.inputs[1]]


def test_every_convolution_has_a_scale_for_every_output_channel(tree: Any) -> None:
    found = list(convolutions(tree))
    assert len(found) == MOBILENET_V2_CONVOLUTIONS
    for code, weights in found:
        axis = CHANNEL_AXIS[code]
        assert weights.type == schema.TensorType.INT8, weights.name
        assert weights.quantization.quantizedDimension == axis, weights.name
        assert len(weights.quantization.scale) == weights.shape[axis], weights.name
        assert len(set(weights.quantization.scale)) > 1, weights.name
        assert not any(weights.quantization.zeroPoint), weights.name


def test_no_tensor_is_float_from_input_to_output(tree: Any) -> None:
    [graph] = tree.subgraphs
    ends = [graph.tensors[place] for place in (*graph.inputs, *graph.outputs)]
    assert [tensor.type for tensor in ends] == [schema.TensorType.INT8] * 2
    allowed = {schema.TensorType.INT8, schema.TensorType.INT32}
    assert {tensor.type for tensor in graph.tensors} == allowed


def test_it_runs_whole_on_a_delegate_and_gives_its_golden_outputs(bundle: Bundle) -> None:
    assert TfliteClassifier(bundle, "litert").is_delegated


def test_the_name_is_the_folders(bundle: Bundle) -> None:
    assert bundle.manifest.name == bundle.folder.name
    assert f"# {bundle.manifest.name} {bundle.manifest.version}" in (bundle.folder / "CARD.md").read_text()


def test_the_metadata_inside_agrees_with_the_manifest(bundle: Bundle) -> None:
    text = read_metadata(bundle.model)
    assert text.labels == bundle.labels
    assert (text.name, text.version) == (bundle.manifest.name, bundle.manifest.version)
