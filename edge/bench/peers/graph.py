"""The network of a quantized .tflite as plain arrays, for other libraries' formats. Standalone: it never imports edge.

It reads what a MobileNet is made of (convolutions, additions, one mean, one dense layer) and refuses everything else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

__all__ = ["Kind", "Network", "Node", "Padding", "Tensor", "read_network", "same_padding"]

Kind = Literal["conv", "depthwise", "add", "mean", "dense"]
Padding = tuple[int, int]
"""Rows (or columns) of zeros before and after."""
_KINDS: dict[int, Kind] = {
    schema.BuiltinOperator.CONV_2D: "conv",
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: "depthwise",
    schema.BuiltinOperator.ADD: "add",
    schema.BuiltinOperator.MEAN: "mean",
    schema.BuiltinOperator.FULLY_CONNECTED: "dense",
}
_DTYPES: dict[int, Any] = {
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT32: np.int32,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; a value q of it stands for scale * (q - zero_point).

    Attributes:
        shape: as in the file: (1, H, W, C) for pictures.
        dtype: numpy's name of its type.
        scale, zero_point: of one value, or one a channel along `axis`; empty if it is not quantized.
        data: the constant's values, None for what is computed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int
    data: npt.NDArray[Any] | None

    def values(self) -> npt.NDArray[Any]:
        """The constant's values as they stand in the file. Raises: ValueError if it is no constant."""
        if self.data is None:
            raise ValueError(f"tensor {self.name} is computed; it has no values of its own")
        return self.data

    def real(self) -> npt.NDArray[np.float32]:
        """The constant's real values, float32 of `shape`. Raises: ValueError if it is no constant."""
        sides = [1] * len(self.shape)
        sides[self.axis] = self.scale.size if self.scale.size > 1 else 1
        scale, zero_point = self.scale.reshape(sides), self.zero_point.reshape(sides)
        return (scale.astype(np.float64) * (self.values().astype(np.int64) - zero_point)).astype(np.float32)

    def limits(self) -> tuple[float, float]:
        """The least and the greatest real value that it can hold; for tensors with one scale."""
        bounds = np.iinfo(self.dtype)
        scale, zero_point = float(self.scale[0]), int(self.zero_point[0])
        return scale * (int(bounds.min) - zero_point), scale * (int(bounds.max) - zero_point)


@dataclass(frozen=True, slots=True)
class Node:
    """One layer.

    Attributes:
        inputs: of conv, depthwise and dense: data, weights, bias; of add: two; of mean: data alone.
        stride: along height and width.
        rows, columns: zeros around the data; of conv and depthwise.
        is_clipped: its result is cut to 0..6 (relu6).
    """

    kind: Kind
    inputs: tuple[int, ...]
    output: int
    stride: tuple[int, int]
    rows: Padding
    columns: Padding
    is_clipped: bool


@dataclass(frozen=True, slots=True)
class Network:
    """Layers in the order in which they run, and the tensors that their numbers name."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    input: int
    output: int


def same_padding(side: int, kernel: int, stride: int) -> Padding:
    """Zeros before and after, so that ceil(side / stride) places result; the odd one stands after."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def read_network(path: Path) -> Network:
    """Read a quantized .tflite.

    Raises: ValueError if a layer is of a kind, or set in a way, that is not known here.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    if len(model.subgraphs) != 1:
        raise ValueError(f"{path.name} has {len(model.subgraphs)} graphs, expected one")
    graph = model.subgraphs[0]
    tensors = tuple(_tensor(one, model.buffers) for one in graph.tensors)
    nodes = tuple(_node(one, model.operatorCodes[one.opcodeIndex], tensors) for one in graph.operators)
    return Network(tensors, nodes, int(graph.inputs[0]), int(graph.outputs[0]))


def _tensor(found: Any, buffers: Any) -> Tensor:
    name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
    shape = tuple(int(side) for side in found.shape)
    if found.type not in _DTYPES:
        raise ValueError(f"tensor {name} is neither int8, uint8 nor int32; expected a fully quantized model")
    dtype = np.dtype(_DTYPES[found.type])
    raw = buffers[found.buffer].data
    data = None if raw is None or len(raw) == 0 else np.asarray(raw, dtype=np.uint8).view(dtype).reshape(shape)
    steps = found.quantization
    has_steps = steps is not None and steps.scale is not None
    scale = np.array(steps.scale if has_steps else [], dtype=np.float32)
    zero_point = np.array(steps.zeroPoint if has_steps else [], dtype=np.int64)
    return Tensor(name, shape, dtype.name, scale, zero_point, int(steps.quantizedDimension) if has_steps else 0, data)


def _node(found: Any, code: Any, tensors: tuple[Tensor, ...]) -> Node:
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if number not in _KINDS:
        raise ValueError(f"the network has a layer of TFLite's kind {number}, which is not known here")
    kind, options = _KINDS[number], found.builtinOptions
    inputs, output = tuple(int(one) for one in found.inputs), int(found.outputs[0])
    activation = getattr(options, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    if activation not in (schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU6):
        raise ValueError(f"{kind} has the fused activation {activation}, expected none or relu6")
    stride: tuple[int, int] = (1, 1)
    rows: Padding = (0, 0)
    columns: Padding = (0, 0)
    if kind in ("conv", "depthwise"):
        if (options.dilationHFactor, options.dilationWFactor) != (1, 1) or getattr(options, "depthMultiplier", 1) != 1:
            raise ValueError(f"{kind} is dilated or multiplies its channels, which is not known here")
        stride = (int(options.strideH), int(options.strideW))
        if options.padding == schema.Padding.SAME:
            height, width = tensors[inputs[0]].shape[1:3]
            rows = same_padding(height, tensors[inputs[1]].shape[1], stride[0])
            columns = same_padding(width, tensors[inputs[1]].shape[2], stride[1])
    if kind == "mean":
        axes = tensors[inputs[1]].data
        if axes is None or sorted(axes.tolist()) != [1, 2] or options.keepDims:
            raise ValueError("the mean is not over height and width, which is not known here")
        inputs = inputs[:1]
    is_clipped = activation == schema.ActivationFunctionType.RELU6
    return Node(kind, inputs, output, stride, rows, columns, is_clipped)
