"""A stepper motor behind a driver with STEP, DIR and ENABLE inputs (A4988, DRV8825, TMC2209 and the like)."""

import math
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any

from edge.clock import TICK_S
from edge.config import CarouselConfig
from edge.config.durations import Trapezoid
from edge.errors import ActuatorError
from edge.gates.motion import Script
from edge.pins import PinFactory

__all__ = ["StepperAxis"]


class StepperAxis:
    """A stepper that counts its steps. Its position is known from `mark_home` until its power is off.

    A script gives out one tick's steps a wait, back to back, so a late tick makes a way longer and never faster. They
    are two full steps at most, which `CarouselConfig` sees to.

    Hazards: a stepper that is blocked or too fast loses steps and does not tell. Without power it turns freely. While
    the Pi starts its pins are inputs: a resistor must hold ENABLE where it switches the driver off, or the motor is
    powered then. Never plug or unplug the motor while the driver has power.
    """

    def __init__(self, config: CarouselConfig, factory: PinFactory) -> None:
        self._config = config
        self._factory = factory
        self._step: Any = None
        self._direction: Any = None
        self._enable: Any = None
        self._step_deg = 360.0 / config.steps_per_turn
        self._position: int | None = None
        self._sign = 1
        self._speed_deg_s = 0.0

    @property
    def position_deg(self) -> float | None:
        """Angle from home, 0 to less than 360; None while nobody knows."""
        return None if self._position is None else self._position * self._step_deg

    def mark_home(self) -> None:
        """Here is 0 degrees."""
        self._position = 0

    def forget(self) -> None:
        """Nobody knows where it stands."""
        self._position = None

    def claim(self, stack: ExitStack) -> None:
        """Claim the pins, the motor without power. Raises: ActuatorError if one is taken."""
        config = self._config
        self._enable = self._output(stack, config.enable_pin, "enable_pin", config.enable_active_high)
        self._direction = self._output(stack, config.direction_pin, "direction_pin")
        self._step = self._output(stack, config.step_pin, "step_pin")
        stack.callback(self._forget_pins)

    def power_on(self) -> Script:
        """Hold the motor. Without power it may have turned."""
        self._write(self._enable, True)
        yield TICK_S

    def cut(self) -> None:
        """Take the power off at once. Raises: ActuatorError if the pin does not obey."""
        if self._speed_deg_s:
            # It runs on by itself, nobody knows how far.
            self.forget()
        self._speed_deg_s = 0.0
        if self._enable is not None:
            self._write(self._enable, False)

    def turn_to(self, angle_deg: float) -> Script:
        """Turn the shortest way; the position must be known."""
        if self._position is None:
            raise ActuatorError("the stepper was told to turn before it found home; this is a mistake in the program")
        turn = self._config.steps_per_turn
        steps = (round(angle_deg / self._step_deg) - self._position) % turn
        yield from self.turn_by((steps if steps <= turn // 2 else steps - turn) * self._step_deg)

    def turn_by(self, way_deg: float) -> Script:
        """Turn by an angle, with ramps; a negative one turns back."""
        config = self._config
        self._face(way_deg)
        total = round(abs(way_deg) / self._step_deg)
        profile = Trapezoid(abs(way_deg), config.max_speed_deg_s, config.acceleration_deg_s2)
        done, ticks = 0, 0
        while done < total:
            ticks += 1
            t_s = ticks * TICK_S
            due = total if t_s >= profile.duration_s else int(profile.travelled(t_s) / self._step_deg + 1e-6)
            self._speed_deg_s = profile.speed(t_s)
            self._give(due - done)
            done = due
            yield TICK_S
        self._speed_deg_s = 0.0

    def seek(self, way_deg: float, is_there: Callable[[], bool]) -> Generator[float, float, bool]:
        """Turn slowly until `is_there`, which is asked before every step, and stop dead.

        Args:
            way_deg: the longest way; a negative one turns back.
        Returns: False if the way was over first.
        """
        config = self._config
        self._face(way_deg)
        total = math.ceil(abs(way_deg) / self._step_deg)
        done, due_deg = 0, 0.0
        while True:
            speed = self._speed_deg_s + config.acceleration_deg_s2 * TICK_S
            self._speed_deg_s = min(speed, config.search_speed_deg_s)
            due_deg += self._speed_deg_s * TICK_S
            while done < int(due_deg / self._step_deg):
                has_arrived = is_there()
                if has_arrived or done == total:
                    self._speed_deg_s = 0.0
                    return has_arrived
                self._give(1)
                done += 1
            yield TICK_S

    def brake(self) -> Script:
        """Come to rest from whatever motion was dropped."""
        due_deg = 0.0
        while self._speed_deg_s > 0.0:
            self._speed_deg_s = max(0.0, self._speed_deg_s - self._config.acceleration_deg_s2 * TICK_S)
            due_deg += self._speed_deg_s * TICK_S
            due = int(due_deg / self._step_deg)
            due_deg -= due * self._step_deg
            self._give(due)
            yield TICK_S

    def _face(self, way_deg: float) -> None:
        self._sign = -1 if way_deg < 0 else 1
        self._write(self._direction, self._sign > 0)

    def _give(self, steps: int) -> None:
        for _ in range(steps):
            self._write(self._step, True)
            self._write(self._step, False)
            if self._position is not None:
                self._position = (self._position + self._sign) % self._config.steps_per_turn

    def _write(self, device: Any, is_on: bool) -> None:
        try:
            device.value = is_on
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"stepper on {device.pin} did not obey: {exc}; check its wiring") from exc

    def _output(self, stack: ExitStack, pin: int, key: str, active_high: bool = True) -> Any:
        from gpiozero import OutputDevice

        try:
            device = OutputDevice(pin, active_high=active_high, pin_factory=self._factory)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"stepper on GPIO{pin} refused: {exc}; check gate.{key}") from exc
        stack.callback(device.close)
        return device

    def _forget_pins(self) -> None:
        self._step = self._direction = self._enable = None
