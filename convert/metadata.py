"""TFLite Metadata: names, normalization and labels inside the model file, so that other tools can read them.

The tables are those of the public `metadata_schema.fbs` (file identifier M001), written by hand because the
package that used to generate them is no longer published. The labels stand in a ZIP archive behind the model.
"""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

from edge.bundle import LABELS_NAME
from edge.errors import BundleError

__all__ = ["ModelText", "add_metadata", "read_metadata"]

IDENTIFIER = b"M001"
MODEL_IDENTIFIER = b"TFL3"
BUFFER_NAME = b"TFLITE_METADATA"
ALIGNMENT = 16
"""Of every buffer in the model file; the kernels read weights in place."""
_TENSOR_AXIS_LABELS = 2
_IMAGE_PROPERTIES = 2
_NORMALIZATION_OPTIONS = 1
_RGB = 1


@dataclass(frozen=True, slots=True)
class ModelText:
    """What the metadata says for people.

    Attributes:
        name, version, description, author, licence: of the model.
        labels: one an output, in order.
        mean, std: a pixel p stands for the real value (p - mean) / std.
        side_px: height and width of the input.
    """

    name: str
    version: str
    description: str
    author: str
    licence: str
    labels: tuple[str, ...]
    mean: float
    std: float
    side_px: int


def add_metadata(model: bytes, text: ModelText) -> bytes:
    """Write the metadata into a TFLite model and append the labels as a ZIP archive; then read all of it back.

    Raises: BundleError if `model` is no TFLite model or carries metadata already, or if another text is read back.
    """
    from ai_edge_litert import schema_py_generated as schema

    if model[4:8] != MODEL_IDENTIFIER:
        raise BundleError("the model to describe is no TFLite file (identifier TFL3 is missing); quantize it again")
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    entries = list(tree.metadata or [])
    if any(entry.name == BUFFER_NAME for entry in entries):
        raise BundleError("the model to describe carries TFLite Metadata already; quantize it again")
    entry = schema.MetadataT()
    entry.name = BUFFER_NAME.decode()
    entry.buffer = len(tree.buffers)
    content = schema.BufferT()
    content.data = _metadata_buffer(text)
    tree.metadata = [*entries, entry]
    tree.buffers = [_aligned(schema, buffer) for buffer in [*tree.buffers, content]]
    builder = flatbuffers.Builder(len(model) + 65536)
    builder.Finish(tree.Pack(builder), file_identifier=MODEL_IDENTIFIER)
    archive = io.BytesIO(bytes(builder.Output()))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as files:
        # A fixed date: the same model gives the same bytes.
        member = zipfile.ZipInfo(LABELS_NAME, date_time=(1980, 1, 1, 0, 0, 0))
        files.writestr(member, "".join(f"{label}\n" for label in text.labels))
    described = archive.getvalue()
    found = read_metadata(described)
    if found != text:
        raise BundleError(f"the TFLite Metadata reads back as {found}, expected {text}; mend the text")
    return described


def _aligned(schema: Any, source: Any) -> Any:
    """A buffer that packs its bytes on a 16-byte border, which the generated Python code does not do."""

    class AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # the schema is found at run time
        def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  # the generated code calls it so
            place = None
            if self.data is not None and len(self.data):
                content = bytes(bytearray(self.data))
                builder.StartVector(1, len(content), ALIGNMENT)
                head = builder.head - len(content)
                builder.head = head
                builder.Bytes[head : head + len(content)] = content
                place = builder.EndVector()
            schema.BufferStart(builder)
            if place is not None:
                schema.BufferAddData(builder, place)
            return int(schema.BufferEnd(builder))

    buffer = AlignedBuffer()
    buffer.data = source.data
    return buffer


def _metadata_buffer(text: ModelText) -> bytes:
    builder = flatbuffers.Builder(2048)
    normalization = _table(
        builder, [("offset", _floats(builder, [text.mean])), ("offset", _floats(builder, [text.std]))]
    )
    unit = _table(builder, [("uint8", _NORMALIZATION_OPTIONS), ("offset", normalization)])
    size = _table(builder, [("uint32", text.side_px), ("uint32", text.side_px)])
    image = _table(builder, [("int8", _RGB), ("offset", size)])
    content = _table(builder, [("uint8", _IMAGE_PROPERTIES), ("offset", image)])
    low, high = (0 - text.mean) / text.std, (255 - text.mean) / text.std
    stats = _table(builder, [("offset", _floats(builder, [high])), ("offset", _floats(builder, [low]))])
    picture = _table(
        builder,
        [
            ("offset", builder.CreateString("image")),
            ("offset", builder.CreateString("The whole camera picture, resized to the input, RGB.")),
            ("offset", None),
            ("offset", content),
            ("offset", _offsets(builder, [unit])),
            ("offset", stats),
        ],
    )
    labels_file = _table(
        builder,
        [
            ("offset", builder.CreateString(LABELS_NAME)),
            ("offset", builder.CreateString("One label a line, in the order of the outputs.")),
            ("int8", _TENSOR_AXIS_LABELS),
        ],
    )
    feature = _table(builder, [("uint8", 1), ("offset", _table(builder, []))])
    logits = _table(
        builder,
        [
            ("offset", builder.CreateString("logits")),
            ("offset", builder.CreateString("One logit a label; a softmax over them gives probabilities.")),
            ("offset", None),
            ("offset", feature),
            ("offset", None),
            ("offset", None),
            ("offset", _offsets(builder, [labels_file])),
        ],
    )
    graph = _table(
        builder,
        [
            ("offset", None),
            ("offset", None),
            ("offset", _offsets(builder, [picture])),
            ("offset", _offsets(builder, [logits])),
        ],
    )
    root = _table(
        builder,
        [
            ("offset", builder.CreateString(text.name)),
            ("offset", builder.CreateString(text.description)),
            ("offset", builder.CreateString(text.version)),
            ("offset", _offsets(builder, [graph])),
            ("offset", builder.CreateString(text.author)),
            ("offset", builder.CreateString(text.licence)),
            ("offset", None),
            ("offset", builder.CreateString("1.0.0")),
        ],
    )
    builder.Finish(root, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, slots: Sequence[tuple[str, int | None]]) -> int:
    """A table whose slots are (kind, value) in the order of the schema; None leaves a slot out."""
    writers: dict[str, Callable[[int, int, int], None]] = {
        "offset": builder.PrependUOffsetTRelativeSlot,
        "uint8": builder.PrependUint8Slot,
        "int8": builder.PrependInt8Slot,
        "uint32": builder.PrependUint32Slot,
    }
    builder.StartObject(len(slots))
    for number, (kind, value) in enumerate(slots):
        if value is not None:
            writers[kind](number, value, 0)
    return int(builder.EndObject())


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _offsets(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependUOffsetTRelative(value)
    return int(builder.EndVector())


def read_metadata(model: bytes) -> ModelText:
    """Parse the metadata back, as a foreign tool would.

    Raises: BundleError if the model carries none, or its labels are missing.
    """
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model, 0)
    entries = [root.Metadata(number) for number in range(root.MetadataLength())]
    found = [entry for entry in entries if entry is not None and entry.Name() == BUFFER_NAME]
    if not found:
        raise BundleError("the model carries no TFLite Metadata; package it again")
    content = root.Buffers(found[0].Buffer()).DataAsNumpy().tobytes()
    if content[4:8] != IDENTIFIER:
        raise BundleError(f"the TFLite Metadata has identifier {content[4:8]!r}, expected M001; package it again")
    table = _Reader(content, int.from_bytes(content[:4], "little"))
    graph = table.items(3)[0]
    picture = graph.items(2)[0]
    normalization = picture.items(4)[0].child(1)
    labels_file = graph.items(3)[0].items(6)[0]
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            labels = archive.read(labels_file.text(0)).decode().splitlines()
    except (zipfile.BadZipFile, KeyError) as exc:
        raise BundleError("the model's TFLite Metadata names labels that are not there; package it again") from exc
    return ModelText(
        name=table.text(0),
        version=table.text(2),
        description=table.text(1),
        author=table.text(4),
        licence=table.text(5),
        labels=tuple(labels),
        mean=normalization.float_at(0),
        std=normalization.float_at(1),
        side_px=picture.child(3).child(1).child(1).number(0),
    )


class _Reader:
    """A table of a FlatBuffer, read by slot number."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self._table = Table(content, position)

    def _slot(self, number: int) -> int:
        offset = self._table.Offset(4 + 2 * number)
        if not offset:
            raise BundleError(f"the TFLite Metadata lacks its field {number}; package the bundle again")
        return int(offset + self._table.Pos)

    def text(self, number: int) -> str:
        return bytes(self._table.String(self._slot(number))).decode()

    def number(self, number: int) -> int:
        return int(self._table.Get(number_types.Uint32Flags, self._slot(number)))

    def child(self, number: int) -> "_Reader":
        return _Reader(self._content, self._table.Indirect(self._slot(number)))

    def items(self, number: int) -> list["_Reader"]:
        offset = self._slot(number) - self._table.Pos
        start, length = self._table.Vector(offset), self._table.VectorLen(offset)
        return [_Reader(self._content, self._table.Indirect(start + 4 * place)) for place in range(length)]

    def float_at(self, number: int) -> float:
        """First element of a vector of float32."""
        start = self._table.Vector(self._slot(number) - self._table.Pos)
        return float(self._table.Get(number_types.Float32Flags, start))
