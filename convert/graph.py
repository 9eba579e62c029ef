"""What stands in a TFLite file: its operators, what was left unfused, and what no delegate takes."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.classify.interpreters import open_interpreter
from edge.errors import BundleError

__all__ = ["Operator", "constant", "is_wholly_delegated", "leftovers", "operators", "read_tree", "undelegated"]

EXPECTED = frozenset(
    {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "CONCATENATION"),
        *("MEAN", "AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RESHAPE", "RELU", "RELU6"),
    }
)
"""Operators of the trained networks once batch normalization and activations are part of their convolutions."""
_ARITHMETIC = {"ADD", "SUB", "MUL", "DIV"}


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the main graph.

    Attributes:
        kind: its name in the TFLite schema, such as CONV_2D.
        layer: the Keras layer that it came from, as far as the converter tells.
        inputs, output: indices of its tensors; -1 stands for an input that is left out.
    """

    kind: str
    layer: str
    inputs: tuple[int, ...]
    output: int


def read_tree(model: bytes) -> Any:
    """The file as the schema's objects (`schema.ModelT`). Raises: BundleError if it is no TFLite model."""
    from ai_edge_litert import schema_py_generated as schema

    if model[4:8] != b"TFL3":
        raise BundleError("the converter gave no TFLite model; run `edge-convert quantize` again")
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))


def operators(tree: Any) -> list[Operator]:
    """The operators of the main graph in the order in which they run."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    graph = tree.subgraphs[0]
    found = []
    for operator in graph.operators:
        code = tree.operatorCodes[operator.opcodeIndex]
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        name = graph.tensors[operator.outputs[0]].name.decode()
        inputs = tuple(int(index) for index in operator.inputs)
        found.append(Operator(kind, _layer(name, kind), inputs, int(operator.outputs[0])))
    return found


def _layer(tensor: str, kind: str) -> str:
    """The layer in a name such as `net_1/base_1/block_1_expand_relu_1/Relu6;net_1/...`: the one that computes.

    A fused operator lists every layer it is made of; its convolution stands behind what was fused into it.
    """
    parts = [part.split("/") for part in tensor.split(";")]
    ends = {"CONV_2D": "convolution", "DEPTHWISE_CONV_2D": "depthwise", "FULLY_CONNECTED": "MatMul"}
    named = [words for words in parts if len(words) > 1]
    for words in named:
        if words[-1].rstrip("0123456789") == ends.get(kind):
            return _stem(words[-2])
    return _stem(named[0][-2]) if named else kind.lower()


def _stem(scope: str) -> str:
    """Without the `_1` that the export adds to every scope."""
    return scope.removesuffix("_1")


def constant(tree: Any, index: int) -> npt.NDArray[Any] | None:
    """The values of a constant tensor, float32, float16 or int8 in its own shape; None if it is computed."""
    from ai_edge_litert import schema_py_generated as schema

    if index < 0:
        return None
    tensor = tree.subgraphs[0].tensors[index]
    data = tree.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    dtypes = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT8: np.int8,
        schema.TensorType.INT32: np.int32,
    }
    dtype = dtypes.get(tensor.type)
    if dtype is None:
        return None
    return np.asarray(data, np.uint8).view(dtype).reshape(tensor.shape)


def leftovers(tree: Any) -> list[str]:
    """Operators that should not be there, such as a batch normalization that was not folded; empty if all is well.

    Returns: a line for each: its kind and layer. Arithmetic with a constant is what remains of a normalization.
    """
    lines = []
    for operator in operators(tree):
        has_constant = any(constant(tree, index) is not None for index in operator.inputs)
        if operator.kind in _ARITHMETIC and has_constant:
            lines.append(f"{operator.kind} with a constant ({operator.layer})")
        elif operator.kind not in EXPECTED:
            lines.append(f"{operator.kind} ({operator.layer})")
    return lines


def is_wholly_delegated(model: bytes) -> bool:
    """True if one XNNPACK delegate runs everything from the input to the output."""
    return undelegated(model) is None


def undelegated(model: bytes) -> str | None:
    """Why XNNPACK does not take the whole graph, in words; None if it does. Raises: BundleError if LiteRT refuses it.

    The interpreter lists the operators of the file and, behind them, the delegates that replace runs of them.
    """
    interpreter = open_interpreter("litert", model, threads=1)
    listed = interpreter._get_ops_details()
    delegates = [operation for operation in listed if operation["op_name"] == "DELEGATE"]
    first, last = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    if len(delegates) == 1 and first in delegates[0]["inputs"] and last in delegates[0]["outputs"]:
        return None
    kinds = Counter(operator.kind for operator in operators(read_tree(model)))
    odd = sorted(set(kinds) - EXPECTED)
    listing = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
    hint = f", perhaps for {', '.join(odd)}" if odd else ""
    return f"{len(delegates)} delegates run parts of it{hint} (operators: {listing})"
