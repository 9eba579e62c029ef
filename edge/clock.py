"""Time as the machine sees it: seconds of a clock that only moves forward.

Live sources run on the monotonic clock; a replay runs on its frames' own time stamps, as fast as the
processor allows or paced to the wall. Wall-clock time is only ever written down (`utc_now`).
"""

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["TICK_S", "Clock", "MonotonicClock", "ReplayClock", "utc_now"]

TICK_S = 0.01
"""Period at which a gate takes its steps, and everything that watches it looks."""


class Clock(Protocol):
    """A clock that can be read and waited on; `now_s` never decreases."""

    def now_s(self) -> float:
        """The present, in seconds since an arbitrary start."""
        ...

    def wait_until(self, t_s: float) -> None:
        """Return when `now_s() >= t_s`; a moment that has passed returns at once."""
        ...


class MonotonicClock:
    """The machine's monotonic clock, counted from this object's making."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()

    def now_s(self) -> float:
        return time.monotonic() - self._start_s

    def wait_until(self, t_s: float) -> None:
        remaining_s = t_s - self.now_s()
        if remaining_s > 0:
            time.sleep(remaining_s)


class ReplayClock:
    """A clock that is moved by whoever waits on it, so that a replay is exact at any speed.

    Args:
        is_paced: True lets a replay second last a wall second at least; False returns from every wait
            at once. The times that are read are the same either way.
    """

    def __init__(self, *, is_paced: bool) -> None:
        self._now_s = 0.0
        self._is_paced = is_paced
        self._wall_start_s: float | None = None

    def now_s(self) -> float:
        return self._now_s

    def wait_until(self, t_s: float) -> None:
        if t_s <= self._now_s:
            return
        if self._is_paced:
            wall_s = time.monotonic()
            if self._wall_start_s is None:
                self._wall_start_s = wall_s - self._now_s
            remaining_s = self._wall_start_s + t_s - wall_s
            if remaining_s > 0:
                time.sleep(remaining_s)
        self._now_s = t_s


def utc_now() -> str:
    """Wall-clock time for people, `2026-11-22T09:00:00.123Z`; never computed with."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
