"""Drop and fill sensors: what is stuck, cut or mute, and an ultrasonic ranger on simulated pins with exact echoes."""

import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

import edge.sensors.fill as fill
from edge.config import BeamFillConfig, DropSensorConfig, UltrasonicFillConfig
from edge.errors import ActuatorError
from edge.pins import open_factory
from edge.sensors.beam import BeamSensor
from edge.sensors.fill import BeamFillSensor, UltrasonicFillSensor

TRIGGER, ECHO = 20, 21
KEY = "bins.sensors.glass"
SOUND_M_S = 343.26
WAIT_S = 10.0
NONE_KNOWN = None


class EchoPin(MockPin):
    """A pin whose edges come at the times that a test gives them."""

    edge_s = 0.0

    def _call_when_changed(self) -> None:
        super(MockPin, self)._call_when_changed(self.edge_s, self.state)


class TriggerPin(MockPin):
    """A ranger: each trigger is answered at once by an echo that lasts as long as the sound would take.

    Attributes:
        distance_m: what the next pings measure; None: no echo.
        fails: what the pin raises instead.
        is_late: the echo has begun before anybody looks.
    """

    def __init__(self, factory: Any, info: Any, echo: EchoPin) -> None:
        super().__init__(factory, info)
        self.echo = echo
        self.distance_m: float | None = None
        self.fails: Exception | None = None
        self.is_late = False

    def _set_state(self, value: float) -> None:
        super()._set_state(value)
        if not value:
            return
        if self.fails is not None:
            raise self.fails
        if self.is_late:
            self.echo._change_state(True)
            self.echo.drive_low()
        elif self.distance_m is not None:
            self.echo.edge_s = 1.0
            self.echo.drive_high()
            self.echo.edge_s += 2 * self.distance_m / SOUND_M_S
            self.echo.drive_low()


class RangerRig:
    """A ranger over a bin that counts as full once its content is nearer than a metre."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.factory = MockFactory()
        self.echo = self.factory.pin(ECHO, pin_class=EchoPin)
        self.trigger = self.factory.pin(TRIGGER, pin_class=TriggerPin, echo=self.echo)
        config = UltrasonicFillConfig(kind="ultrasonic", trigger_pin=TRIGGER, echo_pin=ECHO, full_m=1.0)
        self.sensor = UltrasonicFillSensor(config, self.factory, KEY)
        self.noted = threading.Semaphore(0)
        note = fill._Readings.note

        def note_and_tell(readings: fill._Readings, distance_m: float | None, reason: str) -> None:
            note(readings, distance_m, reason)
            self.noted.release()

        monkeypatch.setattr(fill._Readings, "note", note_and_tell)
        monkeypatch.setattr(fill, "PING_S", 0.0)

    def open(self) -> None:
        self.sensor.open()
        self.sensor._device._queue.sample_wait = 0.0  # gpiozero's own pause between pings

    def hear(self, distance_m: float | None, pings: int) -> bool | None:
        """What the sensor says after at least so many pings that measured `distance_m`."""
        self.trigger.distance_m = distance_m
        self.wait(pings)
        return self.sensor.is_full()

    def wait(self, pings: int) -> None:
        """Return when so many pings were sent from now on, and judged."""
        while self.noted.acquire(blocking=False):
            pass
        for _ in range(pings + 1):  # one may have been under way
            assert self.noted.acquire(timeout=WAIT_S), "nobody pings"

    def close(self) -> None:
        self.sensor.close()
        self.factory.close()


@pytest.fixture
def ranger(monkeypatch) -> Iterator[RangerRig]:
    rig = RangerRig(monkeypatch)
    rig.open()
    yield rig
    rig.close()


@pytest.fixture
def readings() -> fill._Readings:
    return fill._Readings("ranger is silent (%s)")


def note(readings: fill._Readings, *distances_m: float | None) -> None:
    for distance_m in distances_m:
        readings.note(distance_m, "no echo received")


def test_a_drop_sensor_that_is_blocked_when_armed_is_told_once_until_it_is_free(caplog):
    factory = open_factory("mock")
    config = DropSensorConfig(kind="beam")
    sensor = BeamSensor(config, factory)
    sensor.open()
    pin = factory.pin(config.pin)
    for block, told in ((pin.drive_low, 1), (pin.drive_low, 1), (pin.drive_high, 1), (pin.drive_low, 2)):
        block()
        sensor.arm()
        assert [record.message[:26] for record in caplog.records] == ["the drop sensor is blocked"] * told
    sensor.close()
    factory.close()


def test_a_drop_sensor_whose_pin_is_mute_is_an_error_before_the_gate_moves(monkeypatch):
    factory = open_factory("mock")
    sensor = BeamSensor(DropSensorConfig(kind="switch"), factory)
    sensor.open()
    with monkeypatch.context() as patch:
        patch.setattr(MockPin, "_get_state", fail)
        with pytest.raises(ActuatorError, match=r"drop sensor on GPIO23 \(J8:16\) does not answer: bus error"):
            sensor.arm()
    sensor.close()
    factory.close()


def fail(*_: object) -> None:
    raise OSError("bus error")


def test_a_fill_beam_whose_pin_is_mute_knows_nothing_and_is_told_once(monkeypatch, caplog):
    factory = open_factory("mock")
    sensor = BeamFillSensor(BeamFillConfig(kind="beam", pin=16), factory, KEY)
    sensor.open()
    with monkeypatch.context() as patch:
        patch.setattr(MockPin, "_get_state", fail)
        assert [sensor.is_full() for _ in range(3)] == [None] * 3
    assert [record.message for record in caplog.records] == [
        "fill sensor on GPIO16 (J8:36) does not answer: bus error; check bins.sensors.glass.pin"
    ]
    assert sensor.is_full() is False
    sensor.close()
    factory.close()


@pytest.mark.parametrize(
    ("distances_m", "expected"),
    [
        ([], NONE_KNOWN),
        ([0.5, 0.5], NONE_KNOWN),
        ([0.5, 0.5, 0.5], 0.5),
        ([0.5, None, 0.5, None, 0.5], 0.5),
        ([0.5, None, None, 0.5, None], NONE_KNOWN),
        ([2.0, 2.0, 0.1, 2.0, 2.0], 2.0),
        ([0.5, 0.5, 2.0, 2.0], 2.0),
        ([0.5] * 9 + [None] * 3, NONE_KNOWN),
        ([0.005] * 5, NONE_KNOWN),
        ([0.02] * 5, 0.02),
    ],
    ids=[
        "nothing heard yet",
        "too few pings",
        "three pings are enough",
        "every second ping is answered",
        "most pings are not answered",
        "a stray echo counts for nothing",
        "of two in the middle the farther one",
        "what was known long ago is no longer known",
        "an echo that is shorter than any is none",
        "the nearest that a ranger measures",
    ],
)
def test_the_middle_one_of_the_last_five_pings_counts(readings, distances_m, expected):
    note(readings, *distances_m)
    assert readings.distance_m() == expected


def test_silence_is_told_once_however_long_it_lasts(readings, caplog):
    note(readings, *[None] * 19)
    assert not caplog.records
    note(readings, *[None] * 1000)
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, "ranger is silent (no echo received)")
    ]


def test_a_ranger_that_answers_now_and_then_is_silent_too(readings, caplog):
    note(readings, *[0.5, None, None] * 20)
    assert len(caplog.records) == 1


def test_silence_is_told_anew_only_after_answers_for_a_good_while(readings, caplog):
    note(readings, *[None] * 50, *[1.0] * 50, *[None] * 50)
    assert len(caplog.records) == 1, "a loose wire must not fill the disk"
    note(readings, *[1.0] * 700, *[None] * 50)
    assert len(caplog.records) == 2


def test_a_ranger_tells_near_from_far(ranger):
    assert ranger.hear(0.99, pings=5) is True
    assert ranger.hear(1.01, pings=5) is False
    assert ranger.hear(0.1, pings=5) is True


def test_what_is_out_of_reach_is_not_full(ranger):
    assert ranger.hear(30.0, pings=5) is False


def test_a_ranger_that_falls_silent_knows_nothing_although_it_did(ranger):
    assert ranger.hear(0.5, pings=5) is True
    assert ranger.hear(None, pings=3) is None
    assert ranger.hear(0.5, pings=5) is True


def test_an_echo_that_is_stuck_high_is_no_echo(ranger):
    assert ranger.hear(0.5, pings=5) is True
    ranger.trigger.distance_m = None
    ranger.echo.drive_high()
    ranger.wait(pings=3)
    assert ranger.sensor.is_full() is None


def test_a_pin_that_fails_is_silence_and_the_ranger_lives_on(ranger):
    assert ranger.hear(0.5, pings=5) is True
    ranger.trigger.fails = OSError("bus error")
    assert ranger.hear(0.5, pings=3) is None
    ranger.trigger.fails = None
    assert ranger.hear(0.5, pings=5) is True


@pytest.mark.parametrize("reason", ["no echo received", "bus error", "the echo's beginning was missed"])
def test_the_log_says_why_a_ranger_is_silent(ranger, monkeypatch, caplog, reason: str):
    monkeypatch.setattr(fill, "SILENT_PINGS", 4)
    ranger.trigger.fails = OSError("bus error") if reason == "bus error" else None
    ranger.trigger.is_late = "beginning" in reason
    ranger.hear(None, pings=6)
    record = caplog.records[-1]
    assert record.message == (
        f"ultrasonic ranger on GPIO20 (J8:38) and GPIO21 (J8:40) gives no echo ({reason}); check its supply, its wires "
        "and bins.sensors.glass"
    )


def test_neither_opening_nor_a_missing_echo_is_told_by_a_warning(monkeypatch):
    rig = RangerRig(monkeypatch)
    # As outside of tests, where none is an error.
    with warnings.catch_warnings(record=True) as told:
        warnings.resetwarnings()
        warnings.simplefilter("always")
        rig.open()
        assert rig.hear(None, pings=4) is None
        rig.close()
    assert told == []


def test_a_closed_ranger_leaves_no_thread_and_does_not_wait_for_its_next_ping(monkeypatch):
    before = set(threading.enumerate())
    rig = RangerRig(monkeypatch)
    rig.open()
    (thread,) = set(threading.enumerate()) - before
    rig.hear(0.5, pings=3)
    monkeypatch.setattr(fill, "PING_S", 3600.0)
    while rig.noted.acquire(timeout=0.1):
        pass
    rig.close()
    assert not thread.is_alive()
    assert not rig.noted.acquire(blocking=False), "no ping, no reading"
