"""A USB camera through Video4Linux."""

from pathlib import Path

import cv2
import numpy as np

from edge.errors import SourceError
from edge.records import BgrImage
from edge.sources.quiet import quiet_opencv

__all__ = ["V4l2Camera"]

ATTEMPTS = 3
"""A single missing picture is a hiccup of USB; so many in a row are a lost camera."""


class V4l2Camera:
    """A `live.Camera` on a `/dev/video*` device.

    Args:
        device: path of the device.
        width_px, height_px, fps: what is asked of the camera; it may give another size.
    """

    def __init__(self, device: Path, width_px: int, height_px: int, fps: float) -> None:
        self._device = device
        self._size = (width_px, height_px)
        self._fps = fps
        self._capture: cv2.VideoCapture | None = None

    def open(self) -> None:
        """Raises: SourceError if the device is missing, no camera, or refused."""
        if not self._device.exists():
            raise SourceError(
                f"camera {self._device} does not exist; plug it in, or list devices with v4l2-ctl --list-devices"
            )
        if not self._device.is_char_device():
            raise SourceError(f"{self._device} is no camera device; list them with v4l2-ctl --list-devices")
        with quiet_opencv():
            capture = cv2.VideoCapture(str(self._device), cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"camera {self._device} cannot be opened; is another program holding it, is this user in group video?"
            )
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        capture.set(cv2.CAP_PROP_FPS, self._fps)
        # The driver's own queue would hand over pictures that are several frames old.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._capture = capture

    def grab(self, out: BgrImage | None = None) -> BgrImage:
        """The next picture, (H, W, 3) uint8 BGR; see `live.Camera`. Raises: SourceError if the camera is lost."""
        if self._capture is None:
            raise SourceError(f"camera {self._device} is not open")
        for _ in range(ATTEMPTS):
            has_picture, image = self._capture.read(out)
            if has_picture:
                return np.asarray(image, dtype=np.uint8)
        raise SourceError(f"camera {self._device} is lost: {ATTEMPTS} pictures in a row did not come; check its cable")

    def close(self) -> None:
        if self._capture is not None:
            capture, self._capture = self._capture, None
            capture.release()
