"""Whatever a gate is told, in any order and however late: one motor at a time, and none after a stop or an error."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import (
    CarouselConfig,
    ConveyorConfig,
    ServoConfig,
    ServoFlapConfig,
    SolenoidConfig,
    SwitchConfig,
    TwoServosConfig,
)
from edge.errors import ActuatorError, JamError
from tests import mechanisms as m
from tests.doubles import HandTimer, Motors
from tests.pin_rig import MockBench

SWITCH = SwitchConfig(pin=22)
JAMS: dict[str, Any] = {"jam_retries": 1, "jam_pause_s": 0.1, "home_timeout_s": 0.2}
DOOR = ServoConfig(pin=13, **m.DOOR)


def flap(bench: MockBench, timer: HandTimer) -> tuple[m.Rig, Motors]:
    return m.FlapRig(bench, ServoFlapConfig(**m.FLAP | JAMS, home_switch=SWITCH)), Motors(bench, (18,), {})


def two_servos(bench: MockBench, timer: HandTimer) -> tuple[m.Rig, Motors]:
    rig = m.TwoServosRig(bench, TwoServosConfig(**m.TWO_SERVOS | JAMS, home_switch=SWITCH))
    return rig, Motors(bench, (12, 13), {})


def carousel(bench: MockBench, timer: HandTimer) -> tuple[m.Rig, Motors]:
    # Coarse steps, which are quick.
    config = CarouselConfig(**m.CAROUSEL | JAMS | {"steps_per_turn": 200, "door": DOOR})
    return m.CarouselRig(bench, config), Motors(bench, (13,), {}, step_pin=5)


def solenoid(bench: MockBench, timer: HandTimer) -> tuple[m.Rig, Motors]:
    rig = m.SolenoidRig(bench, SolenoidConfig(**m.SOLENOID | JAMS, home_switch=SWITCH), timer)
    return rig, Motors(bench, (), {5: True, 6: True})


def conveyor(bench: MockBench, timer: HandTimer) -> tuple[m.Rig, Motors]:
    changes = {"exit_sensor": SwitchConfig(pin=23), "turn_sensor": SwitchConfig(pin=24), "belt_pwm_hz": 100}
    rig = m.ConveyorRig(bench, ConveyorConfig(**m.CONVEYOR | JAMS | changes | {"home_switch": SWITCH}), timer)
    return rig, Motors(bench, (12,), {19: True})


KINDS = {"flap": flap, "two servos": two_servos, "carousel": carousel, "solenoids": solenoid, "conveyor": conveyor}

ACTIONS = st.lists(
    st.one_of(
        st.just(("home", 0)),
        st.tuples(st.just("route"), st.integers(0, 1)),
        st.just(("stop", 0)),
        st.tuples(st.just("jam"), st.booleans()),
        st.just(("expire", 0)),
        st.tuples(st.just("tick"), st.integers(1, 150)),
        st.tuples(st.just("late"), st.integers(11, 4000)),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@given(actions=ACTIONS)
@settings(max_examples=60, deadline=None)
def test_one_motor_at_a_time_and_none_after_a_stop_or_an_error(
    kind: Callable[[MockBench, HandTimer], tuple[m.Rig, Motors]], actions: list[tuple[str, int]]
):
    bench, timer = MockBench(), HandTimer()
    rig, motors = kind(bench, timer)
    gate = rig.make()
    gate.open()
    drive = m.Drive(gate, rig)

    def nothing_has_power() -> bool:
        return not motors.powered and not rig.is_powered() and not timer.running

    for action, argument in actions:
        try:
            match action:
                case "home":
                    gate.home(drive.now_s)
                case "route":
                    drive.route(gate.bins[argument])
                case "stop":
                    gate.stop()
                    assert nothing_has_power()
                    assert not gate.is_moving
                case "jam":
                    jam(rig, bool(argument))
                case "expire":
                    timer.expire()
                case "tick":
                    for _ in range(argument):
                        drive.tick()
                case "late":
                    drive.now_s += argument / 1000
                    drive.tick()
        except JamError:
            assert nothing_has_power()
            assert not gate.is_moving
        except ActuatorError as refused:
            assert "is moving to" in str(refused)
        assert motors.crowds == []
    jam(rig, False)
    gate.home(drive.now_s)
    assert drive.finish().target == "home", "a gate that is free again comes home"
    assert nothing_has_power()
    gate.close()
    bench.close()


def jam(rig: m.Rig, is_jammed: bool) -> None:
    """Hold what moves, and break the switch of what cannot be held."""
    for part in (rig, getattr(rig, "servo", None), getattr(rig, "door", None)):
        if hasattr(part, "is_jammed"):
            part.is_jammed = is_jammed
    if isinstance(rig, m.SolenoidRig):
        rig.switch.stick(False if is_jammed else None)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@given(ticks=st.integers(0, 250), target=st.integers(0, 1))
@settings(max_examples=25, deadline=None)
def test_a_stop_takes_all_power_off_without_another_tick_wherever_it_comes(kind, ticks: int, target: int):
    bench, timer = MockBench(), HandTimer()
    rig, motors = kind(bench, timer)
    gate = rig.make()
    gate.open()
    drive = m.Drive(gate, rig)
    drive.home()
    drive.route(gate.bins[target])
    with contextlib.suppress(JamError):
        drive.run(ticks / 100)
    gate.stop()
    assert not rig.is_powered()
    assert motors.powered == set()
    assert timer.running == []
    gate.close()
    bench.close()
