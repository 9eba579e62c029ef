"""What goes into the event book in one commit: an event with its number, or what is about to be moved."""

import json
import sqlite3
from typing import Any, NamedTuple

from edge.errors import LedgerError
from edge.ledger_format import BASE_FIELDS, describe_faults, encode_record
from edge.records import EVENT_SCHEMA, Event

__all__ = ["Position", "append_event", "intend_item", "known_seq", "last_position", "open_intent", "settles"]

INTENT_FIELDS = ("label", "route", "decision", "confidence", "margin")
"""Body of an intent, as `ports.Ledger.intend` takes it."""

_INSERT = """
INSERT INTO events (id, boot_id, seq, type, utc, t_s, label, route, decision, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INTEND = """
INSERT OR REPLACE INTO intent (slot, after_id, boot_id, utc, t_s, label, route, decision, confidence, margin)
VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Position(NamedTuple):
    """Where the book ends: its last row, also if that lies in a file before this one."""

    row_id: int = 0
    boot_id: str | None = None
    seq: int = 0


def last_position(connection: sqlite3.Connection) -> Position:
    """Where the book ends. Raises: sqlite3.Error."""
    row = connection.execute("SELECT id, boot_id, seq FROM events ORDER BY id DESC LIMIT 1").fetchone()
    if row is not None:
        return Position(*row)
    meta = dict(connection.execute("SELECT key, value FROM meta WHERE key GLOB 'after_*'"))
    return Position(meta.get("after_id", 0), meta.get("after_boot_id"), meta.get("after_seq", 0))


def known_seq(connection: sqlite3.Connection, boot_id: str) -> int:
    """The last number of a boot that the book knows of; 0 for a new one. Raises: sqlite3.Error."""
    # From boot to boot, backwards: a start does not read the whole file for a name that is new in any case.
    row_at = "SELECT id, boot_id, seq FROM events WHERE id = ?"
    row = connection.execute("SELECT id, boot_id, seq FROM events ORDER BY id DESC LIMIT 1").fetchone()
    while row is not None:
        row_id, boot, seq = row
        if boot == boot_id:
            return int(seq)
        first = connection.execute(row_at, (row_id - seq + 1,)).fetchone()
        if first is not None and first[1:] != (boot, 1):
            # A boot that came back after another one: what lies between its parts would be passed over.
            (found,) = connection.execute("SELECT max(seq) FROM events WHERE boot_id = ?", (boot_id,)).fetchone()
            if found is not None:
                return int(found)
            break
        row = None if first is None else connection.execute(row_at, (row_id - seq,)).fetchone()
    carried = dict(connection.execute("SELECT key, value FROM meta WHERE key GLOB 'after_*'"))
    return int(carried["after_seq"]) if carried.get("after_boot_id") == boot_id else 0


def open_intent(connection: sqlite3.Connection) -> dict[str, Any] | None:
    """The intent that no event has settled (`ports.Ledger.open_intent`). Raises: sqlite3.Error."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    row = cursor.execute("SELECT * FROM intents").fetchone()
    return None if row is None else dict(row)


def settles(event: Event) -> bool:
    """True for an event that says what became of an item; the view `intents` goes by the same rule."""
    return event.type == "item" or "item" in event.body


def append_event(
    connection: sqlite3.Connection, event: Event, boot_id: str, seq_before: int, utc: str, told: str | None
) -> tuple[dict[str, Any], Position]:
    """Commit one event; its public record, and where the book ends now.

    Args:
        seq_before: last number of this boot that lies before another boot's last row, as after a second opening.
        told: reason of a finding that this event tells; it is not told again.
    Raises: LedgerError if the event is not sound; sqlite3.Error. Nothing is written then.
    """
    taken = [name for name in BASE_FIELDS if name in event.body]
    if taken:
        raise LedgerError(f"{event.type} event refused: its body has `{taken[0]}`, which the ledger gives")
    with _Commit(connection):
        # The book itself says which number is next: no counter can drift from it, whatever interrupts.
        end = last_position(connection)
        seq = 1 + (end.seq if end.boot_id == boot_id else seq_before)
        record, line = _compose(event, boot_id, seq, utc)
        columns = [record.get(name) for name in ("type", "utc", "t_s", "label", "route", "decision")]
        connection.execute(_INSERT, (end.row_id + 1, boot_id, seq, *columns, line))
        if told is not None:
            connection.execute("DELETE FROM meta WHERE key = ?", (f"finding:{told}",))
    return record, Position(end.row_id + 1, boot_id, seq)


def intend_item(connection: sqlite3.Connection, event: Event, boot_id: str, utc: str) -> None:
    """Commit what is about to be moved. Raises: LedgerError if it is not sound, or if one is open; sqlite3.Error."""
    missing = [name for name in INTENT_FIELDS if name not in event.body]
    if missing:
        raise LedgerError(f"intent refused: `{missing[0]}` is missing; mend the sender")
    _, line = _compose(Event("intent", event.t_s, {name: event.body[name] for name in INTENT_FIELDS}), boot_id, 0, utc)
    fields = json.loads(line)
    with _Commit(connection):
        former = open_intent(connection)
        if former is not None:
            raise LedgerError(
                f"intent refused: that of {former['label'] or 'an item'} for {former['route']} at {former['t_s']:g} s "
                f"of boot {former['boot_id']} is open still; append what became of it first"
            )
        values = [fields[name] for name in ("t_s", *INTENT_FIELDS)]
        connection.execute(_INTEND, (last_position(connection).row_id, boot_id, utc, *values))


class _Commit:
    """One transaction, of which nothing stays behind if it is left by an error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        # Also on KeyboardInterrupt. Some errors roll back by themselves.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _compose(event: Event, boot_id: str, seq: int, utc: str) -> tuple[dict[str, Any], str]:
    """The public record and its line of JSON. Raises: LedgerError if the event is not sound."""
    try:
        line = encode_record(
            {
                "schema": EVENT_SCHEMA,
                "event_id": f"{boot_id}-{seq}",
                "boot_id": boot_id,
                "seq": seq,
                "type": event.type,
                "utc": utc,
                "t_s": float(event.t_s),
                **event.body,
            }
        )
    except (ValueError, TypeError, RecursionError) as exc:
        raise LedgerError(f"{event.type} event refused: it is not plain JSON ({exc}); mend the sender") from exc
    # Parsed back, so that the caller holds what is stored and nothing that is shared with the event.
    record: dict[str, Any] = json.loads(line)
    faults = describe_faults(record)
    if faults:
        raise LedgerError(f"{event.type} event refused: {', '.join(faults)}; mend the sender")
    return record, line
