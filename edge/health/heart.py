"""The heartbeat: the service manager hears of this process only while it really looks at frames and decides."""

from collections.abc import Mapping
from typing import Any

from edge.clock import Clock
from edge.health.notify import Notifier
from edge.machine import Machine, State
from edge.panel import status_of
from edge.records import Decision, Frame, Prediction, Presence, Status

__all__ = ["Heart", "describe_machine"]

_BEATS_A_LIMIT = 4
OPENING_S = 30.0
"""Longest step of opening: a camera's driver and its first picture, with something to spare."""
_UNREADY = frozenset({State.BOOT, State.HOMING, State.FAULT})
"""States in which nobody can say that the gate is parked, or held without power by somebody who wants it so."""


def describe_machine(machine: Machine) -> str:
    """How the sorter stands, for one line of `systemctl status`; the same all through an item."""
    status = status_of(machine)
    if machine.state is State.FAULT:
        return f"fault: {machine.fault}"
    if machine.is_book_failing:
        return "fault: nothing can be written down"
    if machine.is_motion_due:
        return "waits for the supply, whose voltage is too low to move the gate"
    if machine.holds:
        return f"{status.value.replace('_', ' ')}: {', '.join(reason for reason, _ in machine.holds)}"
    if status is Status.STARTING:
        return "the gate goes home"
    full = "".join(f", bin {name} is full" for name, _ in machine.full_bins)
    dark = "" if machine.dark_since_s is None else ", but it is too dark to see the tray"
    return f"sorting{full}{dark}"


class Heart:
    """A watcher that feeds the watchdog, and says READY=1 once the gate is parked.

    It is fed by a frame that was looked at and led to a verdict: an empty tray, a stirring one, one that is held, or
    an item that is decided. A frame of an item that still is voted on does not count, so that votes that never end
    are found out; nor does anything that happens without a frame. So a loop that hangs, a classifier that hangs and a
    camera without pictures all end in the manager's restart.

    Args:
        notifier: to the service manager.
        clock: of the machine, not of a replay: the manager's patience is real.
    """

    def __init__(self, notifier: Notifier, clock: Clock) -> None:
        self._notifier = notifier
        self._clock = clock
        self._limit_s = limit_s = notifier.watchdog_s
        self._period_s = None if limit_s is None else limit_s / _BEATS_A_LIMIT
        self._is_opening = False
        self._next_s = 0.0
        self._is_ready = self._was_ready = False
        self._is_reloading = False
        self._told: tuple[object, ...] | None = None
        self._text = ""

    @property
    def is_ready(self) -> bool:
        """READY=1 has been said, and got through."""
        return self._is_ready

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        state = machine.state
        if state is State.VOTING:
            return
        if not self._is_ready:
            self._is_ready = state not in _UNREADY and self._say_ready(describe_machine(machine))
            self._is_reloading = self._is_reloading and not self._is_ready
        self._tell(machine)
        self.beat()

    def on_prediction(self, prediction: Prediction) -> None:
        """One vote is no verdict."""

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        self.beat()

    def on_event(self, record: Mapping[str, Any]) -> None:
        if record.get("type") == "item":
            self.beat()

    def on_ending(self) -> None:
        """The gate goes home, for which the manager waits as its limit for stops says, not as the watchdog's does."""
        if not self._is_reloading:
            self._notifier.stopping()

    def beat(self) -> None:
        """Work was done. For those who wait on purpose as well, such as the stand-by of safe mode."""
        if self._limit_s is None or self._period_s is None:
            return
        now_s = self._clock.now_s()
        if now_s < self._next_s:
            return
        if self._is_opening:
            # What was opened is at work: the patience is over.
            self._is_opening = not self._notifier.patience(self._limit_s)
        # Before READY the manager counts by its limit for starts, too.
        is_heard = self._notifier.watchdog() if self._is_ready else self._notifier.starting(self._limit_s)
        if is_heard:
            self._next_s = now_s + self._period_s

    def opening(self) -> None:
        """A step of opening begins, which may take longer than the watchdog bears, also after READY=1: until the next
        beat the manager waits as long as the longest step takes.
        """
        if self._limit_s is None:
            return
        limit_s = max(self._limit_s, OPENING_S)
        if not self._is_ready:
            self._notifier.starting(limit_s)
        # Last: WATCHDOG=1 sets the deadline, too, before READY=1 as well.
        self._is_opening = self._notifier.patience(limit_s) or self._is_opening
        self._next_s = 0.0

    def stand_by(self, why: str) -> None:
        """READY=1 for a process that waits on purpose, the power off every motor: it is up, and says why it waits."""
        if not self._is_ready:
            self._is_ready = self._say_ready(why)
        elif why != self._text and self._notifier.status(why):
            self._text = why
        self.beat()

    def reloading(self) -> None:
        """A reload begins; READY=1 is said again when the machine runs, or by `reload_refused`."""
        self._was_ready = self._is_ready
        self._notifier.reloading()
        self._is_ready, self._told, self._is_reloading = False, None, True
        self.opening()

    def reload_refused(self) -> None:
        """The old configuration stays at work."""
        self._is_ready, self._is_reloading = self._was_ready and self._say_ready(self._text), False

    def _say_ready(self, text: str) -> bool:
        is_heard = self._notifier.ready(text)
        if is_heard:
            self._text = text
        return is_heard

    def _tell(self, machine: Machine) -> None:
        news = (machine.fault, machine.holds, machine.full_bins, machine.is_book_failing, machine.is_motion_due)
        is_dark = machine.dark_since_s is not None
        now = (machine.state in _UNREADY, is_dark, *news)
        if now == self._told:
            return
        text = describe_machine(machine)
        if text == self._text or self._notifier.status(text):
            self._told, self._text = now, text
