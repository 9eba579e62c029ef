"""What every `ports.Gate` promises; a new driver is done when it passes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from edge.config import GateConfig
from edge.errors import ActuatorError
from edge.gates.servo_flap import ServoFlap
from edge.pins import open_factory
from edge.ports import Gate
from tests.rigs import GateRig


@dataclass
class Driver:
    """How to make a gate on simulated hardware, and how to look at that hardware.

    Attributes:
        make: another gate on the same pins.
        is_powered: the motor gets power or a signal.
        position: what it was told last, in any unit; None if nothing.
    """

    make: Callable[[], Gate]
    is_powered: Callable[[], bool]
    position: Callable[[], Any]
    close: Callable[[], None]


def servo_flap(config: GateConfig) -> Callable[[], Driver]:
    def build() -> Driver:
        factory = open_factory("mock")
        pin = factory.pin(config.servo_pin)
        return Driver(
            make=lambda: ServoFlap(config, factory),
            is_powered=lambda: pin.frequency is not None,
            position=lambda: pin.state,
            close=factory.close,
        )

    return build


DRIVERS = {
    "servo flap": servo_flap(GateConfig()),
    "servo flap, three bins": servo_flap(
        GateConfig(servo_pin=12, home_deg=0.0, bins_deg={"glass": 60.0, "paper": 120.0, "residue": 180.0}, hold_s=0.0)
    ),
    "servo flap, one step": servo_flap(GateConfig(step_deg=180.0, settle_s=0.0)),
}


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def driver(request) -> Iterator[Driver]:
    driver = request.param()
    yield driver
    driver.close()


@pytest.fixture
def gate(driver: Driver) -> Iterator[Gate]:
    gate = driver.make()
    gate.open()
    yield gate
    gate.close()


class Rig(GateRig):
    def __init__(self, gate: Gate) -> None:
        super().__init__(gate, pin=None)

    def angle(self) -> None:
        return None

    def finish(self):
        """Tick until the motion under way is reported."""
        for _ in range(3000):
            report = self.tick()
            if report is not None:
                return report
        raise AssertionError("the motion is never reported")


@pytest.fixture
def rig(gate: Gate) -> Rig:
    return Rig(gate)


def test_opening_powers_and_moves_nothing(driver, gate, rig):
    before = driver.position()
    assert rig.run(1.0) == []
    assert (gate.is_moving, gate.open_to, driver.is_powered(), driver.position()) == (False, None, False, before)


def test_a_gate_that_is_not_open_moves_nothing(driver):
    gate = driver.make()
    assert gate.tick(1.0) is None
    assert (gate.is_moving, gate.open_to) == (False, None)
    with pytest.raises(ActuatorError, match=r"not open; call open\(\)"):
        gate.home(0.0)
    with pytest.raises(ActuatorError, match=r"not open; call open\(\)"):
        gate.route(gate.bins[0], 0.0)
    gate.stop()


def test_every_bin_has_a_way_with_one_report(gate, rig):
    rig.home()
    for target in gate.bins:
        gate.route(target, rig.now_s)
        started_s = rig.now_s
        assert gate.is_moving
        report = rig.finish()
        assert (report.target, report.started_s) == (target, started_s)
        assert started_s <= report.ended_s <= rig.now_s
        assert not gate.is_moving
        assert gate.open_to == target
        assert rig.run(3.0) == []
        assert rig.home().target == "home"
        assert gate.open_to is None


def test_bins_have_different_positions(driver, gate, rig):
    positions = set()
    for target in gate.bins:
        rig.home()
        gate.route(target, rig.now_s)
        rig.finish()
        positions.add(driver.position())
    assert len(positions) == len(gate.bins)


def test_a_gate_at_home_is_unpowered(driver, gate, rig):
    rig.home()
    assert not driver.is_powered()
    gate.route(gate.bins[0], rig.now_s)
    rig.tick()
    assert driver.is_powered()
    rig.finish()
    rig.home()
    assert not driver.is_powered()


def test_nothing_moves_but_in_a_tick(driver, gate, rig):
    rig.home()
    before = driver.position()
    gate.route(gate.bins[0], rig.now_s)
    assert driver.position() == before
    rig.tick()
    moved = driver.position()
    assert moved != before
    assert gate.tick(rig.now_s - 100.0) is None
    assert driver.position() == moved


def test_the_way_is_not_open_while_the_gate_moves(gate, rig):
    rig.home()
    gate.route(gate.bins[0], rig.now_s)
    assert gate.open_to is None
    rig.finish()
    gate.route(gate.bins[-1], rig.now_s)
    assert gate.open_to is None


def test_another_route_during_a_motion_is_refused_and_the_motion_goes_on(gate, rig):
    rig.home()
    gate.route(gate.bins[0], rig.now_s)
    rig.tick()
    with pytest.raises(ActuatorError, match=f"moving to {gate.bins[0]}, asked to go to {gate.bins[1]}"):
        gate.route(gate.bins[1], rig.now_s)
    assert rig.finish().target == gate.bins[0]


def test_a_bin_that_is_none_is_refused_by_name(gate, rig):
    rig.home()
    with pytest.raises(ActuatorError, match=rf"no bin 'compost', only {', '.join(gate.bins)}; check gate\.bins_deg"):
        gate.route("compost", rig.now_s)
    assert not gate.is_moving


def test_home_takes_over_from_any_motion_with_one_report(gate, rig):
    rig.home()
    gate.route(gate.bins[0], rig.now_s)
    rig.tick()
    gate.home(rig.now_s)
    assert [report.target for report in rig.run(5.0)] == ["home"]


@pytest.mark.parametrize("ticks", [0, 1, 5, 400])
def test_stop_takes_the_power_off_at_once_wherever_it_stands(driver, gate, rig, ticks: int):
    rig.home()
    gate.route(gate.bins[0], rig.now_s)
    for _ in range(ticks):
        rig.tick()
    gate.stop()
    gate.stop()
    assert (driver.is_powered(), gate.is_moving, gate.open_to) == (False, False, None)
    assert rig.run(3.0) == [], "a motion that was stopped is not reported"
    assert not driver.is_powered()


def test_a_stopped_gate_can_go_home_and_on(gate, rig):
    gate.route(gate.bins[0], rig.now_s)
    rig.tick()
    gate.stop()
    assert rig.home().target == "home"
    gate.route(gate.bins[-1], rig.now_s)
    assert rig.finish().target == gate.bins[-1]


def test_closing_in_the_midst_of_a_motion_takes_the_power_off_and_frees_the_pins(driver):
    gate = driver.make()
    gate.open()
    gate.route(gate.bins[0], 0.0)
    gate.tick(0.0)
    gate.close()
    gate.close()
    assert not driver.is_powered()
    assert not gate.is_moving
    second = driver.make()
    second.open()
    second.close()


def test_closing_a_gate_that_was_never_opened_is_allowed(driver):
    gate = driver.make()
    gate.close()
    gate.close()
    gate.stop()


def test_a_second_gate_on_the_same_pins_is_refused_and_the_first_works_on(driver, gate, rig):
    second = driver.make()
    with pytest.raises(ActuatorError, match="refused"):
        second.open()
    second.close()
    assert rig.home().target == "home"
