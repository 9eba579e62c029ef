"""The driver of Raspberry Pi cameras, on a double of picamera2: what it asks for, and what it hands over."""

import gc
import logging
import sys

import numpy as np
import pytest

from edge.config import CameraConfig
from edge.errors import ConfigError, SourceError
from edge.sources import picamera2 as driver
from edge.sources import picamera2_library
from edge.sources.picamera2 import Picamera2Camera
from tests.camera_doubles import PI_CONTROLS, PiCamera, picamera2_modules
from tests.rigs import FakeClock
from tests.scenes import picture

IMAGE = picture(1, 64, 48)


@pytest.fixture(autouse=True)
def cameras(monkeypatch) -> list[PiCamera]:
    cameras: list[PiCamera] = []
    for name, module in picamera2_modules(cameras).items():
        monkeypatch.setitem(sys.modules, name, module)
    return cameras


def opened(cameras, camera: PiCamera, *, width_px=64, height_px=48, fps=20.0, **settings) -> Picamera2Camera:
    cameras.append(camera)
    opened = Picamera2Camera(len(cameras) - 1, width_px, height_px, fps, CameraConfig(**settings))
    opened.open()
    return opened


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("padding", [0, 16])
@pytest.mark.parametrize("gives", [None, "BGR888"])
def test_pictures_are_blue_green_red_whatever_lies_in_the_cameras_memory(cameras, gives, padding):
    camera = PiCamera(gives=gives, padding=padding)
    source = opened(cameras, camera)
    camera.put(IMAGE)
    assert np.array_equal(source.grab(), IMAGE)
    assert camera.asked["main"] == {"format": "RGB888", "size": (64, 48)}, "libcamera's name for blue, green, red"


@pytest.mark.parametrize("padding", [0, 16])
def test_a_camera_that_gives_brightness_and_colour_apart_is_understood(cameras, padding):
    camera = PiCamera(gives="NV12", padding=padding)
    source = opened(cameras, camera)
    bars = np.zeros((48, 64, 3), np.uint8)
    bars[:, :32] = (20, 40, 200)
    bars[:, 32:] = (200, 60, 30)
    camera.put(bars)
    assert np.abs(source.grab().astype(int) - bars).max() <= 6


def test_a_format_that_nobody_can_read_is_refused_by_name(cameras):
    with pytest.raises(SourceError, match=r"gives MJPEG, expected RGB888 or BGR888 or NV12; use it through v4l2"):
        opened(cameras, PiCamera(gives="MJPEG"))
    assert cameras[0].calls[-1] == "close"


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("turns", [True, False])
def test_a_picture_is_copied_before_its_buffer_is_given_back(cameras, rotation_deg, turns):
    camera = PiCamera(padding=16, turns=turns)
    source = opened(cameras, camera, rotation_deg=rotation_deg)
    shape = (64, 48, 3) if rotation_deg in (90, 270) else (48, 64, 3)
    out = np.zeros(shape, np.uint8)
    camera.put(IMAGE)
    picture_taken = source.grab(out)
    # Half a turn is the camera's own affair, if it can.
    quarters = 0 if rotation_deg == 180 and turns else rotation_deg // 90
    assert picture_taken is out
    assert np.array_equal(out, np.rot90(IMAGE, -quarters))
    assert camera.requests_out == 0


def test_no_picture_is_waited_for_longer_than_half_a_second_and_the_next_one_is_not_lost(cameras):
    camera = PiCamera()
    source = opened(cameras, camera)
    assert driver.WAIT_S <= 0.5
    assert [source.grab(), source.grab()] == [None, None]
    camera.put(IMAGE)
    assert np.array_equal(source.grab(), IMAGE)
    assert camera.requests_out == 0
    camera.put(IMAGE)
    source.grab()
    assert camera.asks == 2, "a request that comes when nobody waits would never be given back"


def test_a_failure_in_the_camera_is_told_and_its_buffer_given_back(cameras, monkeypatch):
    camera = PiCamera()
    source = opened(cameras, camera)
    camera.put(RuntimeError("failed to find buffer"))
    with pytest.raises(SourceError, match=r"camera picamera2:0 is lost \(failed to find buffer\); check its cable"):
        source.grab()
    camera.put(IMAGE)
    monkeypatch.setattr(source, "_picture", lambda memory, out: 1 / 0)
    with pytest.raises(SourceError, match="division by zero"):
        source.grab()
    assert camera.requests_out == 0


def test_the_camera_queues_nothing_and_shows_nothing(cameras):
    opened(cameras, PiCamera())
    asked = cameras[0].asked
    assert (asked["queue"], asked["display"], asked["encode"], asked["raw"]) == (False, None, None, None)
    assert asked["buffer_count"] >= 3


@pytest.mark.parametrize(("fps", "sensor"), [(30.0, {"output_size": (1640, 1232)}), (60.0, {})])
def test_the_whole_field_of_view_is_read_where_the_rate_allows_it(cameras, fps, sensor):
    opened(cameras, PiCamera(), fps=fps)
    assert cameras[0].asked["sensor"] == sensor


def test_settings_are_locked_in_the_camera(cameras, caplog):
    controls = PI_CONTROLS | {"AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0)}
    camera = PiCamera(controls=controls)
    opened(cameras, camera, exposure_us=8000, gain=2.0, white_balance=(1.9, 1.6), focus_dioptres=5.0)
    assert camera.was_set == {
        "FrameDurationLimits": (50_000, 50_000),
        "ExposureTime": 8000,
        "AnalogueGain": 2.0,
        "AwbEnable": False,
        "ColourGains": (1.9, 1.6),
        "AfMode": 0,
        "LensPosition": 5.0,
    }
    assert warnings(caplog) == []


def test_what_is_not_set_is_left_to_the_cameras_automatic(cameras):
    camera = PiCamera()
    opened(cameras, camera)
    assert camera.was_set.keys() == {"FrameDurationLimits"}


def test_a_setting_that_the_camera_does_not_have_is_told_and_left_out(cameras, caplog):
    camera = PiCamera()
    opened(cameras, camera, focus_dioptres=5.0)
    assert warnings(caplog) == ["camera picamera2:0 has no setting AfMode, LensPosition; it is left out"]
    assert "LensPosition" not in camera.was_set


def test_a_setting_that_the_camera_did_not_take_is_told_once(cameras, caplog):
    camera = PiCamera()
    source = opened(cameras, camera, exposure_us=8000, gain=2.0)
    camera.metadata = {"ExposureTime": 4990, "AnalogueGain": 2.05, "FrameDuration": 99_000}
    for _ in range(30):
        camera.put(IMAGE)
        source.grab()
    (line,) = warnings(caplog)
    assert line == "camera picamera2:0 did not take ExposureTime 8000 (it is 4990), FrameDuration 50000 (it is 99000)"


def test_another_size_than_was_asked_for_is_told(cameras, caplog):
    camera = PiCamera(size=(62, 48))
    source = opened(cameras, camera)
    assert warnings(caplog) == ["camera picamera2:0 gives pictures of 62x48, asked for 64x48"]
    camera.put(picture(1, 62, 48))
    assert source.grab(np.zeros((48, 64, 3), np.uint8)).shape == (48, 62, 3)


@pytest.mark.parametrize(
    ("rotation_deg", "crop", "size"),
    [
        (0, (328, 494, 1640, 615), (64, 24)),
        (90, (656, 986, 820, 1230), (32, 48)),
        (180, (1312, 1355, 1640, 615), (64, 24)),
        (270, (1804, 248, 820, 1230), (32, 48)),
    ],
)
@pytest.mark.parametrize("name", ["ScalerCrop", "ScalerCrops"])
def test_a_region_is_cut_and_scaled_by_the_camera(cameras, name, rotation_deg, crop, size):
    camera = PiCamera(controls=PI_CONTROLS | {name: PI_CONTROLS["ScalerCrop"]})
    source = opened(cameras, camera, roi_xywh=(0.1, 0.2, 0.5, 0.25), rotation_deg=rotation_deg)
    assert camera.was_set[name] == ([crop] if name == "ScalerCrops" else crop)
    assert camera.asked["main"]["size"] == size
    assert not camera.asked["transform"].hflip, "the picture is turned after it was cut"
    image = picture(1, *size)
    camera.put(image)
    assert np.array_equal(source.grab(), np.rot90(image, -rotation_deg // 90))


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_a_region_is_cut_here_where_the_camera_cannot(cameras, rotation_deg):
    camera = PiCamera(controls={"FrameDurationLimits": (0, 0, 0)})
    source = opened(cameras, camera, roi_xywh=(0.25, 0.0, 0.5, 0.25), rotation_deg=rotation_deg)
    camera.put(IMAGE)
    whole = np.rot90(IMAGE, -rotation_deg // 90)
    height_px, width_px = whole.shape[:2]
    assert np.array_equal(source.grab(), whole[: height_px // 4, width_px // 4 : width_px * 3 // 4])


def test_a_missing_module_is_told_with_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(
        SourceError, match=r"needs the Python module picamera2; run: sudo apt install python3-picamera2"
    ):
        Picamera2Camera(0, 64, 48, 20.0, CameraConfig()).open()


def test_a_module_that_was_built_for_another_numpy_is_told(monkeypatch):
    def broken(name: str):
        raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")

    monkeypatch.setattr(picamera2_library, "import_module", broken)
    with pytest.raises(SourceError, match=r"cannot be loaded \(numpy\.dtype size changed.*constraints-bookworm\.txt"):
        Picamera2Camera(0, 64, 48, 20.0, CameraConfig()).open()


@pytest.mark.parametrize(("known", "says"), [(0, "finds none"), (1, "finds 0: imx219")])
def test_a_camera_that_is_not_there_is_told_with_those_that_are(cameras, known, says):
    cameras.extend(PiCamera() for _ in range(known))
    with pytest.raises(SourceError, match=rf"no camera 3, libcamera {says}; check the cable at both ends"):
        Picamera2Camera(3, 64, 48, 20.0, CameraConfig()).open()


@pytest.mark.parametrize("step", ["construct", "configure", "start"])
def test_a_camera_that_refuses_is_given_back_and_told_with_the_cause(cameras, step):
    camera = PiCamera()
    camera.fails_in[step] = RuntimeError("Device or resource busy")
    with pytest.raises(
        SourceError, match=r"picamera2:0 cannot be opened \(Device or resource busy\); is another program"
    ):
        opened(cameras, camera)
    assert camera.calls.count("close") == (step != "construct")


def test_a_camera_that_cannot_be_closed_in_order_is_told_and_forgotten(cameras):
    camera = PiCamera()
    source = opened(cameras, camera)
    camera.fails_in["close"] = RuntimeError("No such device")
    with pytest.raises(SourceError, match=r"picamera2:0 did not close in order \(No such device\)"):
        source.close()
    source.close()
    with pytest.raises(SourceError, match="is not open"):
        source.grab()


def test_a_camera_that_gives_no_pictures_is_never_asked_to_stop(cameras):
    camera = PiCamera()
    source = opened(cameras, camera)
    assert source.grab() is None
    with pytest.raises(SourceError, match=r"picamera2:0 gives no pictures and is left until the process ends"):
        source.close()
    source.close()
    gc.collect()
    assert "close" not in camera.calls


def test_a_camera_that_was_late_only_is_closed_and_can_be_opened_again(cameras):
    camera = PiCamera()
    source = opened(cameras, camera)
    for _ in range(2):
        assert source.grab() is None
        camera.put(IMAGE)
        assert np.array_equal(source.grab(), IMAGE)
        source.close()
        source.open()
    assert camera.calls.count("close") == 2


def test_a_colour_temperature_is_not_a_setting_of_this_camera():
    with pytest.raises(ConfigError, match=r"white_balance_k is for v4l2 cameras; for picamera2 set .*white_balance"):
        Picamera2Camera(0, 64, 48, 20.0, CameraConfig(white_balance_k=4500))


class TestLimitedRate:
    def test_the_camera_itself_makes_fewer_pictures_and_all_of_them_again(self, cameras):
        camera = PiCamera()
        source = opened(cameras, camera)
        for limit_fps, period_us in ((10.0, 100_000), (None, 50_000), (40.0, 50_000)):
            source.limit_rate(limit_fps)
            assert camera.was_set["FrameDurationLimits"] == (period_us, period_us)
            camera.put(IMAGE)
            assert np.array_equal(source.grab(), IMAGE)

    def test_a_rate_that_was_limited_is_not_taken_for_one_that_was_refused(self, cameras, caplog):
        camera = PiCamera()
        source = opened(cameras, camera)
        source.limit_rate(10.0)
        camera.metadata = {"FrameDuration": 100_000}
        for _ in range(30):
            camera.put(IMAGE)
            source.grab()
        assert warnings(caplog) == []

    def test_a_limit_does_not_outlive_the_camera_that_it_was_set_for(self, cameras):
        camera = PiCamera()
        source = opened(cameras, camera)
        source.limit_rate(10.0)
        source.close()
        source.open()
        assert camera.was_set["FrameDurationLimits"] == (50_000, 50_000)

    def test_where_the_camera_cannot_the_others_are_given_back_unread(self, cameras):
        camera, clock = PiCamera(controls={"ScalerCrop": PI_CONTROLS["ScalerCrop"]}), FakeClock(5.0)
        cameras.append(camera)
        source = Picamera2Camera(0, 64, 48, 20.0, CameraConfig(), clock)
        source.open()
        source.limit_rate(10.0)
        taken = []
        for number in range(20):
            clock.advance(0.05)
            camera.put(picture(number, 64, 48))
            image = source.grab()
            if image is not None:
                taken.append(number)
                assert np.array_equal(image, picture(number, 64, 48))
        assert taken == [0, *range(1, 20, 2)]
        assert camera.requests_out == 0

    def test_a_camera_that_refused_is_asked_again_until_it_makes_all_its_pictures(self, cameras, caplog, monkeypatch):
        camera, clock = PiCamera(), FakeClock(5.0)
        cameras.append(camera)
        source = Picamera2Camera(0, 64, 48, 20.0, CameraConfig(), clock)
        source.open()

        def refuse(controls):
            raise RuntimeError("busy")

        def grab(count: int) -> int:
            taken = 0
            for number in range(count):
                clock.advance(0.05)
                camera.put(picture(number, 64, 48))
                taken += source.grab() is not None
            return taken

        with monkeypatch.context() as patch:
            patch.setattr(source._picam2, "set_controls", refuse)
            source.limit_rate(10.0)
            assert grab(20) <= 11
        source.limit_rate(None)
        assert grab(20) == 20, "what was set here ends when the camera obeys"
        source.limit_rate(10.0)
        with monkeypatch.context() as patch:
            patch.setattr(source._picam2, "set_controls", refuse)
            source.limit_rate(None)
            grab(200)
            assert camera.was_set["FrameDurationLimits"] == (100_000, 100_000), "it is slow still"
        grab(101)
        assert camera.was_set["FrameDurationLimits"] == (50_000, 50_000)
        assert grab(20) == 20
        assert warnings(caplog) == ["camera picamera2:0 does not change its rate (busy)"] * 2

    def test_a_camera_that_refuses_is_limited_here_and_goes_on(self, cameras, caplog, monkeypatch):
        camera = PiCamera()
        source = opened(cameras, camera)

        def refuse(controls):
            raise RuntimeError("busy")

        monkeypatch.setattr(source._picam2, "set_controls", refuse)
        source.limit_rate(0.001)
        assert warnings(caplog) == ["camera picamera2:0 does not change its rate (busy)"]
        camera.put(IMAGE)
        camera.put(IMAGE)
        assert source.grab() is not None
        assert source.grab() is None
