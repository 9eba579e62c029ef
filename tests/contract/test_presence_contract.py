"""What every `ports.PresenceDetector` promises; a new driver is done when it passes."""

from collections.abc import Callable

import numpy as np
import pytest

from edge.config import PresenceConfig
from edge.ports import PresenceDetector
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import Frame
from edge.thumbnail import thumbnail
from tests.scenes import PresenceRig, SyntheticTray

MIDDLE = (0.5, 0.5)
DRIVERS: dict[str, Callable[[], PresenceDetector]] = {
    "local contrast": lambda: LocalContrastDetector(PresenceConfig()),
}
SCRIPT = [*[{}] * 10, *[{"item": (0.3, 0.5)}] * 3, *[{"item": MIDDLE}] * 10, *[{"gain": 0.02}] * 3, *[{}] * 10]


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def make(request) -> Callable[[], PresenceDetector]:
    return request.param


@pytest.fixture
def rig(make) -> PresenceRig:
    return PresenceRig(make(), SyntheticTray())


def test_every_answer_carries_its_frames_time_and_shares_between_none_and_all(rig):
    for index, scene in enumerate(SCRIPT):
        (seen,) = rig.look(**scene)
        assert seen.t_s == index / 20
        assert 0.0 <= seen.cover <= 1.0
        assert 0.0 <= seen.motion <= 1.0
        assert seen.is_moving or not seen.is_disturbed, "a large motion is a motion"


def test_in_the_dark_nothing_is_said(rig):
    rig.look(10)
    for seen in rig.look(3, gain=0.02):
        assert (seen.is_lit, seen.is_occupied, seen.is_moving, seen.is_disturbed) == (False,) * 4
        assert seen.cover == seen.motion == 0.0


def test_an_empty_tray_an_item_and_an_empty_tray_again_are_told_apart(rig):
    rig.look(10)
    assert not rig.look()[0].is_occupied
    assert rig.look(item=MIDDLE)[0].is_disturbed
    (resting,) = rig.look(item=MIDDLE)
    assert (resting.is_occupied, resting.is_moving) == (True, False)
    assert rig.look()[0].is_disturbed
    assert not rig.look()[0].is_occupied


@pytest.mark.parametrize("may_learn", [True, False])
def test_an_occupied_tray_is_never_learnt(rig, may_learn: bool):
    rig.look(10)
    assert rig.look(400, item=MIDDLE, may_learn=may_learn)[-1].is_occupied
    assert not rig.look(2)[-1].is_occupied


def test_the_same_frames_give_the_same_answers(make):
    runs = []
    for _ in range(2):
        rig = PresenceRig(make(), SyntheticTray())
        runs.append([rig.look(**scene)[0] for scene in SCRIPT])
    assert runs[0] == runs[1]


def test_two_detectors_know_nothing_of_one_another(make):
    first, second = (PresenceRig(make(), SyntheticTray(seed=seed)) for seed in (1, 2))
    for _ in range(10):
        first.look()
        second.look()
    assert not first.look()[0].is_occupied
    assert not second.look()[0].is_occupied


def test_the_frame_belongs_to_others(make):
    detector, tray = make(), SyntheticTray()
    for index, scene in enumerate(SCRIPT):
        image = tray.image(**scene)
        kept = image.copy()
        detector.observe(Frame(index, index / 20, image), may_learn=True)
        assert np.array_equal(image, kept)
        image[:] = 0  # the next frame may be grabbed into the same memory


@pytest.mark.parametrize("size", [(64, 64), (160, 120), (641, 479), (4096, 64), (480, 640)], ids=str)
def test_any_frame_size_that_the_config_allows_is_looked_at(make, size: tuple[int, int]):
    rig = PresenceRig(make(), SyntheticTray(*size))
    assert rig.look(10)[-1].is_lit
    assert rig.look(item=MIDDLE, size=0.4)[0].is_disturbed
    assert rig.look(item=MIDDLE, size=0.4)[0].is_occupied


def test_a_frame_like_the_last_one_is_the_same_and_one_with_something_new_is_not(make):
    rig = PresenceRig(make(), SyntheticTray())
    rig.look(40)
    detector, tray = rig.detector, rig.tray
    frames = [Frame(1000, 50.0, tray.image()), Frame(1001, 50.05, tray.image(item=MIDDLE))]
    assert [detector.is_same(frame) for frame in frames] == [True, False]
    assert [detector.is_same(frame) for frame in frames] == [True, False], "to ask changes nothing"


def test_darkness_is_like_darkness_and_not_like_light(make):
    rig = PresenceRig(make(), SyntheticTray())
    rig.look(20)
    rig.look(3, gain=0.02)
    dark, lit = (Frame(1000, 50.0, rig.tray.image(gain=gain)) for gain in (0.02, 1.0))
    assert rig.detector.is_same(dark)
    assert not rig.detector.is_same(lit)
    rig.look(1)
    assert not rig.detector.is_same(dark)


def test_nothing_is_the_same_as_what_was_never_looked_at(make):
    assert not make().is_same(Frame(0, 0.0, SyntheticTray().image()))


def test_a_thumbnail_that_comes_with_the_frame_gives_the_same_answer(make):
    with_thumb, without = make(), make()
    tray = SyntheticTray()
    for index, scene in enumerate(SCRIPT):
        image = tray.image(**scene)
        frame = Frame(index, index / 20, image)
        found = with_thumb.observe(Frame(index, index / 20, image, thumbnail(image)), may_learn=True)
        assert found == without.observe(frame, may_learn=True)
