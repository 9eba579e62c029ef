"""One servo: ramp, settle, release in the low phase of a pulse, detach."""

import math
from contextlib import ExitStack
from typing import Any

from edge.config import ServoConfig
from edge.config.durations import FRAME_S
from edge.errors import ActuatorError
from edge.gates.motion import Script
from edge.pins import PinFactory
from edge.pins.attempts import attempt_all

__all__ = ["FRAME_S", "ServoAxis"]


class ServoAxis:
    """A servo that is powered only while it moves or holds.

    It is detached in the low phase of a pulse: the duty cycle goes to zero for one whole period first, since a pulse
    cut short can throw the arm.

    Hazards: if power fails in mid-swing the arm stays where it is. The first ramp after the start jumps, because nobody
    knows where the arm stands. A servo stalled against an obstacle draws its stall current until it is released; feed
    it from its own supply, not from the Pi's 5 V pin.

    Args:
        key: where the configuration has its pin, such as `gate.servo_pin`.
    """

    def __init__(self, config: ServoConfig, factory: PinFactory, key: str) -> None:
        self._config = config
        self._factory = factory
        self._key = key
        self._name = f"servo on GPIO{config.pin}"
        self._servo: Any = None
        self._position_deg: float | None = None
        self._commanded_deg: float | None = None
        self._is_powered = False

    @property
    def commanded_deg(self) -> float | None:
        """Where the last whole ramp ended, read back from the device; None before there was one."""
        return self._commanded_deg

    def claim(self, stack: ExitStack) -> None:
        """Claim the pin without moving. Raises: ActuatorError if it is taken, or cannot do PWM."""
        from gpiozero import AngularServo

        config = self._config
        try:
            self._servo = AngularServo(
                config.pin,
                initial_angle=None,
                min_angle=config.min_angle_deg,
                max_angle=config.max_angle_deg,
                min_pulse_width=config.min_pulse_us / 1e6,
                max_pulse_width=config.max_pulse_us / 1e6,
                frame_width=FRAME_S,
                pin_factory=self._factory,
            )
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} refused: {exc}; check {self._key}") from exc
        stack.callback(self._close)

    def ramp(self, to_deg: float) -> Script:
        """Equal steps of at most `step_deg`, `step_s` apart.

        It ends with the last step; `hold` or `settle` must follow, which wait out that step too.
        """
        from_deg = to_deg if self._position_deg is None else self._position_deg
        steps = max(1, math.ceil(abs(to_deg - from_deg) / self._config.step_deg - 1e-9))
        for step in range(1, steps + 1):
            self._command(from_deg + (to_deg - from_deg) * (1.0 - (steps - step) / steps))
            if step < steps:
                yield self._config.step_s
        self._position_deg = self._commanded_deg = self._read_back()

    def hold(self, duration_s: float) -> Script:
        """Stand powered at the end of a ramp."""
        yield self._config.step_s + duration_s

    def settle(self) -> Script:
        """Rest at the end of a ramp, until the arm no longer swings."""
        return self.hold(self._config.settle_s)

    def let_go(self) -> Script:
        """Take the power off between two pulses."""
        if self._is_powered:
            self._release()
            yield FRAME_S
            self._detach()

    def turn(self, to_deg: float) -> Script:
        """A whole way: ramp, settle, let go. An arm that is there already is commanded all the same, since a hand or
        its own weight may have moved it while it had no power.
        """
        yield from self.ramp(to_deg)
        yield from self.settle()
        yield from self.let_go()

    def cut(self) -> None:
        """Take the power off at once. Raises: ActuatorError if the pin does not obey; it is detached all the same."""
        if self._servo is not None:
            attempt_all(self._release, self._detach)

    def _close(self) -> None:
        servo, self._servo = self._servo, None
        servo.close()

    def _command(self, angle_deg: float) -> None:
        self._is_powered = True
        try:
            # Rounding may lead a hair beyond the ends of the servo's reach.
            self._servo.angle = min(max(angle_deg, self._servo.min_angle), self._servo.max_angle)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} did not take {angle_deg:.1f} degrees: {exc}; check its wiring") from exc
        self._position_deg = angle_deg

    def _read_back(self) -> float:
        """The angle that the device says it was given, in degrees."""
        try:
            return float(self._servo.angle)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} does not answer: {exc}; check its wiring") from exc

    def _release(self) -> None:
        try:
            self._servo.pwm_device.pin.state = 0.0
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} cannot be released: {exc}; take its power off") from exc

    def _detach(self) -> None:
        try:
            self._servo.detach()
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} cannot be detached: {exc}; take its power off") from exc
        self._is_powered = False
