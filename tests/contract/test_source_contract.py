"""What every `ports.Source` promises; a new driver is done when it passes."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge import clock as clocks
from edge.config import CameraConfig
from edge.errors import ConfigError, SorterError, SourceError
from edge.ports import Source
from edge.records import Frame
from edge.sources.images import ImagesRecording
from edge.sources.live import Camera, LiveSource
from edge.sources.picamera2 import Picamera2Camera
from edge.sources.replay import Pace, ReplaySource
from edge.sources.sim import Simulation
from edge.sources.sim_script import Item
from edge.sources.v4l2 import V4l2Camera
from edge.sources.video import VideoRecording
from edge.thumbnail import thumbnail
from tests.camera_doubles import PiCamera, UsbCamera, picamera2_modules, video_capture
from tests.rigs import FakeClock, ScriptedCamera
from tests.scenes import picture, write_video

MANY = 1000
FRAMES = 10
"""As many frames as every driver here has at least."""
SHORT_ITEM = Item("glass", "tumbler", slide_s=0.35, rest_s=0.1)
"""Comes at 2 s and is gone at 2.75 s; the simulation ends 1.5 s later: 86 frames of 20 a second."""


@dataclass
class Driver:
    """How to make a source, and how to let the world go on so that its next frame is there.

    Attributes:
        feed: called before each frame that is to be read.
        release: called before it is closed.
        frames: how many it has; None without an end.
        missing: the same over something that is not there, and its error; None where nothing can be missing.
    """

    source: Source
    feed: Callable[[], None] = lambda: None
    release: Callable[[], None] = lambda: None
    frames: int | None = None
    missing: tuple[Source, type[SorterError]] | None = None


def simulated(folder: Path, pace: Pace = "fast") -> Driver:
    recording = Simulation(seed=1, items=1, fps=20, width_px=160, height_px=120, script=[SHORT_ITEM])
    return Driver(ReplaySource(recording, pace), frames=86)


def video(folder: Path, pace: Pace = "fast") -> Driver:
    missing = ReplaySource(VideoRecording(folder / "none.avi"), pace)
    recording = VideoRecording(write_video(folder / "v.avi", frames=FRAMES))
    return Driver(ReplaySource(recording, pace), frames=FRAMES, missing=(missing, ConfigError))


def images(folder: Path, pace: Pace = "fast") -> Driver:
    cv2.imwrite(str(folder / "a.png"), picture(1))
    cv2.imwrite(str(folder / "b.jpg"), picture(2))
    missing = ReplaySource(ImagesRecording(folder / "none", 64, 48, 10.0, 0.5), pace)
    recording = ImagesRecording(folder, 64, 48, 10.0, 0.5)
    return Driver(ReplaySource(recording, pace), frames=3 * 15 + 2 * 5, missing=(missing, ConfigError))


PI_CAMERAS: list[PiCamera] = []
USB_CAMERAS: dict[Path, UsbCamera] = {}
"""What is plugged in during a test."""


@pytest.fixture(autouse=True)
def no_camera_is_plugged_in(monkeypatch) -> None:
    PI_CAMERAS.clear()
    USB_CAMERAS.clear()
    monkeypatch.setattr(cv2, "VideoCapture", video_capture(USB_CAMERAS, otherwise=cv2.VideoCapture))
    for name, module in picamera2_modules(PI_CAMERAS).items():
        monkeypatch.setitem(sys.modules, name, module)


def live(hardware: ScriptedCamera | PiCamera | UsbCamera, camera: Camera, missing: Camera, clock: FakeClock) -> Driver:
    """A camera in its shell, on a clock that stands still unless it is moved."""
    source = LiveSource(camera, "fake:0", max_age_s=0.5, frozen_s=2.0, clock=clock)
    fed = 0

    def feed() -> None:
        nonlocal fed
        if fed == 0:
            hardware.wait_until_taken()
        else:
            clock.advance(0.05)
            hardware.deliver(picture(fed))
        fed += 1

    lost = LiveSource(missing, "lost:0", max_age_s=0.5, frozen_s=2.0, clock=clock)
    return Driver(source, feed, hardware.release, missing=(lost, SourceError))


def scripted(folder: Path, pace: Pace = "fast") -> Driver:
    camera, lost = ScriptedCamera(picture(0)), ScriptedCamera()
    lost.refuses_open = SourceError("no such camera; plug it in")
    return live(camera, camera, lost, FakeClock(7.0))


def v4l2(folder: Path, pace: Pace = "fast", **settings: Any) -> Driver:
    hardware, device, clock = UsbCamera(), folder / "video0", FakeClock(7.0)
    device.symlink_to("/dev/null")
    USB_CAMERAS[device] = hardware
    hardware.put(picture(0))
    camera, lost = (
        V4l2Camera(path, 64, 48, 20.0, CameraConfig(**settings), clock) for path in (device, folder / "video9")
    )
    return live(hardware, camera, lost, clock)


def picamera2(folder: Path, pace: Pace = "fast", **settings: Any) -> Driver:
    hardware, clock = PiCamera(padding=16), FakeClock(7.0)
    PI_CAMERAS.append(hardware)
    hardware.put(picture(0))
    camera, lost = (Picamera2Camera(index, 64, 48, 20.0, CameraConfig(**settings), clock) for index in (0, 9))
    return live(hardware, camera, lost, clock)


MAKERS = {
    "sim": simulated,
    "video": video,
    "images": images,
    "scripted camera": scripted,
    "v4l2": v4l2,
    "v4l2, turned": partial(v4l2, rotation_deg=90, roi_xywh=(0.0, 0.25, 1.0, 0.5)),
    "picamera2": picamera2,
    "picamera2, turned": partial(picamera2, rotation_deg=270),
}
FINITE = {name: MAKERS[name] for name in ("sim", "video", "images")}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS.keys())
def driver(request, tmp_path: Path) -> Iterator[Driver]:
    driver = request.param(tmp_path)
    yield driver
    driver.release()
    driver.source.close()


@pytest.fixture
def opened(driver: Driver) -> Driver:
    driver.source.open()
    return driver


def next_frame(driver: Driver) -> Frame:
    driver.feed()
    frame = driver.source.read(driver.source.clock.now_s() + 1.0)
    assert frame is not None
    return frame


def test_frames_are_colour_pictures_in_order_of_number_and_time(opened):
    frames = [next_frame(opened) for _ in range(FRAMES)]
    assert [frame.index for frame in frames] == list(range(FRAMES))
    times = [frame.t_s for frame in frames]
    assert times == sorted(set(times))
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == frames[0].image.shape
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3


def test_a_frame_is_never_newer_than_the_clock_and_the_clock_never_goes_back(opened):
    before_s = opened.source.clock.now_s()
    for _ in range(FRAMES):
        frame = next_frame(opened)
        now_s = opened.source.clock.now_s()
        assert before_s <= now_s
        assert frame.t_s <= now_s
        before_s = now_s


def test_a_frame_is_handed_over_once(opened):
    frame = next_frame(opened)
    assert opened.source.read(opened.source.clock.now_s()) is None
    assert next_frame(opened).index == frame.index + 1


def test_a_reader_that_waits_for_nothing_gets_nothing_and_the_clock_stands(opened):
    next_frame(opened)
    now_s = opened.source.clock.now_s()
    for until_s in (now_s, now_s - 5.0):
        assert opened.source.read(until_s) is None
        assert opened.source.clock.now_s() == now_s


def test_a_picture_does_not_change_until_the_source_is_read_again(opened):
    for _ in range(FRAMES):
        frame = next_frame(opened)
        kept, thumb = frame.image.copy(), thumbnail(frame.image)
        for _ in range(2):
            opened.feed()
        assert np.array_equal(frame.image, kept)
        assert frame.thumb is None or np.array_equal(frame.thumb, thumb)


def test_a_thumbnail_may_be_kept(opened):
    frame = next_frame(opened)
    kept = None if frame.thumb is None else frame.thumb.copy()
    for _ in range(3):
        next_frame(opened)
    assert kept is None or np.array_equal(frame.thumb, kept)


def frames_of(driver: Driver) -> list[Frame | None]:
    """What is there after each of the next pictures, as far as there are any."""
    frames = []
    for _ in range(FRAMES):
        if driver.source.is_exhausted:
            break
        driver.feed()
        # A replay has to be let go on; a camera's clock was moved by `feed`.
        now_s = driver.source.clock.now_s()
        frames.append(driver.source.read(now_s if driver.frames is None else now_s + 1.0))
        if frames[-1] is not None:
            assert frames[-1].t_s == driver.source.clock.now_s(), "no older picture for it"
    return frames


def test_a_limited_rate_leaves_what_is_handed_over_fresh_and_in_order(opened):
    next_frame(opened)
    opened.source.limit_rate(10.0)
    indices = [frame.index for frame in frames_of(opened) if frame is not None]
    assert len(indices) >= FRAMES // 2
    assert indices == list(range(1, len(indices) + 1))


def test_a_limit_that_is_taken_away_leaves_no_frame_out(opened):
    next_frame(opened)
    opened.source.limit_rate(10.0)
    frames_of(opened)
    opened.source.limit_rate(None)
    assert None not in frames_of(opened)[1:], "a grab that was under way may still be under the limit"


def test_a_rate_may_be_limited_before_opening_and_after_closing(driver):
    driver.source.limit_rate(10.0)
    driver.source.open()
    next_frame(driver)
    driver.release()
    driver.source.close()
    driver.source.limit_rate(None)


def test_the_clock_is_the_same_all_the_time(driver):
    clock = driver.source.clock
    driver.source.open()
    next_frame(driver)
    assert driver.source.clock is clock


def test_closing_twice_is_allowed_after_opening(opened):
    next_frame(opened)
    opened.release()
    opened.source.close()
    opened.source.close()


def test_closing_twice_is_allowed_without_opening(driver):
    driver.source.close()
    driver.source.close()


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "sim"])
def test_what_is_missing_is_told_and_can_be_closed_half_built(tmp_path, name: str):
    missing, error = MAKERS[name](tmp_path).missing
    with pytest.raises(error, match=r"check|plug it in"):
        missing.open()
    missing.close()
    missing.close()


def test_one_that_is_only_begun_gives_frames_as_any_other(driver):
    driver.source.open(wait=False)
    assert driver.source.clock is not None
    first, second = next_frame(driver), next_frame(driver)
    assert (first.index, second.index) == (0, 1)


def test_one_that_is_only_begun_can_be_closed_at_once(driver):
    driver.source.open(wait=False)
    driver.release()
    driver.source.close()
    driver.source.close()


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "sim"])
def test_what_is_missing_is_told_by_a_read_where_it_was_only_begun(tmp_path, name: str):
    missing, error = MAKERS[name](tmp_path).missing
    with pytest.raises(error, match=r"check|plug it in"):
        missing.open(wait=False)
        # Its clock stands still, and its thread goes on: as often as it takes.
        for _ in range(MANY):
            missing.read(missing.clock.now_s() + 0.01)
    missing.close()


def test_only_a_finite_source_ends(opened):
    for _ in range(opened.frames or FRAMES):
        assert not opened.source.is_exhausted
        next_frame(opened)
    assert opened.source.is_exhausted is (opened.frames is not None)


@pytest.mark.parametrize("maker", FINITE.values(), ids=FINITE.keys())
def test_after_its_end_a_finite_source_gives_nothing_but_time(tmp_path, maker):
    driver = maker(tmp_path)
    driver.source.open()
    for _ in range(driver.frames):
        next_frame(driver)
    until_s = driver.source.clock.now_s() + 100.0
    assert driver.source.read(until_s) is None
    assert driver.source.clock.now_s() == until_s
    driver.source.close()


@pytest.mark.parametrize("maker", FINITE.values(), ids=FINITE.keys())
def test_a_replay_is_the_same_at_any_pace_and_any_step(tmp_path, monkeypatch, maker):
    monkeypatch.setattr(clocks.time, "sleep", lambda duration_s: None)
    recorded = []
    for folder, pace, step_s in (("a", "fast", 1.0), ("b", "realtime", 1.0), ("c", "fast", 0.013)):
        (tmp_path / folder).mkdir()
        driver = maker(tmp_path / folder, pace)
        driver.source.open()
        frames = []
        while not driver.source.is_exhausted:
            frame = driver.source.read(driver.source.clock.now_s() + step_s)
            if frame is not None:
                frames.append((frame.index, frame.t_s, frame.image.tobytes()))
        driver.source.close()
        recorded.append(frames)
    assert len(recorded[0]) == driver.frames
    assert recorded[0] == recorded[1] == recorded[2]
