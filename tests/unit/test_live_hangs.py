"""A camera driver that hangs, wherever it hangs: nobody waits for it without a limit, and the program can end."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest

from edge.config import CameraConfig
from edge.errors import SourceError
from edge.sources import live
from edge.sources.live import LiveSource
from edge.sources.picamera2 import Picamera2Camera
from tests.camera_doubles import PiCamera, picamera2_modules
from tests.rigs import WAIT_S, FakeClock
from tests.scenes import picture


class Bench:
    """A camera of libcamera's in its shell, with short limits."""

    def __init__(self, monkeypatch) -> None:
        self.hardware = PiCamera()
        self.clock = FakeClock(50.0)
        for name, module in picamera2_modules([self.hardware]).items():
            monkeypatch.setitem(sys.modules, name, module)
        for name in ("OPEN_S", "FIRST_FRAME_S", "CLOSE_S"):
            monkeypatch.setattr(live, name, 0.05)
        camera = Picamera2Camera(0, 64, 48, 20.0, CameraConfig())
        self.source = LiveSource(camera, "picamera2", max_age_s=0.5, frozen_s=2.0, clock=self.clock)

    def end(self) -> None:
        self.hardware.release()
        self.source.close()
        for thread in threading.enumerate():
            if thread.name == "camera":
                thread.join(WAIT_S)


@pytest.fixture
def bench(monkeypatch):
    bench = Bench(monkeypatch)
    yield bench
    bench.end()


@pytest.mark.parametrize("step", ["construct", "configure", "start"])
def test_a_camera_that_never_opens_is_told_and_left_behind(bench, caplog, step: str):
    bench.hardware.hangs_in.add(step)
    with pytest.raises(
        SourceError, match=r"camera picamera2 did not open in 0\.05 s; its driver hangs: check its cable"
    ):
        bench.source.open()
    assert not bench.source.is_left_behind, "nobody gave it up yet"
    bench.source.close()
    assert bench.source.is_left_behind
    assert [record.getMessage() for record in caplog.records] == [
        "camera picamera2 hangs in its driver and is left behind"
    ]


def test_a_camera_that_cannot_be_stopped_is_left_behind_once(bench, caplog):
    bench.hardware.hangs_in.add("close")
    bench.hardware.run_freely()
    bench.source.open()
    began_s = time.monotonic()
    bench.source.close()
    bench.source.close()
    assert time.monotonic() - began_s < 1.0
    assert bench.source.is_left_behind
    assert len(caplog.records) == 1
    with pytest.raises(SourceError, match=r"picamera2 was left behind in its driver; restart"):
        bench.source.open()


def test_a_camera_that_comes_back_to_life_is_left_behind_no_longer(bench):
    bench.hardware.hangs_in.add("close")
    bench.hardware.run_freely()
    bench.source.open()
    bench.source.close()
    bench.end()
    assert not bench.source.is_left_behind
    bench.hardware.hangs_in.clear()
    bench.source.open()
    assert bench.source.read(bench.clock.now_s() + 1.0) is not None


def test_a_camera_without_a_first_picture_is_told_and_left_as_it_is(bench):
    with pytest.raises(SourceError, match=r"gave no picture in 0\.05 s; check its cable"):
        bench.source.open()
    bench.source.close()
    assert bench.source.is_left_behind
    assert "close" not in bench.hardware.calls


def test_a_camera_that_was_taken_away_is_stale_in_half_a_second_and_not_touched_any_more(bench, caplog):
    """libcamera gives no error then, only no pictures; asked to stop, it may hang or abort the process."""
    bench.hardware.put(picture(0))
    bench.source.open()
    assert bench.source.read(bench.clock.now_s()) is not None
    bench.clock.advance(0.6)
    with pytest.raises(SourceError, match=r"camera picamera2 is stale: its last picture is 0\.6 s old"):
        bench.source.read(bench.clock.now_s() + 10.0)
    bench.source.close()
    assert bench.source.is_left_behind
    assert "close" not in bench.hardware.calls
    assert caplog.messages == ["camera picamera2:0 gives no pictures and is left until the process ends"]
    with pytest.raises(SourceError, match=r"restart the program"):
        bench.source.open()


def test_a_camera_that_failed_is_not_touched_any_more_either(bench):
    bench.hardware.put(picture(0))
    bench.source.open()
    bench.hardware.put(RuntimeError("no such device"))
    with pytest.raises(SourceError, match="no such device"):
        for _ in range(1000):
            bench.source.read(bench.clock.now_s() + 0.01)
    bench.source.close()
    assert bench.source.is_left_behind
    assert "close" not in bench.hardware.calls


def test_a_failure_that_is_not_the_cameras_leaves_a_camera_that_is_given_back(bench):
    bench.hardware.run_freely()
    bench.source.open()
    with pytest.raises(SourceError, match="no such size"):
        for _ in range(1000):
            bench.source.read(bench.clock.now_s() + 0.01, prepare=fail)
    bench.source.close()
    assert not bench.source.is_left_behind
    assert bench.hardware.calls.count("close") == 1


def fail(image, out):
    raise ValueError("no such size")


def test_a_source_is_opened_again_after_it_was_closed(bench):
    bench.hardware.run_freely()
    for _ in range(3):
        bench.source.open()
        first = bench.source.read(bench.clock.now_s() + 1.0)
        second = bench.source.read(bench.clock.now_s() + 1.0)
        assert 0 <= first.index < second.index
        bench.source.close()
    assert bench.hardware.calls.count("close") == 3


def test_a_process_whose_camera_hangs_at_exit_can_still_be_ended():
    """picamera2 closes its camera at exit, in the main thread; only `os._exit` does without."""
    script = """
        import atexit, os, threading
        from edge.sources import live
        from edge.sources.live import LiveSource

        class Hanging:
            def open(self):
                atexit.register(threading.Event().wait)
                threading.Event().wait()

        live.OPEN_S = live.CLOSE_S = 0.05
        source = LiveSource(Hanging(), "picamera2", max_age_s=0.5, frozen_s=2.0)
        try:
            source.open()
        except Exception as exc:
            print(exc, flush=True)
        source.close()
        if source.is_left_behind:
            os._exit(3)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert (run.returncode, run.stdout) == (
        3,
        "camera picamera2 did not open in 0.05 s; its driver hangs: check its cable, then reboot\n",
    )
