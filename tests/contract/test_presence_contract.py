"""What every `ports.PresenceDetector` promises; a new driver is done when it passes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
import pytest

from edge.config import PresenceConfig, SwitchConfig
from edge.contact import Contact
from edge.presence.local_contrast import LocalContrastDetector
from edge.presence.tray_beam import TrayBeamDetector
from edge.records import BgrImage, Frame
from edge.thumbnail import thumbnail
from tests.pin_rig import PinBench, open_bench
from tests.scenes import PresenceRig, SyntheticTray

MIDDLE = (0.5, 0.5)
BEAM_PINS = (16, 20)
Make = Callable[..., PresenceRig]
"""A detector before a tray of its own; arguments are those of `SyntheticTray`."""


class BeamedTray(SyntheticTray):
    """A tray with a light beam across it, which is broken as long as something is on the picture."""

    def __init__(self, bench: PinBench, pin: int, *size: int, **scene: Any) -> None:
        super().__init__(*size, **scene)
        self._bench = bench
        self._pin = pin

    def image(self, item: tuple[float, float] | None = None, **scene: Any) -> BgrImage:
        is_broken = item is not None
        if self._bench.level(self._pin) is not is_broken:
            self._bench.drive(self._pin, is_broken)
        return super().image(item, **scene)


def local_contrast(bench: PinBench, stack: ExitStack) -> Make:
    return lambda *size, **scene: PresenceRig(LocalContrastDetector(PresenceConfig()), SyntheticTray(*size, **scene))


def tray_beam(bench: PinBench, stack: ExitStack) -> Make:
    pins = iter(BEAM_PINS)

    def make(*size: int, **scene: Any) -> PresenceRig:
        pin = next(pins)
        beam = Contact(SwitchConfig(pin=pin, active_high=True), bench.factory, "tray beam", "presence.beam")
        stack.callback(beam.close)
        beam.open()
        detector = TrayBeamDetector(beam, LocalContrastDetector(PresenceConfig()))
        return PresenceRig(detector, BeamedTray(bench, pin, *size, **scene))

    return make


DRIVERS: dict[str, Callable[[PinBench, ExitStack], Make]] = {"local contrast": local_contrast, "tray beam": tray_beam}
SCRIPT = [*[{}] * 10, *[{"item": (0.3, 0.5)}] * 3, *[{"item": MIDDLE}] * 10, *[{"gain": 0.02}] * 3, *[{}] * 10]


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def make(request) -> Iterator[Make]:
    with ExitStack() as stack:
        bench = stack.enter_context(closing(open_bench()))
        yield request.param(bench, stack)


@pytest.fixture
def rig(make: Make) -> PresenceRig:
    return make()


def is_same(rig: PresenceRig, **scene: Any) -> bool:
    """What the detector says of a scene that it is asked about while it is there."""
    return rig.detector.is_same(Frame(1000, 50.0, rig.tray.image(**scene)))


def test_every_answer_carries_its_frames_time_and_shares_between_none_and_all(rig):
    for index, scene in enumerate(SCRIPT):
        (seen,) = rig.look(**scene)
        assert seen.t_s == index / 20
        assert 0.0 <= seen.cover <= 1.0
        assert 0.0 <= seen.motion <= 1.0
        assert seen.is_moving or not seen.is_disturbed, "a large motion is a motion"


def test_in_the_dark_nothing_is_said(rig):
    rig.look(10)
    for seen in (*rig.look(3, gain=0.02), *rig.look(3, item=MIDDLE, gain=0.02)):
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
        rig = make()
        runs.append([rig.look(**scene)[0] for scene in SCRIPT])
    assert runs[0] == runs[1]


def test_two_detectors_know_nothing_of_one_another(make):
    first, second = (make(seed=seed) for seed in (1, 2))
    for _ in range(10):
        first.look()
        second.look()
    assert first.look(2, item=MIDDLE)[-1].is_occupied
    assert not second.look()[0].is_occupied
    assert first.look(item=MIDDLE)[0].is_occupied


def test_the_frame_belongs_to_others(make):
    rig = make()
    for index, scene in enumerate(SCRIPT):
        image = rig.tray.image(**scene)
        kept = image.copy()
        rig.detector.observe(Frame(index, index / 20, image), may_learn=True)
        assert np.array_equal(image, kept)
        image[:] = 0  # the next frame may be grabbed into the same memory


@pytest.mark.parametrize("size", [(64, 64), (160, 120), (641, 479), (4096, 64), (480, 640)], ids=str)
def test_any_frame_size_that_the_config_allows_is_looked_at(make, size: tuple[int, int]):
    rig = make(*size)
    assert rig.look(10)[-1].is_lit
    assert rig.look(item=MIDDLE, size=0.4)[0].is_disturbed
    assert rig.look(item=MIDDLE, size=0.4)[0].is_occupied


def test_a_frame_like_the_last_one_is_the_same_and_one_with_something_new_is_not(rig):
    rig.look(40)
    for _ in range(2):
        assert is_same(rig)
        assert not is_same(rig, item=MIDDLE), "to ask changes nothing"


def test_darkness_is_like_darkness_and_not_like_light(rig):
    rig.look(20)
    rig.look(3, gain=0.02)
    assert is_same(rig, gain=0.02)
    assert not is_same(rig)
    rig.look(1)
    assert not is_same(rig, gain=0.02)


def test_nothing_is_the_same_as_what_was_never_looked_at(rig):
    assert not is_same(rig)


def test_a_thumbnail_that_comes_with_the_frame_gives_the_same_answer(make):
    with_thumb, without = make(), make()
    for index, scene in enumerate(SCRIPT):
        image = with_thumb.tray.image(**scene)
        assert np.array_equal(image, without.tray.image(**scene))
        frame = Frame(index, index / 20, image)
        found = with_thumb.detector.observe(Frame(index, index / 20, image, thumbnail(image)), may_learn=True)
        assert found == without.detector.observe(frame, may_learn=True)
