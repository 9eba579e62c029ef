"""Bundles of a few hundred bytes that name plain pictures by their strongest channel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.metadata import ModelText, add_metadata
from convert.package import Parts, write_bundle
from edge.bundle import Thresholds

THRESHOLDS = Thresholds(confidence=0.6, margin=0.2)
COLOURS = {"glass": (200, 40, 40), "paper": (40, 200, 40), "trash": (40, 40, 200)}
"""Of the pictures, BGR."""


def bundle_in(
    folder: Path,
    model: bytes,
    labels: tuple[str, ...],
    data: dict[str, Any] | None = None,
    thresholds: Thresholds = THRESHOLDS,
) -> Path:
    text = ModelText("tiny", "1", "d", "a", "MIT", labels, 127.5, 127.5, 32)
    parts = Parts(
        name=folder.name,
        version="1",
        labels=labels,
        model=add_metadata(model, text),
        temperature=1.0,
        thresholds=thresholds,
        seed=1,
        data=data or {},
        training={"settings": {"seed": 1}},
        metrics={},
    )
    write_bundle(folder, parts, None)
    return folder


def model_of(tiny_model: Callable[..., bytes], wanted: dict[int, int], labels: int = 3) -> bytes:
    """A model whose output `row` is large where RGB channel `wanted[row]` is."""
    weights = np.full((labels, 3), -60, np.int8)
    for row, channel in wanted.items():
        weights[row, channel] = 120
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tiny_model(labels), 0))
    tree.buffers[4].data = np.frombuffer(weights.tobytes(), np.uint8)
    import flatbuffers

    builder = flatbuffers.Builder(4096)
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
