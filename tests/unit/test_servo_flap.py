"""The servo flap on simulated pins: ramp, hold, settle, detach, each on its time, and what the pin was really told."""

import itertools
import math
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPin
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.config import DropSensorConfig, ServoFlapConfig
from edge.errors import ActuatorError
from edge.gates.servo_flap import FRAME_S, ServoFlap
from edge.pins import open_factory
from edge.sensors.beam import BeamSensor
from tests.rigs import GateRig

PIN = 18
FLAP: dict[str, Any] = {
    "servo_pin": PIN,
    "home_deg": 90.0,
    "bins_deg": {"recyclable": 140.0, "residue": 40.0},
    "step_deg": 2.0,
    "step_s": 0.01,
    "hold_s": 0.8,
    "settle_s": 0.25,
}
"""The figures stand here, so that a new default changes no test."""


@pytest.fixture
def factory():
    factory = open_factory("mock")
    yield factory
    factory.close()


@pytest.fixture
def rig(factory):
    gate = ServoFlap(ServoFlapConfig(**FLAP), factory)
    gate.open()
    yield GateRig(gate, factory.pin(PIN))
    gate.close()


def pulse_us(pin) -> float:
    return pin.state * FRAME_S * 1e6


def test_opening_moves_nothing(rig):
    assert rig.pin.state == 0
    assert not rig.gate.is_moving
    assert rig.run(1.0) == []
    assert rig.pin.state == 0


def test_the_first_way_home_jumps_since_nobody_knows_where_the_flap_stands(rig):
    rig.gate.home(rig.now_s)
    rig.tick()
    assert pulse_us(rig.pin) == pytest.approx(1500.0)
    (report,) = rig.run(1.0)
    assert report.target == "home"
    assert report.commanded_deg == pytest.approx(90.0)
    assert report.ended_s - report.started_s == pytest.approx(0.25 + 0.02 + 0.01, abs=0.011)


def test_a_route_is_a_ramp_of_two_degrees_in_ten_milliseconds(rig):
    rig.home()
    start_s = rig.now_s
    rig.gate.route("recyclable", start_s)
    angles = rig.angles(0.3)
    assert [round(t_s - start_s, 3) for t_s, _ in angles] == [round(0.01 * n, 3) for n in range(25)]
    assert [angle for _, angle in angles] == pytest.approx([90.0 + 2.0 * n for n in range(1, 26)], abs=1e-6)


def test_the_way_is_open_from_the_end_of_the_ramp_until_the_way_home_begins(rig):
    rig.home()
    rig.gate.route("residue", rig.now_s)
    seen = set()
    while rig.angle() is None or rig.angle() > 40.5:
        seen.add(rig.gate.open_to)
        rig.tick()
    assert seen == {None}
    assert rig.gate.open_to == "residue"
    rig.run(2.0)
    assert rig.gate.open_to == "residue"
    rig.gate.home(rig.now_s)
    assert rig.gate.open_to is None


def test_the_flap_is_held_open_and_powered_and_then_reported(rig):
    rig.home()
    start_s = rig.now_s
    rig.gate.route("recyclable", start_s)
    (report,) = rig.run(2.0)
    assert report.target == "recyclable"
    assert report.started_s == start_s
    assert report.ended_s - report.started_s == pytest.approx(0.24 + 0.01 + 0.8, abs=0.011)
    assert rig.pin.frequency == pytest.approx(1 / FRAME_S)
    assert report.commanded_deg == pytest.approx(140.0)
    assert pulse_us(rig.pin) == pytest.approx(500 + 2000 * 140 / 180)


def test_the_report_gives_the_angle_that_the_device_says_it_took(factory, monkeypatch):
    from gpiozero import AngularServo

    class CoarseServo(AngularServo):
        """Takes whole tens of degrees only."""

        @property
        def angle(self):
            return None if super().angle is None else round(super().angle, -1)

        @angle.setter
        def angle(self, angle):
            AngularServo.angle.fset(self, angle)

    monkeypatch.setattr("gpiozero.AngularServo", CoarseServo)
    gate = ServoFlap(ServoFlapConfig(**FLAP | {"bins_deg": {"recyclable": 137.0, "residue": 40.0}}), factory)
    gate.open()
    rig = GateRig(gate, factory.pin(PIN))
    rig.home()
    gate.route("recyclable", rig.now_s)
    assert rig.run(3.0)[0].commanded_deg == 140.0
    gate.close()


def test_the_servo_is_detached_only_after_one_whole_period_without_a_pulse(rig):
    rig.home()
    rig.gate.route("recyclable", rig.now_s)
    rig.run(2.0)
    rig.gate.home(rig.now_s)
    silent_s = detached_s = None
    for _ in range(1000):
        rig.tick(step_s=0.001)
        if silent_s is None and rig.pin.state == 0:
            silent_s = rig.now_s
            assert rig.pin.frequency is not None, "the pulse was cut off"
            assert rig.angles_seen[-1][1] == pytest.approx(90.0)
        if detached_s is None and rig.pin.frequency is None:
            detached_s = rig.now_s
    assert silent_s is not None
    assert detached_s - silent_s == pytest.approx(FRAME_S, abs=0.0011)
    assert silent_s - rig.angles_seen[-1][0] == pytest.approx(0.25 + 0.01, abs=0.0021), "the rest at home"


def test_the_way_home_starts_where_the_flap_was_stopped(rig):
    rig.home()
    rig.gate.route("recyclable", rig.now_s)
    rig.run(0.1)
    rig.gate.stop()
    stopped_deg = rig.angles_seen[-1][1]
    assert 90.0 < stopped_deg < 140.0
    rig.run(5.0)
    rig.gate.home(rig.now_s)
    rig.tick()
    assert rig.angle() == pytest.approx(stopped_deg - 2.0, abs=0.2)


def test_home_in_the_midst_of_another_motion_turns_round_without_a_jump(rig):
    rig.home()
    rig.gate.route("recyclable", rig.now_s)
    rig.run(0.1)
    rig.gate.home(rig.now_s)
    reports = rig.run(1.0)
    assert [report.target for report in reports] == ["home"]
    angles = [angle for _, angle in rig.angles_seen]
    assert max(abs(b - a) for a, b in itertools.pairwise(angles)) <= 2.0 + 1e-6


@given(gaps_ms=st.lists(st.integers(1, 400), min_size=1, max_size=60))
@example(gaps_ms=[100, 1, 1, 1, 1])
@settings(max_examples=60, deadline=None)
def test_late_ticks_make_the_motion_longer_and_never_faster(gaps_ms: list[int]):
    factory = open_factory("mock")
    gate = ServoFlap(ServoFlapConfig(**FLAP), factory)
    gate.open()
    rig = GateRig(gate, factory.pin(PIN))
    rig.home()
    rig.angles_seen.clear()
    gate.route("recyclable", rig.now_s)
    for gap_ms in [*gaps_ms, *[10] * 30]:
        rig.tick(step_s=gap_ms / 1000)
    seen = rig.angles_seen
    for index, (from_s, from_deg) in enumerate(seen):
        for to_s, to_deg in seen[index + 1 :]:
            steps = round((to_deg - from_deg) / 2.0)
            assert steps <= math.floor((to_s - from_s) / 0.01 + 1e-6) + 1, "a stall was made up for"
    assert all(b - a == pytest.approx(2.0, abs=1e-6) for (_, a), (_, b) in itertools.pairwise(seen))
    gate.close()
    factory.close()


ANGLES = st.floats(-180, 180, allow_nan=False).map(lambda angle: round(angle, 2))


@given(low=ANGLES, span=st.floats(1, 180).map(lambda span: round(span, 2)), share=st.floats(0, 1))
@example(low=0.1, span=0.6 + 1, share=0.5)
@settings(max_examples=60, deadline=None)
def test_the_ends_of_the_servos_reach_can_be_used(low: float, span: float, share: float):
    high = round(low + span, 2)
    home = min(high - 0.01, max(low + 0.01, round(low + share * span, 2)))
    config = ServoFlapConfig(
        min_angle_deg=low, max_angle_deg=high, home_deg=home, bins_deg={"a": low, "b": high}, hold_s=0.0
    )
    factory = open_factory("mock")
    gate = ServoFlap(config, factory)
    gate.open()
    rig = GateRig(gate, factory.pin(PIN))
    for target in ("a", "b", "a"):
        rig.home()
        gate.route(target, rig.now_s)
        (report,) = rig.run(3.0)
        assert report.commanded_deg == pytest.approx(config.bins_deg[target], abs=1e-6)
    gate.close()
    factory.close()


def test_a_pin_that_another_gate_holds_is_refused_by_name(rig, factory):
    second = ServoFlap(ServoFlapConfig(**FLAP), factory)
    with pytest.raises(ActuatorError, match=r"servo on GPIO18 refused: .*check gate\.servo_pin") as refused:
        second.open()
    assert refused.value.__cause__ is not None
    second.close()
    rig.home()
    assert not rig.gate.is_moving


def test_a_sensor_and_a_gate_cannot_share_a_pin(rig, factory):
    sensor = BeamSensor(DropSensorConfig(kind="beam", pin=PIN), factory)
    with pytest.raises(ActuatorError, match=r"drop sensor on GPIO18 \(J8:12\) refused: .*check drop_sensor\.pin"):
        sensor.open()
    sensor.close()


def test_pins_that_cannot_make_pulses_are_refused():
    factory = MockFactory(pin_class=MockPin)
    gate = ServoFlap(ServoFlapConfig(**FLAP), factory)
    with pytest.raises(ActuatorError, match="servo on GPIO18 refused"):
        gate.open()
    gate.close()
    factory.close()


def test_a_pin_that_fails_in_the_midst_of_a_motion_is_told(rig, monkeypatch):
    rig.home()
    rig.gate.route("recyclable", rig.now_s)
    rig.run(0.05)

    def fail(*_: object) -> None:
        raise OSError("bus error")

    monkeypatch.setattr(type(rig.pin), "_set_state", fail)
    with pytest.raises(ActuatorError, match=r"GPIO18 did not take 1\d\d\.0 degrees: bus error; check its wiring"):
        rig.run(0.05)
    with pytest.raises(ActuatorError, match="cannot be released"):
        rig.gate.stop()
    monkeypatch.undo()
    assert rig.pin.frequency is None, "the power is off although the release failed"


@pytest.mark.parametrize("name", ["lgpio", "rpigpio", "pigpio"])
def test_pins_that_this_machine_does_not_have_are_an_error_and_nothing_falls_back(name, monkeypatch):
    monkeypatch.setattr("importlib.import_module", lambda module: __import__("no_such_module"))
    with pytest.raises(ActuatorError, match=f"pins.factory {name} does not work here .*set pins.factory: mock"):
        open_factory(name)


def test_the_simulated_pin_forgets_what_is_long_ago(rig):
    for _ in range(100):
        rig.home()
        rig.gate.route("recyclable", rig.now_s)
        rig.run(1.2)
    assert 100 < len(rig.pin.states) <= 4096
