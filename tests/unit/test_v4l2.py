"""The driver of USB cameras, on a double of OpenCV's capture: what it sets, and what it hands over."""

import logging
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.config import CameraConfig
from edge.errors import ConfigError, SourceError
from edge.sources import v4l2
from edge.sources.live import LiveSource
from edge.sources.v4l2 import V4l2Camera
from tests.camera_doubles import UsbCamera, video_capture
from tests.rigs import FakeClock
from tests.scenes import picture

IMAGE = picture(1, 64, 48)
LOCKS = {
    cv2.CAP_PROP_EXPOSURE: (3, 2047),
    cv2.CAP_PROP_GAIN: (0, 255),
    cv2.CAP_PROP_WB_TEMPERATURE: (2800, 6500),
    cv2.CAP_PROP_FOCUS: (0, 250),
}
AUTOMATIC = {cv2.CAP_PROP_AUTO_EXPOSURE: 3, cv2.CAP_PROP_AUTO_WB: 1, cv2.CAP_PROP_AUTOFOCUS: 1}
MJPG = cv2.VideoWriter.fourcc(*"MJPG")


class Bench:
    """A device with a camera behind it."""

    def __init__(self, device: Path) -> None:
        self.device = device
        self.plugged: dict[Path, UsbCamera] = {}
        self.clock = FakeClock(5.0)

    def open(self, camera: UsbCamera, *, width_px=64, height_px=48, fps=20.0, **settings) -> V4l2Camera:
        self.plugged[self.device] = camera
        source = V4l2Camera(self.device, width_px, height_px, fps, CameraConfig(**settings), self.clock)
        source.open()
        return source


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    # Any character device will do: the double looks at the name only.
    device = tmp_path / "video0"
    device.symlink_to("/dev/null")
    bench = Bench(device)
    monkeypatch.setattr(cv2, "VideoCapture", video_capture(bench.plugged))
    monkeypatch.delenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", raising=False)
    return bench


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_picture_is_written_to_the_memory_that_is_given(bench):
    camera = UsbCamera()
    source = bench.open(camera)
    out = np.zeros_like(IMAGE)
    camera.put(IMAGE)
    assert source.grab(out) is out
    assert np.array_equal(out, IMAGE)


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_a_region_is_cut_out_of_the_turned_picture_into_the_memory_that_is_given(bench, rotation_deg):
    camera = UsbCamera()
    source = bench.open(camera, rotation_deg=rotation_deg, roi_xywh=(0.25, 0.0, 0.5, 0.25))
    whole = np.rot90(IMAGE, -rotation_deg // 90)
    height_px, width_px = whole.shape[:2]
    expected = whole[: height_px // 4, width_px // 4 : width_px * 3 // 4]
    out = np.zeros(expected.shape, np.uint8)
    for _ in range(2):
        camera.put(IMAGE)
        assert source.grab(out) is out
        assert np.array_equal(out, expected)


def test_a_single_picture_that_does_not_come_is_a_hiccup_and_three_in_a_row_are_a_lost_camera(bench):
    camera = UsbCamera()
    source = bench.open(camera)
    for _ in range(2):
        camera.is_missing_pictures = True
        assert [source.grab(), source.grab()] == [None, None]
        camera.is_missing_pictures = False
        camera.put(IMAGE)
        assert source.grab() is not None
    camera.is_missing_pictures = True
    assert [source.grab(), source.grab()] == [None, None]
    with pytest.raises(SourceError, match=r"is lost: 3 pictures in a row did not come; check its cable"):
        source.grab()


def test_a_camera_that_was_unplugged_is_told_at_once(bench):
    camera = UsbCamera()
    source = bench.open(camera)
    camera.is_missing_pictures = True
    bench.device.unlink()
    with pytest.raises(SourceError, match=r"video0 is gone; plug it in again"):
        source.grab()
    source.close()
    source.close()
    assert camera.released == 1


def test_opencv_waits_a_second_for_a_picture_and_not_its_own_ten(bench):
    bench.open(UsbCamera())
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == str(v4l2.WAIT_S) == "1"


def test_the_driver_queues_no_more_than_the_picture_that_is_filled_next(bench):
    camera = UsbCamera()
    bench.open(camera)
    assert camera.values[cv2.CAP_PROP_BUFFERSIZE] == 2


def test_settings_are_locked_after_their_automatic_was_switched_off(bench, caplog):
    camera = UsbCamera(ranges=LOCKS)
    bench.open(camera, exposure_us=8000, gain=30.0, white_balance_k=4500, focus_dioptres=30.0)
    locks = [pair for pair in camera.history if pair[0] in {*LOCKS, *AUTOMATIC}]
    assert locks == [
        (cv2.CAP_PROP_AUTO_EXPOSURE, 1),
        (cv2.CAP_PROP_EXPOSURE, 80),
        (cv2.CAP_PROP_GAIN, 30.0),
        (cv2.CAP_PROP_AUTO_WB, 0),
        (cv2.CAP_PROP_WB_TEMPERATURE, 4500),
        (cv2.CAP_PROP_AUTOFOCUS, 0),
        (cv2.CAP_PROP_FOCUS, 30.0),
    ]
    assert warnings(caplog) == []


def test_what_the_program_before_this_one_locked_is_automatic_again(bench):
    camera = UsbCamera(ranges=LOCKS)
    bench.open(camera)
    assert {name: camera.values.get(name) for name in AUTOMATIC} == AUTOMATIC
    assert not LOCKS.keys() & camera.values.keys()


def test_settings_that_the_camera_did_not_take_are_told_in_one_line(bench, caplog):
    camera = UsbCamera(ranges=LOCKS | {cv2.CAP_PROP_EXPOSURE: (3, 156)})
    bench.open(camera, exposure_us=60_000, white_balance_k=9000, gain=10.0)
    (line,) = warnings(caplog)
    assert line.endswith("video0 did not take exposure_us 60000 (it says 15600), white_balance_k 9000 (it says 6500)")


@pytest.mark.parametrize(
    ("plain", "mjpg", "format_", "says"),
    [
        pytest.param(None, None, 0, None, id="a camera that obeys is left at its own format"),
        pytest.param((64, 48, 10.0), (64, 48, 30.0), MJPG, None, id="MJPG where plain pictures come too slowly"),
        pytest.param((32, 24, 20.0), (64, 48, 20.0), MJPG, None, id="MJPG where plain pictures are too small"),
        pytest.param(
            (64, 48, 10.0), (64, 48, 15.0), MJPG, "64x48 at 15 frames/s", id="the better of two that are slow"
        ),
        pytest.param(
            (64, 48, 15.0), (64, 48, 10.0), 0, "64x48 at 15 frames/s", id="plain again where MJPG is no better"
        ),
        pytest.param((64, 48, 10.0), None, 0, "64x48 at 10 frames/s", id="no MJPG"),
        pytest.param((80, 60, 20.0), None, 0, "80x60 at 20 frames/s", id="another size"),
        pytest.param((64, 48, 0.0), None, 0, None, id="a camera that does not tell its rate"),
    ],
)
def test_a_camera_is_asked_for_what_comes_nearest(bench, caplog, plain, mjpg, format_, says):
    camera = UsbCamera(plain=plain, mjpg=mjpg)
    bench.open(camera)
    assert camera.values[cv2.CAP_PROP_FOURCC] == format_
    lines = warnings(caplog)
    assert len(lines) == (says is not None)
    if says is not None:
        assert f"gives {says}, asked for 64x48 at 20; see v4l2-ctl -d" in lines[0]


def test_a_device_that_cannot_be_opened_is_told(bench):
    with pytest.raises(
        SourceError, match=r"cannot be opened; is another program holding it, is this user in group video"
    ):
        V4l2Camera(bench.device, 64, 48, 20.0, CameraConfig()).open()


def test_gains_of_red_and_blue_are_not_a_setting_of_this_camera(bench):
    with pytest.raises(ConfigError, match=r"white_balance is for picamera2; for a v4l2 camera set .*white_balance_k"):
        V4l2Camera(bench.device, 64, 48, 20.0, CameraConfig(white_balance=(1.5, 1.5)))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none", r"camera .*none does not exist; plug it in"),
        ("file", r"file is no camera device; list them with v4l2-ctl"),
    ],
)
def test_a_device_that_is_no_camera_is_a_source_error(tmp_path: Path, capfd, name: str, says: str):
    (tmp_path / "file").write_text("no camera")
    camera = V4l2Camera(tmp_path / name, 640, 480, 20.0, CameraConfig())
    source = LiveSource(camera, "v4l2", max_age_s=0.5, frozen_s=2.0)
    with pytest.raises(SourceError, match=says):
        source.open()
    source.close()
    with pytest.raises(SourceError, match="is not open"):
        camera.grab()
    assert capfd.readouterr().err == "", "the library must not chatter"


class TestLimitedRate:
    """The camera keeps its rate; most pictures are taken off its queue and never decoded."""

    @staticmethod
    def film(bench, camera, source, seconds: float, fps: float) -> list[float]:
        """When a picture was handed over; each was the newest then."""
        handed_s = []
        began_s = bench.clock.now_s()
        for number in range(round(seconds * fps)):
            bench.clock.wait_until(began_s + (number + 1) / fps)
            camera.put(picture(number, 64, 48))
            image = source.grab()
            if image is not None:
                handed_s.append(bench.clock.now_s())
                assert np.array_equal(image, picture(number, 64, 48)), "an older picture with a newer time"
        return handed_s

    @pytest.mark.parametrize(
        ("fps", "limit_fps", "count"),
        [
            (20.0, 10.0, 100),
            pytest.param(30.0, 10.0, 100, id="a third, though the third picture comes a rounding error early"),
            (30.0, 20.0, 200),
            (25.0, 10.0, 100),
            pytest.param(20.0, 50.0, 200, id="a limit above the camera's own rate"),
        ],
    )
    def test_as_many_pictures_are_decoded_as_the_limit_allows_and_no_more(self, bench, fps, limit_fps, count):
        camera = UsbCamera()
        source = bench.open(camera, fps=fps)
        source.limit_rate(limit_fps)
        handed = self.film(bench, camera, source, 10.0, fps)
        assert abs(len(handed) - count) <= 1
        assert camera.retrieved == len(handed)
        assert camera.asks == 10 * fps, "every picture was taken off the queue"

    def test_without_the_limit_every_picture_is_handed_over_again(self, bench):
        camera = UsbCamera()
        source = bench.open(camera)
        source.limit_rate(5.0)
        self.film(bench, camera, source, 1.0, 20.0)
        source.limit_rate(None)
        assert len(self.film(bench, camera, source, 1.0, 20.0)) == 20

    def test_a_limit_does_not_outlive_the_camera_that_it_was_set_for(self, bench):
        camera = UsbCamera()
        source = bench.open(camera)
        source.limit_rate(5.0)
        source.close()
        source.open()
        assert len(self.film(bench, camera, source, 1.0, 20.0)) == 20

    @pytest.mark.parametrize("lacks", ["is_missing_pictures", "is_missing_decoded"])
    def test_a_lost_camera_is_told_as_without_a_limit(self, bench, lacks):
        camera = UsbCamera()
        source = bench.open(camera)
        source.limit_rate(20.0)
        setattr(camera, lacks, True)
        for _ in range(3):
            camera.put(IMAGE)
        with pytest.raises(SourceError, match="3 pictures in a row did not come"):
            for _ in range(3):
                bench.clock.advance(0.06)
                source.grab()

    def test_a_picture_that_is_left_out_is_none_that_is_missing(self, bench):
        camera = UsbCamera()
        source = bench.open(camera)
        source.limit_rate(2.0)
        camera.put(IMAGE)
        assert source.grab() is not None
        for _ in range(5):
            camera.is_missing_pictures = True
            assert [source.grab(), source.grab()] == [None, None]
            camera.is_missing_pictures = False
            camera.put(IMAGE)
            assert source.grab() is None

    def test_a_turned_and_cut_picture_is_limited_too(self, bench):
        camera = UsbCamera()
        source = bench.open(camera, rotation_deg=180)
        source.limit_rate(5.0)
        for _ in range(8):
            bench.clock.advance(0.05)
            camera.put(IMAGE)
            image = source.grab()
            assert image is None or np.array_equal(image, np.rot90(IMAGE, 2))
        assert camera.retrieved == 2
