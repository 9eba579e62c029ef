"""The driver of Raspberry Pi cameras on real picamera2 and libcamera: their virtual camera, and the kernel's vimc.

Run in the guest, from guest.sh.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge.config import CameraConfig
from edge.errors import SourceError
from edge.records import BgrImage, Frame
from edge.sources.live import LiveSource
from edge.sources.picamera2 import Picamera2Camera
from tests.rig.picamera import stand_ins
from tests.rig.picamera.figures import write_figure
from tests.rig.picamera.pictures import CORNER_BGR, FPS, LEFT_BGR, RIGHT_BGR, SIZE

JPEG_STEPS = 25
"""Grey levels: JPEG, and libcamera's turning of full-range pictures to the range of video."""
WIDTH_PX, HEIGHT_PX = SIZE
BARS_BGR = {
    "white": (1, 1, 1),
    "yellow": (0, 1, 1),
    "cyan": (1, 1, 0),
    "green": (0, 1, 0),
    "magenta": (1, 0, 1),
    "red": (0, 0, 1),
    "blue": (1, 0, 0),
    "black": (0, 0, 0),
}
"""The kernel's test pattern, from the left."""


@pytest.fixture(scope="session")
def numbers() -> dict[str, int]:
    """Number of each camera by its model."""
    stand_ins.install()
    from picamera2 import Picamera2

    return {info["Model"]: number for number, info in enumerate(Picamera2.global_camera_info())}


@contextmanager
def looking_at(number: int, size: tuple[int, int] = SIZE, fps: float = FPS, **settings) -> Iterator[LiveSource]:
    """A camera, opened in its shell."""
    camera = Picamera2Camera(number, *size, fps, CameraConfig(**settings))
    source = LiveSource(camera, f"picamera2:{number}", max_age_s=2.0, frozen_s=60.0)
    try:
        source.open()
        yield source
    finally:
        source.close()
    assert not source.is_left_behind


def next_frame(source: LiveSource) -> Frame:
    frame = source.read(source.clock.now_s() + 5.0)
    assert frame is not None
    return frame


def at(image: BgrImage, x: float, y: float) -> np.ndarray:
    """Mean colour around a place that is given in shares of the sides."""
    height_px, width_px = image.shape[:2]
    row, column = int(y * height_px), int(x * width_px)
    return image[row - 4 : row + 4, column - 4 : column + 4].reshape(-1, 3).mean(axis=0)


def is_near(colour: np.ndarray, expected: tuple[int, int, int]) -> bool:
    return bool(np.abs(colour - expected).max() <= JPEG_STEPS)


def test_pictures_are_blue_green_red_and_of_the_size_that_was_asked_for(numbers):
    with looking_at(numbers["areas"]) as source:
        image = next_frame(source).image
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((HEIGHT_PX, WIDTH_PX, 3), np.uint8, True)
    assert is_near(at(image, 0.25, 0.75), LEFT_BGR)
    assert is_near(at(image, 0.75, 0.5), RIGHT_BGR)
    assert is_near(at(image, 0.1, 0.1), CORNER_BGR)


@pytest.mark.parametrize(("rotation_deg", "corner"), [(0, (0.1, 0.1)), (90, (0.9, 0.1)), (270, (0.1, 0.9))])
def test_pictures_are_turned_clockwise(numbers, rotation_deg, corner):
    with looking_at(numbers["areas"], rotation_deg=rotation_deg) as source:
        image = next_frame(source).image
    expected = (WIDTH_PX, HEIGHT_PX) if rotation_deg in (90, 270) else (HEIGHT_PX, WIDTH_PX)
    assert image.shape[:2] == expected
    assert is_near(at(image, *corner), CORNER_BGR)


def test_a_region_of_the_turned_picture_is_what_is_seen(numbers):
    with looking_at(numbers["areas"], rotation_deg=90, roi_xywh=(0.75, 0.0, 0.25, 0.25)) as source:
        image = next_frame(source).image
    assert all(is_near(at(image, x, y), CORNER_BGR) for x in (0.1, 0.9) for y in (0.1, 0.9))


def test_pictures_come_at_the_cameras_rate_and_none_is_missed(numbers):
    camera = Picamera2Camera(numbers["areas"], *SIZE, FPS, CameraConfig())
    source = LiveSource(camera, "picamera2", max_age_s=2.0, frozen_s=60.0)
    source.open()
    first = next_frame(source)
    completed = camera._picam2.frames  # as picamera2 itself counts them
    frames = [next_frame(source) for _ in range(90)]
    completed = camera._picam2.frames - completed
    source.close()
    write_figure("virtual camera, frames/s (it keeps no rate)", f"{90 / (frames[-1].t_s - first.t_s):.1f}", "-")
    write_figure("pictures of the camera's that the loop got", f"{90 / completed:.1%}", "at least 80 %")
    assert 90 / completed >= 0.8


def test_a_camera_is_closed_at_once_and_opened_again(numbers):
    closed_s = []
    for _ in range(3):
        with looking_at(numbers["Sensor B"]) as source:
            next_frame(source)
            began_s = time.monotonic()
            source.close()
            closed_s.append(time.monotonic() - began_s)
    write_figure("close, s", f"{max(closed_s):.2f}", "at most 1.5")
    assert max(closed_s) <= 1.5


def test_a_camera_that_is_not_there_is_told_with_those_that_are(numbers):
    with pytest.raises(
        SourceError, match=r"there is no camera 9, libcamera finds 0: Sensor B, 1: areas; check the cable"
    ):
        Picamera2Camera(9, *SIZE, FPS, CameraConfig()).open()


def bars(image: BgrImage) -> list[tuple[int, ...]]:
    """Blue, green and red of each bar from the left, bright or not."""
    return [tuple(int(part > 90) for part in at(image, (number + 0.5) / 8, 0.5)) for number in range(8)]


@pytest.fixture
def sensor() -> None:
    """Takes the written figures off the test pattern."""
    (name,) = [entry for entry in Path("/sys/class/video4linux").iterdir() if _name(entry) == "Sensor B"]
    subprocess.run(["v4l2-ctl", "-d", f"/dev/{name.name}", "-c", "show_information=2"], check=True)


def _name(entry: Path) -> str:
    return (entry / "name").read_text().strip()


def test_pictures_of_a_real_kernel_driver_are_blue_green_red(numbers, sensor):
    with looking_at(numbers["Sensor B"]) as source:
        next_frame(source)
        frames = [next_frame(source) for _ in range(20)]
    assert frames[-1].image.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert bars(frames[-1].image) == list(BARS_BGR.values())
    rate = (len(frames) - 1) / (frames[-1].t_s - frames[0].t_s)
    write_figure("vimc, frames/s (the kernel draws every picture by itself)", f"{rate:.1f}", "-")


def test_half_a_turn_is_made_by_the_camera_or_here_but_once(numbers, sensor):
    """The virtual camera says that it turned, and did not; the kernel's sensor really can."""
    with looking_at(numbers["Sensor B"], rotation_deg=180) as source:
        assert bars(next_frame(source).image) == list(BARS_BGR.values())[::-1]
