"""Emergency stop, lid, buttons and full bins while the sorter is at work, on simulated pins and simulated time."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from edge.clock import ReplayClock
from edge.config import Config
from edge.errors import ActuatorError, JamError
from edge.gates.servo_flap import ServoFlap
from edge.machine import State
from edge.pins import PinFactory
from edge.records import Frame
from tests.replay.rig import BAG, CAN, JAR, counts_per_item, home_pulse, play

ESTOP, LID, RESUME, FULL, GREEN, RED, SERVO = 16, 26, 6, 5, 17, 27, 18
CONFIG = Config.model_validate(
    {
        "panel": {
            "estop": {"pin": ESTOP},
            "lid": {"pin": LID},
            "resume_button": {"pin": RESUME},
            "lamp": {"green_pin": GREEN, "red_pin": RED},
        },
        "bins": {"full_s": 1.0, "sensors": {"recyclable": {"kind": "beam", "pin": FULL}}},
    }
)
OPENING_S = 2.75
"""The first item is decided at about 2.55 s: the flap is on its way out."""
Hands = Callable[[Frame, PinFactory], None]


class Script:
    """Drives pins at given times: `(t_s, pin, level)`; the contacts of stop and lid are closed to ground at first."""

    def __init__(self, *acts: tuple[float, int, bool], closed: tuple[int, ...] = (ESTOP, LID)) -> None:
        self._acts = sorted(acts)
        self._closed = closed
        self.powered: list[tuple[float, bool]] = []

    def __call__(self, frame: Frame, factory: PinFactory) -> None:
        self.powered.append((frame.t_s, factory.pin(SERVO).frequency is not None))
        while self._acts and self._acts[0][0] <= frame.t_s:
            _, bcm, is_high = self._acts.pop(0)
            pin = factory.pin(bcm)
            (pin.drive_high if is_high else pin.drive_low)()

    def wire(self, factory: PinFactory) -> None:
        for bcm in self._closed:
            factory.pin(bcm).drive_low()

    def was_powered(self, from_s: float, until_s: float) -> set[bool]:
        return {is_powered for t_s, is_powered in self.powered if from_s <= t_s <= until_s}


def run(tmp_path: Any, script: Script, *items: Any, stop_s: float = math.inf) -> Any:
    return play(list(items), tmp_path, config=CONFIG, wire=script.wire, hands=script, stop_s=stop_s)


def pressed(t_s: float, bcm: int = RESUME) -> list[tuple[float, int, bool]]:
    """A button to ground, pressed for 0.2 s."""
    return [(t_s, bcm, False), (t_s + 0.2, bcm, True)]


def test_the_emergency_stop_takes_the_power_off_within_a_tick_and_nothing_moves_until_it_is_reset(tmp_path):
    script = Script((OPENING_S, ESTOP, True), (6.0, ESTOP, False), *pressed(9.0))
    played = run(tmp_path, script, CAN, JAR)
    assert script.was_powered(OPENING_S - 0.1, OPENING_S) == {True}
    # The frame after the one at which it was pressed is 50 ms on; the loop ticks every 10 ms while the gate moves.
    assert script.was_powered(OPENING_S + 0.05, 9.0) == {False}
    (pause,) = played.of("pause")
    assert pause["reason"] == "e_stop"
    assert pause["t_s"] - OPENING_S <= 0.0101
    assert pause["item"]["route"] == "recyclable"
    (recovered,) = played.of("recovered")
    assert recovered["reason"] == "e_stop"
    assert 9.0 <= recovered["t_s"] <= 9.15
    assert played.last_pulse == pytest.approx(home_pulse(), abs=1e-6)


def test_the_item_under_an_emergency_stop_is_not_counted_and_the_next_one_is(tmp_path):
    played = run(tmp_path, Script((OPENING_S, ESTOP, True), (4.0, ESTOP, False), *pressed(5.0)), CAN, JAR)
    assert counts_per_item(played.records, [item.t_in_s for item in played.truth]) == [0, 0, 1]


def test_releasing_the_emergency_stop_alone_moves_nothing(tmp_path):
    script = Script((OPENING_S, ESTOP, True), (4.0, ESTOP, False))
    played = run(tmp_path, script, CAN, JAR, BAG)
    assert script.was_powered(OPENING_S + 0.05, 1000.0) == {False}
    assert played.types == ["boot", "pause"]
    assert not played.is_powered


def test_an_open_lid_stops_the_motion_and_closing_it_goes_on_by_homing(tmp_path):
    script = Script((OPENING_S, LID, True), (5.0, LID, False))
    played = run(tmp_path, script, CAN, JAR)
    assert script.was_powered(OPENING_S + 0.05, 5.4) == {False}
    assert [played.of("pause")[0]["reason"], played.of("recovered")[0]["reason"]] == ["lid_open", "lid_open"]
    assert State.HOMING in played.states[played.states.index(State.PAUSED) :]
    assert len(played.of("item")) == 1


def test_a_lid_that_is_open_at_the_start_lets_nothing_move_until_it_is_closed(tmp_path):
    """The board's pull-up says open until the contact pulls it down, as it would with a torn wire."""
    script = Script((1.0, LID, False), closed=(ESTOP,))
    played = run(tmp_path, script, CAN)
    assert script.was_powered(0.0, 1.4) == {False}
    assert [record["reason"] for record in played.of("pause")] == ["lid_open"]
    assert played.of("recovered")[0]["t_s"] == pytest.approx(1.5, abs=0.1)


def test_a_full_bin_pauses_after_the_item_and_goes_on_once_emptied(tmp_path):
    script = Script((2.4, FULL, False), (12.0, FULL, True))
    played = run(tmp_path, script, CAN, JAR, BAG)
    (full,) = played.of("bin_full")
    item, *_ = played.of("item")
    home_s = item["t_s"] + item["gate"]["duration_s"]
    # It was full for a second by then: what is written down waits until nothing moves.
    assert (full["bin"], full["t_s"]) == ("recyclable", pytest.approx(home_s, abs=0.06))
    assert item["t_s"] < played.of("pause")[0]["t_s"]
    assert script.was_powered(played.of("pause")[0]["t_s"] + 0.05, 12.9) == {False}
    assert played.of("recovered")[0]["bin"] == "recyclable"
    assert len(played.of("item")) >= 2


def test_the_lamp_is_green_while_sorting_and_red_under_the_emergency_stop(tmp_path):
    lit: dict[str, set[tuple[bool, bool]]] = {"sorting": set(), "stopped": set()}

    class Watching(Script):
        def __call__(self, frame: Frame, factory: PinFactory) -> None:
            super().__call__(frame, factory)
            lamps = (bool(factory.pin(GREEN).state), bool(factory.pin(RED).state))
            if 1.5 < frame.t_s < OPENING_S:
                lit["sorting"].add(lamps)
            elif OPENING_S + 0.1 < frame.t_s < 4.0:
                lit["stopped"].add(lamps)

    run(tmp_path, Watching((OPENING_S, ESTOP, True)), CAN)
    assert lit == {"sorting": {(True, False)}, "stopped": {(False, True)}}


def test_an_emergency_stop_that_was_not_reset_holds_over_a_restart_until_it_is(tmp_path):
    run(tmp_path, Script((OPENING_S, ESTOP, True), (4.0, ESTOP, False)), CAN)
    script = Script(*pressed(3.0))
    second = play([CAN], tmp_path / "second", config=CONFIG, wire=script.wire, hands=script, memory=tmp_path)
    assert script.was_powered(0.0, 2.95) == {False}
    assert second.types[:2] == ["boot", "pause"]
    assert second.of("recovered")[0]["reason"] == "e_stop"
    script = Script()
    third = play([CAN], tmp_path / "third", config=CONFIG, wire=script.wire, hands=script, memory=tmp_path)
    assert third.types == ["boot", "item"]


def test_the_emergency_stop_holds_while_the_program_ends(tmp_path, monkeypatch):
    """Asked to end while the flap opens, it drives home without looking at pictures, but at the stop all the same."""
    script = Script()
    pins: list[PinFactory] = []
    wait_until = ReplayClock.wait_until

    def wait_and_press(clock: ReplayClock, t_s: float) -> None:
        wait_until(clock, t_s)
        if t_s > OPENING_S + 0.1:
            pins[0].pin(ESTOP).drive_high()

    def wire(factory: PinFactory) -> None:
        script.wire(factory)
        pins.append(factory)
        monkeypatch.setattr(ReplayClock, "wait_until", wait_and_press)

    played = play([CAN], tmp_path, config=CONFIG, wire=wire, hands=script, stop_s=OPENING_S)
    assert [record["reason"] for record in played.of("pause")] == ["stopped", "e_stop"]
    assert not played.is_powered
    assert played.last_pulse != pytest.approx(home_pulse(), abs=1e-3), "it was stopped on its way"


def test_a_gate_that_jams_while_the_program_ends_is_an_error(tmp_path, monkeypatch):
    def jam(gate: ServoFlap, now_s: float) -> None:
        if now_s > OPENING_S + 0.1:
            gate.stop()
            raise JamError("stuck")
        return tick(gate, now_s)

    tick = ServoFlap.tick
    monkeypatch.setattr(ServoFlap, "tick", jam)
    script = Script()
    with pytest.raises(ActuatorError, match="jammed on its way home"):
        play([CAN], tmp_path, config=CONFIG, wire=script.wire, hands=script, stop_s=OPENING_S)
