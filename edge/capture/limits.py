"""What must go so that the pictures stay within their limits, and how many may come: pure."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["DAY_S", "Allowance", "Entry", "Kept", "Limits", "surplus"]

DAY_S = 86_400.0
"""Seconds of operation in a day of operation."""
AT_ONCE = 0.1
"""Share of a day's pictures that may come at once, after a quiet time as in a new folder."""


class Entry(NamedTuple):
    """One picture of the store.

    Attributes:
        number: of the store's own counting; the lowest one is the oldest. No clock is asked.
        id: `event_id` of the event that it belongs to.
        bytes: room on the disk that it takes with its companions.
        is_labelled: a person said what it shows.
    """

    number: int
    id: str
    bytes: int
    is_labelled: bool

    @property
    def stem(self) -> str:
        """Name of its files, without their endings."""
        return f"{self.number:08d}-{self.id}"


class Kept(NamedTuple):
    """How much there is: pictures, their room in bytes, and how many of them are labelled."""

    pictures: int = 0
    bytes: int = 0
    labelled: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept.

    Attributes:
        max_bytes, max_count: of all pictures together.
        max_age_s: seconds of operation that a picture is kept for.
        keep_free_bytes: of the disk, that no picture may take.
        max_a_day: pictures that are kept in a day of operation.
    """

    max_bytes: int = 256_000_000
    max_count: int = 2000
    max_age_s: float = 90 * DAY_S
    keep_free_bytes: int = 200_000_000
    max_a_day: int = 500


def surplus(entries: Iterable[Entry], *, max_bytes: float, max_count: float) -> list[Entry]:
    """The entries that must go so that the others are within both limits: oldest first, labelled ones last."""
    kept = sorted(entries, key=lambda entry: (entry.is_labelled, entry.number))
    total_bytes, count = sum(entry.bytes for entry in kept), len(kept)
    gone: list[Entry] = []
    for entry in kept:
        if total_bytes <= max_bytes and count <= max_count:
            break
        gone.append(entry)
        total_bytes, count = total_bytes - entry.bytes, count - 1
    return gone


class Allowance:
    """How many pictures may be kept now: a tenth of a day's at once, and the others as they come with time.

    No day of operation brings more than `a_day`, wherever it begins: what comes with time is less by what may be had
    at once. Whoever keeps pictures writes `left` down before each, so that a new process has no more than the one
    before it. It may be used in any thread.

    Args:
        a_day: pictures in a day.
        now_s: of a clock that only moves forward.
    """

    def __init__(self, a_day: int, now_s: float) -> None:
        self._most = max(1.0, a_day * AT_ONCE)
        self._a_second = (a_day + 1 - self._most) / DAY_S
        self._left = self._most
        self._used = 0
        self._counted_s = now_s
        self._mutex = threading.Lock()

    @property
    def left(self) -> float:
        """How many may be kept, as of the last call."""
        return self._left

    def restore(self, left: float) -> None:
        """What an earlier process left, before which some may have been used already."""
        with self._mutex:
            self._left = min(self._left, left - self._used)

    def has_any(self, now_s: float) -> bool:
        """Another one may be kept."""
        with self._mutex:
            earned = (now_s - self._counted_s) * self._a_second
            self._left, self._counted_s = min(self._left + earned, self._most), now_s
            return self._left >= 1.0

    def use(self) -> None:
        """One is to be kept."""
        with self._mutex:
            self._left -= 1.0
            self._used += 1
