"""What the status lamp shows, and that it never stops the sorting."""

from collections.abc import Iterator

import pytest
from gpiozero.pins.mock import MockPin

from edge.config import LampConfig
from edge.indicators.lamp import StatusLamp
from edge.pins import open_factory
from edge.records import Status

PINS = {"green": 5, "yellow": 6, "red": 13}
STEADY = {
    Status.STARTING: "yellow",
    Status.READY: "green",
    Status.BUSY: "green",
    Status.PAUSED: "yellow",
    Status.STOPPED: "red",
}
BLINKING = {Status.BIN_FULL: "yellow", Status.FAULT: "red"}


class LampRig:
    def __init__(self, active_high: bool = True, colours: tuple[str, ...] = tuple(PINS)) -> None:
        self.factory = open_factory("mock")
        self.active_high = active_high
        self.colours = colours
        config = LampConfig(**{f"{colour}_pin": PINS[colour] for colour in colours}, active_high=active_high)
        self.lamp = StatusLamp(config, self.factory)
        self.lamp.open()

    def pin(self, colour: str) -> MockPin:
        return self.factory.pin(PINS[colour])

    def lit(self) -> list[str]:
        return [colour for colour in self.colours if bool(self.pin(colour).state) is self.active_high]

    def show(self, status: Status, now_s: float) -> list[str]:
        self.lamp.show(status, now_s)
        return self.lit()

    def close(self) -> None:
        self.lamp.close()
        self.factory.close()


@pytest.fixture(params=[True, False], ids=["lit when high", "lit when low"])
def rig(request) -> Iterator[LampRig]:
    rig = LampRig(request.param)
    yield rig
    rig.close()


def fail(*_: object) -> None:
    raise OSError("bus error")


def test_every_status_has_a_colour():
    assert set(STEADY) | set(BLINKING) == set(Status)


@pytest.mark.parametrize(("status", "colour"), STEADY.items(), ids=str)
def test_a_status_that_waits_for_nobody_is_lit_steadily(rig, status: Status, colour: str):
    assert {tuple(rig.show(status, 7.3 + step / 10)) for step in range(100)} == {(colour,)}


@pytest.mark.parametrize(("status", "colour"), BLINKING.items(), ids=str)
def test_what_needs_somebody_blinks_once_a_second_and_begins_lit(rig, status: Status, colour: str):
    shown = [rig.show(status, 7.3 + step / 20) for step in range(200)]
    assert shown == ([[colour]] * 10 + [[]] * 10) * 10


def test_blinking_begins_lit_each_time(rig):
    for start_s in (10.0, 20.7, 31.4):
        assert rig.show(Status.READY, start_s) == ["green"]
        assert rig.show(Status.FAULT, start_s + 0.6) == ["red"]
        assert rig.show(Status.FAULT, start_s + 1.2) == []


def test_a_lamp_that_was_opened_again_begins_lit(rig):
    rig.show(Status.FAULT, 10.0)
    rig.lamp.close()
    rig.lamp.open()
    assert rig.show(Status.FAULT, 10.6) == ["red"]


@pytest.mark.parametrize("colour", PINS)
def test_a_status_whose_colour_has_no_pin_is_dark(colour: str):
    rig = LampRig(colours=(colour,))
    for index, (status, shown) in enumerate((STEADY | BLINKING).items()):
        assert rig.show(status, float(index)) == ([colour] if shown == colour else [])
    rig.close()


def test_a_pin_is_written_only_when_something_changes(rig, monkeypatch):
    rig.show(Status.READY, 1.0)
    written = []
    monkeypatch.setattr(type(rig.pin("green")), "_set_state", lambda pin, value: written.append(value))
    for step in range(1000):
        rig.show(Status.BUSY, 1.0 + step / 100)
    assert written == []


def test_closing_writes_off_before_the_pin_is_given_back(rig):
    rig.show(Status.READY, 1.0)
    pin = rig.pin("green")
    pin.clear_states()
    written = []
    set_state = pin._set_state
    pin._set_state = lambda value: (written.append(bool(value)), set_state(value))
    rig.lamp.close()
    assert written == [not rig.active_high]
    assert pin.function == "input"


def test_a_pin_that_fails_is_told_once_and_the_other_colours_go_on(rig, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(rig.pin("red"), "_set_state", fail)
        for step in range(50):
            rig.show(Status.FAULT, step / 10)
        assert rig.show(Status.READY, 10.0) == ["green"]
    assert [record.message for record in caplog.records] == [
        "red lamp on GPIO13 (J8:33) cannot be switched: bus error; check panel.lamp.red_pin"
    ]
    assert rig.show(Status.STOPPED, 11.0) == ["red"], "it is tried again"


def test_a_lamp_that_cannot_be_switched_off_is_closed_all_the_same(rig, monkeypatch, caplog):
    rig.show(Status.READY, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(rig.pin("green"), "_set_state", fail)
        rig.lamp.close()
    assert "green lamp on GPIO5 (J8:29) cannot be switched: bus error" in caplog.text
    rig.lamp.open()
    assert rig.lit() == []
