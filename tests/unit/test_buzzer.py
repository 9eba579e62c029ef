"""When the buzzer sounds, and that it never stops the sorting."""

from collections.abc import Iterator

import pytest

from edge.config import BuzzerConfig
from edge.indicators.buzzer import Buzzer
from edge.pins import open_factory
from edge.records import Status

PIN = 12
STEPS_A_SECOND = 16
"""A power of two, so that the times are exact."""
ALARMS = (Status.FAULT, Status.STOPPED)


class BuzzerRig:
    def __init__(self, active_high: bool) -> None:
        self.factory = open_factory("mock")
        self.active_high = active_high
        self.buzzer = Buzzer(BuzzerConfig(pin=PIN, active_high=active_high), self.factory)
        self.buzzer.open()
        self.now_s = 100.0

    @property
    def sounds(self) -> bool:
        return bool(self.factory.pin(PIN).state) is self.active_high

    def beeps(self, status: Status, duration_s: float) -> list[tuple[float, float]]:
        """When it begins to sound, and for how long, in seconds from now."""
        beeps: list[tuple[float, float]] = []
        for step in range(round(duration_s * STEPS_A_SECOND)):
            t_s = step / STEPS_A_SECOND
            was_on = self.sounds
            self.buzzer.show(status, self.now_s + t_s)
            if self.sounds and not was_on:
                beeps.append((t_s, 0.0))
            if self.sounds:
                beeps[-1] = (beeps[-1][0], t_s + 1 / STEPS_A_SECOND - beeps[-1][0])
        self.now_s += duration_s
        return beeps

    def close(self) -> None:
        self.buzzer.close()
        self.factory.close()


@pytest.fixture(params=[True, False], ids=["sounds when high", "sounds when low"])
def rig(request) -> Iterator[BuzzerRig]:
    rig = BuzzerRig(request.param)
    yield rig
    rig.close()


def fail(*_: object) -> None:
    raise OSError("bus error")


@pytest.mark.parametrize("status", [status for status in Status if status not in ALARMS])
def test_it_is_silent_unless_somebody_is_needed_at_once(rig, status: Status):
    assert rig.beeps(status, 70.0) == []


@pytest.mark.parametrize("status", ALARMS)
def test_an_alarm_is_three_beeps_at_once_and_one_every_half_minute(rig, status: Status):
    rig.beeps(Status.READY, 3.0)
    beeps = rig.beeps(status, 95.0)
    assert [start_s for start_s, _ in beeps] == pytest.approx([0.0, 0.4, 0.8, 30.0, 60.0, 90.0], abs=0.07)
    assert all(0.1 < length_s < 0.3 for _, length_s in beeps)


def test_each_alarm_begins_anew(rig):
    for status in (Status.STOPPED, Status.FAULT, Status.STOPPED):
        assert len(rig.beeps(status, 5.0)) == 3


def test_a_buzzer_that_was_opened_again_begins_anew(rig):
    rig.beeps(Status.FAULT, 5.0)
    rig.buzzer.close()
    rig.buzzer.open()
    assert len(rig.beeps(Status.FAULT, 5.0)) == 3


def test_it_falls_silent_when_the_alarm_ends_in_mid_beep(rig):
    rig.buzzer.show(Status.FAULT, 1.0)
    assert rig.sounds
    rig.buzzer.show(Status.READY, 1.01)
    assert not rig.sounds


def test_a_beep_is_not_missed_when_it_is_asked_ten_times_a_second(rig):
    heard = []
    for step in range(12):
        rig.buzzer.show(Status.FAULT, 0.3 + step / 10)
        heard.append(rig.sounds)
    assert heard.count(True) >= 5
    assert heard.count(False) >= 5


def test_a_pin_that_fails_is_told_once_and_raises_nothing(rig, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(rig.factory.pin(PIN), "_set_state", fail)
        for step in range(30):
            rig.buzzer.show(Status.FAULT, step / 10)
    assert [record.message for record in caplog.records] == [
        "buzzer on GPIO12 (J8:32) cannot be switched: bus error; check panel.buzzer.pin"
    ]
