"""Sees when somebody sets the wall clock. Nothing is computed with it; whoever reads the book must know."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from edge.health.place import up_s
from edge.records import Event

__all__ = ["ClockWatch"]

STEP_S = 2.0
"""A smaller change is no step: time servers slew the clock by less than that between two looks."""
PERIOD_S = 1.0


class ClockWatch:
    """Compares the wall clock with one that nobody can set, once a second.

    Args:
        wall_s: the wall clock, seconds since 1970.
        steady_s: seconds on a clock that goes on in a suspended machine too.
    """

    def __init__(self, wall_s: Callable[[], float] = time.time, steady_s: Callable[[], float] = up_s) -> None:
        self._wall_s, self._steady_s = wall_s, steady_s
        self._seen_s = steady_s()
        self._offset_s = wall_s() - self._seen_s

    def poll(self, t_s: float) -> Event | None:
        """The event `clock` if the wall clock was set since the last call.

        Args:
            t_s: source time, for the event.
        """
        steady_s = self._steady_s()
        if steady_s - self._seen_s < PERIOD_S:
            return None
        wall_s = self._wall_s()
        before_s, self._seen_s = steady_s + self._offset_s, steady_s
        # Followed also without a step, so that a slow slew never adds up to one.
        self._offset_s = wall_s - steady_s
        if abs(wall_s - before_s) <= STEP_S:
            return None
        step_s = round(wall_s - before_s, 3)
        return Event("clock", t_s, {"step_s": step_s, "before_utc": _utc(before_s), "after_utc": _utc(wall_s)})


def _utc(wall_s: float) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=wall_s)
    except OverflowError:
        return f"{wall_s:.0f} s since 1970"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
