"""Finds a gate's angles by trying: jog, look, store."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from edge.calibrate.desk import Desk
from edge.calibrate.guard import Guard, HeldError, claimed_pins
from edge.calibrate.jog import Jog, Point, points_of
from edge.calibrate.store import ConfigStore, store_and_tell, told
from edge.config import ServoConfig
from edge.configedit import KeyPath
from edge.contact import pin_name
from edge.errors import ConfigError

__all__ = ["calibrate_angles", "set_angle"]

HELP = """\
  + -      one degree more or less; ++ -- five; +2.5 -10 so many
  137.5    to this angle; =-20 to one below zero
  s        keep this angle for the point
  q        leave the point as it was
  o        power off at once; it goes off by itself 3 s after each motion"""


def calibrate_angles(store: ConfigStore, desk: Desk) -> None:
    """Jog every point that the operator names; at the end, store what was found if the operator agrees.

    Raises: ConfigError for a gate without angles; ActuatorError if a pin refuses; StoppedError.
    """
    points = points_of(store.config.gate)
    store.refuse_unwritable()
    with _open_jog(store, desk) as jog:
        desk.say("Keep hands away from the gate: it moves when you press Enter.")
        trial = _Trial(store, desk, jog)
        while name := trial.ask(f"Points of the gate: {trial.listed(points)}\nWhich one? Enter ends."):
            if name in points:
                trial.find(points[name])
            else:
                desk.warn(f"{name} is none of {', '.join(points)}")
        jog.release()
    if not trial.changes:
        return
    if desk.agrees(f"Store {told(trial.changes)} in {store.path}?"):
        store_and_tell(store, trial.changes, desk)
    else:
        desk.say("Nothing was stored.")


def set_angle(store: ConfigStore, desk: Desk, name: str, angle_deg: float, *, is_agreed: bool) -> None:
    """Move a point's servo to an angle and store it; a stepper's angle is only stored. Each is asked for unless agreed.

    Raises: as `calibrate_angles`; HeldError if emergency stop or lid forbid it. Nothing was stored then.
    """
    points = points_of(store.config.gate)
    point = points.get(name)
    if point is None:
        raise ConfigError(f"the gate has no point {name!r}, only {', '.join(points)}; check --bin")
    store.refuse_unwritable()
    store.checked({point.key: angle_deg})
    if point.servo is None:
        if not is_agreed and not desk.agrees(f"{name} is turned to by the stepper. Store {angle_deg:g} degrees?"):
            desk.say("Nothing was stored.")
            return
    else:
        with _open_jog(store, desk) as jog:
            if not is_agreed and not desk.agrees(f"{name} goes to {angle_deg:g} degrees. Are all hands away?"):
                desk.say("Nothing moved, and nothing was stored.")
                return
            jog.move(point.servo_key, angle_deg)
            if not is_agreed and not desk.agrees(f"{name} stands at {angle_deg:g} degrees. Store it?", jog.idle):
                desk.say("Nothing was stored.")
                return
            jog.release()
    store_and_tell(store, {point.key: angle_deg}, desk)


@contextmanager
def _open_jog(store: ConfigStore, desk: Desk) -> Iterator[Jog]:
    with ExitStack() as stack:
        factory = stack.enter_context(claimed_pins(store.config, desk))
        guard = Guard(store.config, factory)
        guard.open(stack)
        jog = Jog(store.config, factory, guard, desk)
        jog.open(stack)
        yield jog


class _Trial:
    """What an operator has found so far; nothing is stored here."""

    def __init__(self, store: ConfigStore, desk: Desk, jog: Jog) -> None:
        self.changes: dict[KeyPath, Any] = {}
        self._store = store
        self._desk = desk
        self._jog = jog

    def ask(self, prompt: str) -> str:
        """A line from the operator. The servo's power goes off meanwhile, at once if the emergency stop is pressed."""
        while True:
            try:
                return self._desk.ask(prompt, self._jog.idle)
            except HeldError as exc:
                self._desk.say()
                self._desk.warn(str(exc))

    def listed(self, points: Mapping[str, Point]) -> str:
        return ", ".join(
            f"{point.name} {self.changes[point.key]:g} (was {point.angle_deg:g})"
            if point.key in self.changes
            else f"{point.name} {point.angle_deg:g}"
            for point in points.values()
        )

    def find(self, point: Point) -> None:
        """Let the operator find one angle."""
        if point.servo is None:
            self._type(point)
        else:
            self._jog_to(point, point.servo)

    def _type(self, point: Point) -> None:
        line = self.ask(f"{point.name} is turned to by the stepper, which does not move here. Degrees from the switch:")
        try:
            self._is_kept(point, float(line))
        except ValueError:
            self._desk.warn(f"{line!r} is no angle; nothing is kept")

    def _jog_to(self, point: Point, servo: ServoConfig) -> None:
        self._desk.say(
            f"{point.name}: servo on {pin_name(servo.pin)}, {servo.min_angle_deg:g} to {servo.max_angle_deg:g} degrees."
        )
        now_deg = float(self.changes.get(point.key, point.angle_deg))
        jump = " It may jump, since nobody knows where it stands." if self._jog.is_unknown(point.servo_key) else ""
        if self.ask(f"Enter goes to {now_deg:g}.{jump} q leaves."):
            return
        line = f"={now_deg}"
        while line != "q":
            if line == "s":
                if self._is_kept(point, now_deg):
                    return
            elif line == "o":
                self._jog.cut()
            elif line in ("", "?"):
                self._desk.say(HELP)
            else:
                now_deg = self._moved(point, servo, line, now_deg)
            line = self.ask(f"{point.name} {now_deg:g}  [+ - ++ -- number, s keep, q leave, ? help]")

    def _moved(self, point: Point, servo: ServoConfig, line: str, now_deg: float) -> float:
        """Where the servo is after a line: moved to, or where it was."""
        try:
            goal_deg = _wanted(line, now_deg)
        except ValueError:
            self._desk.warn(f"{line!r} is no motion; ? tells what is")
            return now_deg
        if not servo.min_angle_deg <= goal_deg <= servo.max_angle_deg:
            self._desk.warn(
                f"{goal_deg:g} is outside {servo.min_angle_deg:g} to {servo.max_angle_deg:g} degrees, which the "
                "configuration says is the reach of this servo"
            )
            return now_deg
        try:
            self._jog.move(point.servo_key, goal_deg)
        except HeldError as exc:
            self._desk.warn(str(exc))
            return now_deg
        return goal_deg

    def _is_kept(self, point: Point, angle_deg: float) -> bool:
        try:
            self._store.checked({**self.changes, point.key: angle_deg})
        except ConfigError as exc:
            self._desk.warn(str(exc))
            return False
        if angle_deg == point.angle_deg:
            self.changes.pop(point.key, None)
        else:
            self.changes[point.key] = angle_deg
        return True


def _wanted(line: str, now_deg: float) -> float:
    """The angle that a line asks for, in tenths of a degree. Raises: ValueError if it asks for none."""
    by = {"+": 1.0, "-": -1.0, "++": 5.0, "--": -5.0}.get(line)
    if by is None and line.startswith(("+", "-")):
        by = float(line)
    goal_deg = now_deg + by if by is not None else float(line.removeprefix("="))
    if not abs(goal_deg) <= 360.0:
        raise ValueError(line)
    return round(goal_deg, 1)
