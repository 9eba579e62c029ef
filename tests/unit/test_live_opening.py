"""A live camera that is opened without waiting for it: whoever reads learns what has become of it."""

import threading

import numpy as np
import pytest

from edge.errors import SourceError
from tests.rigs import WAIT_S, FakeClock, LiveRig, ScriptedCamera
from tests.scenes import picture


@pytest.fixture
def begun():
    rig = LiveRig(ScriptedCamera(), FakeClock(50.0))
    yield rig
    rig.camera.release()
    rig.source.close()


def test_a_camera_that_is_only_begun_is_waited_for_by_whoever_reads(begun):
    begun.source.open(wait=False)
    assert begun.read() is None
    begun.camera.deliver(picture(0))
    frame = begun.read()
    assert frame is not None and np.array_equal(frame.image, picture(0))


@pytest.mark.parametrize(
    ("is_open", "limit_s", "told"), [(False, 20.0, "did not open"), (True, 5.0, "gave no picture")]
)
def test_a_camera_that_was_only_begun_is_given_up_in_the_same_time(begun, monkeypatch, is_open, limit_s, told):
    may_open = threading.Event()
    monkeypatch.setattr(begun.camera, "open", lambda: may_open.wait(WAIT_S))
    begun.source.open(wait=False)
    if is_open:
        may_open.set()
        begun.camera.wait_until_taken()
    assert begun.read() is None
    begun.clock.advance(limit_s)
    assert begun.read() is None, "neither the age of a picture, nor that of a camera that opens"
    begun.clock.advance(0.1)
    with pytest.raises(SourceError, match=rf"camera fake:0 {told} in {limit_s:g} s"):
        begun.read()
    may_open.set()


def test_a_camera_that_would_hold_up_the_others_is_waited_for_all_the_same():
    rig = LiveRig(ScriptedCamera(SourceError("lost")), FakeClock())
    rig.camera.opens_aside = False
    with pytest.raises(SourceError, match="lost"):
        rig.source.open(wait=False)
    rig.source.close()
