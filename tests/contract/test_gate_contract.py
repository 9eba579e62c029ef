"""What every `ports.Gate` promises; a new driver is done when it passes."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from edge.config import (
    CarouselConfig,
    ConveyorConfig,
    ServoConfig,
    ServoFlapConfig,
    SolenoidConfig,
    SwitchConfig,
    TwoServosConfig,
)
from edge.errors import ActuatorError
from edge.gates.guarded import GuardedGate
from edge.ports import Gate
from tests import mechanisms as m
from tests.pin_rig import PinBench, is_on_a_chip, open_bench
from tests.pwm_rig import PwmBench

SWITCH = SwitchConfig(pin=22)
BEAM = SwitchConfig(pin=23, active_high=True)
TURN = SwitchConfig(pin=24, pull="none")
DOOR = ServoConfig(pin=13, **m.DOOR)


def flap(**changes) -> Callable[[PinBench], m.Rig]:
    return lambda bench: m.FlapRig(bench, ServoFlapConfig(**m.FLAP | changes))


def two_servos(**changes) -> Callable[[PinBench], m.Rig]:
    return lambda bench: m.TwoServosRig(bench, TwoServosConfig(**m.TWO_SERVOS | changes))


def carousel(start_deg: float = 33.0, **changes) -> Callable[[PinBench], m.Rig]:
    return lambda bench: m.CarouselRig(bench, CarouselConfig(**m.CAROUSEL | changes), start_deg)


def solenoid(**changes) -> Callable[[PinBench], m.Rig]:
    return lambda bench: m.SolenoidRig(bench, SolenoidConfig(**m.SOLENOID | changes))


def conveyor(**changes) -> Callable[[PinBench], m.Rig]:
    return lambda bench: m.ConveyorRig(bench, ConveyorConfig(**m.CONVEYOR | changes))


class GuardedRig:
    """Another rig, whose gate has a guard that must know of every motor that has power."""

    def __init__(self, rig: m.Rig) -> None:
        self._rig = rig
        self._knows = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rig, name)

    def make(self) -> Gate:
        return GuardedGate(self._rig.make(), self)

    def is_powered(self) -> bool:
        is_powered = self._rig.is_powered()
        assert self._knows or not is_powered, "a motor has power, and the guard does not know"
        return is_powered

    def advance(self, step_s: float) -> None:
        self._rig.advance(step_s)
        self.is_powered()

    def powered(self) -> bool:
        self._knows = True
        return True

    def resting(self) -> None:
        self._knows = False

    def close(self) -> None: ...


def guarded(make: Callable[[PinBench], m.Rig]) -> Callable[[PinBench], m.Rig]:
    return lambda bench: GuardedRig(make(bench))


THREE_BINS = {"glass": 60.0, "paper": 120.0, "residue": 180.0}
DRIVERS = {
    "servo flap": flap(),
    "servo flap, three bins": flap(servo_pin=12, home_deg=0.0, bins_deg=THREE_BINS, hold_s=0.0),
    "servo flap, one step": flap(step_deg=180.0, settle_s=0.0),
    "servo flap, home switch": flap(home_switch=SWITCH),
    "two servos": two_servos(),
    "two servos, home switch, three bins": two_servos(home_switch=SWITCH, bins_deg=THREE_BINS, hold_s=0.0),
    "carousel": carousel(),
    "carousel with a door, on its switch": carousel(
        start_deg=3.0, door=DOOR, bins_deg={"glass": 0.0, "residue": 180.0}
    ),
    "carousel, other levels": carousel(enable_active_high=True, home_switch=BEAM, steps_per_turn=400),
    "solenoids": solenoid(),
    "relays, a spring's bin": solenoid(active_high=False, bin_pins={"glass": 5, "paper": 6, "residue": None}),
    "solenoids, home switch": solenoid(home_switch=SWITCH, rest_s=0.0),
    "conveyor": conveyor(),
    "conveyor, pulled low by a relay": conveyor(belt_active_high=False),
    "conveyor with ramps and sensors": conveyor(
        belt_pwm_hz=100, belt_ramp_s=0.2, home_switch=SWITCH, exit_sensor=BEAM, turn_sensor=TURN
    ),
    "servo flap with a home switch, guarded": guarded(flap(home_switch=SWITCH)),
    "solenoids, guarded": guarded(solenoid()),
    "conveyor, guarded": guarded(conveyor()),
}


ON_HARDWARE_PWM = {
    "servo flap, hardware PWM": flap(),
    "two servos, hardware PWM": two_servos(),
    "conveyor, hardware PWM": conveyor(belt_pwm_hz=100, belt_ramp_s=0.2, diverter=DOOR, belt_pin=12),
}


ON_A_CHIP = (
    "servo flap",
    "servo flap, home switch",
    "two servos, home switch, three bins",
    "carousel",
    "carousel with a door, on its switch",
    "solenoids, home switch",
    "relays, a spring's bin",
    "conveyor with ramps and sensors",
)
"""Every mechanism with every kind of pin; a real chip takes its time, and pulses are measured there."""


@pytest.fixture(params=ON_A_CHIP if is_on_a_chip() else [*DRIVERS, *ON_HARDWARE_PWM])
def driver(request, tmp_path) -> Iterator[m.Rig]:
    is_hardware = request.param in ON_HARDWARE_PWM
    bench: PinBench = PwmBench(tmp_path) if is_hardware else open_bench()
    # Also where the driver skips: a bench that stays open would keep the chip's lines from those after it.
    with closing(bench):
        yield (ON_HARDWARE_PWM if is_hardware else DRIVERS)[request.param](bench)


@pytest.fixture
def gate(driver: m.Rig) -> Iterator[Gate]:
    gate = driver.make()
    gate.open()
    yield gate
    gate.close()


@pytest.fixture
def rig(gate: Gate, driver: m.Rig) -> m.Drive:
    return m.Drive(gate, driver)


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
        rig.route(target)
        started_s = rig.now_s
        assert gate.is_moving
        report = rig.finish()
        assert (report.target, report.started_s) == (target, started_s)
        assert started_s <= report.ended_s <= rig.now_s
        assert not gate.is_moving
        assert rig.opened_to <= {None, target}
        assert target in rig.opened_to
        assert gate.open_to in (target, None), "a spring closes the way again"
        assert rig.run(3.0) == []
        assert rig.home().target == "home"
        assert gate.open_to is None


def test_bins_have_different_positions(driver, gate, rig):
    positions = set()
    for target in gate.bins:
        rig.home()
        rig.route(target)
        rig.until(lambda: gate.open_to is not None)
        position = driver.position()
        positions.add((rig.finish().commanded_deg, position))
    assert len(positions) == len(gate.bins)


def test_a_gate_at_home_is_unpowered(driver, gate, rig):
    rig.home()
    assert not driver.is_powered()
    rig.route(gate.bins[0])
    rig.until(driver.is_powered)
    rig.finish()
    rig.home()
    assert not driver.is_powered()


def test_nothing_moves_but_in_a_tick(driver, gate, rig):
    rig.home()
    before = driver.position()
    rig.route(gate.bins[0])
    assert driver.position() == before
    rig.until_moved()
    moved = driver.position()
    assert gate.tick(rig.now_s - 100.0) is None
    # A real pin's duty cycle is measured, and never twice the same.
    assert driver.position() == pytest.approx(moved, abs=0.01)


def test_the_way_is_not_open_while_the_gate_moves(gate, rig):
    rig.home()
    rig.route(gate.bins[0])
    assert gate.open_to is None
    rig.finish()
    rig.route(gate.bins[-1])
    assert gate.open_to is None


def test_another_route_during_a_motion_is_refused_and_the_motion_goes_on(gate, rig):
    rig.home()
    rig.route(gate.bins[0])
    rig.tick()
    with pytest.raises(ActuatorError, match=f"moving to {gate.bins[0]}, asked to go to {gate.bins[1]}"):
        gate.route(gate.bins[1], rig.now_s)
    assert rig.finish().target == gate.bins[0]


def test_a_bin_that_is_none_is_refused_by_name(driver, gate, rig):
    rig.home()
    with pytest.raises(
        ActuatorError, match=rf"no bin 'compost', only {', '.join(gate.bins)}; check gate\.{driver.bins_key}$"
    ):
        gate.route("compost", rig.now_s)
    assert not gate.is_moving


def test_home_takes_over_from_any_motion_with_one_report(gate, rig):
    rig.home()
    rig.route(gate.bins[0])
    rig.tick()
    gate.home(rig.now_s)
    assert [report.target for report in rig.run(5.0)] == ["home"]


@pytest.mark.parametrize("ticks", [0, 1, 5, 400])
def test_stop_takes_the_power_off_at_once_wherever_it_stands(driver, gate, rig, ticks: int):
    rig.home()
    rig.route(gate.bins[0])
    for _ in range(ticks):
        rig.tick()
    gate.stop()
    gate.stop()
    assert (driver.is_powered(), gate.is_moving, gate.open_to) == (False, False, None)
    assert rig.run(3.0) == [], "a motion that was stopped is not reported"
    assert not driver.is_powered()


def test_a_motor_whose_pin_refuses_keeps_no_other_on_and_stop_may_be_asked_again(driver, gate, rig, monkeypatch):
    config, factory = driver.config, driver.bench.factory
    keys = config.servo_pins() | config.output_pins()
    motors = {key: factory.pin(bcm) for key, bcm in keys.items() if key not in ("step_pin", "direction_pin")}
    for refusing in motors:
        rig.home()
        rig.route(gate.bins[0])
        rig.until(driver.is_powered)
        tried: set[str] = set()
        with monkeypatch.context() as broken:
            for key, pin in motors.items():
                broken.setattr(pin, "_set_state", tells(tried, key, None if key == refusing else pin._set_state))
            with pytest.raises(ActuatorError):
                gate.stop()
            with pytest.raises(ActuatorError):
                gate.stop()
        assert tried == set(motors)
        gate.stop()
        assert (driver.is_powered(), gate.is_moving, gate.open_to) == (False, False, None)


def tells(tried: set[str], key: str, write: Callable[[float], None] | None) -> Callable[[float], None]:
    """A pin's way to take a state, which is noted; it refuses where there is none."""

    def take(state: float) -> None:
        tried.add(key)
        if write is None:
            raise OSError("bus error")
        write(state)

    return take


def test_a_stopped_gate_can_go_home_and_on(gate, rig):
    rig.route(gate.bins[0])
    rig.tick()
    gate.stop()
    assert rig.home().target == "home"
    rig.route(gate.bins[-1])
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
