"""What must go so that the pictures stay within their limits: pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["DAY_S", "Allowance", "Entry", "Limits", "surplus"]

DAY_S = 86_400.0
"""Seconds of operation in a day of operation."""


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
    """How many pictures may be kept now: a day's share at once, and then as they come back with time.

    Args:
        a_day: pictures in a day.
        now_s: of a clock that only moves forward.
    """

    def __init__(self, a_day: int, now_s: float) -> None:
        self._a_day = a_day
        self._left = float(a_day)
        self._counted_s = now_s

    def has_any(self, now_s: float) -> bool:
        """Another one may be kept."""
        earned = (now_s - self._counted_s) * self._a_day / DAY_S
        self._left, self._counted_s = min(self._left + earned, float(self._a_day)), now_s
        return self._left >= 1.0

    def use(self) -> None:
        """One was kept."""
        self._left -= 1.0
