"""Moves a gate's servos by hand: one at a time, by the gates' own ramps, and without power as soon as nobody jogs."""

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from edge.calibrate.desk import POLL_S, Desk
from edge.calibrate.guard import Guard, HeldError
from edge.config import Config, GateConfig, ServoConfig
from edge.configedit import KeyPath
from edge.contact import pin_name
from edge.errors import ActuatorError, ConfigError
from edge.gates.motion import Script
from edge.gates.servo import ServoAxis
from edge.pins import PinFactory

__all__ = ["IDLE_S", "Jog", "Point", "points_of"]

IDLE_S = 3.0
"""A servo that was moved holds for so long, so that one can see it; then its power is taken off."""
HELD_UP_S = 0.5
"""A program that was not at work for so long, as before a terminal that takes no more output, may hold no servo."""
WATCH_S = 0.1


@dataclass(frozen=True, slots=True)
class Point:
    """An angle of a gate that an installer finds by trying.

    Attributes:
        name: a bin, `home`, `door_closed` or `door_open`.
        key: where the configuration has the angle.
        servo_key: where it has the servo's pin, such as `gate.servo_pin`.
        servo: the servo itself; None if a stepper turns to this angle, which is only written down.
        angle_deg: what is stored now.
    """

    name: str
    key: KeyPath
    servo_key: str
    servo: ServoConfig | None
    angle_deg: float


def points_of(gate: GateConfig) -> dict[str, Point]:
    """The angles of a gate by their names. Raises: ConfigError for a gate without angles."""
    match gate.kind:
        case "servo_flap":
            home = _point("home", "home_deg", "gate.servo_pin", gate.servo, gate.home_deg)
            found = [home, *_bins(gate.bins_deg, "gate.servo_pin", gate.servo)]
        case "two_servos":
            found = [
                _point("home", "diverter_home_deg", "gate.diverter.pin", gate.diverter, gate.diverter_home_deg),
                *_bins(gate.bins_deg, "gate.diverter.pin", gate.diverter),
                *_door(gate.door, gate.door_closed_deg, gate.door_open_deg),
            ]
        case "conveyor":
            found = [
                _point("home", "diverter_home_deg", "gate.diverter.pin", gate.diverter, gate.diverter_home_deg),
                *_bins(gate.bins_deg, "gate.diverter.pin", gate.diverter),
            ]
        case "carousel":
            found = [
                *_bins(gate.bins_deg, "gate.step_pin", None),
                *(_door(gate.door, gate.door_closed_deg, gate.door_open_deg) if gate.door is not None else []),
            ]
        case "solenoid":
            raise ConfigError("a solenoid gate has no angles; there is nothing to calibrate but its drop time")
    # A bin may be called door_open: whoever says so means the bin, which stands before the door.
    named: dict[str, Point] = {}
    for point in found:
        named.setdefault(point.name, point)
    return named


def _point(name: str, key: str, servo_key: str, servo: ServoConfig | None, angle_deg: float) -> Point:
    return Point(name, ("gate", key), servo_key, servo, angle_deg)


def _bins(angles_deg: Mapping[str, float], servo_key: str, servo: ServoConfig | None) -> list[Point]:
    return [
        Point(name, ("gate", "bins_deg", name), servo_key, servo, angle_deg) for name, angle_deg in angles_deg.items()
    ]


def _door(servo: ServoConfig, closed_deg: float, open_deg: float) -> list[Point]:
    return [
        _point("door_closed", "door_closed_deg", "gate.door.pin", servo, closed_deg),
        _point("door_open", "door_open_deg", "gate.door.pin", servo, open_deg),
    ]


class Jog:
    """At most one servo has power. Whatever is raised while one moves, all of them are without power then.

    A thread watches over it: should the program be held up for `HELD_UP_S` while a servo has power, it is cut off.

    Hazards: the first motion jumps, because nobody knows where the arm stands. What else the gate has (a belt, a
    stepper) is switched off, and stays off.
    """

    def __init__(self, config: Config, factory: PinFactory, guard: Guard, desk: Desk) -> None:
        self._factory = factory
        self._guard = guard
        self._desk = desk
        self._outputs = [use for use in config.pin_uses() if use.signal == "output" and use.key.startswith("gate.")]
        servos = {point.servo_key: point.servo for point in points_of(config.gate).values() if point.servo is not None}
        self._axes = {key: ServoAxis(servo, factory, key) for key, servo in servos.items()}
        self._powered: str | None = None
        self._off_s = 0.0
        self._moved: set[str] = set()
        # No servo is commanded while the thread cuts one off.
        self._lock = threading.RLock()
        self._attended_s = 0.0
        self._held_up: ActuatorError | None = None

    def open(self, stack: ExitStack) -> None:
        """Claim all pins of the gate, which takes the power off; nothing moves. Raises: ActuatorError."""
        for use in self._outputs:
            stack.callback(_switched_off(use.key, use.bcm, use.active_high, self._factory).close)
        for axis in self._axes.values():
            axis.claim(stack)
        stack.callback(self.cut)
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(ended,), name="jog", daemon=True)
        watch.start()
        stack.callback(watch.join)
        stack.callback(ended.set)

    def is_unknown(self, servo_key: str) -> bool:
        """True until a servo was moved once: its first motion jumps."""
        return servo_key not in self._moved

    def move(self, servo_key: str, to_deg: float) -> None:
        """Ramp to an angle and hold there; `idle` takes the power off later.

        Raises: HeldError if emergency stop or lid forbid it; StoppedError; ActuatorError. No servo has power then.
        """
        axis = self._axes[servo_key]
        try:
            self._attend()
            self._guard.check()
            if self._powered not in (None, servo_key):
                self.release()
            self._powered = servo_key
            self._run(axis.ramp(to_deg))
            self._run(axis.settle())
        except BaseException:
            self.cut()
            raise
        self._moved.add(servo_key)
        self._off_s = self._desk.clock.now_s() + IDLE_S

    def idle(self, now_s: float) -> None:
        """Call it often while nothing moves.

        Raises: HeldError once if emergency stop or lid cut a servo off, or this was not called for too long.
        """
        self._attend()
        if self._powered is None:
            return
        try:
            self._guard.check()
            if now_s >= self._off_s:
                self.release()
        except BaseException:
            self.cut()
            raise

    def release(self) -> None:
        """Take the power off between two pulses, so that the arm is not thrown."""
        if self._powered is not None:
            self._run(self._axes[self._powered].let_go())
            self._powered = None

    def cut(self) -> None:
        """Take the power off at once."""
        with self._lock:
            powered, self._powered = self._powered, None
            if powered is not None:
                self._axes[powered].cut()

    def look_after(self) -> None:
        """Cut the servo off if the program is held up; the thread does this all the time."""
        with self._lock:
            if self._powered is None or self._desk.clock.now_s() - self._attended_s < HELD_UP_S:
                return
            self._held_up = HeldError(
                f"the program was held up for {HELD_UP_S:g} s, and the servo's power was taken off; it has to be seen "
                "what the servo does, so let the terminal take output (Ctrl-Q) and begin again"
            )
            try:
                self.cut()
            except ActuatorError as exc:
                self._held_up = exc

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(WATCH_S):
            self.look_after()

    def _attend(self) -> None:
        """The program is at work. Raises: HeldError once if it was not, and the power was taken off."""
        with self._lock:
            self._attended_s = self._desk.clock.now_s()
            held_up, self._held_up = self._held_up, None
        if held_up is not None:
            raise held_up

    def _run(self, script: Script) -> None:
        clock = self._desk.clock
        try:
            with self._lock:
                self._attend()
                wait_s = next(script)
            while True:
                end_s = clock.now_s() + wait_s
                while (now_s := clock.now_s()) < end_s:
                    self._attend()
                    self._desk.check()
                    self._guard.check()
                    clock.wait_until(min(end_s, now_s + POLL_S))
                with self._lock:
                    self._attend()
                    wait_s = script.send(clock.now_s())
        except StopIteration:
            return


def _switched_off(key: str, bcm: int, active_high: bool, factory: PinFactory) -> Any:
    from gpiozero import OutputDevice

    try:
        return OutputDevice(bcm, active_high=active_high, initial_value=False, pin_factory=factory)
    except Exception as exc:  # every pin library has its own errors
        raise ActuatorError(f"{pin_name(bcm)} refused: {exc}; check {key}") from exc
