"""Write the bundle's network as ONNX with the same weights and steps (QDQ): `to_onnx.py BUNDLE FILE.onnx`. Standalone.

Quantize and dequantize nodes stand around every layer, as ONNX Runtime's own quantizer writes them; the runtime fuses
them into int8 kernels. What is computed is uint8 here, 128 above the .tflite's int8, which its kernels are fastest
with. (On x86 without VNNI their 16-bit sums may saturate; the agreement of labels would show it.)
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from graph import Network, Node, read_network
from onnx import TensorProto, helper, numpy_helper

__all__ = ["to_onnx"]

OPSET = 17
IR_VERSION = 8


def to_onnx(network: Network) -> Any:
    """An `onnx.ModelProto`: input `image` uint8 (1, H, W, 3), output `logits` uint8 (1, labels)."""
    writer = _Writer(network)
    for node in network.nodes:
        writer.layer(node)
    return writer.finish()


class _Writer:
    def __init__(self, network: Network) -> None:
        self._tensors = network.tensors
        self._network = network
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._op("Transpose", ["image"], f"q{network.input}", perm=[0, 3, 1, 2])
        self._dequantize(network.input)

    def layer(self, node: Node) -> None:
        """Append one layer, from dequantized to dequantized values."""
        data, result = f"x{node.inputs[0]}", f"r{node.output}"
        if node.kind in ("conv", "depthwise"):
            weights = self._tensors[node.inputs[1]]
            # (O, H, W, I), or (1, H, W, C) with one filter a channel, to (O, I, H, W).
            order = (0, 3, 1, 2) if node.kind == "conv" else (3, 0, 1, 2)
            self._constant(node.inputs[1], np.transpose(weights.values(), order))
            self._constant(node.inputs[2], self._tensors[node.inputs[2]].values())
            names = [data, f"x{node.inputs[1]}", f"x{node.inputs[2]}"]
            pads = [node.rows[0], node.columns[0], node.rows[1], node.columns[1]]
            group = weights.shape[3] if node.kind == "depthwise" else 1
            self._op("Conv", names, result, strides=list(node.stride), pads=pads, group=group)
        elif node.kind == "add":
            self._op("Add", [f"x{one}" for one in node.inputs], result)
        elif node.kind == "mean":
            self._op("GlobalAveragePool", [data], f"{result}p")
            self._quantize(f"{result}p", node.output, f"q{node.output}p")
            self._op("Flatten", [f"q{node.output}p"], f"q{node.output}")
            self._dequantize(node.output)
            return
        else:
            for one in node.inputs[1:]:
                self._constant(one, self._tensors[one].values())
            self._op("Gemm", [data, f"x{node.inputs[1]}", f"x{node.inputs[2]}"], result, transB=1)
        self._quantize(self._clipped(node, result), node.output, f"q{node.output}")
        if node.output == self._network.output:
            self._op("Identity", [f"q{node.output}"], "logits")
        else:
            self._dequantize(node.output)

    def finish(self) -> Any:
        first, last = self._tensors[self._network.input], self._tensors[self._network.output]
        graph = helper.make_graph(
            self._nodes,
            "bundle",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, first.shape)],
            [helper.make_tensor_value_info("logits", TensorProto.UINT8, last.shape)],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model

    def _clipped(self, node: Node, name: str) -> str:
        """Saturation cuts what int8 cannot hold; a clip is only needed where its range is wider than 0..6."""
        low, high = self._tensors[node.output].limits()
        if not node.is_clipped or (low > -1e-4 and high < 6 + 1e-4):
            return name
        self._store("relu6_low", np.float32(0))
        self._store("relu6_high", np.float32(6))
        self._op("Clip", [name, "relu6_low", "relu6_high"], f"{name}c")
        return f"{name}c"

    def _constant(self, index: int, data: Any) -> None:
        if f"x{index}" in self._constants:
            return
        self._store(f"q{index}", data)
        self._op("DequantizeLinear", [f"q{index}", *self._steps(index)], f"x{index}", axis=0)

    def _quantize(self, source: str, index: int, target: str) -> None:
        self._op("QuantizeLinear", [source, *self._steps(index)], target)

    def _dequantize(self, index: int) -> None:
        self._op("DequantizeLinear", [f"q{index}", *self._steps(index)], f"x{index}")

    def _steps(self, index: int) -> list[str]:
        """Scale and zero point; what is computed is uint8."""
        tensor = self._tensors[index]
        is_single = tensor.scale.size == 1
        dtype, above = (np.uint8, 128) if tensor.data is None else (tensor.data.dtype.type, 0)
        zero_point = (tensor.zero_point + above).astype(dtype)
        self._store(f"s{index}", tensor.scale[0] if is_single else tensor.scale)
        self._store(f"z{index}", zero_point[0] if is_single else zero_point)
        return [f"s{index}", f"z{index}"]

    def _store(self, name: str, value: Any) -> None:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)

    def _op(self, kind: str, inputs: list[str], output: str, **settings: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{output}", **settings))


if __name__ == "__main__":
    onnx.save(to_onnx(read_network(Path(sys.argv[1]) / "model.tflite")), sys.argv[2])
