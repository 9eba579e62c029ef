"""Lets a model take BGR pixels: the first layer's weights of red and blue change places.

A camera's frame is BGR, the model wants RGB. To swap the channels of the first layer's weights once is to swap those of
every picture, and gives the same integers to the last bit: a sum does not care for the order of its terms. What is
patched is the copy in memory; the file on disk keeps its hash, and other tools read it as it is.
"""

import struct
from typing import NamedTuple

import numpy as np

__all__ = ["with_swapped_channels"]

_CONV_2D = 3
"""BuiltinOperator of the TFLite schema."""
_INT8 = 9
"""TensorType of the TFLite schema."""
CHANNELS = 3


class _Table(NamedTuple):
    """A table of a flatbuffer (flatbuffers.dev/internals): where it stands in the file's bytes."""

    data: bytes
    at: int

    def field(self, number: int) -> int:
        """Where the value of a field stands; 0 if the table lacks it."""
        vtable = self.at - int(struct.unpack_from("<i", self.data, self.at)[0])
        size = int(struct.unpack_from("<H", self.data, vtable)[0])
        place = 4 + 2 * number
        offset = int(struct.unpack_from("<H", self.data, vtable + place)[0]) if place < size else 0
        return self.at + offset if offset else 0

    def vector(self, number: int) -> tuple[int, int]:
        """First element's place and length of a vector; (0, 0) if the table lacks it."""
        at = self.field(number)
        if not at:
            return 0, 0
        start = _follow(self.data, at)
        return start + 4, int(struct.unpack_from("<I", self.data, start)[0])

    def integers(self, number: int) -> tuple[int, ...]:
        """A vector of int32."""
        start, length = self.vector(number)
        return struct.unpack_from(f"<{length}i", self.data, start)

    def tables(self, number: int) -> list["_Table"]:
        """A vector of tables."""
        start, length = self.vector(number)
        return [_Table(self.data, _follow(self.data, start + 4 * place)) for place in range(length)]

    def number(self, number: int, form: str) -> int:
        """A scalar, 0 if the table lacks it."""
        at = self.field(number)
        return int(struct.unpack_from(form, self.data, at)[0]) if at else 0


def _follow(data: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])


def with_swapped_channels(model: bytes) -> bytes | None:
    """The model as it wants BGR where it wanted RGB, or the other way round.

    Returns: None for a model whose picture goes elsewhere than into one int8 convolution of its own weights.
    """
    try:
        place = _first_weights(model)
    except (struct.error, IndexError, ValueError):
        return None
    if place is None:
        return None
    start, length = place
    weights = np.frombuffer(model, np.uint8, length, start).reshape(-1, CHANNELS)[:, ::-1]
    rest = memoryview(model)
    return b"".join((rest[:start], weights.tobytes(), rest[start + length :]))


def _first_weights(model: bytes) -> tuple[int, int] | None:
    """Place and length of the bytes of the weights of the convolution that the picture goes into."""
    root = _Table(model, _follow(model, 0))
    (graph,) = root.tables(2)
    (picture,) = graph.integers(1)
    tensors, operators, codes, buffers = graph.tables(0), graph.tables(3), root.tables(1), root.tables(4)
    takers = [operator for operator in operators if picture in operator.integers(1)]
    if len(takers) != 1:
        return None
    code = codes[takers[0].number(0, "<I")]
    weights = takers[0].integers(1)[1]
    tensor = tensors[weights]
    is_convolution = max(code.number(0, "<b"), code.number(3, "<i")) == _CONV_2D
    shape, buffer = tensor.integers(0), tensor.number(2, "<I")
    is_own = sum(other.number(2, "<I") == buffer for other in tensors) == 1
    start, length = buffers[buffer].vector(0)
    if not is_convolution or tensor.number(1, "<b") != _INT8 or not is_own or len(shape) != 4:
        return None
    return (start, length) if shape[3] == CHANNELS and int(np.prod(shape)) == length else None
