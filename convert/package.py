"""Writes model bundles: first the quantized candidate, then, measured and described, the one that ships.

A bundle appears under its name complete and checked, or not at all; one that is there stays until then.
"""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from convert.files import replacing_folder
from convert.quantize import tensors
from convert.rendered import LABELS, rendered_frame, rendered_plan
from edge.bundle import (
    MANIFEST_NAME,
    MODEL_NAME,
    SCHEMA,
    Bundle,
    InputTensor,
    Manifest,
    Thresholds,
    load_bundle,
)
from edge.classify.interpreters import open_interpreter
from edge.classify.tflite import TfliteClassifier
from edge.errors import BundleError
from edge.preprocess import Preprocessor
from edge.records import BgrImage

__all__ = ["Parts", "candidate_parts", "package_versions", "write_bundle"]

CARD_NAME = "CARD.md"
GOLDEN = 3
_PACKAGES = (
    "tensorflow_cpu",
    "tensorflow",
    "keras",
    "ai-edge-litert",
    "numpy",
    "opencv-python-headless",
    "flatbuffers",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bundle is made of, besides the golden images, which are drawn here.

    Attributes:
        name, version: of the bundle.
        labels: in the order of the outputs.
        model: the TFLite file with its metadata.
        temperature, thresholds: from calibration.
        seed: of the golden images.
        data, training, metrics: for people and tools.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    model: bytes
    temperature: float
    thresholds: Thresholds
    seed: int
    data: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, Any]


def write_bundle(folder: Path, parts: Parts, card: str | None, option: str = "--output") -> Bundle:
    """Write, check and only then move a bundle to `folder`, replacing what was there.

    Args:
        card: text of CARD.md.
        option: that names the folder on the command line.
    Returns: the bundle, read back from `folder`.
    Raises: BundleError if what was written would be refused by a device; `folder` is then as it was.
        ConfigError if `folder` holds something that is no bundle, or cannot be written.
    """
    with replacing_folder(folder, MANIFEST_NAME, option) as draft:
        _write_files(draft, parts, card)
        TfliteClassifier(load_bundle(draft), runtime="litert", threads=1)
    return load_bundle(folder)


def _write_files(draft: Path, parts: Parts, card: str | None) -> None:
    (draft / MODEL_NAME).write_bytes(parts.model)
    source, output = tensors(parts.model)
    golden = []
    for number, image in enumerate(_golden_images(parts.labels, parts.seed, source)):
        name = f"golden/{number}.png"
        (draft / name).parent.mkdir(exist_ok=True)
        _, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        (draft / name).write_bytes(encoded.tobytes())
        golden.append({"file": name, "output": _exact_output(parts.model, source, image)})
    fields = {
        "schema": SCHEMA,
        "name": parts.name,
        "version": parts.version,
        "labels": list(parts.labels),
        "sha256": hashlib.sha256(parts.model).hexdigest(),
        "input": source.model_dump(mode="json"),
        "output": output.model_dump(mode="json"),
        "temperature": parts.temperature,
        "thresholds": parts.thresholds.model_dump(mode="json"),
        "golden_runtime": "litert",
        "golden": golden,
        "data": parts.data,
        "training": parts.training,
        "metrics": parts.metrics,
    }
    try:
        Manifest.model_validate(fields)
    except ValueError as exc:
        raise BundleError(
            f"the manifest of {parts.name} would be refused ({exc}); check --name and --bundle-version"
        ) from exc
    (draft / MANIFEST_NAME).write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    if card is not None:
        (draft / CARD_NAME).write_text(card, encoding="utf-8")


def _golden_images(labels: Sequence[str], seed: int, source: InputTensor) -> list[BgrImage]:
    """Simulated items of different labels without noise, never photographs: (height, width, 3) uint8 BGR.

    They have the size of the model's input: OpenCV's resize rounds differently on Arm and x86, and with nothing
    to resize the outputs are the same, bit for bit, on every processor.
    """
    plan = rendered_plan(labels, len(labels), seed, "golden") or rendered_plan(LABELS, GOLDEN, seed, "golden")
    frames = [rendered_frame(item, is_degraded=False, noise_sigma=0.0) for item in plan[-GOLDEN:]]
    size = (source.shape[2], source.shape[1])
    return [np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8) for frame in frames]


def _exact_output(model: bytes, source: InputTensor, image: BgrImage) -> list[int]:
    """What LiteRT answers, bit for bit."""
    interpreter = open_interpreter("litert", model, threads=1)
    view_input = interpreter.tensor(interpreter.get_input_details()[0]["index"])
    view_output = interpreter.tensor(interpreter.get_output_details()[0]["index"])
    # No view of a tensor may be alive during `invoke`.
    Preprocessor(source.spec())(image, out=view_input())
    interpreter.invoke()
    return [int(value) for value in view_output()[0]]


def candidate_parts(bundle: Bundle, **changes: Any) -> Parts:
    """The parts of a bundle that was written before, some of them changed."""
    manifest = bundle.manifest
    fields: dict[str, Any] = {
        "name": manifest.name,
        "version": manifest.version,
        "labels": manifest.labels,
        "model": bundle.model,
        "temperature": manifest.temperature,
        "thresholds": manifest.thresholds,
        "seed": int(manifest.training["settings"]["seed"]),
        "data": dict(manifest.data),
        "training": dict(manifest.training),
        "metrics": dict(manifest.metrics),
    }
    return Parts(**{**fields, **changes})


def package_versions() -> dict[str, str]:
    """Versions of what shapes the result, and of Python."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
