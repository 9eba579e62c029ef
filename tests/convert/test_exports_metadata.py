"""The TFLite Metadata as a foreign tool sees it: every field, read by name with the public schema alone.

Nothing of `convert.metadata` reads here. The tables are those of `metadata_schema.fbs` (M001), as far as they are used.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from convert.metadata import ModelText, add_metadata

TABLES: dict[str, list[tuple[str, str]]] = {
    "ModelMetadata": [
        ("name", "text"),
        ("description", "text"),
        ("version", "text"),
        ("subgraph_metadata", "[SubGraphMetadata]"),
        ("author", "text"),
        ("license", "text"),
        ("associated_files", "[AssociatedFile]"),
        ("min_parser_version", "text"),
    ],
    "SubGraphMetadata": [
        ("name", "text"),
        ("description", "text"),
        ("input_tensor_metadata", "[TensorMetadata]"),
        ("output_tensor_metadata", "[TensorMetadata]"),
    ],
    "TensorMetadata": [
        ("name", "text"),
        ("description", "text"),
        ("dimension_names", "[text]"),
        ("content", "Content"),
        ("process_units", "[ProcessUnit]"),
        ("stats", "Stats"),
        ("associated_files", "[AssociatedFile]"),
    ],
    "Content": [("content_properties_type", "uint8"), ("content_properties", "ContentProperties")],
    "ProcessUnit": [("options_type", "uint8"), ("options", "ProcessUnitOptions")],
    "FeatureProperties": [],
    "ImageProperties": [("color_space", "int8"), ("default_size", "ImageSize")],
    "ImageSize": [("width", "uint32"), ("height", "uint32")],
    "NormalizationOptions": [("mean", "[float]"), ("std", "[float]")],
    "Stats": [("max", "[float]"), ("min", "[float]")],
    "AssociatedFile": [("name", "text"), ("description", "text"), ("type", "int8")],
}
UNIONS = {
    "ContentProperties": {1: "FeatureProperties", 2: "ImageProperties"},
    "ProcessUnitOptions": {1: "NormalizationOptions"},
}
NUMBERS = {
    "uint8": number_types.Uint8Flags,
    "int8": number_types.Int8Flags,
    "uint32": number_types.Uint32Flags,
}
RGB, TENSOR_AXIS_LABELS = 1, 2


def read(content: bytes, position: int, name: str) -> dict[str, Any]:
    """A table with the fields that are set."""
    table, found = Table(content, position), {}
    for number, (field, kind) in enumerate(TABLES[name]):
        offset = table.Offset(4 + 2 * number)
        if offset:
            found[field] = read_field(table, offset + table.Pos, kind, found)
    return found


def read_field(table: Table, place: int, kind: str, before: dict[str, Any]) -> Any:
    if kind in NUMBERS:
        return table.Get(NUMBERS[kind], place)
    if kind == "text":
        return table.String(place).decode()
    if kind in UNIONS:
        chosen = next(value for field, value in before.items() if field.endswith("_type"))
        return {UNIONS[kind][chosen]: read(table.Bytes, table.Indirect(place), UNIONS[kind][chosen])}
    if not kind.startswith("["):
        return read(table.Bytes, table.Indirect(place), kind)
    start, length = table.Vector(place - table.Pos), table.VectorLen(place - table.Pos)
    if kind == "[float]":
        return [encode.Get(packer.float32, table.Bytes, start + 4 * item) for item in range(length)]
    return [read(table.Bytes, table.Indirect(start + 4 * item), kind[1:-1]) for item in range(length)]


def metadata_of(model: bytes) -> dict[str, Any]:
    """As the TFLite Support library finds it: the buffer that the entry TFLITE_METADATA points to."""
    root = schema.Model.GetRootAs(model, 0)
    entries = {root.Metadata(number).Name(): root.Metadata(number).Buffer() for number in range(root.MetadataLength())}
    content = root.Buffers(entries[b"TFLITE_METADATA"]).DataAsNumpy().tobytes()
    assert content[4:8] == b"M001"
    return read(content, int.from_bytes(content[:4], "little"), "ModelMetadata")


def test_every_field_stands_where_the_public_schema_has_it(
    tiny_model: Callable[..., bytes], labels: tuple[str, ...]
) -> None:
    text = ModelText("waste", "1.2.3", "Names waste – möglichst gut.", "someone", "MIT", labels, 127.5, 127.5, 32)
    assert metadata_of(add_metadata(tiny_model(), text)) == {
        "name": "waste",
        "description": "Names waste – möglichst gut.",
        "version": "1.2.3",
        "subgraph_metadata": [
            {
                "input_tensor_metadata": [
                    {
                        "name": "image",
                        "description": "The whole camera picture, resized to the input, RGB.",
                        "content": {
                            "content_properties_type": 2,
                            "content_properties": {
                                "ImageProperties": {"color_space": RGB, "default_size": {"width": 32, "height": 32}}
                            },
                        },
                        "process_units": [
                            {
                                "options_type": 1,
                                "options": {"NormalizationOptions": {"mean": [127.5], "std": [127.5]}},
                            }
                        ],
                        "stats": {"max": [1.0], "min": [-1.0]},
                    }
                ],
                "output_tensor_metadata": [
                    {
                        "name": "logits",
                        "description": "One logit a label; a softmax over them gives probabilities.",
                        "content": {"content_properties_type": 1, "content_properties": {"FeatureProperties": {}}},
                        "associated_files": [
                            {
                                "name": "labels.txt",
                                "description": "One label a line, in the order of the outputs.",
                                "type": TENSOR_AXIS_LABELS,
                            }
                        ],
                    }
                ],
            }
        ],
        "author": "someone",
        "license": "MIT",
        "min_parser_version": "1.0.0",
    }


@pytest.mark.parametrize("bundle", sorted(Path(__file__).parents[2].glob("models/*")), ids=lambda path: path.name)
def test_shipped_models_name_their_tensors_and_carry_the_labels(bundle: Path) -> None:
    found = metadata_of((bundle / "model.tflite").read_bytes())
    assert found["name"] == bundle.name
    assert found["license"] == "Apache-2.0"
    graph = found["subgraph_metadata"][0]
    root = schema.Model.GetRootAs((bundle / "model.tflite").read_bytes(), 0).Subgraphs(0)
    assert len(graph["input_tensor_metadata"]) == root.InputsLength() == 1
    assert len(graph["output_tensor_metadata"]) == root.OutputsLength() == 1
    size = graph["input_tensor_metadata"][0]["content"]["content_properties"]["ImageProperties"]["default_size"]
    assert [size["height"], size["width"]] == root.Tensors(root.Inputs(0)).ShapeAsNumpy().tolist()[1:3]
    labels_file = graph["output_tensor_metadata"][0]["associated_files"][0]["name"]
    with zipfile.ZipFile(bundle / "model.tflite") as archive:
        labels = archive.read(labels_file).decode().splitlines()
    assert len(labels) == root.Tensors(root.Outputs(0)).ShapeAsNumpy()[1]
