"""A program that keeps a book as fast as it can, and leaves a mark for each thing that it was promised.

    python -m tests.fault.suite.writer FOLDER SEED EVENTS [SPOILER]

`FOLDER` holds the book `ledger.db`. After each promise it looks for a file whose name says so (`platter.MARK`):

    intending ITEM | intended ITEM | settling ITEM | ack EVENT_ID CRC settles|tells

A SPOILER breaks a promise on purpose, so that the suite is seen to find that.
"""

import os
import random
import sqlite3
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.ledger import SqliteLedger
from edge.ledger_format import encode_record
from edge.records import Event
from tests.fault.fs.platter import MARK
from tests.ledger_rig import ITEM

__all__ = ["SPOILERS", "checksum", "main"]

INTENT_FIELDS = ("label", "route", "decision", "confidence", "margin")
ROTATE_BYTES = 60_000
"""A book of a few dozen rows: it goes into the archive several times in a run."""


def checksum(record: dict[str, Any]) -> str:
    """Of a record, as the book gave it."""
    return f"{zlib.crc32(encode_record(record).encode()):08x}"


def main(folder: Path, seed: int, events: int) -> None:
    """Open the book some times over, each time in a process of its own; write items and faults down."""
    draw = random.Random(seed)
    number = 1
    while number <= events:
        count = min(events + 1 - number, draw.randint(20, 90))
        pid = os.fork()
        if pid == 0:
            try:
                _one_boot(folder, seed, number, count)
            except BaseException as exc:
                print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
                os._exit(1)
            # One in three did not close its book: this end is as sudden as `kill -9`.
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            sys.exit(1)
        number += count


def _one_boot(folder: Path, seed: int, first: int, count: int) -> None:
    draw = random.Random(f"{seed}/{first}")
    book = SqliteLedger(folder / "ledger.db", rotate_bytes=ROTATE_BYTES, when_damaged="set_aside")
    book.open()
    _append(book, folder, Event("boot", 0.0, {"version": "test"}))
    for finding in book.findings:
        _append(book, folder, finding)
    intent = book.open_intent
    if intent is not None:
        item = {"label": intent["label"], "route": intent["route"]}
        _append(book, folder, Event("fault", 0.0, {"reason": "interrupted", "item": item}))
    for number in range(first, first + count):
        t_s = float(number)
        if draw.random() < 0.15:
            detail = "x" * draw.randint(0, 900)
            _append(book, folder, Event("fault", t_s, {"reason": "gate_jammed", "detail": detail}))
            continue
        item = f"{seed}-{number}"
        body = ITEM | {"label": f"label{item}"}
        mark(folder, f"intending {item}")
        book.intend(Event("item", t_s, {name: body[name] for name in INTENT_FIELDS}))
        mark(folder, f"intended {item}")
        mark(folder, f"settling {item}")
        _append(book, folder, Event("item", t_s, body))
        book.maintain(t_s)
    if draw.random() < 0.67:
        book.close()


def _append(book: SqliteLedger, folder: Path, event: Event) -> None:
    record = book.append(event)
    settles = "settles" if record["type"] == "item" or "item" in record else "tells"
    mark(folder, f"ack {record['event_id']} {checksum(record)} {settles}")


def mark(folder: Path, text: str) -> None:
    """Leave a mark in the log of the disk."""
    os.path.exists(folder / f"{MARK}{text}")


class _LazyConnection(sqlite3.Connection):
    """Leaves out what makes a commit durable."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *parameters)


class _HastyConnection(sqlite3.Connection):
    """Says that it has committed, and commits before it is asked the next thing."""

    _owes = False

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self._owes = True
            return super().execute("SELECT 1")
        self._pay()
        return super().execute(sql, *parameters)

    def close(self) -> None:
        self._pay()
        super().close()

    def _pay(self) -> None:
        if self._owes:
            self._owes = False
            super().execute("COMMIT")


def _connect_by(kind: type[sqlite3.Connection]) -> Callable[[], None]:
    def spoil() -> None:
        connect = sqlite3.connect
        sqlite3.connect = lambda *arguments, **named: connect(*arguments, **named, factory=kind)  # type: ignore[assignment]  # a connection that breaks a promise

    return spoil


SPOILERS: dict[str, Callable[[], None]] = {
    "synchronous-normal": _connect_by(_LazyConnection),
    "promise-before-commit": _connect_by(_HastyConnection),
}
"""Ways to break a promise."""


if __name__ == "__main__":
    if len(sys.argv) > 4:
        SPOILERS[sys.argv[4]]()
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
