"""A USB camera through Video4Linux."""

import logging
import os
from pathlib import Path

import cv2
import numpy as np

from edge.clock import Clock, MonotonicClock
from edge.config import CameraConfig
from edge.errors import ConfigError, SourceError
from edge.records import BgrImage
from edge.sources.framing import before_turning, pixels, turned_into
from edge.sources.quiet import quiet_opencv
from edge.sources.rate import RateLimit

__all__ = ["V4l2Camera"]

ATTEMPTS = 3
"""A single missing picture is a hiccup of USB; so many in a row are a lost camera."""
BUFFERS = 2
"""With one, a USB camera that begins a picture while the last one is decoded drops it, and half of the rate is lost.
More would only queue: a reader that keeps the camera's pace always takes the newest."""
WAIT_S = 1
"""Longest wait of OpenCV for one picture, whole seconds."""
RATE_SHARE = 0.9
"""A camera that reaches less of the rate with plain pictures is asked for MJPG."""
EXPOSURE_MANUAL, EXPOSURE_AUTO = 1, 3
"""V4L2_EXPOSURE_MANUAL, and V4L2_EXPOSURE_APERTURE_PRIORITY, which is what USB cameras call automatic."""
EXPOSURE_UNIT_US = 100
_MJPG = 0x47504A4D
_log = logging.getLogger(__name__)


class V4l2Camera:
    """A `live.Camera` on a `/dev/video*` device.

    Hazard: `/dev/video0` may be another camera after a replug; a name under `/dev/v4l/by-id` stays.

    Args:
        device: path of the device.
        width_px, height_px, fps: what is asked of the camera, before the picture is turned; it may give another size.
        settings: what is locked, how the picture is turned and cut. Gain and focus are in the driver's own units,
            since V4L2 leaves them undefined (`v4l2-ctl -d DEVICE -l` lists their ranges).
        clock: that a limit of the rate goes by.
    Raises: ConfigError if a setting is not one of this kind of camera.
    """

    def __init__(
        self,
        device: Path,
        width_px: int,
        height_px: int,
        fps: float,
        settings: CameraConfig,
        clock: Clock | None = None,
    ) -> None:
        if settings.white_balance is not None:
            raise ConfigError(
                "source.camera.white_balance is for picamera2; for a v4l2 camera set source.camera.white_balance_k "
                "to a colour temperature"
            )
        # Read by OpenCV at the first wait; its own default is 10 s, in which nobody could close the camera. Set here,
        # since `open` runs beside threads that may read the environment.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(WAIT_S))
        self._device = device
        self._size = (width_px, height_px)
        self._fps = fps
        self._settings = settings
        self._region = None if settings.roi_xywh is None else before_turning(settings.roi_xywh, settings.rotation_deg)
        self._capture: cv2.VideoCapture | None = None
        self._misses = 0
        self._rate = RateLimit(clock or MonotonicClock())
        self._whole: BgrImage | None = None

    @property
    def opens_aside(self) -> bool:
        """OpenCV is there by then, and lets go of the interpreter's lock while it waits."""
        return True

    def open(self) -> None:
        """Raises: SourceError if the device is missing, no camera, or refused."""
        if not self._device.exists():
            raise SourceError(
                f"camera {self._device} does not exist; plug it in, or list devices with v4l2-ctl --list-devices "
                "(package v4l-utils)"
            )
        if not self._device.is_char_device():
            raise SourceError(
                f"{self._device} is no camera device; list them with v4l2-ctl --list-devices (package v4l-utils)"
            )
        with quiet_opencv():
            capture = cv2.VideoCapture(str(self._device), cv2.CAP_V4L2)
            if not capture.isOpened():
                capture.release()
                raise SourceError(
                    f"camera {self._device} cannot be opened; is another program holding it, "
                    "is this user in group video?"
                )
            self._ask_for_pictures(capture)
            self._set_locks(capture)
        self._misses = 0
        self._rate.set(None)
        self._capture = capture

    def grab(self, out: BgrImage | None = None) -> BgrImage | None:
        """The next picture, (H, W, 3) uint8 BGR; see `live.Camera`. Raises: SourceError if the camera is lost."""
        if self._capture is None:
            raise SourceError(f"camera {self._device} is not open")
        is_plain = self._region is None and self._settings.rotation_deg == 0
        into = out if is_plain else self._whole
        if self._rate.is_on:
            # Each picture is taken off the camera's queue, so that none grows old there; most are never decoded.
            has_picture = self._capture.grab()
            if has_picture and not self._rate.is_due():
                self._misses = 0
                return None
            has_picture, image = self._capture.retrieve(into) if has_picture else (False, None)
        else:
            has_picture, image = self._capture.read(into)
        if not has_picture:
            self._count_miss()
            return None
        self._misses = 0
        picture = np.asarray(image, dtype=np.uint8)
        if is_plain:
            return picture
        self._whole = picture
        if self._region is not None:
            x, y, width, height = pixels(self._region, picture.shape[1], picture.shape[0])
            picture = picture[y : y + height, x : x + width]
        return turned_into(picture, self._settings.rotation_deg, out)

    def limit_rate(self, fps: float | None) -> None:
        """The camera keeps its rate, which it cannot change while it runs: the other pictures are not decoded."""
        self._rate.set(fps)

    def close(self) -> None:
        if self._capture is not None:
            capture, self._capture = self._capture, None
            capture.release()

    def _count_miss(self) -> None:
        self._misses += 1
        if not self._device.exists():
            raise SourceError(f"camera {self._device} is gone; plug it in again")
        if self._misses >= ATTEMPTS:
            raise SourceError(
                f"camera {self._device} is lost: {ATTEMPTS} pictures in a row did not come; check its cable"
            )

    def _ask_for_pictures(self, capture: cv2.VideoCapture) -> None:
        def ask() -> tuple[bool, float]:
            """How well the camera obeys: whether in size, and the share of the rate."""
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
            capture.set(cv2.CAP_PROP_FPS, self._fps)
            # A camera that does not tell its rate says 0.
            given_fps = capture.get(cv2.CAP_PROP_FPS) or self._fps
            return _size_px(capture) == self._size, min(given_fps / self._fps, 1.0)

        plain, plain_format = ask(), capture.get(cv2.CAP_PROP_FOURCC)
        if plain < (True, RATE_SHARE) and capture.set(cv2.CAP_PROP_FOURCC, _MJPG) and ask() <= plain:
            capture.set(cv2.CAP_PROP_FOURCC, plain_format)
            ask()
        capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)
        given_px, given_fps = _size_px(capture), capture.get(cv2.CAP_PROP_FPS)
        if given_px != self._size or 0 < given_fps < RATE_SHARE * self._fps:
            _log.warning(
                "camera %s gives %dx%d at %g frames/s, asked for %dx%d at %g; see v4l2-ctl -d %s --list-formats-ext",
                self._device,
                *given_px,
                given_fps,
                *self._size,
                self._fps,
                self._device,
            )

    def _set_locks(self, capture: cv2.VideoCapture) -> None:
        settings = self._settings
        exposure = None if settings.exposure_us is None else settings.exposure_us / EXPOSURE_UNIT_US
        exposure_modes = (cv2.CAP_PROP_AUTO_EXPOSURE, EXPOSURE_MANUAL, EXPOSURE_AUTO)
        locks = [
            # name, locked value, its property, the automatic's property and its values for off and on
            ("exposure_us", exposure, cv2.CAP_PROP_EXPOSURE, exposure_modes),
            ("gain", settings.gain, cv2.CAP_PROP_GAIN, None),
            ("white_balance_k", settings.white_balance_k, cv2.CAP_PROP_WB_TEMPERATURE, (cv2.CAP_PROP_AUTO_WB, 0, 1)),
            ("focus_dioptres", settings.focus_dioptres, cv2.CAP_PROP_FOCUS, (cv2.CAP_PROP_AUTOFOCUS, 0, 1)),
        ]
        refused = []
        for name, value, value_property, automatic in locks:
            if automatic is not None:
                automatic_property, off, on = automatic
                # On as well: a camera keeps what the program before this one has set.
                capture.set(automatic_property, on if value is None else off)
            if value is None:
                continue
            capture.set(value_property, value)
            given = capture.get(value_property)
            if abs(given - value) > max(1.0, 0.05 * value):
                unit = EXPOSURE_UNIT_US if name == "exposure_us" else 1
                refused.append(f"{name} {value * unit:g} (it says {given * unit:g})")
        if refused:
            _log.warning("camera %s did not take %s", self._device, ", ".join(refused))


def _size_px(capture: cv2.VideoCapture) -> tuple[int, int]:
    return int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
