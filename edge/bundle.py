"""A model bundle: a folder with `model.tflite`, `manifest.json`, golden images and a card.

What can be checked without running the model is checked here; `edge.classify` runs the golden images.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import BundleError
from edge.policy import FrameNoise
from edge.preprocess import InputSpec, Resize
from edge.records import ModelId

__all__ = ["Bundle", "Frames", "Golden", "InputTensor", "Manifest", "OutputTensor", "Thresholds", "load_bundle"]

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.tflite"
LABELS_NAME = "labels.txt"
SCHEMA = 1


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class InputTensor(_Strict):
    """The input tensor, and how a picture becomes it."""

    shape: tuple[Literal[1], int, int, Literal[3]] = Field(strict=False, description="batch, height, width, channels")
    dtype: Literal["int8", "uint8"]
    colour: Literal["rgb"]
    crop: Literal["full"] = Field(description="full: the whole picture, whatever its aspect")
    resize: Resize = Field(description="linear: from every row; thinned_linear: from every k-th one")
    mean: float = Field(description="pixel value that stands for 0.0")
    std: float = Field(gt=0, description="pixel steps of one real unit")
    scale: float = Field(gt=0)
    zero_point: int

    def spec(self) -> InputSpec:
        """The same as the preprocessor wants it."""
        return InputSpec(
            height=self.shape[1],
            width=self.shape[2],
            resize=self.resize,
            dtype=self.dtype,
            mean=self.mean,
            std=self.std,
            scale=self.scale,
            zero_point=self.zero_point,
        )


class OutputTensor(_Strict):
    """The output tensor: one logit a label."""

    shape: tuple[Literal[1], int] = Field(strict=False)
    dtype: Literal["int8", "uint8"]
    kind: Literal["logits"]
    scale: float = Field(gt=0)
    zero_point: int


class Frames(_Strict):
    """How frames of one item differ, for the sequential test of the votes (`policy.FrameNoise`)."""

    log_odds_sd: float = Field(gt=0, description="standard deviation of a frame's log-odds of a route")
    energy_sd: float = Field(gt=0, description="standard deviation of a frame's energy")
    alpha: float = Field(gt=0, lt=0.5, description="share of items below a threshold that may pass for above it")
    beta: float = Field(gt=0, lt=0.5, description="the same the other way round")

    def noise(self) -> FrameNoise:
        """The same as the policy wants it."""
        return FrameNoise(self.log_odds_sd, self.energy_sd, self.alpha, self.beta)


class Thresholds(_Strict):
    """What a route's mean probability, its margin and the energy must reach for a decision to be called confident."""

    confidence: float = Field(ge=0, le=1)
    margin: float = Field(ge=0, le=1)
    energy: float | None = Field(None, description="mean energy below which nothing is known; null: no limit")
    frames: Frames | None = Field(None, description="null: was not measured, the votes' means count as they are")


class Golden(_Strict):
    """An image of the bundle and the exact output for it."""

    file: str
    output: tuple[int, ...] = Field(strict=False)


class Manifest(_Strict):
    """`manifest.json`. `data`, `training` and `metrics` are for people and tools; the runtime does not read them."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str = Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(strict=False, min_length=2)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of model.tflite")
    input: InputTensor
    output: OutputTensor
    temperature: float = Field(gt=0, description="logits are divided by it before the softmax")
    thresholds: Thresholds
    golden_runtime: Literal["litert"] = Field(
        description="the runtime whose outputs the golden images hold, bit for bit"
    )
    golden: tuple[Golden, ...] = Field(strict=False, min_length=1)
    data: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files have been read and hold together. The model's bytes are the bytes that were hashed."""

    folder: Path
    manifest: Manifest
    model: bytes

    @property
    def id(self) -> ModelId:
        return ModelId(self.manifest.name, self.manifest.version, self.manifest.sha256)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    def without_model(self) -> "Bundle":
        """The same without the model's bytes, once an interpreter has them."""
        return replace(self, model=b"")

    def golden_image(self, golden: Golden) -> bytes:
        """The encoded bytes of a golden image. Raises: BundleError if the file cannot be read."""
        return _read(self.folder / golden.file, self.folder)


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle and check hash, labels and shapes against one another.

    Raises: BundleError that says which check failed, where, and what to do.
    """
    if not folder.is_dir():
        raise BundleError(f"model bundle {folder} is no folder; check --model or model.path")
    manifest = _read_manifest(folder)
    model = _read(folder / MODEL_NAME, folder)
    digest = hashlib.sha256(model).hexdigest()
    if digest != manifest.sha256:
        raise BundleError(
            f"{folder / MODEL_NAME} has SHA-256 {digest[:12]}… ({len(model)} bytes), the manifest promises "
            f"{manifest.sha256[:12]}…: it is truncated or was changed; install the bundle again"
        )
    _check_labels(folder, manifest, model)
    return Bundle(folder, manifest, model)


def _read(path: Path, folder: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise BundleError(f"cannot read {path} ({reason}); install the bundle {folder.name} again") from exc


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_NAME
    try:
        fields = json.loads(_read(path, folder))
    except (ValueError, RecursionError) as exc:
        raise BundleError(f"{path} is no JSON ({exc}); install the bundle again") from exc
    found = fields.get("schema") if isinstance(fields, dict) else None
    if found != SCHEMA:
        raise BundleError(f"{path} has schema {found!r}, this program reads {SCHEMA}; update edge-sorter or the bundle")
    try:
        manifest = Manifest.model_validate(fields)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(f"{path}: {where}: {first['msg']}; install the bundle again") from exc
    for golden in manifest.golden:
        if Path(golden.file).is_absolute() or ".." in Path(golden.file).parts:
            raise BundleError(f"{path}: golden image {golden.file!r} lies outside the bundle; install the bundle again")
    return manifest


def _check_labels(folder: Path, manifest: Manifest, model: bytes) -> None:
    labels = manifest.labels
    if len(set(labels)) != len(labels) or not all(labels):
        raise BundleError(f"{folder}: labels {', '.join(labels)} are empty or name one twice; package it again")
    if manifest.output.shape[1] != len(labels):
        raise BundleError(
            f"{folder}: the manifest names {len(labels)} labels for {manifest.output.shape[1]} outputs; package again"
        )
    for number, golden in enumerate(manifest.golden):
        if len(golden.output) != len(labels):
            raise BundleError(
                f"{folder}: golden image {number} has {len(golden.output)} outputs for {len(labels)} labels; "
                "package it again"
            )
    embedded = _embedded_labels(model)
    if embedded is not None and embedded != labels:
        raise BundleError(
            f"{folder}: the manifest's labels ({', '.join(labels)}) are not those inside the model "
            f"({', '.join(embedded)}); package the bundle again"
        )


def _embedded_labels(model: bytes) -> tuple[str, ...] | None:
    """Labels from the TFLite Metadata, which stands behind the model as a ZIP archive; None without one."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            text = archive.read(LABELS_NAME).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        return None
    return tuple(line for line in text.splitlines() if line)
