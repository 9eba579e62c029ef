"""Write the bundle's network for ncnn: `to_ncnn.py BUNDLE FOLDER int8|float`, which gets net.param and net.bin.

Standalone. int8 takes the weights and their scales as they are. ncnn knows no zero point: what is computed gets the
symmetric scale that holds the tensor's range, so values of 0..6 have 7 bits instead of 8. As ncnn's own quantizer does
it, additions, the mean and the result stay float, and a convolution that feeds a convolution hands over int8.
"""

import struct
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from graph import Network, Node, read_network

__all__ = ["to_ncnn"]

MAGIC = 7767517
INT8_TAG = 0x000D4B38
"""Stands before int8 weights; 0 before float32 ones."""


def to_ncnn(network: Network, is_int8: bool) -> tuple[str, bytes]:
    """The text of net.param and the bytes of net.bin; blobs `image` (normalized, (3, H, W)) and `logits`."""
    return _Writer(network, is_int8).write()


class _Writer:
    def __init__(self, network: Network, is_int8: bool) -> None:
        self._network = network
        self._tensors = network.tensors
        self._is_int8 = is_int8
        self._lines: list[str] = []
        self._blobs = 0
        self._bin = bytearray()
        self._readers = Counter(one for node in network.nodes for one in node.inputs if self._is_computed(one))
        self._names: dict[int, list[str]] = {}

    def write(self) -> tuple[str, bytes]:
        _, height, width, channels = self._tensors[self._network.input].shape
        self._line("Input", [], "image", f"0={width} 1={height} 2={channels}")
        self._offer(self._network.input, "image")
        for node in self._network.nodes:
            self._layer(node)
        head = f"{MAGIC}\n{len(self._lines)} {self._blobs}\n"
        return head + "\n".join(self._lines) + "\n", bytes(self._bin)

    def _layer(self, node: Node) -> None:
        name = "logits" if node.output == self._network.output else f"b{node.output}"
        sources = [self._names[one].pop() for one in node.inputs if self._is_computed(one)]
        if node.kind == "add":
            self._line("BinaryOp", sources, name, "0=0")
        elif node.kind == "mean":
            self._line("Pooling", sources, name, "0=1 4=1")
        else:
            self._weighted(node, sources, name)
        self._offer(node.output, name)

    def _weighted(self, node: Node, sources: list[str], name: str) -> None:
        weights = self._tensors[node.inputs[1]].shape
        outputs = weights[3] if node.kind == "depthwise" else weights[0]
        values = f"{int(np.prod(weights))}"
        next_scale = self._scale_of_next(node)
        term = (101 if next_scale is not None else 1) if self._is_int8 else 0
        if node.kind == "dense":
            kind, settings = "InnerProduct", f"0={outputs} 1=1 2={values} 8={term}"
        else:
            kind = "Convolution" if node.kind == "conv" else "ConvolutionDepthWise"
            (top, bottom), (left, right) = node.rows, node.columns
            settings = f"0={outputs} 1={weights[2]} 11={weights[1]} 3={node.stride[1]} 13={node.stride[0]}"
            settings += f" 4={left} 15={right} 14={top} 16={bottom} 5=1 6={values}"
            settings += (f" 7={outputs}" if node.kind == "depthwise" else "") + f" 8={term}"
        if node.is_clipped:
            settings += " 9=3 -23310=2,0.0,6.0"
        self._line(kind, sources, name, settings)
        self._weights(node)
        if term:
            self._floats(1 / self._tensors[node.inputs[1]].scale)
            self._floats(self._symmetric_scale(node.inputs[0]))
        if term > 100 and next_scale is not None:
            self._floats(next_scale)

    def _weights(self, node: Node) -> None:
        tensor = self._tensors[node.inputs[1]]
        # (O, H, W, I), or (1, H, W, C) with one filter a channel, to (O, I, H, W); a dense layer is (O, I) already.
        order = {"conv": (0, 3, 1, 2), "depthwise": (3, 0, 1, 2)}.get(node.kind, (0, 1))
        if self._is_int8:
            raw = np.ascontiguousarray(tensor.values().transpose(order)).tobytes()
            self._bin += struct.pack("<I", INT8_TAG) + raw + bytes(-len(raw) % 4)
        else:
            self._bin += struct.pack("<I", 0)
            self._floats(tensor.real().transpose(order))
        self._floats(self._tensors[node.inputs[2]].real())

    def _scale_of_next(self, node: Node) -> npt.NDArray[np.float32] | None:
        """The scale of the result, where all that reads it is one convolution, which then takes int8 as it is."""
        readers = [one for one in self._network.nodes if node.output in one.inputs]
        if len(readers) == 1 and readers[0].kind in ("conv", "depthwise") and node.kind != "dense":
            return self._symmetric_scale(node.output)
        return None

    def _symmetric_scale(self, index: int) -> npt.NDArray[np.float32]:
        return np.array([127 / max(abs(limit) for limit in self._tensors[index].limits())], dtype=np.float32)

    def _offer(self, index: int, name: str) -> None:
        """A blob is read once; one with several readers goes through a layer that splits it."""
        count = self._readers[index]
        self._names[index] = [name]
        if count > 1:
            parts = [f"{name}_{part}" for part in range(count)]
            self._line("Split", [name], " ".join(parts), "", outputs=count)
            self._names[index] = parts[::-1]

    def _line(self, kind: str, sources: list[str], result: str, settings: str, outputs: int = 1) -> None:
        words = [kind, f"l{len(self._lines)}", str(len(sources)), str(outputs), *sources, result, settings]
        self._lines.append(" ".join(word for word in words if word))
        self._blobs += outputs

    def _floats(self, values: npt.NDArray[np.float32]) -> None:
        self._bin += np.ascontiguousarray(values, dtype="<f4").tobytes()

    def _is_computed(self, index: int) -> bool:
        return self._tensors[index].data is None


if __name__ == "__main__":
    param, weights = to_ncnn(read_network(Path(sys.argv[1]) / "model.tflite"), sys.argv[3] == "int8")
    (Path(sys.argv[2]) / "net.param").write_text(param, encoding="ascii")
    (Path(sys.argv[2]) / "net.bin").write_bytes(weights)
