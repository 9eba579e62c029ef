"""The tray beam: it tells what lies there, the pictures tell light and motion, and what is stuck is told."""

from typing import Any

import pytest

from edge.config import PresenceConfig
from edge.errors import ActuatorError
from edge.presence.local_contrast import LocalContrastDetector
from edge.presence.tray_beam import TrayBeamDetector
from edge.records import Frame, Presence
from tests.scenes import PresenceRig, SyntheticTray, picture

MIDDLE = (0.5, 0.5)
STILL = Presence(0.0, True, False, False, False, 0.0, 0.0)
DARK = Presence(0.0, False, False, False, False, 0.0, 0.0)
FRAME_S = 0.05


class Beam:
    """A `ports.Switch` that is as the test says."""

    def __init__(self) -> None:
        self.is_broken = False
        self.fails = False

    def open(self) -> None: ...

    def is_actuated(self) -> bool:
        if self.fails:
            raise ActuatorError("tray beam does not answer")
        return self.is_broken

    def close(self) -> None: ...


class Pictures:
    """A `ports.PresenceDetector` that sees what the test says, and remembers what it was allowed."""

    def __init__(self) -> None:
        self.sees = STILL
        self.same = True
        self.allowed: list[bool] = []

    def observe(self, frame: Frame, *, may_learn: bool) -> Presence:
        self.allowed.append(may_learn)
        return self.sees._replace(t_s=frame.t_s)

    def is_same(self, frame: Frame) -> bool:
        return self.same


class Rig:
    def __init__(self) -> None:
        self.beam = Beam()
        self.pictures = Pictures()
        self.detector = TrayBeamDetector(self.beam, self.pictures)
        self._index = 0
        self._image = picture()

    def look(self, frames: int = 1, *, is_broken: bool = False, sees: Presence = STILL, may_learn: bool = True) -> Any:
        """What is said of the last of some frames."""
        self.beam.is_broken, self.pictures.sees = is_broken, sees
        for _ in range(frames):
            seen = self.detector.observe(self.frame(), may_learn=may_learn)
        return seen

    def frame(self) -> Frame:
        self._index += 1
        return Frame(self._index, self._index * FRAME_S, self._image)


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.look(3)
    return rig


@pytest.mark.parametrize("is_broken", [True, False])
@pytest.mark.parametrize("pictures_say", [True, False])
def test_the_beam_alone_tells_whether_something_lies_there(rig, is_broken: bool, pictures_say: bool):
    sees = STILL._replace(is_occupied=pictures_say, cover=0.1, motion=0.2)
    seen = rig.look(2, is_broken=is_broken, sees=sees)
    assert seen == sees._replace(t_s=seen.t_s, is_occupied=is_broken)


@pytest.mark.parametrize("is_disturbed", [True, False])
def test_motion_is_what_the_pictures_show(rig, is_disturbed: bool):
    seen = rig.look(sees=STILL._replace(is_moving=True, is_disturbed=is_disturbed, motion=0.2))
    assert (seen.is_moving, seen.is_disturbed, seen.motion) == (True, is_disturbed, 0.2)


def test_a_change_of_the_beam_is_a_slight_motion_in_one_frame(rig):
    for is_broken in (True, False):
        seen = rig.look(is_broken=is_broken)
        assert (seen.is_moving, seen.is_disturbed) == (True, False)
        assert not rig.look(is_broken=is_broken).is_moving


def test_the_first_look_is_no_change():
    assert not Rig().look(is_broken=True).is_moving


def test_in_the_dark_nothing_is_said_whatever_the_beam_does(rig):
    for is_broken in (True, True, False):
        seen = rig.look(is_broken=is_broken, sees=DARK)
        assert seen == DARK._replace(t_s=seen.t_s)


def test_pictures_learn_when_they_may_and_never_with_something_in_the_beam(rig):
    rig.pictures.allowed.clear()
    for is_broken, may_learn in ((False, True), (False, False), (True, True), (True, False)):
        rig.look(is_broken=is_broken, may_learn=may_learn)
    assert rig.pictures.allowed == [True, False, False, False]


def test_a_frame_is_the_same_only_while_beam_and_picture_are(rig):
    frame = rig.frame()
    assert rig.detector.is_same(frame)
    rig.beam.is_broken = True
    assert not rig.detector.is_same(frame)
    assert not rig.detector.is_same(frame), "to ask changes nothing"
    rig.look(is_broken=True)
    assert rig.detector.is_same(frame)
    rig.pictures.same = False
    assert not rig.detector.is_same(frame)


def test_a_beam_that_does_not_answer_hands_the_frame_over_and_then_fails_in_the_loop(rig):
    rig.beam.fails = True
    assert not rig.detector.is_same(rig.frame())
    with pytest.raises(ActuatorError, match="does not answer"):
        rig.look()


@pytest.mark.parametrize(
    ("is_broken", "sees", "told"),
    [
        (True, STILL, "for 60 s the tray beam has been broken while the pictures show an empty tray"),
        (
            False,
            STILL._replace(is_occupied=True),
            "for 60 s the tray beam has been free while the pictures show something on the tray",
        ),
    ],
)
def test_a_beam_that_seems_stuck_is_told_once(rig, caplog, is_broken: bool, sees: Presence, told: str):
    frames_a_minute = round(60 / FRAME_S)
    rig.look(frames_a_minute - 10, is_broken=is_broken, sees=sees)
    assert not caplog.records
    rig.look(5 * frames_a_minute, is_broken=is_broken, sees=sees)
    rig.look(3)
    rig.look(5 * frames_a_minute, is_broken=is_broken, sees=sees)
    (record,) = caplog.records
    assert record.message == (
        f"{told}; clean and align the beam, and check presence.beam.pin and presence.beam.active_high"
    )


@pytest.mark.parametrize(
    "between", [STILL._replace(is_moving=True), DARK, STILL._replace(is_occupied=True)], ids=["motion", "dark", "agree"]
)
def test_beam_and_pictures_that_agree_move_or_see_nothing_now_and_then_are_not_stuck(rig, caplog, between: Presence):
    for _ in range(10):
        rig.look(round(50 / FRAME_S), is_broken=True)
        rig.look(is_broken=True, sees=between)
    assert not caplog.records


def test_something_that_the_pictures_cannot_see_is_seen_by_the_beam():
    beam = Beam()
    tray = SyntheticTray()
    rig = PresenceRig(TrayBeamDetector(beam, LocalContrastDetector(PresenceConfig())), tray)
    rig.look(20)
    beam.is_broken = True
    assert rig.look()[0].is_moving
    assert [(seen.is_occupied, seen.is_moving) for seen in rig.look(5)] == [(True, False)] * 5
    beam.is_broken = False
    assert not rig.look(2)[-1].is_occupied
