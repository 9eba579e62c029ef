"""What the loop asks of the camera: glances while nothing happens, prepared frames while something is voted on."""

from pathlib import Path

import pytest

from edge.config import Config
from edge.machine import Input, Machine, Seen, State, advance
from edge.machine_state import IDLE_AFTER_S
from edge.ports import Dull, Prepare
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import Frame, Presence, Status
from edge.runtime import Parts, Runtime
from edge.sources.replay import ReplaySource
from edge.sources.sim import Simulation
from edge.sources.sim_script import Item
from tests.replay.rig import FixedClassifier, opened, rules


class AskedSource(ReplaySource):
    """Notes in which state of the machine the loop asked for what."""

    runtime: Runtime

    def open(self) -> None:
        super().open()
        self.asked: list[tuple[State, float, bool, bool]] = []

    def read(self, until_s: float, *, is_dull: Dull | None = None, prepare: Prepare | None = None) -> Frame | None:
        machine = self.runtime.machine
        self.asked.append((machine.state, self.clock.now_s(), is_dull is not None, prepare is not None))
        return super().read(until_s, is_dull=is_dull, prepare=prepare)


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> list[tuple[State, float, bool, bool]]:
    """A run over two items, six seconds apart."""
    config = Config()
    folder: Path = tmp_path_factory.mktemp("idle")
    with opened(config, folder) as (_, gate, ledger):
        script = [Item("glass", "jar", gap_s=6.0), Item("metal", "drinks_can", gap_s=6.0)]
        simulation = Simulation(seed=1, items=0, fps=20.0, open_to=lambda: gate.open_to, script=script)
        source = AskedSource(simulation, "fast")
        source.open()
        parts = Parts(source, LocalContrastDetector(config.presence), FixedClassifier(), gate, None, ledger)
        source.runtime = Runtime(parts, rules(config), {"model": {"name": "stub"}, "source": "script"})
        source.runtime.run(lambda: False)
        return source.asked


class LateSource(ReplaySource):
    """Gives nothing but time until then, as a camera that opens while the gate goes home; notes its first frame."""

    late_s = 3.0
    first_s: float | None = None

    def read(self, until_s: float, *, is_dull: Dull | None = None, prepare: Prepare | None = None) -> Frame | None:
        if self.clock.now_s() < self.late_s:
            self.clock.wait_until(until_s)
            return None
        frame = super().read(until_s, is_dull=is_dull, prepare=prepare)
        if self.first_s is None and frame is not None:
            self.first_s = self.clock.now_s()
        return frame


def test_what_follows_a_start_is_done_once_when_the_gate_is_home_and_the_camera_at_work(tmp_path):
    config = Config()
    rests: list[tuple[State, float]] = []
    with opened(config, tmp_path) as (_, gate, ledger):
        source = LateSource(Simulation(seed=1, items=0, fps=20.0, script=[Item("glass", "jar", gap_s=6.0)]), "fast")
        source.open()
        parts = Parts(source, LocalContrastDetector(config.presence), FixedClassifier(), gate, None, ledger)
        runtime = Runtime(
            parts, rules(config), {}, at_rest=lambda: rests.append((runtime.machine.state, source.clock.now_s()))
        )
        runtime.run(lambda: False)
    ((state, rest_s),) = rests
    assert state in (State.READY, State.WAIT_EMPTY)
    assert source.first_s is not None and source.late_s <= source.first_s <= rest_s


class Shown:
    """A panel with a lamp and nothing else: what it was told to show."""

    period_s = 0.05

    def __init__(self) -> None:
        self.told: list[tuple[float, Status]] = []

    def poll(self, now_s: float, *, is_moving: bool) -> list[Input]:
        return []

    def show(self, status: Status, now_s: float) -> None:
        self.told.append((now_s, status))

    def remember(self) -> None:
        """Nothing was asked."""


def test_the_lamp_does_not_say_ready_before_the_camera_is_at_work(tmp_path):
    config = Config()
    panel = Shown()
    with opened(config, tmp_path) as (_, gate, ledger):
        source = LateSource(Simulation(seed=1, items=0, fps=20.0, script=[Item("glass", "jar", gap_s=6.0)]), "fast")
        source.open()
        parts = Parts(source, LocalContrastDetector(config.presence), FixedClassifier(), gate, None, ledger, panel)
        Runtime(parts, rules(config), {}).run(lambda: False)
    assert source.first_s is not None
    assert {status for now_s, status in panel.told if now_s < source.first_s} == {Status.STARTING}
    assert Status.READY in {status for now_s, status in panel.told if now_s >= source.first_s}


def test_frames_are_prepared_only_while_an_item_settles_or_is_voted_on(asked):
    prepared = {state for state, _, _, is_prepared in asked if is_prepared}
    assert prepared == {State.SETTLING, State.VOTING}
    assert all(is_prepared for state, _, _, is_prepared in asked if state in prepared)


def test_dull_frames_are_kept_back_only_while_the_tray_is_empty_and_quiet(asked):
    assert {state for state, _, is_idle, _ in asked if is_idle} == {State.READY}
    assert {is_idle for state, _, is_idle, _ in asked if state is State.READY} == {False, True}, "not at once"


def test_a_tray_is_idle_two_seconds_after_the_last_motion():
    machine = Machine(rules(Config()), State.READY, entered_s=10.0, moved_s=8.0)
    assert not machine.is_idle(10.0 + IDLE_AFTER_S - 0.01)
    assert machine.is_idle(10.0 + IDLE_AFTER_S)
    assert not machine._replace(moved_s=11.0).is_idle(10.0 + IDLE_AFTER_S)
    assert not machine._replace(state=State.WAIT_EMPTY).is_idle(100.0)


def test_a_night_without_light_is_idle_too():
    lit = Machine(rules(Config()), State.READY, entered_s=10.0, moved_s=10.0)
    machine = lit
    for step in range(50):
        machine, _ = advance(
            machine, Seen(Presence(20.0 + step / 10, False, False, False, False, 0.0, 0.0)), 20.0 + step / 10
        )
    assert machine.state is State.READY
    assert not machine.is_idle(20.0 + IDLE_AFTER_S - 0.01)
    assert machine.is_idle(25.0)
    machine, _ = advance(machine, Seen(Presence(25.0, True, False, True, True, 0.1, 0.1)), 25.0)
    assert not machine.is_idle(25.0)


def test_the_collector_may_run_wherever_no_item_is_in_flight():
    machine = Machine(rules(Config()))
    assert {state for state in State if machine._replace(state=state).may_pause} == {
        State.READY,
        State.WAIT_EMPTY,
        State.FAULT,
        State.PAUSED,
    }
