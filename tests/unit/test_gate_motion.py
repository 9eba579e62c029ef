"""The shell that every gate shares, with a mechanism that does as it is told."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from edge.config import ServoFlapConfig
from edge.errors import ActuatorError, JamError
from edge.gates.motion import Script, ScriptedGate
from edge.pins.attempts import attempt_all


class FakeMechanism:
    """Notes what happens, and raises what it is told to, one error a try."""

    bins_key = "bins_deg"
    is_open_after_hold = True
    commanded_deg = 12.5

    def __init__(self) -> None:
        self.log: list[tuple[float, str]] = []
        self.errors: list[Exception | None] = []
        self.cuts = 0
        self.refuses_cut = False
        self.is_claimed = False

    def claim(self, stack: ExitStack) -> None:
        self.is_claimed = True
        stack.callback(setattr, self, "is_claimed", False)

    def go_home(self) -> Script:
        yield from self._move("home")

    def open_way(self, target: str) -> Script:
        yield from self._move(target)

    def hold_open(self, target: str) -> Script:
        self.log.append(((yield 0.3), "held"))

    def cut(self) -> None:
        self.cuts += 1
        if self.refuses_cut:
            raise ActuatorError("the pin does not obey")

    def _move(self, target: str) -> Script:
        self.log.append(((yield 0.0), f"to {target}"))
        now_s = yield 0.1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.log.append((now_s, f"at {target}"))


@pytest.fixture
def mechanism() -> FakeMechanism:
    return FakeMechanism()


@pytest.fixture
def gate(mechanism) -> ScriptedGate:
    gate = ScriptedGate(ServoFlapConfig(jam_retries=2, jam_pause_s=0.5), mechanism)
    gate.open()
    return gate


def run(gate: ScriptedGate, times_ms: Callable[[], range] = lambda: range(0, 3000, 10)):
    for ms in times_ms():
        report = gate.tick(ms / 1000)
        if report is not None:
            return report
    raise AssertionError("the motion is never reported")


def test_a_script_goes_on_when_its_wait_is_over_and_a_wait_of_nothing_in_the_same_tick(gate, mechanism):
    gate.route("recyclable", 0.0)
    assert mechanism.log == []
    report = run(gate)
    assert mechanism.log == [(0.0, "to recyclable"), (0.1, "at recyclable"), (0.4, "held")]
    assert (report.target, report.commanded_deg, report.started_s, report.ended_s) == ("recyclable", 12.5, 0.0, 0.4)
    assert mechanism.cuts == 0


def test_late_ticks_make_a_motion_longer_by_what_they_are_late(gate, mechanism):
    gate.route("recyclable", 0.0)
    for now_s in (0.0, 1.0, 1.2):
        assert gate.tick(now_s) is None
    assert gate.tick(1.3).ended_s == 1.3
    assert mechanism.log == [(0.0, "to recyclable"), (1.0, "at recyclable"), (1.3, "held")]


def test_a_jam_is_cut_off_and_tried_again_after_a_pause(gate, mechanism):
    mechanism.errors = [JamError("stuck"), JamError("stuck")]
    gate.home(0.0)
    assert gate.tick(0.0) is None
    assert mechanism.cuts == 0
    assert gate.tick(0.1) is None
    assert mechanism.cuts == 1, "the power is off in the tick that found the jam"
    assert run(gate, lambda: range(110, 3000, 10)).target == "home"
    assert [what for _, what in mechanism.log] == ["to home"] * 3 + ["at home"]
    assert [t_s for t_s, what in mechanism.log if what == "to home"] == pytest.approx([0.0, 0.6, 1.2])
    assert mechanism.cuts == 2


def test_a_jam_that_stays_is_told_with_its_cause_and_no_power(gate, mechanism):
    mechanism.errors = [JamError("stuck at the hinge; free it")] * 3
    gate.route("residue", 0.0)
    with pytest.raises(JamError, match=r"^gate jammed on its way to residue, tried 3 x: stuck at the hinge; free it$"):
        run(gate)
    assert not gate.is_moving
    assert gate.open_to is None
    assert mechanism.cuts >= 3
    gate.home(5.0)
    assert run(gate, lambda: range(5000, 6000, 10)).target == "home"


def test_a_jam_while_the_way_is_open_closes_it_for_the_others(gate, mechanism, monkeypatch):
    jams = [JamError("no item came")]

    def hold_open(target: str) -> Script:
        yield 0.1
        if jams:
            raise jams.pop()

    monkeypatch.setattr(mechanism, "hold_open", hold_open)
    gate.route("residue", 0.0)
    seen = []
    for ms in range(0, 3000, 10):
        report = gate.tick(ms / 1000)
        if not seen or seen[-1] != gate.open_to:
            seen.append(gate.open_to)
        if report is not None:
            break
    assert seen == [None, "residue", None, "residue"]


@pytest.mark.parametrize("error", [ActuatorError("pin gone"), ValueError("a bug"), OSError("bus error")])
def test_any_other_error_cuts_the_power_first_and_is_not_tried_again(gate, mechanism, error):
    mechanism.errors = [error]
    gate.home(0.0)
    with pytest.raises(ActuatorError, match=str(error)) as told:
        run(gate)
    assert not isinstance(told.value, JamError)
    assert told.value is error or told.value.__cause__ is error
    assert mechanism.cuts == 1
    assert not gate.is_moving
    assert gate.tick(9.0) is None


def test_an_error_is_not_hidden_by_a_pin_that_cannot_be_cut_off(gate, mechanism):
    mechanism.errors = [OSError("bus error")]
    mechanism.refuses_cut = True
    gate.home(0.0)
    with pytest.raises(ActuatorError, match="bus error") as told:
        run(gate)
    assert told.value.__cause__.__notes__ == ["and the power could not be taken off: the pin does not obey"]
    with pytest.raises(ActuatorError, match="does not obey"):
        gate.stop()
    with pytest.raises(ActuatorError, match="does not obey"):
        gate.close()
    assert not mechanism.is_claimed, "the pins are given back all the same"
    gate.close()


def test_pins_that_were_claimed_are_given_back_when_a_later_one_refuses(mechanism, monkeypatch):
    def refuse(stack: ExitStack) -> None:
        FakeMechanism.claim(mechanism, stack)
        raise ActuatorError("second pin refused")

    monkeypatch.setattr(mechanism, "claim", refuse)
    gate = ScriptedGate(ServoFlapConfig(), mechanism)
    with pytest.raises(ActuatorError, match="second pin"):
        gate.open()
    assert not mechanism.is_claimed
    gate.close()
    assert mechanism.cuts == 0


def test_all_are_tried_whatever_the_first_ones_raise():
    calls = []

    def cut(name: str, error: Exception | None) -> None:
        calls.append(name)
        if error is not None:
            raise error

    with pytest.raises(ActuatorError, match=r"^a$"):
        attempt_all(lambda: cut("a", ActuatorError("a")), lambda: cut("b", OSError("b")), lambda: cut("c", None))
    assert calls == ["a", "b", "c"]


def test_a_wait_of_many_ticks_takes_no_tick_more_although_their_sum_is_a_hair_short(gate, mechanism):
    now_s = 0.0
    gate.route("recyclable", now_s)
    while gate.tick(now_s) is None:
        now_s += 0.01
    assert [round(t_s, 6) for t_s, _ in mechanism.log] == [0.0, 0.1, 0.4]
    assert sum([0.01] * 10) < 0.1, "or this test says nothing"


def test_a_gate_that_jams_has_time_to_try_again_before_it_is_cut_off():
    patient = ServoFlapConfig(jam_retries=10, jam_pause_s=4.0)
    assert patient.park_limit_s > 10 * 4.0 + 11 * patient.slowest_home_s
