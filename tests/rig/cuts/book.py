"""The event book after a cut, beside what the program had acknowledged and what its pin was seen to do."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Account", "Book", "read_book"]

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Book:
    """What stands in the files that a cut left.

    Attributes:
        integrity: `ok`, or what SQLite says.
        records: every event, in order.
        intent_boot: the boot whose intent is open, if one is.
    """

    integrity: str
    records: tuple[Record, ...]
    intent_boot: str | None = None


def read_book(path: Path) -> Book:
    """Read a copy of a book and of its log; without a file it is empty. Raises: sqlite3.Error."""
    if not path.exists():
        return Book("ok", ())
    with closing(sqlite3.connect(path)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
        records = tuple(json.loads(row[0]) for row in connection.execute("SELECT record FROM events ORDER BY id"))
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        intent = None
        if "intents" in names:
            intent = connection.execute("SELECT boot_id FROM intents").fetchone()
    return Book(integrity, records, None if intent is None else intent[0])


@dataclass(slots=True)
class Account:
    """What the host knows for sure of all boots on one disk.

    Attributes:
        acknowledged: records that the program told of, by event id.
        motions: items that each boot was seen to move, by boot id.
        unwatched: boots whose motions may have been seen as one, or not at all, since the witness looked too rarely.
        recovered: boots whose gate was seen ready: they must have settled what boots before them left open.
    """

    acknowledged: dict[str, Record] = field(default_factory=dict)
    motions: Counter[str] = field(default_factory=Counter)
    recovered: list[str] = field(default_factory=list)
    unwatched: set[str] = field(default_factory=set)

    def faults(self, book: Book) -> list[str]:
        """Sentences that say which promises the book breaks; none if it keeps them."""
        found = [] if book.integrity == "ok" else [f"integrity: {book.integrity}"]
        found += self._lost(book)
        found += _doubled(book.records)
        found += _gaps(book.records)
        found += self._unsettled(book)
        return found

    def unacknowledged(self, book: Book) -> list[str]:
        """Events of the book that nobody was told of: they were being committed."""
        return [record["event_id"] for record in book.records if record["event_id"] not in self.acknowledged]

    def forgive(self, book: Book) -> None:
        """Take the book for right, so that one fault is counted once."""
        self.acknowledged = {record["event_id"]: record for record in book.records}
        settled = _settled(book)
        self.motions = Counter({boot_id: settled[boot_id] for boot_id in self.motions})

    def _lost(self, book: Book) -> list[str]:
        there = {record["event_id"]: record for record in book.records}
        found = []
        for event_id, record in self.acknowledged.items():
            if event_id not in there:
                found.append(f"lost: {event_id} ({record['type']})")
            elif there[event_id] != record:
                found.append(f"changed: {event_id} ({record['type']})")
        return found

    def _unsettled(self, book: Book) -> list[str]:
        settled = _settled(book)
        found = []
        for boot_id, moved in self.motions.items():
            is_too_many = settled[boot_id] > moved + 1 and boot_id not in self.unwatched
            if settled[boot_id] < moved or is_too_many:
                found.append(f"boot {boot_id} moved {moved} items, its book knows {settled[boot_id]}")
        if book.intent_boot is not None and book.intent_boot in self.recovered[:-1]:
            found.append(f"the intent of boot {book.intent_boot} is open after a later boot was ready")
        return found


def _settled(book: Book) -> Counter[str]:
    """How many items of each boot the book knows: sorted, named by another event, interrupted, or under way."""
    count: Counter[str] = Counter()
    for record in book.records:
        if "intent" in record:
            count[record["intent"]["boot_id"]] += 1
        elif record["type"] == "item" or "item" in record:
            count[record["boot_id"]] += 1
    if book.intent_boot is not None:
        count[book.intent_boot] += 1
    return count


def _doubled(records: Iterable[Record]) -> list[str]:
    ids = Counter(record["event_id"] for record in records)
    items = Counter((record["boot_id"], record["t_s"]) for record in records if record["type"] == "item")
    intents = Counter(
        (record["intent"]["boot_id"], record["intent"]["t_s"]) for record in records if "intent" in record
    )
    both = items + intents
    return [f"twice: {name}" for name, count in [*ids.items(), *both.items()] if count > 1]


def _gaps(records: Iterable[Record]) -> list[str]:
    seqs: dict[str, list[int]] = {}
    for record in records:
        seqs.setdefault(record["boot_id"], []).append(record["seq"])
    return [f"gap in boot {boot_id}: {seq}" for boot_id, seq in seqs.items() if seq != list(range(1, len(seq) + 1))]
