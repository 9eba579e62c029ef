"""Presence with a stored picture of the tray: what lies there at the start is an item, and no old picture blocks."""

import logging

import numpy as np
import pytest

from edge.config import PresenceConfig
from edge.presence.local_contrast import LocalContrastDetector
from edge.presence.reference import Reference
from edge.records import Frame
from edge.sources.sim import Simulation
from edge.sources.sim_script import Item
from edge.thumbnail import thumbnail
from tests.scenes import PresenceRig, SyntheticTray

MIDDLE = (0.5, 0.5)
PATIENCE_S = 4.0
ITEMS = [
    ("in the middle", {"item": MIDDLE}),
    ("at the edge", {"item": (0.2, 0.7)}),
    ("small", {"item": MIDDLE, "size": 0.15}),
    ("large", {"item": MIDDLE, "size": 0.6}),
    ("plain", {"item": MIDDLE, "is_plain": True}),
]
VIEWS = [
    ("the same light", {}),
    ("half the light", {"gain": 0.5}),
    ("light from one side", {"gradient": 0.3}),
    ("a camera that was nudged", {"shift_px": (4, 2)}),
]


def picture_of(tray: SyntheticTray) -> np.ndarray:
    """What calibration stores: the mean of some thumbnails."""
    return np.mean([thumbnail(tray.image()) for _ in range(5)], axis=0).round().astype(np.uint8)


def rig_of(tray: SyntheticTray | None = None, stored: np.ndarray | None = None) -> PresenceRig:
    detector = LocalContrastDetector(
        PresenceConfig(), stored=picture_of(SyntheticTray()) if stored is None else stored, patience_s=PATIENCE_S
    )
    return PresenceRig(detector, tray or SyntheticTray(seed=0))


@pytest.mark.parametrize("item", [row[1] for row in ITEMS], ids=[row[0] for row in ITEMS])
@pytest.mark.parametrize("view", [row[1] for row in VIEWS], ids=[row[0] for row in VIEWS])
def test_what_lies_there_at_the_start_is_an_item_and_the_tray_empty_when_it_is_gone(item, view):
    rig = rig_of()
    assert rig.look(8, **item, **view)[-1].is_occupied
    assert rig.look(20, **item, **view)[-1].is_occupied
    rig.look(2, **view)
    assert not any(seen.is_occupied for seen in rig.look(40, **view))
    rig.look(1, item=(0.3, 0.4), **view)
    assert rig.look(3, item=(0.3, 0.4), **view)[-1].is_occupied


@pytest.mark.parametrize("view", [row[1] for row in VIEWS], ids=[row[0] for row in VIEWS])
def test_an_empty_tray_is_empty_from_the_start(view):
    rig = rig_of()
    assert not any(seen.is_occupied for seen in rig.look(40, **view))
    rig.look(1, item=MIDDLE, **view)
    assert rig.look(5, item=MIDDLE, **view)[-1].is_occupied
    assert not rig.look(5, **view)[-1].is_occupied


STRANGERS = [
    ("a camera that was turned away", SyntheticTray(texture=30.0), {"shift_px": (120, 60)}),
    ("another tray", SyntheticTray(seed=9, texture=30.0), {}),
]


@pytest.mark.parametrize(("tray", "view"), [row[1:] for row in STRANGERS], ids=[row[0] for row in STRANGERS])
def test_a_picture_of_something_else_is_told_and_left_aside(tray, view, caplog):
    rig = rig_of(tray, picture_of(SyntheticTray(texture=30.0)))
    with caplog.at_level(logging.WARNING):
        assert not any(seen.is_occupied for seen in rig.look(30, **view))
    assert [record.message for record in caplog.records if "does not look like its stored picture" in record.message]
    rig.look(1, item=MIDDLE, **view)
    assert rig.look(5, item=MIDDLE, **view)[-1].is_occupied


STAIN = {"item": (0.6, 0.6), "size": 0.2}


def test_a_stain_is_taken_for_the_tray_after_a_while(caplog):
    rig = rig_of()
    assert all(seen.is_occupied for seen in rig.look(79, **STAIN)[8:])
    with caplog.at_level(logging.WARNING):
        assert not any(seen.is_occupied for seen in rig.look(60, **STAIN)[1:])
    assert "in 4 s the tray never looked like its stored picture, which is left aside" in caplog.text


def test_a_tray_that_is_used_meanwhile_does_not_make_it_longer():
    tray, stained = SyntheticTray(), SyntheticTray()
    stained.surface = tray.image(**STAIN)[:, :, 0].astype(np.float32)
    rig = rig_of(stained, picture_of(tray))
    for _ in range(9):
        assert rig.look(10)[-1].is_occupied == (rig.last.t_s < PATIENCE_S)
        rig.look(4, item=(0.3, 0.3))
    rig.look(20)
    for _ in range(3):
        assert not rig.look(20)[-1].is_occupied
        rig.look(1, item=(0.3, 0.3))
        assert rig.look(9, item=(0.3, 0.3))[-1].is_occupied, "items are told again"


def test_darkness_and_a_hand_at_the_start_count_too():
    rig = rig_of()
    rig.look(1, **STAIN)
    rig.look(40, gain=0.02, **STAIN)
    for number in range(20):
        rig.look(1, item=(0.3 + 0.2 * (number % 2), 0.3))
    assert rig.look(15, **STAIN)[-1].is_occupied
    assert not any(seen.is_occupied for seen in rig.look(40, **STAIN)[5:])


def test_a_lamp_that_is_switched_on_late_takes_nothing_of_the_time():
    rig = rig_of()
    rig.look(200, gain=0.02)
    assert rig.look(20, **STAIN)[-1].is_occupied


def test_a_tray_without_lines_cannot_be_told_from_another_and_blocks_no_longer():
    tray, other = SyntheticTray(texture=0.0), SyntheticTray(texture=0.0)
    tray.surface[:] = 150.0
    other.surface[:] = np.linspace(60.0, 200.0, 640, dtype=np.float32)
    other.surface[200:280, 200:280] += 60.0
    assert not Reference.of(picture_of(tray).astype(np.float32)).can_tell_view
    assert Reference.of(picture_of(SyntheticTray()).astype(np.float32)).can_tell_view
    rig = rig_of(other, picture_of(tray))
    rig.look(90)
    assert not any(seen.is_occupied for seen in rig.look(60))
    rig.look(1, item=(0.7, 0.7))
    assert rig.look(5, item=(0.7, 0.7))[-1].is_occupied


def test_an_item_that_was_taken_for_the_tray_is_forgotten_when_it_is_taken_away():
    rig = rig_of()
    rig.look(110, item=MIDDLE)
    assert not rig.last.is_occupied
    rig.look(2)
    assert not any(seen.is_occupied for seen in rig.look(20))
    rig.look(1, item=(0.3, 0.4))
    assert rig.look(3, item=(0.3, 0.4))[-1].is_occupied


def test_the_stored_picture_serves_at_the_start_alone():
    rig = rig_of()
    rig.look(30)
    rig.look(1, **STAIN)
    assert all(seen.is_occupied for seen in rig.look(200, **STAIN)), "an occupied tray is never learnt"


def test_without_a_stored_picture_every_answer_is_as_before():
    tray = SyntheticTray()
    frames = [Frame(index, index / 20, tray.image(item=MIDDLE if 20 < index < 40 else None)) for index in range(60)]
    plain, none = LocalContrastDetector(PresenceConfig()), LocalContrastDetector(PresenceConfig(), stored=None)
    assert [plain.observe(frame, may_learn=True) for frame in frames] == [
        none.observe(frame, may_learn=True) for frame in frames
    ]


SEEDS = (1, 3, 7)
THINGS = [("glass", "bottle_brown"), ("paper", "crumpled_ball"), ("plastic", "clear_tray"), ("trash", "coffee_pod")]


def answers(detector: LocalContrastDetector, frames: list[Frame]) -> list[bool]:
    return [detector.observe(frame, may_learn=False).is_occupied for frame in frames]


def test_on_rendered_trays_every_item_that_lies_there_at_the_start_is_seen_and_seen_to_leave():
    seen = left = seen_without = left_without = 0
    for seed in SEEDS:
        empty = Simulation(seed=seed, items=1, fps=10.0, width_px=320, height_px=240)
        empty.open()
        stored = np.mean([thumbnail(empty.take().image) for _ in range(20)], axis=0).round().astype(np.uint8)
        for label, kind in THINGS:
            script = [Item(label, kind, gap_s=0.1, rest_s=4.0)]
            play = Simulation(seed=seed, items=1, fps=10.0, width_px=320, height_px=240, script=script)
            play.open()
            frames = [frame for frame in (play.take() for _ in range(85)) if frame.t_s > 3.2]
            with_picture = answers(LocalContrastDetector(PresenceConfig(), stored=stored), frames)
            without = answers(LocalContrastDetector(PresenceConfig()), frames)
            seen += all(with_picture[8:25])
            left += not any(with_picture[-10:])
            seen_without += any(without[8:25])
            left_without += not any(without[-10:])
    assert (seen, left) == (12, 12)
    assert seen_without == 0, "what lies there at the start is the reference"
    assert left_without < 12, "and its leaving may look like an item"
