"""Event books for tests: an item's body, filling a book, looking at it, and spoiling it."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from edge.ledger import SqliteLedger
from edge.ledger_format import PAGE_BYTES
from edge.ledger_read import LedgerReader, VerifyReport
from edge.records import Event

UTC = "2026-11-22T09:00:00.123Z"

ITEM: dict[str, Any] = {
    "label": "glass",
    "route": "recyclable",
    "decision": "confident",
    "confidence": 0.97,
    "margin": 0.93,
    "votes": {"recyclable": 5, "residue": 0},
    "frames": 5,
    "latency_ms": {"settle": 180, "classify": 21, "decide": 260, "gate": 1450, "total": 1890},
    "gate": {"commanded_deg": 140.0, "duration_s": 1.45, "confirmed": None, "retries": 0},
    "model": {"name": "m", "version": "1", "sha256": "00"},
}
"""The body of a sound item event."""


INTENT = Event("item", 40.0, {name: ITEM[name] for name in ("label", "route", "decision", "confidence", "margin")})
"""What is written down before the gate moves for it."""

V1_DUMP = Path(__file__).parent / "data" / "ledger-v1.sql"


def item(decide: float = 260, total: float = 1890, **changes: Any) -> Event:
    """An item event with these latencies in ms, and other changes to its body."""
    latency_ms = ITEM["latency_ms"] | {"decide": decide, "total": total}
    return Event("item", 41.25, ITEM | {"latency_ms": latency_ms} | changes)


def fill(path: Path, events: Iterable[Event], boot_id: str = "b1") -> list[dict[str, Any]]:
    """Open a book, write events down, close it; the records."""
    ledger = SqliteLedger(path, boot_id=boot_id, utc_now=lambda: UTC)
    ledger.open()
    try:
        return [ledger.append(event) for event in events]
    finally:
        ledger.close()


def run_sql(path: Path, *statements: str) -> list[list[Any]]:
    """Do to a book what its writer never would; the rows that each statement gives."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(statement).fetchall() for statement in statements]


def verify(path: Path) -> VerifyReport:
    """What `ledger verify` finds."""
    with LedgerReader(path) as reader:
        return reader.verify()


def a_v1_book(path: Path) -> None:
    """Make the book of layout 1 that lies in tests/data, as a run before there were intents left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(V1_DUMP.read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    path.with_name(path.name + ".lock").write_text("4711      \nhas held events\n")


def close_uncleanly(path: Path) -> None:
    """Take the proof of a clean end away, as a power cut leaves a book."""
    lock = path.with_name(path.name + ".lock")
    lock.write_text("\n".join(line for line in lock.read_text().splitlines() if not line.startswith("closed cleanly")))


def damage(path: Path, page: int) -> None:
    """Overwrite one page of a book, counted from 0, and leave it as a power cut does."""
    with path.open("r+b") as stream:
        stream.seek(PAGE_BYTES * page)
        stream.write(b"\xff" * PAGE_BYTES)
    close_uncleanly(path)
