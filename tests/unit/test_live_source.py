"""The shell of a live camera: the freshest frame or an error, on a clock that stands still unless it is moved."""

import logging
import threading

import numpy as np
import pytest

from edge.errors import SourceError
from edge.records import Frame
from edge.sources import live
from tests.rigs import FakeClock, LiveRig, ScriptedCamera, grabbing_thread
from tests.scenes import picture

FIRST = picture(0)


@pytest.fixture
def rig():
    rig = LiveRig(ScriptedCamera(FIRST), FakeClock(50.0))
    rig.source.open()
    rig.camera.wait_until_taken()
    yield rig
    rig.camera.release()
    rig.source.close()


@pytest.fixture
def unopened():
    rig = LiveRig(ScriptedCamera(), FakeClock(50.0))
    yield rig
    rig.camera.release()
    rig.source.close()


def test_the_first_frame_is_there_once_the_source_is_open(rig):
    frame = rig.read()
    assert (frame.index, frame.t_s) == (0, 50.0)
    assert np.array_equal(frame.image, FIRST)


def test_the_freshest_frame_wins_and_those_before_it_are_gone(rig):
    for seed in (1, 2, 3):
        rig.clock.advance(0.05)
        rig.camera.deliver(picture(seed))
    frame = rig.read()
    assert (frame.index, frame.t_s) == (3, pytest.approx(50.15))
    assert np.array_equal(frame.image, picture(3))
    assert rig.read() is None


def test_a_frame_carries_the_time_at_which_it_was_grabbed_not_read(rig):
    rig.clock.advance(0.2)
    rig.camera.deliver(picture(1))
    rig.clock.advance(0.3)
    assert rig.read().t_s == pytest.approx(50.2)


def test_a_reader_that_waits_gets_the_frame_when_it_comes(rig):
    rig.read()
    helper = threading.Thread(target=rig.camera.deliver, args=(picture(1),))
    helper.start()
    assert rig.read(wait_s=0.5).index == 1
    helper.join()


def test_a_reader_waits_no_longer_than_it_said():
    class RunningClock(FakeClock):
        def now_s(self) -> float:
            self.advance(0.01)
            return super().now_s()

    rig = LiveRig(ScriptedCamera(FIRST), RunningClock(50.0))
    rig.source.open()
    rig.camera.wait_until_taken()
    until_s = rig.clock.now_s() + 0.06
    assert rig.source.read(until_s).index == 0
    assert rig.source.read(until_s) is None
    assert until_s <= rig.clock.now_s() < until_s + 0.05
    rig.camera.release()
    rig.source.close()


@pytest.mark.parametrize("is_read", [True, False], ids=["no newer picture", "the picture was never read"])
def test_a_camera_that_delivers_nothing_any_more_is_stale(rig, is_read: bool):
    if is_read:
        rig.read()
    rig.clock.advance(0.49)
    if is_read:
        assert rig.read() is None
    rig.clock.advance(0.12)
    with pytest.raises(
        SourceError, match=r"camera fake:0 is stale: its last picture is 0\.6 s old, 0\.5 s are allowed"
    ):
        rig.read()


def test_a_camera_that_delivers_again_is_no_longer_stale(rig):
    rig.clock.advance(3.0)
    with pytest.raises(SourceError, match="stale"):
        rig.read()
    rig.camera.deliver(picture(1))
    assert rig.read().index == 1


def test_a_camera_that_repeats_its_picture_is_frozen(rig):
    for _ in range(4):
        rig.clock.advance(0.45)
        rig.camera.deliver(FIRST.copy())
        assert rig.read() is not None
    rig.clock.advance(0.45)
    rig.camera.fail(FIRST.copy())
    with pytest.raises(SourceError, match=r"camera fake:0 is frozen: the same picture for 2 s; unplug it"):
        rig.read()


def test_a_still_scene_is_not_frozen_since_a_sensor_is_never_quiet(rig):
    for step in range(20):
        rig.clock.advance(0.45)
        noisy = FIRST.copy()
        noisy[0, step, 0] ^= 1
        rig.camera.deliver(noisy)
        assert rig.read() is not None


def test_a_picture_that_comes_back_later_is_not_frozen(rig):
    for step in range(10):
        rig.clock.advance(0.45)
        rig.camera.deliver(picture(step % 2))
        assert rig.read() is not None


def test_a_lost_camera_is_told_at_the_next_read_and_at_every_one_after_it(rig):
    lost = SourceError("camera fake:0 is lost; check its cable")
    rig.camera.fail(lost)
    for _ in range(2):
        with pytest.raises(SourceError) as raised:
            rig.read()
        assert raised.value is lost


def test_any_other_failure_is_translated_and_keeps_its_cause(rig):
    cause = OSError("ioctl failed")
    rig.camera.fail(cause)
    with pytest.raises(SourceError, match=r"camera fake:0 failed: ioctl failed; check its cable and driver") as raised:
        rig.read()
    assert raised.value.__cause__ is cause


def test_a_failure_goes_before_a_frame_that_was_not_read_yet(rig):
    rig.camera.deliver(picture(1))
    rig.camera.fail(SourceError("lost"))
    with pytest.raises(SourceError, match="lost"):
        rig.read()


def test_a_failure_wakes_a_reader_that_waits(rig):
    rig.read()
    helper = threading.Thread(target=rig.camera.fail, args=(SourceError("lost"),))
    helper.start()
    with pytest.raises(SourceError, match="lost"):
        rig.read(wait_s=0.5)
    helper.join()


def test_a_picture_of_another_format_is_refused(rig):
    rig.camera.fail(np.zeros((48, 64), np.uint8))
    with pytest.raises(SourceError, match=r"frame is uint8 of shape \(48, 64\), expected \(height, width, 3\)"):
        rig.read()


def test_a_camera_that_refuses_to_open_is_not_closed(unopened):
    unopened.camera.refuses_open = SourceError("busy")
    with pytest.raises(SourceError, match="busy"):
        unopened.source.open()
    unopened.source.close()
    assert unopened.camera.closed == 0


def test_a_camera_without_a_first_picture_is_told_and_still_closed(unopened, monkeypatch):
    monkeypatch.setattr(live, "FIRST_FRAME_S", 0.02)
    with pytest.raises(SourceError, match=r"camera fake:0 gave no picture in 0\.02 s; check its cable"):
        unopened.source.open()
    unopened.camera.release()
    unopened.source.close()
    assert unopened.camera.closed == 1


def test_a_camera_that_fails_at_its_first_picture_is_told_at_once():
    rig = LiveRig(ScriptedCamera(SourceError("lost")), FakeClock())
    with pytest.raises(SourceError, match="lost"):
        rig.source.open()
    rig.source.close()
    assert rig.camera.closed == 1


def test_closing_ends_the_thread_and_gives_the_camera_back_once(rig):
    rig.camera.release()
    thread = grabbing_thread()
    rig.source.close()
    assert not thread.is_alive()
    rig.source.close()
    assert rig.camera.closed == 1


def test_a_camera_that_hangs_in_its_driver_does_not_hold_up_closing(rig, monkeypatch, caplog):
    monkeypatch.setattr(live, "CLOSE_S", 0.02)
    thread = grabbing_thread()
    with caplog.at_level(logging.WARNING):
        rig.source.close()
    assert "camera fake:0 hangs in its driver and is left behind" in caplog.text
    assert rig.camera.closed == 0, "a device must not be closed under a thread that is in it"
    assert thread.daemon, "a hanging thread must not keep the program alive"
    rig.camera.release()
    thread.join(10)
    rig.source.close()
    assert rig.camera.closed == 1


def test_three_buffers_are_enough_for_any_number_of_frames(rig):
    seen = set()
    for seed in range(1, 12):
        rig.camera.deliver(picture(seed))
        if seed % 3:
            frame = rig.read()
            seen.add(frame.image.ctypes.data)
            assert np.array_equal(frame.image, picture(seed))
    assert len(seen) <= live.BUFFERS + 1, "the first picture tells the size, all others are written to the same memory"


def test_the_frame_in_hand_is_not_written_to_while_others_come_and_go(rig):
    frame = rig.read()
    rig.camera.deliver(picture(1))
    in_hand = rig.read()
    for seed in range(2, 9):
        rig.camera.deliver(picture(seed))
        assert np.array_equal(in_hand.image, picture(1))
    assert np.array_equal(rig.read().image, picture(8))
    assert frame.index == 0


def test_a_camera_that_changes_its_size_gets_other_buffers(rig):
    for width_px in (64, 32, 32, 32, 32, 64):
        rig.camera.deliver(picture(1, width_px, 48))
        assert rig.read().image.shape == (48, width_px, 3)


def test_a_frame_that_was_replaced_unread_is_counted_as_missed(rig):
    for seed in (1, 2, 3):
        rig.camera.deliver(picture(seed))
    assert rig.source.missed == 3
    rig.read()
    rig.camera.deliver(picture(4))
    rig.read()
    assert rig.source.missed == 3


def test_a_dull_frame_is_kept_back_and_one_that_is_not_is_handed_over_at_once(rig):
    rig.read()

    def is_dull(frame: Frame) -> bool:
        return np.array_equal(frame.image, picture(1))

    def look():
        return rig.source.read(rig.clock.now_s(), is_dull=is_dull)

    assert look() is None
    for _ in range(4):
        rig.clock.advance(0.05)
        rig.camera.deliver(picture(1))
        assert look() is None
    rig.clock.advance(0.05)
    rig.camera.deliver(picture(2))
    frame = look()
    assert (frame.index, frame.t_s) == (5, pytest.approx(50.25))
    assert rig.source.missed == 0, "what is kept back on purpose is not missed"


def test_even_a_dull_frame_is_handed_over_twice_a_second(rig):
    rig.read()
    handed_s = []
    for seed in range(1, 41):
        rig.source.read(rig.clock.now_s(), is_dull=lambda frame: True)
        rig.clock.advance(1 / 16)
        rig.camera.deliver(picture(seed))
        frame = rig.source.read(rig.clock.now_s(), is_dull=lambda frame: True)
        if frame is not None:
            handed_s.append(frame.t_s)
    assert handed_s == [50.5, 51.0, 51.5, 52.0, 52.5]


def test_a_frame_that_is_wanted_prepared_comes_with_what_was_made_of_it_in_the_cameras_thread(rig):
    threads = []

    def prepare(image, out):
        threads.append(threading.current_thread().name)
        return image[:1].copy()

    assert rig.source.read(rig.clock.now_s(), prepare=prepare).prepared is None, "it was there before it was asked for"
    rig.camera.deliver(picture(1))
    frame = rig.source.read(rig.clock.now_s(), prepare=prepare)
    assert np.array_equal(frame.prepared, picture(1)[:1])
    assert set(threads) == {"camera"}
    rig.camera.deliver(picture(2))
    assert rig.read().prepared is not None
    rig.camera.deliver(picture(3))
    assert rig.read().prepared is None, "asked for no more"


def test_three_prepared_arrays_are_enough_and_the_one_in_hand_is_not_written_to(rig):
    made = []

    def prepare(image, out):
        if out is None:
            out = np.empty_like(image)
            made.append(out)
        out[...] = image
        return out

    rig.source.read(rig.clock.now_s(), prepare=prepare)
    for seed in range(1, 20):
        rig.camera.deliver(picture(seed))
        if seed % 3 == 0:
            frame = rig.source.read(rig.clock.now_s(), prepare=prepare)
            for later in (101, 102, 103):
                rig.camera.deliver(picture(later))
                assert np.array_equal(frame.prepared, picture(seed))
    assert len(made) <= live.BUFFERS


def test_a_preparation_that_fails_is_told_at_the_next_read(rig):
    def prepare(image, out):
        raise ValueError("no such size")

    rig.source.read(rig.clock.now_s(), prepare=prepare)
    rig.camera.fail(picture(1))
    with pytest.raises(SourceError, match="no such size"):
        rig.read()


def test_a_limit_of_the_rate_is_told_to_the_camera_once_and_in_its_own_thread(rig):
    threads = []
    tell = rig.camera.limit_rate
    rig.camera.limit_rate = lambda fps: (threads.append(threading.current_thread().name), tell(fps))
    rig.source.limit_rate(10.0)
    assert threads == []
    for seed in (1, 2, 3):
        rig.camera.deliver(picture(seed))
    rig.source.limit_rate(None)
    rig.camera.deliver(picture(4))
    assert rig.camera.limits_fps == [10.0, None]
    assert set(threads) == {"camera"}


def test_no_limit_is_so_low_that_the_camera_would_count_as_stale(rig):
    rig.source.limit_rate(0.1)
    rig.camera.deliver(picture(1))
    assert rig.camera.limits_fps == [4.0], "two pictures within the 0.5 s after which one is stale"


def test_a_camera_that_is_opened_again_is_limited_again(rig):
    rig.source.limit_rate(10.0)
    rig.camera.release()
    rig.source.close()
    rig.source.open()
    rig.source.read(rig.clock.now_s())
    rig.source.close()
    assert rig.camera.limits_fps[-1] == 10.0


def test_a_live_source_has_no_end(rig):
    assert not rig.source.is_exhausted
