"""A flap on one servo: tilts to one side for each bin."""

import math
from typing import Any

from edge.config import GateConfig
from edge.errors import ActuatorError
from edge.pins import PinFactory
from edge.records import GateReport

__all__ = ["ServoFlap"]

HOME = "home"
FRAME_S = 0.02
"""Period of a servo's control pulses."""


class ServoFlap:
    """Ramp, hold, settle, detach; at most one motion at a time, and nothing moves but in `tick`.

    The servo is powered only while it moves and holds. It is detached in the low phase of a pulse: the duty cycle
    goes to zero for one whole period first, since a pulse cut short can throw the arm.

    Hazards: if power fails in mid-swing the flap stays where it is. The first `home` after the start jumps, because
    nobody knows where the flap stands. A servo stalled against an obstacle draws its stall current until the motion
    ends; feed it from its own supply, not from the Pi's 5 V pin.

    Args:
        config: angles, pulse widths and times.
        factory: gpiozero pin factory to claim the pin from.
    """

    def __init__(self, config: GateConfig, factory: PinFactory) -> None:
        self._config = config
        self._factory = factory
        self._servo: Any = None
        self._position_deg: float | None = None
        self._motion: _Motion | None = None
        self._open_to: str | None = None

    @property
    def bins(self) -> tuple[str, ...]:
        return tuple(self._config.bins_deg)

    @property
    def is_moving(self) -> bool:
        return self._motion is not None

    @property
    def open_to(self) -> str | None:
        """The bin whose way is fully open now."""
        return self._open_to

    def open(self) -> None:
        """Claim the pin without moving. Raises: ActuatorError if it is taken, or cannot do PWM."""
        from gpiozero import AngularServo

        config = self._config
        try:
            self._servo = AngularServo(
                config.servo_pin,
                initial_angle=None,
                min_angle=config.min_angle_deg,
                max_angle=config.max_angle_deg,
                min_pulse_width=config.min_pulse_us / 1e6,
                max_pulse_width=config.max_pulse_us / 1e6,
                frame_width=FRAME_S,
                pin_factory=self._factory,
            )
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"servo on GPIO{config.servo_pin} refused: {exc}; check gate.servo_pin") from exc

    def home(self, now_s: float) -> None:
        """Begin the motion home, also in the midst of another; see `ports.Gate`."""
        self._begin(HOME, self._config.home_deg, self._config.settle_s, now_s)

    def route(self, target: str, now_s: float) -> None:
        """Begin the motion that opens the way to bin `target`; see `ports.Gate`."""
        if self._motion is not None:
            raise ActuatorError(
                f"gate is moving to {self._motion.target}, asked to go to {target}; wait for its report"
            )
        angle_deg = self._config.bins_deg.get(target)
        if angle_deg is None:
            raise ActuatorError(f"gate has no bin {target!r}, only {', '.join(self.bins)}; check gate.bins_deg")
        self._begin(target, angle_deg, self._config.hold_s, now_s)

    def tick(self, now_s: float) -> GateReport | None:
        """Take the next step that is due. A late tick makes the motion longer, never faster."""
        motion = self._motion
        if motion is None or now_s < motion.next_s:
            return None
        if motion.remaining > 0:
            self._step(motion, now_s)
            return None
        if motion.target == HOME and not motion.is_released:
            self._release()
            motion.is_released = True
            motion.next_s = now_s + FRAME_S
            return None
        if motion.target == HOME:
            self._detach()
        self._motion = None
        return GateReport(motion.target, motion.commanded_deg, motion.started_s, now_s)

    def stop(self) -> None:
        """Take the power off the servo at once. The flap stays where it is, or falls if it is heavy."""
        self._motion = None
        self._open_to = None
        if self._servo is not None:
            try:
                self._release()
            finally:
                self._detach()

    def close(self) -> None:
        """Stop and give the pin back."""
        if self._servo is None:
            return
        try:
            self.stop()
        finally:
            servo, self._servo = self._servo, None
            servo.close()

    def _begin(self, target: str, angle_deg: float, dwell_s: float, now_s: float) -> None:
        if self._servo is None:
            raise ActuatorError("the gate is not open; call open() first")
        start_deg = angle_deg if self._position_deg is None else self._position_deg
        steps = max(1, math.ceil(abs(angle_deg - start_deg) / self._config.step_deg - 1e-9))
        self._open_to = None
        self._motion = _Motion(target, start_deg, angle_deg, steps, dwell_s, now_s)

    def _step(self, motion: "_Motion", now_s: float) -> None:
        motion.remaining -= 1
        share = 1.0 - motion.remaining / motion.steps
        self._command(motion.from_deg + (motion.to_deg - motion.from_deg) * share)
        is_there = motion.remaining == 0
        if is_there:
            self._position_deg = motion.commanded_deg = self._read_back()
            if motion.target != HOME:
                self._open_to = motion.target
        motion.next_s = now_s + self._config.step_s + (motion.dwell_s if is_there else 0.0)

    def _command(self, angle_deg: float) -> None:
        try:
            # Rounding may lead a hair beyond the ends of the servo's reach.
            self._servo.angle = min(max(angle_deg, self._servo.min_angle), self._servo.max_angle)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(
                f"servo on GPIO{self._config.servo_pin} did not take {angle_deg:.1f} degrees: {exc}; check its wiring"
            ) from exc
        self._position_deg = angle_deg

    def _read_back(self) -> float:
        """The angle that the device says it was given, in degrees."""
        try:
            return float(self._servo.angle)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"servo on GPIO{self._config.servo_pin} does not answer: {exc}") from exc

    def _release(self) -> None:
        try:
            self._servo.pwm_device.pin.state = 0.0
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"servo on GPIO{self._config.servo_pin} cannot be released: {exc}") from exc

    def _detach(self) -> None:
        try:
            self._servo.detach()
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"servo on GPIO{self._config.servo_pin} cannot be detached: {exc}") from exc


class _Motion:
    """One motion under way: a ramp of equal steps, then a dwell."""

    def __init__(self, target: str, from_deg: float, to_deg: float, steps: int, dwell_s: float, now_s: float) -> None:
        self.target = target
        self.from_deg = from_deg
        self.to_deg = to_deg
        self.steps = steps
        self.remaining = steps
        self.dwell_s = dwell_s
        self.started_s = now_s
        self.next_s = now_s
        self.commanded_deg = from_deg
        self.is_released = False
