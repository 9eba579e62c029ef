"""A model bundle: a folder with `model.tflite`, `manifest.json`, golden images and a card.

What can be checked without running the model is checked here; `edge.classify` runs the golden images.
"""

import errno
import hashlib
import io
import json
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import BundleError
from edge.policy import FrameNoise
from edge.preprocess import InputSpec, Resize
from edge.printable import printable
from edge.reading import read_whole
from edge.records import ModelId

__all__ = ["Bundle", "Frames", "Golden", "InputTensor", "Manifest", "OutputTensor", "Thresholds", "load_bundle"]

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.tflite"
LABELS_NAME = "labels.txt"
SCHEMA = 1
MAX_MANIFEST_BYTES = 4 << 20
"""The shipped ones take 0.07 MiB."""
MAX_MODEL_BYTES = 64 << 20
"""The shipped ones take 2.6 MiB; a Raspberry Pi's sorter has 320 MiB for everything."""
MAX_GOLDEN_BYTES = 4 << 20
MAX_GOLDEN = 64
"""Each one costs an inference at every start."""
MAX_SIDE_PX = 2048
MAX_LABELS = 1000
MAX_LABEL_CHARACTERS = 64
MAX_METADATA_BYTES = 1 << 20
"""Of the archive behind the model; how much of the model's end is searched for it."""
MAX_LABELS_BYTES = 256 << 10
_ARCHIVE_BEGINS = b"PK\x03\x04"
METADATA_ERRORS = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
)
"""What `zipfile` raises for an archive that lies about itself, is encrypted or packed in an unknown way."""

_Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class InputTensor(_Strict):
    """The input tensor, and how a picture becomes it."""

    shape: tuple[Literal[1], _Side, _Side, Literal[3]] = Field(
        strict=False, description="batch, height, width, channels"
    )
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

    file: str = Field(max_length=MAX_LABEL_CHARACTERS)
    output: tuple[int, ...] = Field(strict=False)


class Manifest(_Strict):
    """`manifest.json`. `data`, `training` and `metrics` are for people and tools; the runtime does not read them."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str = Field(min_length=1, max_length=MAX_LABEL_CHARACTERS, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: str = Field(min_length=1, max_length=MAX_LABEL_CHARACTERS)
    labels: tuple[str, ...] = Field(strict=False, min_length=2, max_length=MAX_LABELS)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of model.tflite")
    input: InputTensor
    output: OutputTensor
    temperature: float = Field(gt=0, description="logits are divided by it before the softmax")
    thresholds: Thresholds
    golden_runtime: Literal["litert"] = Field(
        description="the runtime whose outputs the golden images hold, bit for bit"
    )
    golden: tuple[Golden, ...] = Field(strict=False, min_length=1, max_length=MAX_GOLDEN)
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
        return _read(self.folder / golden.file, self.folder, MAX_GOLDEN_BYTES)


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle and check hash, labels and shapes against one another.

    Nobody vouches for a bundle: no file is read that lies outside of the folder, is a pipe or a device, or is larger
    than it may be. What the model itself computes is checked by nothing but its golden images.

    Raises: BundleError that says which check failed, where, and what to do.
    """
    _check_folder(folder)
    manifest = _read_manifest(folder)
    model = _read(folder / MODEL_NAME, folder, MAX_MODEL_BYTES)
    digest = hashlib.sha256(model).hexdigest()
    if digest != manifest.sha256:
        raise BundleError(
            f"{folder / MODEL_NAME} has SHA-256 {digest[:12]}… ({len(model)} bytes), the manifest promises "
            f"{manifest.sha256[:12]}…: it is truncated or was changed; install the bundle again"
        )
    _check_labels(folder, manifest, model)
    return Bundle(folder, manifest, model)


def _check_folder(folder: Path) -> None:
    try:
        is_folder = folder.is_dir()
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise BundleError(f"cannot look at model bundle {folder} ({reason}); check --model or model.path") from exc
    if not is_folder:
        raise BundleError(f"model bundle {folder} is no folder; check --model or model.path")


def _read(path: Path, folder: Path, max_bytes: int) -> bytes:
    try:
        # A link may lead from one file of the bundle to another; what it leads to is no link any more.
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(folder)):
            raise OSError(errno.EINVAL, "it is a link that leads out of the bundle", str(path))
        return read_whole(real, max_bytes, is_link_allowed=False)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise BundleError(f"cannot read {path} ({reason}); install the bundle {folder.name} again") from exc


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_NAME
    try:
        fields = json.loads(_read(path, folder, MAX_MANIFEST_BYTES))
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
    for label in (*labels, manifest.version):
        if len(label) > MAX_LABEL_CHARACTERS or not label.isprintable():
            raise BundleError(
                f"{folder}: the label or version {printable(label[:MAX_LABEL_CHARACTERS])!r} is longer than "
                f"{MAX_LABEL_CHARACTERS} characters or holds some that cannot be shown; package the bundle again"
            )
    try:
        embedded = _embedded_labels(model)
    except METADATA_ERRORS as exc:
        raise BundleError(
            f"{folder / MODEL_NAME}: the archive of its metadata is damaged or larger than "
            f"{MAX_METADATA_BYTES >> 20} MiB ({exc}); package the bundle again"
        ) from exc
    if embedded is not None and embedded != labels:
        raise BundleError(
            f"{folder}: the manifest's labels ({', '.join(labels)}) are not those inside the model "
            f"({', '.join(embedded)}); package the bundle again"
        )


def _embedded_labels(model: bytes) -> tuple[str, ...] | None:
    """Labels from the TFLite Metadata, which stands behind the model as a ZIP archive; None without one.

    Raises: one of METADATA_ERRORS if the archive cannot be read, or unpacks to more than labels may take.
    """
    # Only the end of the file is looked at, so that a directory of a million names cannot fill the memory, and of that
    # no more than may be the archive.
    end = max(0, len(model) - MAX_METADATA_BYTES)
    try:
        archive = zipfile.ZipFile(io.BytesIO(model[max(end, model.find(_ARCHIVE_BEGINS, end)) :]))
    except zipfile.BadZipFile:
        return None
    with archive:
        if LABELS_NAME not in archive.namelist():
            return None
        info = archive.getinfo(LABELS_NAME)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{LABELS_NAME} is packed by method {info.compress_type}")
        with archive.open(info) as file:
            # Not read(): it unpacks everything, whatever the directory says of the size.
            text = file.read(MAX_LABELS_BYTES + 1)
    if len(text) > MAX_LABELS_BYTES:
        raise ValueError(f"{LABELS_NAME} takes more than {MAX_LABELS_BYTES >> 10} KiB")
    return tuple(line for line in text.decode("utf-8").splitlines() if line)
