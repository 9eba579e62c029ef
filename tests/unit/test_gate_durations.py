"""How long the configuration says that a way takes at most, against gates that really go it, with any settings."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.config import (
    CarouselConfig,
    ConveyorConfig,
    ServoConfig,
    ServoFlapConfig,
    SolenoidConfig,
    SwitchConfig,
    TwoServosConfig,
)
from edge.config.gate_base import GateSection
from tests import mechanisms as m
from tests.pin_rig import MockBench

SWITCH = SwitchConfig(pin=22)
SOMETIMES = st.sampled_from([None, SWITCH])
TENTHS = st.integers(0, 15).map(lambda tenths: tenths / 10)


def servo(pin: int) -> st.SearchStrategy[ServoConfig]:
    return st.builds(
        ServoConfig,
        pin=st.just(pin),
        step_deg=st.sampled_from([0.7, 2.0, 10.0, 180.0]),
        step_s=st.sampled_from([0.01, 0.013, 0.02, 0.05]),
        settle_s=st.sampled_from([0.0, 0.1, 0.255]),
    )


def angles(count: int) -> st.SearchStrategy[list[float]]:
    # So far apart that a bin's angle lets the home switch go.
    return st.lists(st.integers(0, 100).map(lambda steps: 1.8 * steps), min_size=count, max_size=count, unique=True)


@st.composite
def flaps(draw: st.DrawFn) -> ServoFlapConfig:
    home_deg, first_deg, second_deg = draw(angles(3))
    one = draw(servo(18)).model_dump(exclude={"pin"})
    bins_deg = {"recyclable": first_deg, "residue": second_deg}
    return ServoFlapConfig(home_deg=home_deg, bins_deg=bins_deg, hold_s=0.1, home_switch=draw(SOMETIMES), **one)


@st.composite
def pairs(draw: st.DrawFn) -> TwoServosConfig:
    home_deg, first_deg, second_deg, closed_deg, open_deg = draw(angles(5))
    changes: dict[str, Any] = {
        "diverter": draw(servo(12)),
        "door": draw(servo(13)),
        "diverter_home_deg": home_deg,
        "bins_deg": {"recyclable": first_deg, "residue": second_deg},
        "door_closed_deg": closed_deg,
        "door_open_deg": open_deg,
        "home_switch": draw(SOMETIMES),
        "hold_s": 0.1,
    }
    return TwoServosConfig(**m.TWO_SERVOS | changes)


@st.composite
def carousels(draw: st.DrawFn) -> CarouselConfig:
    changes: dict[str, Any] = {
        # Coarse steps, which are quick.
        "steps_per_turn": 200,
        "max_speed_deg_s": draw(st.floats(30, 300)),
        "acceleration_deg_s2": draw(st.floats(20, 5000)),
        "search_speed_deg_s": draw(st.floats(30, 300)),
        "tolerance_deg": draw(st.floats(2, 20)),
        "settle_s": draw(TENTHS),
        "door": draw(st.one_of(st.none(), servo(13))),
        "jam_retries": 0,
        "hold_s": 0.1,
    }
    return CarouselConfig(**m.CAROUSEL | changes)


@st.composite
def solenoids(draw: st.DrawFn) -> SolenoidConfig:
    changes = {"rest_s": draw(TENTHS), "hold_s": 0.1, "home_switch": draw(SOMETIMES)}
    return SolenoidConfig(**m.SOLENOID | changes)


@st.composite
def conveyors(draw: st.DrawFn) -> ConveyorConfig:
    home_deg, first_deg, second_deg = draw(angles(3))
    changes: dict[str, Any] = {
        "belt_pwm_hz": draw(st.sampled_from([None, 100])),
        "belt_ramp_s": draw(st.sampled_from([0.0, 0.013, 0.25, 0.9])),
        "run_s": 0.2,
        "diverter": draw(servo(12)),
        "diverter_home_deg": home_deg,
        "bins_deg": {"recyclable": first_deg, "residue": second_deg},
        "home_switch": draw(SOMETIMES),
    }
    return ConveyorConfig(**m.CONVEYOR | changes)


def carousel_rig(bench: MockBench, config: CarouselConfig) -> m.CarouselRig:
    # A degree off its switch, the wrong way round.
    return m.CarouselRig(bench, config, start_deg=m.CarouselRig.WIDTH_DEG + 1.0)


KINDS: dict[str, tuple[Callable[[], st.SearchStrategy[Any]], Callable[[MockBench, Any], m.Rig]]] = {
    "flap": (flaps, m.FlapRig),
    "two servos": (pairs, m.TwoServosRig),
    "carousel": (carousels, carousel_rig),
    "solenoids": (solenoids, m.SolenoidRig),
    "conveyor": (conveyors, m.ConveyorRig),
}


class Timed:
    """A gate on ideal ticks, and what its configuration promises."""

    def __init__(self, rig: m.Rig) -> None:
        self.config: GateSection = rig.config
        self.drive = m.Drive(rig.make(), rig)
        self.gate = self.drive.gate
        self.gate.open()

    def goes_home(self) -> None:
        self.gate.home(self.drive.now_s)
        report = self.drive.finish()
        assert report.ended_s - report.started_s <= self.config.slowest_home_s + 1e-6

    def opens(self, target: str) -> None:
        self.drive.route(target)
        start_s = self.drive.now_s
        self.drive.until(lambda: self.gate.open_to == target)
        # The way was open at the tick before this moment.
        assert self.drive.now_s - self.drive.TICK_S - start_s <= self.config.slowest_way_s + 1e-6


@pytest.mark.parametrize(("strategy", "make"), KINDS.values(), ids=KINDS.keys())
@given(data=st.data(), ticks=st.integers(0, 300))
@settings(max_examples=25, deadline=None)
def test_no_way_takes_longer_than_the_configuration_says(strategy, make, data: st.DataObject, ticks: int):
    try:
        config = data.draw(strategy())
    except ValidationError:
        reject()
    bench = MockBench()
    timed = Timed(make(bench, config))
    if ticks % 2:
        timed.goes_home()
    else:
        timed.opens(config.bins[0])
        timed.drive.finish()
    for target in config.bins:
        timed.opens(target)
        timed.drive.finish()
    timed.goes_home()
    timed.drive.route(config.bins[0])
    timed.drive.run(ticks / 100)
    timed.goes_home()
    assert config.park_limit_s <= 120.0
    assert config.park_limit_s >= (1 + config.jam_retries) * config.slowest_home_s + 2.0
    timed.gate.close()
    bench.close()


def test_the_longest_searches_of_a_carousel_take_no_longer_than_the_configuration_says():
    for start_deg in (m.CarouselRig.WIDTH_DEG + 1.0, 4.0, 180.0):
        for door in (None, ServoConfig(pin=13, **m.DOOR)):
            bench = MockBench()
            config = CarouselConfig(**m.CAROUSEL | {"door": door, "acceleration_deg_s2": 60.0})
            timed = Timed(m.CarouselRig(bench, config, start_deg))
            timed.goes_home()
            timed.gate.close()
            bench.close()


def test_a_slow_turn_from_a_known_position_counts_where_the_search_is_quick():
    bench = MockBench()
    config = CarouselConfig(**m.CAROUSEL | {"max_speed_deg_s": 30.0, "search_speed_deg_s": 300.0})
    timed = Timed(m.CarouselRig(bench, config))
    timed.opens("paper")
    timed.drive.finish()
    timed.goes_home()
    timed.gate.close()
    bench.close()


@pytest.mark.parametrize(
    ("config", "home_s", "way_s"),
    [
        # 50 and 100 degrees a way, by 2 a step; 0.25 s of rest and the last step; a period of pulses.
        (ServoFlapConfig(), 0.5 + 0.26 + 0.02, 0.5),
        (SolenoidConfig(**m.SOLENOID), 0.0, 0.5),
        (SolenoidConfig(**m.SOLENOID | {"home_switch": SWITCH}), 0.51, 1.01),
        (ConveyorConfig(**m.CONVEYOR), 0.01 + 0.4 + 0.11 + 0.02, 0.01 + 0.4 + 0.11 + 0.02),
    ],
    ids=["flap", "solenoids", "solenoids with a switch", "conveyor"],
)
def test_how_long_the_longest_ways_are(config: GateSection, home_s: float, way_s: float):
    assert (config.slowest_home_s, config.slowest_way_s) == (pytest.approx(home_s), pytest.approx(way_s))
