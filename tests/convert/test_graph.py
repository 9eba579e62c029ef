"""What a TFLite file holds, and the refusal of what a device would run slowly."""

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from convert.graph import constant, leftovers, operators, read_tree, undelegated
from convert.quantization import check_graph
from edge.errors import BundleError

Build = Callable[..., bytes]


def with_operator(model: bytes, builtin: int, *, has_constant: bool) -> Any:
    """The tiny classifier with one more operator between the mean and the dense layer."""
    tree = read_tree(model)
    graph = tree.subgraphs[0]
    mean = graph.operators[0].outputs[0]
    added = schema.TensorT()
    source = graph.tensors[mean]
    added.name, added.shape, added.type, added.buffer = "net/layer_1/op", source.shape, source.type, 0
    added.quantization = source.quantization
    graph.tensors.append(added)
    inputs = [mean]
    if has_constant:
        factor, content = schema.TensorT(), schema.BufferT()
        factor.name, factor.shape, factor.type, factor.buffer = "f", source.shape, source.type, len(tree.buffers)
        factor.quantization, content.data = source.quantization, np.ones(3, np.uint8)
        tree.buffers.append(content)
        graph.tensors.append(factor)
        inputs.append(len(graph.tensors) - 1)
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    tree.operatorCodes.append(code)
    operator.opcodeIndex, operator.inputs, operator.outputs = len(tree.operatorCodes) - 1, inputs, [graph_place(graph)]
    graph.operators[1].inputs = [graph_place(graph), *graph.operators[1].inputs[1:]]
    graph.operators.insert(1, operator)
    return tree


def graph_place(graph: Any) -> int:
    return next(place for place, tensor in enumerate(graph.tensors) if tensor.name == "net/layer_1/op")


def packed(tree: Any) -> bytes:
    builder = flatbuffers.Builder(4096)
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_operators_come_in_the_order_in_which_they_run(tiny_model: Build) -> None:
    tree = read_tree(tiny_model())
    assert [operator.kind for operator in operators(tree)] == ["MEAN", "FULLY_CONNECTED"]
    weights = constant(tree, operators(tree)[1].inputs[1])
    assert weights is not None
    assert (weights.shape, weights.dtype) == ((3, 3), np.int8)
    assert constant(tree, operators(tree)[0].inputs[0]) is None


def test_a_clean_graph_has_no_leftovers_and_is_run_as_a_whole(tiny_model: Build) -> None:
    lines: list[str] = []
    found = check_graph(tiny_model(), lines.append, allow_undelegated=False)
    assert found == {"operators": {"FULLY_CONNECTED": 1, "MEAN": 1}, "unfolded": [], "undelegated": None}
    assert lines == []


def test_what_remains_of_a_normalization_is_named_with_its_layer(tiny_model: Build) -> None:
    tree = read_tree(packed(with_operator(tiny_model(), schema.BuiltinOperator.MUL, has_constant=True)))
    assert leftovers(tree) == ["MUL with a constant (layer)"]


def test_an_operator_of_no_trained_network_is_named(tiny_model: Build) -> None:
    tree = read_tree(packed(with_operator(tiny_model(), schema.BuiltinOperator.ABS, has_constant=False)))
    assert leftovers(tree) == ["ABS (layer)"]


def test_a_graph_that_xnnpack_splits_is_refused_unless_it_is_allowed(tiny_model: Build) -> None:
    model = packed(with_operator(tiny_model(), schema.BuiltinOperator.ABS, has_constant=False))
    why = undelegated(model)
    assert why is not None
    assert "perhaps for ABS" in why
    with pytest.raises(BundleError, match="--allow-undelegated"):
        check_graph(model, lambda line: None, allow_undelegated=False)
    lines: list[str] = []
    assert check_graph(model, lines.append, allow_undelegated=True)["undelegated"] == why
    assert any("slow" in line for line in lines)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BundleError, match="no TFLite model"):
        read_tree(b"not a model at all")
