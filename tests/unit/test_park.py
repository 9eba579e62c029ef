"""`edge-sorter park`: home and without power, unless the emergency stop or the lid forbid it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge.bundle import load_bundle
from edge.clock import ReplayClock
from edge.commands.park import park_gate
from edge.config import Config, LedgerConfig, PanelConfig
from edge.drivers import make_gate, make_panel
from edge.errors import ActuatorError
from edge.health.lastgood import LastGood, used_now
from edge.latch import StopLatch
from edge.ledger import SqliteLedger
from edge.paths import state_dir, stop_path
from edge.pins import open_factory
from tests.cli_rig import invoke, is_parked
from tests.replay.rig import home_pulse
from tests.rigs import SHIPPED_BUNDLE

ESTOP, SERVO = 16, 18
PANEL = PanelConfig.model_validate({"estop": {"pin": ESTOP}, "resume_button": {"pin": 6}})


class Bench:
    """A flap and a panel on simulated pins, on fake time."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.config = Config(panel=PANEL, ledger=LedgerConfig(path=str(folder / "ledger.db")))
        factory = open_factory("mock")
        stack.callback(factory.close)
        self.servo, self.estop = factory.pin(SERVO), factory.pin(ESTOP)
        self.gate = make_gate(self.config.gate, factory)
        stack.callback(self.gate.close)
        self.gate.open()
        panel = make_panel(self.config, factory, only_stops=True)
        assert panel is not None
        stack.callback(panel.close)
        panel.open()
        self.panel = panel
        self.estop.drive_low()
        self.is_stop_asked = False
        self.clock = ReplayClock(is_paced=False)

    def park(self) -> str:
        return park_gate(self.config, self.gate, self.panel, self.clock, lambda: self.is_stop_asked)

    @property
    def is_powered(self) -> bool:
        return self.servo.frequency is not None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack, tmp_path)


def on_tick(bench: Bench, monkeypatch: pytest.MonkeyPatch, act: Callable[[float], None]) -> None:
    """Do something at each tick of the gate."""
    tick = bench.gate.tick

    def ticked(now_s: float) -> Any:
        act(now_s)
        return tick(now_s)

    monkeypatch.setattr(bench.gate, "tick", ticked)


def test_the_gate_comes_home_and_is_left_without_power(bench):
    assert bench.park() == "the gate is home, and without power"
    pulses = [change.state for change in bench.servo.states if change.state > 0]
    assert pulses[-1] == pytest.approx(home_pulse(), abs=1e-6)
    assert not bench.is_powered


def test_a_pressed_emergency_stop_lets_nothing_move(bench):
    bench.estop.drive_high()
    assert bench.park().startswith("the gate is without power, not home (the emergency stop")
    assert [change.state for change in bench.servo.states if change.state > 0] == []
    assert not bench.is_powered


def test_an_emergency_stop_on_the_way_home_ends_the_motion(bench, monkeypatch):
    on_tick(bench, monkeypatch, lambda now_s: bench.estop.drive_high() if now_s > 0.1 else None)
    assert "emergency stop" in bench.park()
    assert not bench.is_powered
    assert bench.clock.now_s() == pytest.approx(0.12, abs=0.011)


def test_an_emergency_stop_that_nobody_reset_lets_nothing_move(bench):
    StopLatch(stop_path(bench.config)).set()
    assert bench.park().startswith("the gate is without power, not home (the emergency stop")
    assert [change.state for change in bench.servo.states if change.state > 0] == []


def test_an_emergency_stop_during_parking_is_remembered(bench):
    bench.estop.drive_high()
    bench.park()
    assert StopLatch(stop_path(bench.config)).is_set()


def test_a_signal_cuts_the_power_in_mid_motion(bench, monkeypatch):
    def stop(now_s: float) -> None:
        bench.is_stop_asked = now_s > 0.1

    on_tick(bench, monkeypatch, stop)
    assert bench.park() == "the gate is without power, not home (stopped by a signal)"
    assert not bench.is_powered


def test_a_gate_that_never_arrives_is_cut_off_and_told(bench, monkeypatch):
    monkeypatch.setattr(bench.gate, "tick", lambda now_s: None)
    with pytest.raises(ActuatorError, match=r"not home after .* cut off"):
        bench.park()
    assert not bench.is_powered
    assert bench.clock.now_s() == pytest.approx(bench.config.gate.park_limit_s, abs=0.011)


def test_the_command_parks_and_says_so(gate):
    result = invoke("park")
    assert (result.code, result.out) == (0, "the gate is home, and without power\n")
    assert is_parked(gate)


def test_the_command_can_be_told_to_move_nothing(gate):
    result = invoke("park", "--cut")
    assert (result.code, result.out) == (0, "the gate is without power\n")
    assert gate == [{"last_pulse": None, "is_powered": False}]


def test_while_another_program_is_at_work_with_the_ledger_nothing_is_moved(gate, tmp_path):
    """As a calibration, with hands in the gate, after which the supervisor parks for a service that cannot start."""
    config = tmp_path / "config.yaml"
    config.write_text(f"ledger:\n  path: {tmp_path}/ledger.db\n")
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.open()
    try:
        result = invoke("park", "--config", config)
    finally:
        ledger.close()
    assert (result.code, result.out.split(" (")[0]) == (0, "the gate is without power, not home")
    assert gate == [{"last_pulse": None, "is_powered": False}]


def test_a_refused_configuration_parks_by_the_last_good_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "config.yaml"
    file.write_text(f"ledger: {{path: {tmp_path / 'ledger.db'}}}\n")
    bundle = load_bundle(SHIPPED_BUNDLE)
    LastGood(state_dir() / "last-good").keep(used_now(file, Config(), bundle.folder, bundle.id))
    file.write_text("source: {max_age_s: soon}\n")
    parked = invoke("park", "--config", file)
    assert (parked.code, parked.out) == (0, "the gate is home, and without power\n")
    assert "the last good configuration is used to park" in parked.err


def test_a_refused_configuration_without_a_good_one_is_exit_2(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "config.yaml"
    file.write_text("source: {max_age_s: soon}\n")
    assert invoke("park", "--config", file).code == 2


@pytest.mark.parametrize("option", [[], ["--cut"]], ids=["home", "cut"])
@pytest.mark.parametrize(
    "rewired",
    [
        "gate: {servo_pin: 12}\n",
        "gate: {servo_pin: 18}\npanel: {estop: {pin: 5}, resume_button: {pin: 6}}\n",
        "gate: {kind: solenoid, bin_pins: {recyclable: 18, residue: null}, active_high: false}\n",
        "gate: {servo_pin: 12\n",
    ],
    ids=["another pin", "a new emergency stop", "another kind", "another pin in what is no YAML"],
)
def test_the_last_good_configuration_with_other_wires_touches_no_pin(tmp_path, monkeypatch, gate, rewired, option):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "config.yaml"
    book = f"ledger: {{path: {tmp_path / 'ledger.db'}}}\n"
    file.write_text(f"{book}gate: {{servo_pin: 18}}\n")
    bundle = load_bundle(SHIPPED_BUNDLE)
    LastGood(state_dir() / "last-good").keep(used_now(file, Config(), bundle.folder, bundle.id))
    file.write_text(f"{book}vote: {{dead_line_s: 1}}\n{rewired}")
    parked = invoke("park", "--config", file, *option)
    assert (parked.code, parked.out) == (2, "")
    assert "the last good configuration has other wires" in parked.err
    assert gate == []
