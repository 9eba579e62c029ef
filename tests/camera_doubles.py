"""Doubles of what stands below the camera drivers: picamera2 with libcamera, and OpenCV's V4L2 capture.

They know exactly the calls that the drivers make, and deliver what a test hands them.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np

from edge.records import BgrImage
from tests.rigs import WAIT_S
from tests.scenes import picture

__all__ = ["PiCamera", "UsbCamera", "picamera2_modules", "video_capture"]

PI_CONTROLS = {
    "ExposureTime": (100, 100_000, 20_000),
    "AnalogueGain": (1.0, 16.0, 1.0),
    "AwbEnable": (False, True, True),
    "ColourGains": (0.0, 32.0, 0.0),
    "FrameDurationLimits": (10_000, 1_000_000, 33_333),
    "ScalerCrop": ((0, 0, 64, 64), (0, 0, 3280, 2464), (0, 0, 3280, 2464)),
}
GIVEN_BACK = 0xEE
"""What a buffer holds once it was given back: whoever still looks at it sees that."""


class Script:
    """Pictures that a test hands over one by one."""

    def __init__(self) -> None:
        self._script: queue.Queue[BgrImage | Exception] = queue.Queue()
        self._asked = threading.Condition()
        self.asks = 0
        self._delivered = 0
        self.is_released = threading.Event()
        self._runs_freely = False

    def put(self, what: BgrImage | Exception) -> None:
        self._delivered += 1
        self._script.put(what)

    def deliver(self, what: BgrImage) -> None:
        """Hand over a picture and return when the next one is asked for."""
        self.put(what)
        self.wait_until_taken()

    def wait_until_taken(self) -> None:
        with self._asked:
            assert self._asked.wait_for(lambda: self.asks > self._delivered, WAIT_S), "nobody grabs"

    def run_freely(self) -> None:
        """From now on a picture comes whenever one is asked for, a hundred a second."""
        self._runs_freely = True

    def release(self) -> None:
        """`run_freely`, and whatever hangs goes on."""
        self.run_freely()
        self.is_released.set()

    def note_ask(self) -> None:
        with self._asked:
            self.asks += 1
            self._asked.notify_all()

    def take(self, timeout_s: float) -> BgrImage:
        """The next picture, or the exception that was put in its place. Raises: TimeoutError."""
        try:
            taken = self._script.get(timeout=timeout_s)
        except queue.Empty:
            if self._runs_freely:
                return picture(self.asks)
            raise TimeoutError from None
        if isinstance(taken, Exception):
            raise taken
        return taken


class PiCamera(Script):
    """A camera that libcamera knows, and what was done with it.

    Args:
        gives: format that it gives whatever is asked for; None obeys.
        size: the same of the size.
        padding: bytes after each row.
        turns: False: it cannot turn its picture.
        hangs_in: names of calls that do not return until `release`.
    """

    def __init__(
        self,
        *,
        gives: str | None = None,
        size: tuple[int, int] | None = None,
        padding: int = 0,
        turns: bool = True,
        controls: Mapping[str, Any] = PI_CONTROLS,
        hangs_in: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.gives, self.size, self.padding, self.turns = gives, size, padding, turns
        self.controls = dict(controls)
        self.hangs_in = set(hangs_in)
        self.fails_in: dict[str, Exception] = {}
        self.metadata: dict[str, Any] = {}
        self.asked: dict[str, Any] = {}
        self.was_set: dict[str, Any] = {}
        self.calls: list[str] = []
        self.requests_out = 0

    def call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails_in:
            raise self.fails_in[name]
        if name in self.hangs_in:
            self.is_released.wait(WAIT_S)

    def memory(self, image: BgrImage, stream: Mapping[str, Any]) -> np.ndarray:
        """A picture's bytes as they lie in the camera's buffer; a buffer may be longer than its picture."""
        width_px, height_px = stream["size"]
        assert image.shape == (height_px, width_px, 3)
        if stream["format"] == "NV12":
            planar = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).reshape(-1)
            brightness, quarter = planar[: width_px * height_px], width_px * height_px // 4
            blue, red = planar[-2 * quarter : -quarter], planar[-quarter:]
            rows = np.concatenate([brightness, np.stack([blue, red], axis=1).reshape(-1)]).reshape(-1, width_px)
        else:
            rows = (image if stream["format"] == "RGB888" else image[..., ::-1]).reshape(height_px, 3 * width_px)
        padded = np.full((rows.shape[0], stream["stride"]), 0x55, np.uint8)
        padded[:, : rows.shape[1]] = rows
        return np.concatenate([padded.reshape(-1), np.full(4096, 0x55, np.uint8)])


def picamera2_modules(cameras: Sequence[PiCamera]) -> dict[str, ModuleType]:
    """`picamera2` and `libcamera` that know these cameras, for `sys.modules`."""

    class Picamera2:
        @staticmethod
        def global_camera_info() -> list[dict[str, Any]]:
            return [{"Model": f"imx{219 + number}", "Num": number} for number in range(len(cameras))]

        def __init__(self, index: int) -> None:
            self.camera = cameras[index]
            self.camera.call("construct")
            self.is_closed = False
            self.sensor_resolution = (3280, 2464)
            self.camera_controls = self.camera.controls

        def create_video_configuration(self, **asked: Any) -> dict[str, Any]:
            self.camera.asked = asked
            return asked

        def configure(self, config: dict[str, Any]) -> None:
            self.camera.call("configure")
            size = self.camera.size or config["main"]["size"]
            format_ = self.camera.gives or config["main"]["format"]
            stride = size[0] * (1 if format_ == "NV12" else 3) + self.camera.padding
            turned = config["transform"] if self.camera.turns else SimpleNamespace(hflip=0, vflip=0)
            self.taken = {"main": {"format": format_, "size": size, "stride": stride}, "transform": turned}

        def camera_configuration(self) -> dict[str, Any]:
            return self.taken

        def set_controls(self, controls: dict[str, Any]) -> None:
            assert controls.keys() <= self.camera_controls.keys(), "picamera2 refuses what the camera does not have"
            self.camera.was_set |= controls

        def start(self) -> None:
            self.camera.call("start")

        def capture_request(self, *, wait: bool) -> "Job":
            assert not wait
            self.camera.note_ask()
            return Job(self)

        def close(self) -> None:
            self.is_closed = True
            self.camera.call("close")

        def __del__(self) -> None:
            # As picamera2 does: it closes what nobody refers to any more.
            if hasattr(self, "taken") and not self.is_closed:
                self.close()

    class Job:
        def __init__(self, picam2: Picamera2) -> None:
            self.picam2 = picam2

        def get_result(self, timeout: float) -> "Request":
            return Request(self.picam2, self.picam2.camera.take(min(timeout, 0.01)))

    class Request:
        def __init__(self, picam2: Picamera2, image: BgrImage) -> None:
            self.camera = picam2.camera
            self.memory = self.camera.memory(image, picam2.taken["main"])
            self.camera.requests_out += 1

        def get_metadata(self) -> dict[str, Any]:
            return self.camera.metadata

        def release(self) -> None:
            self.camera.requests_out -= 1
            self.memory[:] = GIVEN_BACK

    class MappedArray:
        def __init__(self, request: Request, stream: str, *, reshape: bool, write: bool) -> None:
            assert (stream, reshape, write) == ("main", False, False)
            self.array = request.memory

        def __enter__(self) -> "MappedArray":
            return self

        def __exit__(self, *_: object) -> None:
            del self.array

    picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
    picamera2.__dict__.update(Picamera2=Picamera2, MappedArray=MappedArray)
    libcamera.__dict__.update(Transform=lambda hflip, vflip: SimpleNamespace(hflip=hflip, vflip=vflip))
    return {"picamera2": picamera2, "libcamera": libcamera}


class UsbCamera(Script):
    """A camera behind `cv2.VideoCapture`, and what was set on it.

    Args:
        plain, mjpg: size and rate that it gives without compression and as MJPG; None: whatever is asked for. A camera
            without `mjpg` knows no such format.
        ranges: least and largest value of a property; one that is not there cannot be set.
    """

    def __init__(
        self,
        *,
        plain: tuple[int, int, float] | None = None,
        mjpg: tuple[int, int, float] | None = None,
        ranges: Mapping[int, tuple[float, float]] | None = None,
    ) -> None:
        super().__init__()
        self.plain, self.mjpg = plain, mjpg
        self.ranges = dict(ranges or {})
        self.values: dict[int, float] = {cv2.CAP_PROP_FOURCC: 0.0}
        self.history: list[tuple[int, float]] = []
        self.is_missing_pictures = False
        self.is_missing_decoded = False
        self.retrieved = 0
        self.released = 0

    def given(self) -> tuple[float, float, float]:
        limits = self.mjpg if self.values[cv2.CAP_PROP_FOURCC] else self.plain
        asked = [
            self.values.get(name, 0.0)
            for name in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        ]
        return tuple(asked) if limits is None else limits  # type: ignore[return-value]  # three numbers either way


def video_capture(cameras: Mapping[Path, UsbCamera], otherwise: Callable[..., Any] | None = None) -> type:
    """`cv2.VideoCapture` over these cameras, by the path of their device.

    Args:
        otherwise: what opens a file.
    """

    class VideoCapture:
        def __new__(cls, path: str, api: int, *rest: Any) -> Any:
            return super().__new__(cls) if api == cv2.CAP_V4L2 or otherwise is None else otherwise(path, api, *rest)

        def __init__(self, path: str, api: int) -> None:
            self.camera = cameras.get(Path(path))

        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
            return self.camera is not None

        def set(self, name: int, value: float) -> bool:
            camera = self.camera
            camera.history.append((name, value))
            if name == cv2.CAP_PROP_FOURCC and value and camera.mjpg is None:
                return False
            if name in camera.ranges:
                least, largest = camera.ranges[name]
                value = min(max(value, least), largest)
            camera.values[name] = value
            return True

        def get(self, name: int) -> float:
            camera = self.camera
            given = dict(
                zip(
                    (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS),
                    camera.given(),
                    strict=True,
                )
            )
            return given.get(name, camera.values.get(name, 0.0))

        def grab(self) -> bool:
            self.camera.note_ask()
            self.grabbed = None
            while not self.camera.is_missing_pictures:
                try:
                    self.grabbed = self.camera.take(0.01)
                except TimeoutError:
                    continue
                return True
            return False

        def retrieve(self, out: BgrImage | None = None) -> tuple[bool, BgrImage | None]:
            image = self.grabbed
            if image is None or self.camera.is_missing_decoded:
                return False, None
            self.camera.retrieved += 1
            if out is None or out.shape != image.shape:
                return True, image
            # As OpenCV does that is given memory.
            out[...] = image
            return True, out

        def read(self, out: BgrImage | None = None) -> tuple[bool, BgrImage | None]:
            return self.retrieve(out) if self.grab() else (False, None)

        def release(self) -> None:
            if self.camera is not None:
                self.camera.released += 1

    return VideoCapture
