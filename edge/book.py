"""What the loop writes down, and what it does while nothing can be written.

A machine that nobody visits must outlive a disk that is full for a while, or refuses: the item in hand is not
credited, and writing is tried again until it works.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from edge.disk import FULL
from edge.errors import LedgerError
from edge.machine_state import State
from edge.machine_stops import LEDGER_FAILED
from edge.ports import Ledger
from edge.records import Decision, Event

__all__ = ["Book", "Room", "intent_of", "interrupted", "is_full"]

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
REFILL_S = 60.0
_log = logging.getLogger(__name__)


class Room(Protocol):
    """Room on the disk that is kept for the book; `disk.Reserve` is one."""

    def shed(self) -> bool:
        """Free some of it. Returns: whether anything was freed."""
        ...

    def refill(self) -> bool:
        """Take it again, where there is enough."""
        ...


class Book:
    """The event book with a second try. What was not durable when it was asked for is never credited afterwards.

    Args:
        ledger: opened by the caller, who closes it.
        room: kept for a disk that is full.
        heals: False raises every LedgerError to the caller, who ends the program.
        sorts_on: the machine goes on sorting meanwhile; its items are counted as uncredited.
    """

    def __init__(
        self, ledger: Ledger, room: Room | None = None, *, heals: bool = False, sorts_on: bool = False
    ) -> None:
        self._ledger = ledger
        self._room = room
        self._refill_s = 0.0
        self._heals = heals
        self._sorts_on = sorts_on
        self._detail: str | None = None
        self._is_full = False
        self._since_s = 0.0
        self._next_try_s = 0.0
        self._wait_s = FIRST_WAIT_S
        self._missed: Counter[str] = Counter()
        self._intended: Event | None = None
        self._unsettled: Event | None = None

    @property
    def is_failing(self) -> bool:
        """Nothing can be written at the moment."""
        return self._detail is not None

    @property
    def must_wait(self) -> bool:
        """Nothing may be sorted until it can be written down."""
        return self.is_failing and not self._sorts_on

    @property
    def uncredited(self) -> int:
        """Items since it failed that no row tells of, not even an intent: what was meant to be moved is named later."""
        return self._missed["item"]

    def report(self) -> dict[str, Any]:
        """How it stands, ready for JSON: the part `ledger` of the status file."""
        return {
            "is_failing": self.is_failing,
            "detail": self._detail,
            "t_s": self._since_s if self._detail else None,
            "missed": dict(self._missed),
        }

    def write(self, event: Event, now_s: float) -> dict[str, Any] | None:
        """Write an event down; None if it could not be made durable.

        Raises: LedgerError without `heals`.
        """
        if self.is_failing:
            self._miss(event)
            return None
        try:
            record: dict[str, Any] = self._with_room(lambda: self._ledger.append(event))
        except LedgerError as exc:
            self._fail(exc, now_s)
            self._miss(event)
            return None
        if _settles(event):
            self._intended = None
        return record

    def intend(self, event: Event, now_s: float) -> bool:
        """Write down that an item is about to be moved. Returns: whether the gate may move.

        Raises: LedgerError without `heals`.
        """
        self._intended = None
        if not self.is_failing:
            try:
                self._with_room(lambda: self._ledger.intend(event))
                self._intended = event
            except LedgerError as exc:
                self._fail(exc, now_s)
        return not self.must_wait

    def retry(self, now_s: float, *, is_last: bool = False) -> list[dict[str, Any]]:
        """Try again if it is time to.

        Args:
            is_last: the run ends: it is tried in any case.
        Returns: the records of what was found and of the failure itself, which stands last, once they could be written
            down.
        """
        if self._detail is None or (now_s < self._next_try_s and not is_last):
            return []
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._next_try_s = now_s + self._wait_s
        with suppress(LedgerError):
            self._ledger.close()
        try:
            # Anew: only then is it known whether what failed in the middle of its commit is in the book.
            if self._is_full:
                self._shed()
            self._ledger.open()
            t_s, intent, findings = round(now_s, 4), self._ledger.open_intent, self._ledger.findings
            owed = list(findings)
            if intent is not None and intent["boot_id"] != self._ledger.boot_id:
                # That of an earlier run is no matter of this failure.
                owed.append(Event("fault", t_s, interrupted(intent)))
                intent = None
            owed.append(Event("fault", t_s, self._account(now_s, intent, is_replaced=bool(findings))))
            records = [self._ledger.append(event) for event in owed]
        except LedgerError as exc:
            self._detail, self._is_full = str(exc), is_full(exc)
            return []
        self._detail, self._wait_s, self._intended, self._unsettled = None, FIRST_WAIT_S, None, None
        self._missed.clear()
        return records

    def maintain(self, now_s: float) -> None:
        """What the book needs from time to time; to be called while no item is in flight."""
        if self.is_failing:
            return
        try:
            self._ledger.maintain(now_s)
        except LedgerError as exc:
            self._fail(exc, now_s)
        if self._room is not None and now_s >= self._refill_s:
            self._refill_s = now_s + REFILL_S
            self._room.refill()

    def _shed(self) -> bool:
        return self._room is not None and self._room.shed()

    def _with_room(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except LedgerError as exc:
            # A full disk refuses before anything is written; of any other failure nobody knows.
            if not (is_full(exc) and self._shed()):
                raise
        return action()

    def _miss(self, event: Event) -> None:
        if event.type == "item" and self._intended is not None:
            # Its intent is in the book, and the account names it, or the next run; or this row is there after all.
            self._unsettled = self._intended
        else:
            self._missed[event.type] += 1

    def _fail(self, error: LedgerError, now_s: float) -> None:
        if not self._heals:
            raise error
        _log.error("%s; nothing is credited until it can be written", error)
        self._detail, self._since_s, self._is_full = str(error), now_s, is_full(error)
        self._wait_s, self._next_try_s = FIRST_WAIT_S, now_s + FIRST_WAIT_S
        self._unsettled = None
        self._missed.clear()

    def _account(self, now_s: float, intent: Mapping[str, Any] | None, *, is_replaced: bool) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "reason": LEDGER_FAILED,
            "detail": self._detail,
            "after_s": round(now_s - self._since_s, 3),
        }
        kept = self._unsettled or self._intended
        if intent is not None:
            body["item"] = _named(intent)
        elif kept is not None and is_replaced:
            body["item"] = _named(kept.body)
        # Else something settled its intent: the commit failed towards the end, and it is in the book after all.
        return {**body, "missed": dict(self._missed)}


def intent_of(decision: Decision) -> Event:
    """What is written down before the gate moves for an item the first time."""
    body = {
        "label": decision.label,
        "route": decision.route,
        "decision": decision.kind.value,
        "confidence": round(decision.confidence, 4),
        "margin": round(decision.margin, 4),
    }
    return Event("item", round(decision.t_s, 4), body)


def interrupted(intent: Mapping[str, Any]) -> dict[str, Any]:
    """The `fault` about an item whose gate moved when an earlier run was cut off: nobody knows where the item is."""
    return {
        "reason": "interrupted",
        "detail": "the program or the power ended while the gate moved; the item is not counted",
        "state": State.BOOT.value,
        "item": _named(intent),
        "intent": {name: intent[name] for name in ("boot_id", "t_s", "utc")},
    }


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": item["label"], "route": item["route"]}


def _settles(event: Event) -> bool:
    return event.type == "item" or "item" in event.body


def is_full(error: LedgerError) -> bool:
    """Whether it was for want of room on the disk: nothing was written then."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", -1) & 0xFF == sqlite3.SQLITE_FULL
    return isinstance(cause, OSError) and cause.errno in FULL
