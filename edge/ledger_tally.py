"""The event book in numbers, over one file or several."""

import math
import sqlite3
import statistics
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["LatencyFigures", "Summary", "Tally"]

# CASE, not AND: SQLite may reorder conditions, and json_extract of a damaged record is an error.
_READ = """
SELECT boot_id, type, utc, route, label, decision,
    CASE WHEN type = 'item' AND json_valid(record) THEN json_extract(record, '$.latency_ms.decide') END,
    CASE WHEN type = 'item' AND json_valid(record) THEN json_extract(record, '$.latency_ms.total') END
FROM events ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """Latency over item events, in milliseconds; None where no item has the figure.

    Attributes:
        p95_ms: nearest rank, the smallest measured value that 95 % of the items do not exceed.
    """

    count: int
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The event book in numbers.

    Attributes:
        events: number of events by type.
        routes, labels, decisions: number of items by each.
        first_utc, last_utc: wall-clock time of the first and last event; None if there is none.
        decide, total: `latency_ms.decide` and `latency_ms.total` of the items.
    """

    boots: int
    events: Mapping[str, int]
    routes: Mapping[str, int]
    labels: Mapping[str, int]
    decisions: Mapping[str, int]
    first_utc: str | None
    last_utc: str | None
    decide: LatencyFigures
    total: LatencyFigures


@dataclass(slots=True)
class Tally:
    """A count under way; eight bytes an item and figure of memory, and a boot's name."""

    boots: set[str] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    first_utc: str | None = None
    last_utc: str | None = None
    decide: "array[float]" = field(default_factory=lambda: array("d"))
    total: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, db: sqlite3.Connection) -> None:
        """Count all rows of one file, as they are at one moment. Raises: sqlite3.Error."""
        for boot_id, type_, utc, route, label, decision, decide_ms, total_ms in db.execute(_READ):
            self.boots.add(boot_id)
            self.events[type_] += 1
            self.first_utc = self.first_utc or utc
            self.last_utc = utc
            if type_ == "item":
                self.routes[route] += 1
                self.labels[label] += 1
                self.decisions[decision] += 1
                if isinstance(decide_ms, int | float):
                    self.decide.append(decide_ms)
                if isinstance(total_ms, int | float):
                    self.total.append(total_ms)

    def summary(self) -> Summary:
        """What was counted so far."""
        return Summary(
            boots=len(self.boots),
            events=_by_count(self.events),
            routes=_by_count(self.routes),
            labels=_by_count(self.labels),
            decisions=_by_count(self.decisions),
            first_utc=self.first_utc,
            last_utc=self.last_utc,
            decide=_figures(self.decide),
            total=_figures(self.total),
        )


def _by_count(counts: Counter[str]) -> dict[str, int]:
    # A damaged row may have no name at all.
    return dict(sorted(counts.items(), key=lambda one: (-one[1], str(one[0]))))


def _figures(figures: "array[float]") -> LatencyFigures:
    if not figures:
        return LatencyFigures(count=0, median_ms=None, p95_ms=None)
    values = sorted(figures)
    return LatencyFigures(
        count=len(values),
        median_ms=statistics.median(values),
        p95_ms=values[math.ceil(0.95 * len(values)) - 1],
    )
