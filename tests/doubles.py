"""What stands at the far end of the wires: switches, servos, and an eye on all motors at once.

They follow the pins by being told of every change that a driver makes.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from edge.config import ServoConfig, SwitchConfig
from edge.gates.servo import FRAME_S
from tests.pin_rig import MockBench, PinBench
from tests.rigs import WAIT_S


def watch(bench: PinBench, bcm: int, see: Callable[[float], None]) -> None:
    """Call `see` with the state of a pin at every change."""
    bench.watch(bcm, see)


def output_level(bench: PinBench, bcm: int, resistor: bool) -> bool:
    """Level of an output; where nobody drives it, that of the resistor on the board that it leads to."""
    if isinstance(bench, MockBench) and bench.factory.pin(bcm).function == "input":
        return resistor
    return bench.level(bcm)


class SwitchDouble:
    """A switch that something works. `stuck` holds it at one level, as a switch that broke would be."""

    def __init__(self, bench: PinBench, config: SwitchConfig) -> None:
        self._bench = bench
        self._config = config
        self._is_actuated = False
        self.stuck: bool | None = None
        self._driven: bool | None = None
        self._outdo_pull(bench.factory.pin(config.pin))

    def set(self, is_actuated: bool) -> None:
        self._is_actuated = is_actuated
        is_shown = is_actuated if self.stuck is None else self.stuck
        level = is_shown is self._config.active_high
        if level is not self._driven:
            self._driven = level
            self._bench.drive(self._config.pin, level)

    def stick(self, is_actuated: bool | None) -> None:
        self.stuck = is_actuated
        self.set(self._is_actuated)

    def _outdo_pull(self, pin: Any) -> None:
        """A switch is stronger than a pull resistor, which neither kind of simulated pins knows."""
        pull = pin._set_pull

        def pulled(value: str) -> None:
            pull(value)
            self._driven = None
            self.set(self._is_actuated)

        pin._set_pull = pulled


class ServoDouble:
    """A servo: it follows its pulses, and stays where it is without. `is_jammed`: it stays in any case."""

    def __init__(self, bench: PinBench, config: ServoConfig, on_turn: Callable[[], None] = lambda: None) -> None:
        self._config = config
        self._on_turn = on_turn
        self.angle_deg: float | None = None
        self.is_jammed = False
        watch(bench, config.pin, self._see)

    def is_at(self, angle_deg: float) -> bool:
        return self.angle_deg is not None and abs(self.angle_deg - angle_deg) < 1.0

    def _see(self, duty: float) -> None:
        config = self._config
        pulse_us = duty * FRAME_S * 1e6
        if self.is_jammed or not config.min_pulse_us - 1 <= pulse_us <= config.max_pulse_us + 1:
            return
        share = (pulse_us - config.min_pulse_us) / (config.max_pulse_us - config.min_pulse_us)
        self.angle_deg = config.min_angle_deg + share * (config.max_angle_deg - config.min_angle_deg)
        self._on_turn()


class Motors:
    """Watches every motor at every change of a pin.

    Args:
        levels: level at which each switched motor or coil is on, by its pin.
        step_pin: of a stepper, which moves at each rising edge.

    Attributes:
        powered: pins of the motors that have power or pulses now.
        crowds: every set of motors that moved at once, more than one.
    """

    def __init__(
        self, bench: PinBench, servos: tuple[int, ...], levels: Mapping[int, bool], step_pin: int | None = None
    ) -> None:
        self.powered: set[int] = set()
        self.crowds: list[frozenset[int]] = []
        for pin in servos:
            watch(bench, pin, lambda duty, pin=pin: self._see(pin, duty > 0))
        for pin, on in levels.items():
            watch(bench, pin, lambda level, pin=pin, on=on: self._see(pin, (level > 0) if on else level < 1))
        if step_pin is not None:
            watch(bench, step_pin, lambda level: self._note(self.powered | {step_pin}) if level else None)

    def _see(self, pin: int, has_power: bool) -> None:
        self.powered = self.powered | {pin} if has_power else self.powered - {pin}
        self._note(self.powered)

    def _note(self, moving: set[int]) -> None:
        if len(moving) > 1:
            self.crowds.append(frozenset(moving))


class HandTimer:
    """Timers that a test lets expire; they count how many are under way."""

    def __init__(self) -> None:
        self.running: list[tuple[float, object]] = []

    def __call__(self, limit_s, expire):
        entry = (limit_s, expire)
        self.running.append(entry)
        timer = self

        class Handle:
            def cancel(self) -> None:
                if entry in timer.running:
                    timer.running.remove(entry)

        return Handle()

    def expire(self) -> None:
        """As a timer's thread does, in another thread."""
        while self.running:
            _, expire = self.running.pop(0)
            thread = threading.Thread(target=expire)
            thread.start()
            thread.join(WAIT_S)
            assert not thread.is_alive()
