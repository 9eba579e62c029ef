"""Pictures of a folder, shown one after another on an empty grey tray."""

import logging
import os
from pathlib import Path

import cv2
import numpy as np

from edge.errors import ConfigError, SourceError
from edge.picture_file import PictureError, decode_picture
from edge.picture_limits import MAX_PICTURE_BYTES
from edge.reading import read_whole
from edge.records import BgrImage, Frame
from edge.sources.quiet import quiet_opencv

__all__ = ["IMAGE_SUFFIXES", "ImagesRecording", "find_images", "read_image"]

IMAGE_SUFFIXES = frozenset({".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
EMPTY_S = 1.5
"""How long the tray is empty before each picture, so that each of them is an item of its own."""
TRAY_GREY = 200
NOISE_SIGMA = 1.5
_log = logging.getLogger(__name__)


def find_images(folder: Path) -> tuple[list[Path], list[ConfigError]]:
    """Image files below a folder, by name, and an error for whatever could not be looked into."""
    found: list[Path] = []
    failures: list[OSError] = []
    for parent, _, names in os.walk(folder, onerror=failures.append):
        for path in (Path(parent, name) for name in names):
            try:
                if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
                    found.append(path)
            except OSError as exc:
                failures.append(exc)
    failures.sort(key=lambda failure: str(failure.filename))
    return sorted(found), [
        ConfigError(f"cannot read {failure.filename} ({failure.strerror}); check its owner and mode")
        for failure in failures
    ]


def read_image(path: Path) -> BgrImage:
    """Decode a picture, turned upright by its EXIF tag.

    Returns: (H, W, 3) uint8 BGR.
    Raises: SourceError if it cannot be read, is no picture, or claims to be larger than any photograph.
    """
    try:
        encoded = read_whole(path, MAX_PICTURE_BYTES)
    except OSError as exc:
        raise SourceError(f"cannot read {path} ({exc.strerror}); check the path") from exc
    reason = f"{len(encoded)} bytes"
    image = None
    try:
        with quiet_opencv():
            image = decode_picture(encoded) if encoded else None
    except PictureError as exc:
        reason = str(exc)
    if image is None:
        raise SourceError(f"{path} is no image that can be decoded ({reason}); remove or replace it")
    return np.asarray(image, dtype=np.uint8)


class ImagesRecording:
    """A `replay.Recording`: each picture lies on the tray for a while, between two empty trays.

    Args:
        folder: searched with all its subfolders.
        width_px, height_px: of a frame; a picture is fitted into it.
        fps: frames per second.
        image_s: how long each picture lies there.
    """

    def __init__(self, folder: Path, width_px: int, height_px: int, fps: float, image_s: float) -> None:
        self._folder = folder
        self._size = (width_px, height_px)
        self._fps = fps
        self._empty_frames = max(1, round(EMPTY_S * fps))
        self._image_frames = max(1, round(image_s * fps))
        self._paths: list[Path] = []
        self._index = 0
        self._rng = np.random.default_rng(0)
        self._shown: tuple[int, BgrImage] | None = None

    def open(self) -> None:
        """Raises: ConfigError if the folder has no picture, or a folder in it cannot be looked into."""
        if not self._folder.is_dir():
            raise ConfigError(f"{self._folder} is no folder; check --source images:DIR")
        self._paths, errors = find_images(self._folder)
        if errors:
            raise errors[0]
        if not self._paths:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise ConfigError(f"{self._folder} holds no picture ({suffixes}); check --source images:DIR")

    def next_s(self) -> float | None:
        total = len(self._paths) * (self._empty_frames + self._image_frames) + self._empty_frames
        return self._index / self._fps if self._paths and self._index < total else None

    def take(self) -> Frame:
        number, place = divmod(self._index, self._empty_frames + self._image_frames)
        frame = Frame(self._index, self._index / self._fps, self._render(number, place))
        self._index += 1
        return frame

    def close(self) -> None:
        self._shown = None

    def _render(self, number: int, place: int) -> BgrImage:
        if place < self._empty_frames or number >= len(self._paths):
            picture = self._tray()
        else:
            if self._shown is None or self._shown[0] != number:
                self._shown = (number, self._on_tray(self._paths[number]))
            picture = self._shown[1]
        noise = self._rng.normal(0.0, NOISE_SIGMA, (picture.shape[0], picture.shape[1], 1)).astype(np.float32)
        return np.asarray(np.clip(picture + noise, 0, 255), dtype=np.uint8)

    def _tray(self) -> BgrImage:
        return np.full((self._size[1], self._size[0], 3), TRAY_GREY, dtype=np.uint8)

    def _on_tray(self, path: Path) -> BgrImage:
        tray = self._tray()
        try:
            image = read_image(path)
        except SourceError as exc:
            _log.warning("%s", exc)
            return tray
        ratio = min(self._size[0] / image.shape[1], self._size[1] / image.shape[0])
        size = (max(1, round(image.shape[1] * ratio)), max(1, round(image.shape[0] * ratio)))
        fitted = cv2.resize(image, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
        x_px, y_px = (self._size[0] - size[0]) // 2, (self._size[1] - size[1]) // 2
        tray[y_px : y_px + size[1], x_px : x_px + size[0]] = fitted
        return tray
