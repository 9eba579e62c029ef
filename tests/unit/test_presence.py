"""Presence by local contrast, over synthetic trays: light is no item, and an item is one wherever and however long."""

import math
from typing import Any

import numpy as np
import pytest

from edge.config import PresenceConfig
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import Presence
from tests.scenes import PresenceRig, SyntheticTray

MIDDLE = (0.5, 0.5)
SIZES = [(320, 240), (640, 480), (1280, 720), (1640, 1232)]


def rig_of(tray: SyntheticTray | None = None, **changes: Any) -> PresenceRig:
    """A detector that has learnt the empty tray."""
    rig = PresenceRig(LocalContrastDetector(PresenceConfig(**changes)), tray or SyntheticTray())
    rig.look(10)
    return rig


@pytest.fixture
def rig() -> PresenceRig:
    return rig_of()


def facts(presence: Presence) -> tuple[bool, bool, bool]:
    return presence.is_occupied, presence.is_moving, presence.is_disturbed


def is_empty(seen: list[Presence]) -> bool:
    return all(presence.is_lit and facts(presence) == (False, False, False) for presence in seen)


def is_resting(seen: list[Presence]) -> bool:
    return all(presence.is_lit and facts(presence) == (True, False, False) for presence in seen)


def test_an_item_appears_moves_rests_and_leaves(rig):
    assert is_empty(rig.look(10))
    for x in np.linspace(0.2, 0.5, 7):
        (moving,) = rig.look(item=(float(x), 0.5))
        assert facts(moving) == (True, True, True)
    assert rig.look(item=MIDDLE)[0].is_occupied
    assert is_resting(rig.look(20, item=MIDDLE))
    (leaving,) = rig.look()
    assert leaving.is_disturbed
    assert not leaving.is_occupied
    assert is_empty(rig.look(20))


def test_the_very_first_frame_counts_as_motion_since_nothing_is_known():
    first, second = PresenceRig(LocalContrastDetector(PresenceConfig()), SyntheticTray()).look(2)
    assert (first.is_moving, first.is_occupied) == (True, False)
    assert not second.is_moving


def test_cover_and_motion_are_shares_of_the_tray(rig):
    (arriving,) = rig.look(item=MIDDLE)
    (resting,) = rig.look(item=MIDDLE)
    assert 0.03 < resting.cover < 0.15, "the block covers a sixteenth of the frame"
    assert 0.03 < arriving.motion < 0.15
    assert resting.motion < 0.005


LIGHT = [
    ("half as bright again at once", lambda i: {"gain": 1.4 if i >= 5 else 1.0}),
    ("half as bright at once", lambda i: {"gain": 0.5 if i >= 5 else 1.0}),
    ("a third as bright at once", lambda i: {"gain": 0.33 if i >= 5 else 1.0}),
    ("a lamp that flickers by a tenth", lambda i: {"gain": 1.0 + 0.1 * (-1) ** i}),
    ("a lamp that pulses", lambda i: {"gain": 1.0 + 0.3 * math.sin(i / 3)}),
    ("a shadow that falls from one side", lambda i: {"gradient": 0.4 if i >= 5 else 0.0}),
    ("light that wanders from left to right", lambda i: {"gradient": -0.4 + 0.02 * i}),
]


@pytest.mark.parametrize("light", [row[1] for row in LIGHT], ids=[row[0] for row in LIGHT])
def test_light_is_neither_an_item_nor_a_motion(rig, light):
    for index in range(40):
        (seen,) = rig.look(**light(index))
        assert facts(seen) == (False, False, False), f"frame {index}"


@pytest.mark.parametrize("light", [row[1] for row in LIGHT], ids=[row[0] for row in LIGHT])
def test_an_item_is_seen_at_rest_whatever_the_light_does(rig, light):
    rig.look(2, item=MIDDLE)
    for index in range(40):
        (seen,) = rig.look(item=MIDDLE, **light(index))
        assert facts(seen) == (True, False, False), f"frame {index}"


@pytest.mark.parametrize("gain", [0.2, 0.5, 1.0, 1.4], ids="gain {}".format)
def test_an_item_is_seen_on_a_dark_tray_and_on_a_bright_one(gain: float):
    rig = PresenceRig(LocalContrastDetector(PresenceConfig()), SyntheticTray())
    rig.look(10, gain=gain)
    assert is_empty(rig.look(10, gain=gain))
    rig.look(2, item=MIDDLE, gain=gain)
    assert is_resting(rig.look(10, item=MIDDLE, gain=gain))


def test_ten_minutes_of_slow_drift_are_followed(rig):
    for minute_fraction in range(600):
        share = minute_fraction / 600
        rig.skip(0.95)
        (seen,) = rig.look(gain=1.0 - 0.6 * share, gradient=0.5 * share)
        assert facts(seen) == (False, False, False), f"second {minute_fraction}"
    rig.look(item=MIDDLE, gain=0.4, gradient=0.5)
    assert is_resting(rig.look(5, item=MIDDLE, gain=0.4, gradient=0.5))


def test_the_dark_is_told_and_nothing_else_is_said(rig):
    for dark in rig.look(5, gain=0.05):
        assert (dark.is_lit, *facts(dark), dark.cover, dark.motion) == (False, False, False, False, 0.0, 0.0)
    back = rig.look(5)
    assert (back[0].is_lit, back[0].is_moving) == (True, True), "nothing is known of what came in the dark"
    assert not any(seen.is_occupied for seen in back)
    assert is_empty(back[1:])


def test_an_item_that_came_in_the_dark_is_seen_when_the_light_comes_back(rig):
    rig.look(20, item=MIDDLE, gain=0.05)
    assert all(seen.is_occupied for seen in rig.look(10, item=MIDDLE))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_camera_knocked_by_a_few_pixels_sees_no_item(size: tuple[int, int]):
    rig = rig_of(SyntheticTray(*size))
    pixels = max(1, round(3 * size[0] / 640))
    for shift_px in [(pixels, 0), (pixels, pixels), (0, -pixels), (-pixels, -pixels)]:
        assert not any(seen.is_occupied for seen in rig.look(3, shift_px=shift_px)), shift_px
        assert is_empty(rig.look(5, shift_px=shift_px))


def test_a_knocked_camera_still_sees_items(rig):
    rig.look(40, shift_px=(3, 2))
    rig.look(2, item=MIDDLE, shift_px=(3, 2))
    assert is_resting(rig.look(5, item=MIDDLE, shift_px=(3, 2)))


def test_an_item_that_lies_there_for_a_minute_is_not_absorbed(rig):
    rig.look(2, item=MIDDLE)
    assert is_resting(rig.look(1200, item=MIDDLE, may_learn=True))
    rig.look()
    assert is_empty(rig.look(20))


@pytest.mark.parametrize("is_plain", [True, False], ids=["plain", "patterned"])
def test_an_item_at_the_start_leaves_no_ghost_when_it_is_taken_away(is_plain: bool):
    rig = PresenceRig(LocalContrastDetector(PresenceConfig()), SyntheticTray())
    rig.look(40, item=MIDDLE, is_plain=is_plain, may_learn=False)
    rig.look()
    assert is_empty(rig.look(20)[1:])
    rig.look(2, item=(0.4, 0.6))
    assert is_resting(rig.look(10, item=(0.4, 0.6)))
    rig.look()
    assert is_empty(rig.look(10))


@pytest.mark.parametrize("grey", [120, 130, 140, 150, 160, 170, 180, 200])
def test_a_plain_sheet_on_a_patterned_mat_is_missed_once_at_most(grey: int):
    """It takes local contrast away, as an item that vanishes does. At worst the first one after the start is taken for
    that; once it is gone the mat counts as empty, and every later sheet is seen."""
    rig = rig_of(SyntheticTray(texture=9.0))
    mat = rig.tray.surface
    sheet = mat.copy()
    sheet[120:360, 160:480] = grey
    sightings = []
    for _ in range(4):
        rig.tray.surface = sheet
        sightings.append(rig.look(20)[2:])
        rig.tray.surface = mat
        assert is_empty(rig.look(20)[2:])
    assert all(seen.is_occupied for sighting in sightings[1:] for seen in sighting)


def test_the_first_reference_waits_until_nothing_moves():
    rig = PresenceRig(LocalContrastDetector(PresenceConfig()), SyntheticTray())
    for x in np.linspace(0.2, 0.8, 30):
        assert not rig.look(item=(float(x), 0.5))[0].is_occupied
    rig.look(10)
    rig.look(2, item=MIDDLE)
    assert is_resting(rig.look(5, item=MIDDLE))


@pytest.mark.parametrize("item", [MIDDLE, (0.15, 0.15), (0.85, 0.85), (0.15, 0.8)], ids=str)
def test_a_small_item_is_seen_wherever_it_lies(rig, item: tuple[float, float]):
    """A sixth of the frame's width and height, as a cup's lid has; a bottle cap is not meant."""
    rig.look(2, item=item, size=0.17)
    assert is_resting(rig.look(10, item=item, size=0.17))


def test_a_crumb_is_no_item(rig):
    assert not any(seen.is_occupied for seen in rig.look(20, item=MIDDLE, size=0.05))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_frame_size_shows_the_same(size: tuple[int, int]):
    rig = rig_of(SyntheticTray(*size))
    assert is_empty(rig.look(5))
    assert rig.look(item=MIDDLE)[0].is_disturbed
    assert is_resting(rig.look(5, item=MIDDLE))
    rig.look()
    assert is_empty(rig.look(5))


@pytest.mark.parametrize("sigma", [0.0, 2.0, 4.0, 6.0, 8.0], ids="noise {}".format)
def test_noise_is_neither_an_item_nor_a_motion_and_hides_none(sigma: float):
    rig = rig_of(SyntheticTray(sigma=sigma))
    assert is_empty(rig.look(40))
    rig.look(2, item=MIDDLE)
    assert is_resting(rig.look(20, item=MIDDLE))


def test_an_item_between_two_thresholds_keeps_its_state():
    """Hysteresis: it must cover more to appear than to stay."""
    small, large = (rig_of().look(2, item=MIDDLE, size=size)[1].cover for size in (0.2, 0.4))
    rig = rig_of(occupied_cover=(small + large) / 2, empty_cover=small / 2)
    rig.look(3, item=MIDDLE, size=0.5)
    rig.look(5)
    seen = [rig.look(5, item=MIDDLE, size=size, may_learn=False)[-1].is_occupied for size in (0.2, 0.4, 0.2, 0.05)]
    assert seen == [False, True, True, False]


def test_nothing_is_learnt_unless_it_is_allowed():
    blank = np.full((480, 640), 150.0, np.float32)
    for may_learn in (False, True):
        rig = rig_of(learn_s=0.2)
        fine = rig.tray.surface.copy()
        covers = []
        for share in np.linspace(0.0, 1.0, 60):
            rig.tray.surface = (1 - share) * fine + share * (2 * fine - blank)
            covers.append(rig.look(may_learn=may_learn)[0].cover)
        assert (covers[-1] > 0.002) is not may_learn


@pytest.fixture
def looks(monkeypatch) -> list[float]:
    """Times of the frames that were looked at as a whole."""
    times: list[float] = []
    whole = LocalContrastDetector._look

    def look(self: LocalContrastDetector, t_s: float, *args: Any, **kwargs: Any) -> Presence:
        times.append(t_s)
        return whole(self, t_s, *args, **kwargs)

    monkeypatch.setattr(LocalContrastDetector, "_look", look)
    return times


@pytest.mark.parametrize("sigma", [0.0, 4.0, 8.0])
def test_an_item_at_rest_costs_a_look_now_and_then_only(looks, sigma: float):
    rig = rig_of(SyntheticTray(sigma=sigma))
    rig.look(5, item=MIDDLE)
    rig.look(10)
    rig.look(5, item=MIDDLE)
    looks.clear()
    assert is_resting(rig.look(100, item=MIDDLE))
    assert 10 <= len(looks) <= 15


@pytest.mark.parametrize("frames", [30, 200, 1000])
def test_an_item_that_dwindles_without_a_motion_is_noticed_however_slowly(looks, frames: int):
    rig = rig_of()
    rig.look(5, item=MIDDLE)
    rig.look(10)
    rig.look(5, item=MIDDLE)
    looks.clear()
    seen = [rig.look(item=MIDDLE, size=float(size))[0] for size in np.linspace(0.25, 0.02, frames)]
    assert seen[0].is_occupied
    assert not seen[-1].is_occupied
    assert len(looks) > 10


def test_the_light_going_out_over_an_item_at_rest_is_seen_at_once():
    rig = rig_of()
    rig.look(5, item=MIDDLE)
    rig.look(10)
    assert is_resting(rig.look(10, item=MIDDLE)[2:])
    (dark,) = rig.look(item=MIDDLE, gain=0.02)
    assert not dark.is_lit
    assert is_resting(rig.look(10, item=MIDDLE)[1:])


@pytest.mark.parametrize(("levels", "sigma"), [(6.0, 0.0), (8.0, 0.0), (8.0, 2.0), (12.0, 2.0)])
def test_a_faint_item_at_rest_that_vanishes_is_missed_within_half_a_second(levels: float, sigma: float):
    """The quick comparison cannot see it go: so faint a change could be light."""
    rig = rig_of(SyntheticTray(sigma=sigma, texture=0.0), empty_cover=0.01)
    rig.look(5, item=MIDDLE)
    rig.look(10)
    assert rig.look(15, item=MIDDLE, contrast=levels)[-1].is_occupied
    assert not rig.look(10)[-1].is_occupied


@pytest.mark.parametrize("share", [0.001, 0.0015])
def test_a_config_that_counts_single_places_is_heeded_at_rest_as_well(share: float):
    rig = rig_of(SyntheticTray(sigma=0.0), empty_cover=share, occupied_cover=share, moving_share=share)
    rig.look(5, item=MIDDLE)
    rig.look(10)
    assert rig.look(5, item=MIDDLE, size=0.04)[-1].is_occupied
    assert not rig.look()[0].is_occupied


def test_an_item_at_rest_in_light_that_fades_to_dark_is_no_longer_spoken_of():
    rig = rig_of()
    rig.look(5, item=MIDDLE)
    rig.look(10)
    assert is_resting(rig.look(10, item=MIDDLE, gain=0.12)[2:])
    (dark,) = rig.look(item=MIDDLE, gain=0.10)
    assert not dark.is_lit
