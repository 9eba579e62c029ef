"""Writes events down and tells them to the watchers, in this order; what belongs to the start is not forgotten."""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.book import Book, intent_of, interrupted
from edge.machine_stops import LEDGER_FAILED
from edge.parts import Watcher
from edge.ports import Ledger
from edge.records import Decision, Event

__all__ = ["Scribe"]

MAINTAIN_S = 1.0


class Scribe:
    """Between the loop and its book. No watcher hears of what is not durable.

    Args:
        book: on `ledger`.
        ledger: opened by the caller.
        watchers: of the run.
    """

    def __init__(self, book: Book, ledger: Ledger, watchers: Sequence[Watcher]) -> None:
        self._book = book
        self._ledger = ledger
        self._watchers = tuple(watchers)
        self._owed: list[Event] = []
        self._maintain_s = 0.0

    @property
    def is_failing(self) -> bool:
        """Nothing can be written down at the moment."""
        return self._book.is_failing

    @property
    def must_wait(self) -> bool:
        """Nothing may be sorted until it can."""
        return self._book.must_wait

    def begin(self, boot: Event, told: Sequence[Event], now_s: float) -> None:
        """Write down what belongs to the start, and the item that an earlier run left in mid-motion."""
        self._owed = [boot, *self._ledger.findings, *told]
        self._pay(now_s)
        intent = self._ledger.open_intent
        if intent is not None:
            self.write(Event("fault", now_s, interrupted(intent)), now_s)

    def write(self, event: Event, now_s: float) -> bool:
        """Write an event down and tell it. Returns: whether it is durable. Raises: LedgerError, see `Book.write`."""
        record = self._book.write(Event(event.type, round(event.t_s, 4), event.body), now_s)
        if record is not None:
            self._tell(record)
        return record is not None

    def intend(self, decision: Decision, now_s: float) -> bool:
        """Write down what is about to be done with an item. Returns: whether the gate may move."""
        return self._book.intend(intent_of(decision), now_s)

    def mend(self, now_s: float, *, is_last: bool = False) -> bool:
        """Try a book that failed again, if it is time to. Returns: whether it can be written again."""
        records = self._book.retry(now_s, is_last=is_last)
        if not records:
            return False
        for record in records:
            self._tell(record)
        body = {"reason": LEDGER_FAILED, "after_s": records[-1]["after_s"]}
        self.write(Event("recovered", now_s, body), now_s)
        self._pay(now_s)
        return not self.is_failing

    def maintain(self, now_s: float) -> None:
        """What the book needs from time to time."""
        if now_s >= self._maintain_s:
            self._maintain_s = now_s + MAINTAIN_S
            self._book.maintain(now_s)

    def _pay(self, now_s: float) -> None:
        while self._owed and self.write(Event(self._owed[0].type, now_s, self._owed[0].body), now_s):
            del self._owed[0]

    def _tell(self, record: Mapping[str, Any]) -> None:
        for watcher in self._watchers:
            watcher.on_event(record)
