"""Steps: ramps in time, never more at a tick than the ramp allows, and a count that is right."""

import math
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import TICK_S
from edge.config import CarouselConfig
from edge.config.durations import Trapezoid
from edge.errors import ActuatorError
from edge.gates.stepper import StepperAxis
from tests import mechanisms as m
from tests.pin_rig import MockBench


@given(way=st.floats(0.001, 1000), speed=st.floats(0.1, 1000), acceleration=st.floats(0.1, 10_000))
@settings(max_examples=200, deadline=None)
def test_a_ramp_keeps_to_its_limits_and_ends_where_it_should(way, speed, acceleration):
    profile = Trapezoid(way, speed, acceleration)
    points = [profile.duration_s * share / 200 for share in range(201)]
    travelled = [profile.travelled(t_s) for t_s in points]
    assert travelled[0] == 0.0
    assert travelled[-1] == pytest.approx(way)
    assert profile.travelled(profile.duration_s + 1) == way
    step_s = profile.duration_s / 200
    for before, after, t_s in zip(travelled, travelled[1:], points[1:], strict=False):
        assert -1e-9 * way <= after - before <= speed * step_s * (1 + 1e-6) + 1e-9 * way
        assert profile.speed(t_s) <= min(speed, acceleration * t_s) + 1e-9
    assert profile.speed(profile.duration_s) == pytest.approx(0.0, abs=1e-6)


def test_no_way_takes_no_time():
    assert Trapezoid(0.0, 90.0, 180.0).duration_s == 0.0


class AxisRig:
    """An axis whose scripts are run by hand; `given` has the steps of each wait."""

    def __init__(self, **changes) -> None:
        self.bench = MockBench()
        self.rig = m.CarouselRig(self.bench, CarouselConfig(**m.CAROUSEL | changes), start_deg=0.0)
        self.axis = StepperAxis(self.rig.config, self.bench.factory)
        self.stack = ExitStack()
        self.axis.claim(self.stack)
        next(self.axis.power_on())
        self.axis.mark_home()
        self.given: list[int] = []

    def run(self, script, waits: int = 10_000):
        """Returns what the script returned; None if it goes on."""
        for _ in range(waits):
            before = self.rig.given
            try:
                assert next(script) == TICK_S
            except StopIteration as end:
                return end.value
            finally:
                self.given.append(self.rig.given - before)
        return None

    def close(self) -> None:
        self.stack.close()
        self.bench.close()


@pytest.fixture
def rig():
    rig = AxisRig()
    yield rig
    rig.close()


@given(
    to_deg=st.floats(0, 359),
    speed=st.sampled_from([20.0, 90.0, 360.0]),
    acceleration=st.sampled_from([50.0, 720.0, 10_000.0]),
    steps_per_turn=st.sampled_from([200, 1600]),
)
@settings(max_examples=40, deadline=None)
def test_a_turn_takes_the_shortest_way_within_its_limits_and_counts_right(to_deg, speed, acceleration, steps_per_turn):
    rig = AxisRig(max_speed_deg_s=speed, acceleration_deg_s2=acceleration, steps_per_turn=steps_per_turn)
    rig.run(rig.axis.turn_to(to_deg))
    step_deg = 360 / steps_per_turn
    assert (rig.rig.angle_deg - to_deg + 180) % 360 - 180 == pytest.approx(0.0, abs=step_deg)
    assert rig.axis.position_deg == pytest.approx(rig.rig.angle_deg)
    assert rig.rig.given == abs(rig.rig.steps) <= steps_per_turn // 2
    most = math.ceil(speed * TICK_S / step_deg) + 1
    assert max(rig.given) <= most
    assert sum(rig.given[:1]) <= acceleration * TICK_S**2 / 2 / step_deg + 1, "it starts at full speed"
    rig.close()


def test_a_turn_there_already_takes_no_time(rig):
    rig.run(rig.axis.turn_to(0.0))
    assert rig.rig.given == 0


def test_speed_rises_and_falls_by_ramps(rig):
    rig.run(rig.axis.turn_to(180.0))
    steps = rig.given
    quarter = len(steps) // 4
    assert sum(steps[:quarter]) < sum(steps[quarter : 2 * quarter])
    assert sum(steps[-quarter:]) < sum(steps[-2 * quarter : -quarter])
    assert max(steps) == 8, "180 degrees a second of 1600 steps a turn are 800 steps a second"


def test_braking_takes_a_ramp_and_keeps_count(rig):
    rig.run(rig.axis.turn_to(180.0), waits=30)
    fast = rig.given[-1]
    rig.given.clear()
    rig.run(rig.axis.brake())
    assert 0 < rig.given[0] <= fast
    assert rig.given[-1] == 0
    assert len(rig.given) > 10
    assert rig.axis.position_deg == pytest.approx(rig.rig.angle_deg)


def test_an_axis_at_rest_does_not_brake(rig):
    assert rig.run(rig.axis.brake()) is None
    assert rig.given == [0]


def test_seeking_asks_before_every_step_and_stops_dead(rig):
    asked = []

    def is_there() -> bool:
        asked.append(rig.rig.given)
        return rig.rig.given == 37

    assert rig.run(rig.axis.seek(-90.0, is_there)) is True
    assert asked == list(range(38))
    assert rig.rig.steps == -37
    assert max(rig.given) == 4, "90 degrees a second"


def test_seeking_ends_after_its_way(rig):
    assert rig.run(rig.axis.seek(45.0, lambda: False)) is False
    assert rig.rig.steps == 200


def test_power_that_is_cut_in_mid_motion_loses_the_position_and_at_rest_keeps_it(rig):
    rig.run(rig.axis.turn_to(90.0))
    rig.axis.cut()
    assert not rig.rig.is_enabled()
    assert rig.axis.position_deg == pytest.approx(90.0)
    next(rig.axis.power_on())
    rig.run(rig.axis.turn_to(0.0), waits=20)
    rig.axis.cut()
    assert rig.axis.position_deg is None
    with pytest.raises(ActuatorError, match="before it found home"):
        next(rig.axis.turn_to(0.0))


def test_opening_leaves_the_motor_without_power():
    bench = MockBench()
    rig = m.CarouselRig(bench, CarouselConfig(**m.CAROUSEL))
    with ExitStack() as stack:
        StepperAxis(rig.config, bench.factory).claim(stack)
        assert not rig.is_enabled()
    assert not rig.is_enabled()
    bench.close()


def test_a_pin_that_fails_is_named(rig, monkeypatch):
    def fail(state) -> None:
        raise OSError("bus error")

    monkeypatch.setattr(rig.bench.factory.pin(5), "_set_state", fail)
    with pytest.raises(ActuatorError, match="stepper on GPIO5 did not obey: bus error; check its wiring"):
        rig.run(rig.axis.turn_to(90.0))


@pytest.mark.parametrize("key", ["step_pin", "direction_pin", "enable_pin"])
def test_a_pin_that_is_taken_is_refused_by_its_key(key):
    from gpiozero import OutputDevice

    bench = MockBench()
    config = CarouselConfig(**m.CAROUSEL)
    taken = OutputDevice(getattr(config, key), pin_factory=bench.factory)
    with ExitStack() as stack, pytest.raises(ActuatorError, match=rf"refused: .*; check gate\.{key}"):
        StepperAxis(config, bench.factory).claim(stack)
    taken.close()
    bench.close()


def test_more_steps_a_second_than_the_loop_can_give_are_refused():
    with pytest.raises(ValueError, match="steps a second at 180 degrees a second, above 3200; take coarser microsteps"):
        CarouselConfig(**m.CAROUSEL | {"steps_per_turn": 12_800, "microsteps": 64})


@pytest.mark.parametrize(
    ("steps_per_turn", "microsteps", "fits"), [(200, 1, True), (400, 1, True), (800, 1, False), (3200, 8, True)]
)
def test_the_steps_of_one_tick_are_two_full_steps_at_most(steps_per_turn, microsteps, fits):
    changes = {"steps_per_turn": steps_per_turn, "microsteps": microsteps, "acceleration_deg_s2": 10_000.0}
    if not fits:
        with pytest.raises(
            ValueError, match=r"make 4\.0 full steps at once at 180 degrees a second, above 2, .*turn slow"
        ):
            CarouselConfig(**m.CAROUSEL | changes)
        return
    rig = AxisRig(**changes)
    rig.run(rig.axis.turn_to(180.0))
    rig.run(rig.axis.seek(360.0, lambda: False))
    assert 0 < max(rig.given) <= 2 * microsteps
    rig.close()
