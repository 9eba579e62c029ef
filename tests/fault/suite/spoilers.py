"""Programs with a broken promise: each part of the suite must find what it looks for.

A driver of the suite applies one of them, by its name, before the program begins.
"""

import itertools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from edge import clock
from edge.book import Book
from edge.ledger import SqliteLedger
from edge.ledger_format import encode_record
from edge.records import EVENT_SCHEMA, Event
from edge.runtime import Runtime

__all__ = ["SPOILERS", "spoil"]


def spoil(name: str | None) -> None:
    """Break a promise in this process; None breaks none."""
    if name is not None:
        SPOILERS[name]()


def _credit_anyway() -> None:
    """Tell of events that are not durable."""
    write = Book.write
    numbers = itertools.count(1_000_000)

    def write_or_pretend(self: Book, event: Event, now_s: float) -> dict[str, Any]:
        record = write(self, event, now_s)
        if record is None:
            seq = next(numbers)
            names = ("schema", "event_id", "boot_id", "seq", "type", "utc", "t_s")
            values = (EVENT_SCHEMA, f"lost-{seq}", "lost", seq, event.type, clock.utc_now(), event.t_s)
            record = {**dict(zip(names, values, strict=True)), **event.body}
            encode_record(record)
        return record

    Book.write = write_or_pretend  # type: ignore[method-assign]  # broken on purpose


def _no_intent() -> None:
    """Move the gate before anything is written down."""

    def intend(self: SqliteLedger, event: Event) -> None:
        return None

    SqliteLedger.intend = intend  # type: ignore[method-assign]  # broken on purpose


def _stay_open() -> None:
    """Leave the gate where it is when the program ends."""
    Runtime._drain = lambda self: None  # type: ignore[method-assign]  # broken on purpose


def _wall_clock() -> None:
    """Take the time from the clock on the wall."""

    def now_s(self: clock.MonotonicClock) -> float:
        return time.time() - _BEGUN_S

    clock.MonotonicClock.now_s = now_s  # type: ignore[method-assign]  # broken on purpose


def _leak() -> None:
    """Open a file with each event and never close it."""
    append = SqliteLedger.append

    def append_and_leak(self: SqliteLedger, event: Event) -> Mapping[str, Any]:
        os.open(os.devnull, os.O_RDONLY)
        return append(self, event)

    SqliteLedger.append = append_and_leak  # type: ignore[assignment,method-assign]  # broken on purpose


_BEGUN_S = time.time()
SPOILERS: dict[str, Callable[[], None]] = {
    "credit-anyway": _credit_anyway,
    "no-intent": _no_intent,
    "stay-open": _stay_open,
    "wall-clock": _wall_clock,
    "leak": _leak,
}
"""By name."""
