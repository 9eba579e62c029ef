"""A Raspberry Pi camera through picamera2 and libcamera."""

import atexit
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import cv2

from edge.clock import Clock, MonotonicClock
from edge.config import CameraConfig
from edge.errors import ConfigError, SourceError
from edge.records import BgrImage
from edge.sources.framing import before_turning, pixels, sensor_crop, size_for, turned_into
from edge.sources.picamera2_library import load_library
from edge.sources.rate import RateLimit

__all__ = ["Picamera2Camera"]

WAIT_S = 0.5
"""Longest wait for a picture in one `grab`; a camera that is gone gives no error, only no pictures."""
BUFFERS = 4
"""One is being copied; the others are with the camera, which needs two at least to keep its rate."""
FULL_VIEW_FPS = 30.0
"""Up to this rate every camera module can read its whole field of view, two by two pixels taken together."""
ASK_AGAIN_S = 5.0
"""A camera that refused another rate is asked for it again after so long."""
CHECKED_AT = 12
"""Picture whose own record tells whether the settings were taken; the first ones may come before they are."""
TOLERANCE = 0.05
"""Exposure is a whole number of sensor rows, gain one of the sensor's steps."""
AF_MANUAL = 0
"""libcamera's AfModeManual."""
FORMAT = "RGB888"
"""libcamera names a format from its last byte on: in memory it is blue, green, red."""
OTHER_FORMATS = {"BGR888": cv2.COLOR_RGB2BGR, "NV12": cv2.COLOR_YUV2BGR_NV12}
"""What cameras give that are no Raspberry Pi's, and how it becomes blue, green, red."""
_LOST: list[Any] = []
_log = logging.getLogger(__name__)


class Picamera2Camera:
    """A `live.Camera` on a camera that libcamera knows. The camera's own processor scales and cuts.

    Pictures are asked for one by one, and none is queued meanwhile: what `grab` returns was finished after it was
    asked for, whereas picamera2's queue would hand over one that may be a whole frame old. A reader that comes late
    waits for the next one; `LiveSource` reads in a thread of its own and is not late.

    Hazard: libcamera that has to stop a camera which is gone may wait for ever, in places in the kernel, where only a
    restart of the machine helps, or find itself in disorder and abort the whole process. So a camera that gives no
    pictures is not closed: it is left as it is until the process ends, which then has to be by `os._exit`.

    Args:
        index: number of the camera, as `rpicam-hello --list-cameras` counts.
        width_px, height_px: of the picture before it is turned. A region of interest is scaled to fill it on one side.
        fps: frames a second, held by the camera.
        settings: what is locked, how the picture is turned and cut.
        clock: that a limit of the rate goes by where the camera cannot hold it itself.
    Raises: ConfigError if a setting is not one of this kind of camera.
    """

    def __init__(
        self,
        index: int,
        width_px: int,
        height_px: int,
        fps: float,
        settings: CameraConfig,
        clock: Clock | None = None,
    ) -> None:
        if settings.white_balance_k is not None:
            raise ConfigError(
                "source.camera.white_balance_k is for v4l2 cameras; for picamera2 set source.camera.white_balance "
                "to its gains [red, blue]"
            )
        self._index = index
        self._size = (width_px, height_px)
        self._fps = self._full_fps = fps
        self._clock = clock or MonotonicClock()
        self._rate = RateLimit(self._clock)
        self._ask_again_s: float | None = None
        self._settings = settings
        self._library: Any = None
        self._picam2: Any = None
        self._job: Any = None
        self._is_lost = False
        self._stream: dict[str, Any] = {}
        self._rotation_deg = settings.rotation_deg
        self._crop: tuple[int, int, int, int] | None = None
        self._pictures = 0

    @property
    def opens_aside(self) -> bool:
        """It loads libcamera, which takes seconds on the smallest Pi, and holds the interpreter's lock meanwhile."""
        return False

    def open(self) -> None:
        """Start the camera. Raises: SourceError if picamera2 or the camera is missing, or refuses."""
        self._library = load_library()
        self.limit_rate(None)
        try:
            known = self._library.Picamera2.global_camera_info()
            if self._index >= len(known):
                names = ", ".join(f"{info.get('Num')}: {info.get('Model')}" for info in known) or "none"
                raise SourceError(
                    f"there is no camera {self._index}, libcamera finds {names}; check the cable at both ends and "
                    "run rpicam-hello --list-cameras"
                )
            self._picam2 = self._library.Picamera2(self._index)
            self._configure(self._picam2)
            self._picam2.start()
        except Exception as exc:  # libcamera's errors come as whatever Python has
            with suppress(SourceError):
                self.close()
            if isinstance(exc, SourceError):
                raise
            raise SourceError(
                f"camera picamera2:{self._index} cannot be opened ({exc.__cause__ or exc}); is another program "
                "holding it, is this user in group video?"
            ) from exc

    def grab(self, out: BgrImage | None = None) -> BgrImage | None:
        """The next picture, (H, W, 3) uint8 BGR; see `live.Camera`. Raises: SourceError if the camera is lost."""
        if self._picam2 is None:
            raise SourceError(f"camera picamera2:{self._index} is not open")
        try:
            if self._job is None:
                self._job = self._picam2.capture_request(wait=False)
            try:
                request = self._job.get_result(timeout=WAIT_S)
            except TimeoutError:
                # The same request is waited for again: one that comes when nobody waits would never be given back.
                self._is_lost = True
                return None
            self._job, self._is_lost = None, False
            try:
                self._pictures += 1
                if self._pictures == CHECKED_AT:
                    self._tell_what_was_not_taken(request.get_metadata())
                self._ask_again()
                if not self._rate.is_due():
                    return None
                with self._library.MappedArray(request, "main", reshape=False, write=False) as mapped:
                    return self._picture(mapped.array, out)
            finally:
                request.release()
        except Exception as exc:  # libcamera's errors come as whatever Python has
            self._is_lost = True
            raise SourceError(f"camera picamera2:{self._index} is lost ({exc}); check its cable") from exc

    def limit_rate(self, fps: float | None) -> None:
        """The camera itself makes fewer pictures; where it cannot, the others are given back unread. One that refuses
        is asked again from time to time: it may be slow still when all of its pictures are wanted.
        """
        self._fps = self._full_fps if fps is None else min(fps, self._full_fps)
        self._ask_again_s = None
        is_obeyed = False
        if self._picam2 is not None and "FrameDurationLimits" in self._picam2.camera_controls:
            is_obeyed = self._set_rate()
        self._rate.set(None if is_obeyed else fps)

    def close(self) -> None:
        """Stop the camera and give it back. Raises: SourceError if it is gone, and left as it is."""
        picam2, self._picam2 = self._picam2, None
        self._job = None
        if picam2 is None:
            return
        if self._is_lost:
            # picamera2 would close it once nobody refers to it, and at exit.
            _LOST.append(picam2)
            atexit.unregister(picam2.close)
            raise SourceError(f"camera picamera2:{self._index} gives no pictures and is left until the process ends")
        try:
            picam2.close()
        except Exception as exc:  # libcamera's errors come as whatever Python has
            raise SourceError(f"camera picamera2:{self._index} did not close in order ({exc})") from exc

    def _set_rate(self) -> bool:
        try:
            self._picam2.set_controls({"FrameDurationLimits": self._frame_durations_us()})
        except Exception as exc:  # libcamera's errors come as whatever Python has
            if self._ask_again_s is None:
                _log.warning("camera picamera2:%d does not change its rate (%s)", self._index, exc)
            self._ask_again_s = self._clock.now_s() + ASK_AGAIN_S
            return False
        self._ask_again_s = None
        return True

    def _ask_again(self) -> None:
        if self._ask_again_s is not None and self._clock.now_s() >= self._ask_again_s and self._set_rate():
            self._rate.set(None)

    def _configure(self, picam2: Any) -> None:
        settings = self._settings
        width_px, height_px = self._size
        crop_name = next((name for name in ("ScalerCrops", "ScalerCrop") if name in picam2.camera_controls), None)
        region = None if settings.roi_xywh is None else before_turning(settings.roi_xywh, settings.rotation_deg)
        asked = self._size if region is None or crop_name is None else size_for(region, width_px, height_px)
        # With a region the picture is turned afterwards: cameras differ in whether they cut before or after they turn.
        is_turned_by_camera = settings.rotation_deg == 180 and region is None
        turned = self._library.Transform(hflip=is_turned_by_camera, vflip=is_turned_by_camera)
        full_width_px, full_height_px = picam2.sensor_resolution
        config = picam2.create_video_configuration(
            main={"format": FORMAT, "size": asked},
            raw=None,
            transform=turned,
            buffer_count=BUFFERS,
            queue=False,
            display=None,
            encode=None,
            # The mode nearest to the picture's size would show the middle of the field of view only.
            sensor={"output_size": (full_width_px // 2, full_height_px // 2)} if self._fps <= FULL_VIEW_FPS else {},
        )
        picam2.configure(config)
        taken = picam2.camera_configuration()
        self._stream = taken["main"]
        if self._stream["format"] not in (FORMAT, *OTHER_FORMATS):
            raise SourceError(
                f"camera picamera2:{self._index} gives {self._stream['format']}, expected {FORMAT} or "
                f"{' or '.join(OTHER_FORMATS)}; use it through v4l2"
            )
        if self._stream["size"] != asked:
            _log.warning(
                "camera picamera2:%d gives pictures of %s, asked for %s",
                self._index,
                "x".join(map(str, self._stream["size"])),
                "x".join(map(str, asked)),
            )
        is_turned = is_turned_by_camera and taken["transform"].hflip and taken["transform"].vflip
        self._rotation_deg = 0 if is_turned else settings.rotation_deg
        self._crop = None
        if region is not None and crop_name is not None:
            rectangle = sensor_crop(_full_view(picam2.camera_controls["ScalerCrop"]), width_px, height_px, region)
            picam2.set_controls({crop_name: [rectangle] if crop_name == "ScalerCrops" else rectangle})
        elif region is not None:
            self._crop = pixels(region, *self._stream["size"])
        self._pictures, self._is_lost = 0, False
        self._set_locks(picam2)

    def _set_locks(self, picam2: Any) -> None:
        controls: dict[str, Any] = {"FrameDurationLimits": self._frame_durations_us()}
        settings = self._settings
        if settings.exposure_us is not None:
            controls["ExposureTime"] = settings.exposure_us
        if settings.gain is not None:
            controls["AnalogueGain"] = settings.gain
        if settings.white_balance is not None:
            controls |= {"AwbEnable": False, "ColourGains": settings.white_balance}
        if settings.focus_dioptres is not None:
            controls |= {"AfMode": AF_MANUAL, "LensPosition": settings.focus_dioptres}
        unknown = [name for name in controls if name not in picam2.camera_controls]
        if unknown:
            _log.warning("camera picamera2:%d has no setting %s; it is left out", self._index, ", ".join(unknown))
        picam2.set_controls({name: value for name, value in controls.items() if name not in unknown})

    def _frame_durations_us(self) -> tuple[int, int]:
        period_us = round(1e6 / self._fps)
        return period_us, period_us

    def _tell_what_was_not_taken(self, metadata: Mapping[str, Any]) -> None:
        settings = self._settings
        expected = {
            "ExposureTime": settings.exposure_us,
            "AnalogueGain": settings.gain,
            "LensPosition": settings.focus_dioptres,
            "FrameDuration": 1e6 / self._fps,
        }
        differences = [
            f"{name} {expected_value:g} (it is {metadata[name]:g})"
            for name, expected_value in expected.items()
            if expected_value is not None
            and name in metadata
            and abs(metadata[name] - expected_value) > TOLERANCE * max(expected_value, 1.0)
        ]
        if differences:
            _log.warning("camera picamera2:%d did not take %s", self._index, ", ".join(differences))

    def _picture(self, memory: Any, out: BgrImage | None) -> BgrImage:
        """Copy a picture out of the camera's buffer, which is reused as soon as it is given back.

        Args:
            memory: the buffer's bytes, (N,) uint8; rows are `stride` bytes apart.
        """
        width_px, height_px = self._stream["size"]
        stride, conversion = self._stream["stride"], OTHER_FORMATS.get(self._stream["format"])
        if self._stream["format"] == "NV12":
            rows = height_px * 3 // 2
            image = memory[: rows * stride].reshape(rows, stride)[:, :width_px]
        else:
            lines = memory[: height_px * stride].reshape(height_px, stride)
            image = lines[:, : 3 * width_px].reshape(height_px, width_px, 3)
        if conversion is not None:
            image = cv2.cvtColor(image, conversion)
        if self._crop is not None:
            x, y, width, height = self._crop
            image = image[y : y + height, x : x + width]
        return turned_into(image, self._rotation_deg, out)


def _full_view(limits: tuple[Any, Any, Any]) -> tuple[int, int, int, int]:
    """The largest ScalerCrop, from its least, largest and default value."""
    x, y, width, height = limits[1]
    return x, y, width, height
