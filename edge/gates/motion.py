"""The shell that every gate shares: one motion at a time, written as a script, tried again when it jams.

A mechanism (a servo flap, a carousel, ...) is a small object that knows how to go home and how to open the way to a
bin. It says so in scripts: generators that do the next step and yield how long to wait until the one after it.
"""

from collections.abc import Generator
from contextlib import ExitStack
from typing import Protocol

from edge.config import GateConfig
from edge.errors import ActuatorError, JamError
from edge.records import GateReport

__all__ = ["HOME", "ROUNDING_S", "Mechanism", "Script", "ScriptedGate"]

HOME = "home"
ROUNDING_S = 1e-6
"""A wait is over this much before its time: a sum of ticks is a hair more or less than their number."""

Script = Generator[float, float, None]
"""Yields how many seconds to wait, and is sent the time when they are over. A wait of 0 goes on in the same tick."""


class Mechanism(Protocol):
    """What moves, without the rules that hold for every gate.

    A script may be dropped at any of its waits, and another one begun: it starts from whatever it finds.
    """

    bins_key: str
    """The key of the gate's section that names the bins."""
    is_open_after_hold: bool
    """The way stays open until the next motion begins."""

    @property
    def commanded_deg(self) -> float | None:
        """The angle of the last motion that was done, read back from the device; None where nothing turns."""
        ...

    def claim(self, stack: ExitStack) -> None:
        """Claim the pins without moving; `stack` gives them back. Raises: ActuatorError if a pin refuses."""
        ...

    def go_home(self) -> Script:
        """To the parked position, and all power off. Raises: JamError if it does not get there."""
        ...

    def open_way(self, target: str) -> Script:
        """Until the way to a bin is fully open. Raises: JamError."""
        ...

    def hold_open(self, target: str) -> Script:
        """While an item falls. Raises: JamError."""
        ...

    def cut(self) -> None:
        """Take the power off every motor at once. Raises: ActuatorError after all of them were tried."""
        ...


class ScriptedGate:
    """Fills `ports.Gate` for one mechanism. At most one motion is under way, and nothing moves but in `tick`.

    A motion that jams is cut off, and after a pause begun anew, `jam_retries` times; then the JamError goes to the
    caller, as does any other error at once. No motor has power when an error goes to the caller.
    """

    def __init__(self, config: GateConfig, mechanism: Mechanism) -> None:
        self._bins = config.bins
        self._jam_retries = config.jam_retries
        self._jam_pause_s = config.jam_pause_s
        self._mechanism = mechanism
        self._claimed: ExitStack | None = None
        self._motion: _Motion | None = None
        self._open_to: str | None = None

    @property
    def bins(self) -> tuple[str, ...]:
        return self._bins

    @property
    def is_moving(self) -> bool:
        return self._motion is not None

    @property
    def open_to(self) -> str | None:
        """The bin whose way is fully open now."""
        return self._open_to

    def open(self) -> None:
        """Claim the pins without moving. Raises: ActuatorError if a pin is taken, or cannot do what it must."""
        with ExitStack() as stack:
            self._mechanism.claim(stack)
            self._claimed = stack.pop_all()

    def home(self, now_s: float) -> None:
        """Begin the motion home, also in the midst of another; see `ports.Gate`."""
        self._begin(HOME, now_s)

    def route(self, target: str, now_s: float) -> None:
        """Begin the motion that opens the way to bin `target`; see `ports.Gate`."""
        if self._motion is not None:
            raise ActuatorError(
                f"gate is moving to {self._motion.target}, asked to go to {target}; wait for its report"
            )
        if target not in self._bins:
            raise ActuatorError(
                f"gate has no bin {target!r}, only {', '.join(self._bins)}; check gate.{self._mechanism.bins_key}"
            )
        self._begin(target, now_s)

    def tick(self, now_s: float) -> GateReport | None:
        """Take the next step that is due. A late tick makes the motion longer, never faster."""
        motion = self._motion
        if motion is None:
            return None
        try:
            while now_s >= motion.next_s - ROUNDING_S:
                motion.next_s = now_s + motion.script.send(now_s)
        except StopIteration:
            self._motion = None
            return GateReport(motion.target, self._mechanism.commanded_deg, motion.started_s, now_s)
        except Exception as exc:
            self._cut_after(exc)
            if isinstance(exc, ActuatorError):
                raise
            raise ActuatorError(f"gate failed on its way {_way(motion.target)}: {exc}; check its wiring") from exc
        return None

    def stop(self) -> None:
        """Take the power off every motor at once. What moved stays where it is, or falls if it is heavy."""
        self._motion = None
        self._open_to = None
        if self._claimed is not None:
            self._mechanism.cut()

    def close(self) -> None:
        """Stop and give the pins back."""
        if self._claimed is None:
            return
        try:
            self.stop()
        finally:
            claimed, self._claimed = self._claimed, None
            claimed.close()

    def _begin(self, target: str, now_s: float) -> None:
        if self._claimed is None:
            raise ActuatorError("the gate is not open; call open() first")
        self._open_to = None
        script = self._try(target)
        next(script)
        self._motion = _Motion(target, script, now_s)

    def _try(self, target: str) -> Script:
        yield 0.0  # Nothing moves before the first tick.
        tries_left = self._jam_retries
        while True:
            try:
                yield from self._mechanism.go_home() if target == HOME else self._open(target)
                return
            except JamError as jam:
                self._open_to = None
                self._mechanism.cut()
                if tries_left == 0:
                    tries = self._jam_retries + 1
                    raise JamError(f"gate jammed on its way {_way(target)}, tried {tries} x: {jam}") from jam
            tries_left -= 1
            yield self._jam_pause_s

    def _open(self, target: str) -> Script:
        yield from self._mechanism.open_way(target)
        self._open_to = target
        yield from self._mechanism.hold_open(target)
        if not self._mechanism.is_open_after_hold:
            self._open_to = None

    def _cut_after(self, cause: Exception) -> None:
        try:
            self.stop()
        except ActuatorError as exc:
            cause.add_note(f"and the power could not be taken off: {exc}")


class _Motion:
    """One motion under way."""

    def __init__(self, target: str, script: Script, now_s: float) -> None:
        self.target = target
        self.script = script
        self.started_s = now_s
        self.next_s = now_s


def _way(target: str) -> str:
    return "home" if target == HOME else f"to {target}"
