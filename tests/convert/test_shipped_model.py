"""The shipped model is what its card says: int8 throughout, a scale for every output channel."""

from collections.abc import Iterator
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from convert.metadata import read_metadata
from edge.bundle import load_bundle
from tests.rigs import SHIPPED_BUNDLE

CHANNEL_AXIS = {schema.BuiltinOperator.CONV_2D: 0, schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3}
MOBILENET_V2_CONVOLUTIONS = 52


@pytest.fixture(scope="module")
def tree() -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(load_bundle(SHIPPED_BUNDLE).model, 0))


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


def test_the_metadata_inside_agrees_with_the_manifest() -> None:
    bundle = load_bundle(SHIPPED_BUNDLE)
    text = read_metadata(bundle.model)
    assert text.labels == bundle.labels
    assert (text.name, text.version) == (bundle.manifest.name, bundle.manifest.version)
