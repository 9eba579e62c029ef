"""Looks at a book after the power was cut: nothing that was promised may be missing, doubled or changed."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import SorterError
from edge.ledger import SqliteLedger
from edge.records import Event
from tests.fault.suite.writer import checksum

__all__ = ["Promises", "examine", "stored"]


@dataclass
class Promises:
    """What a writer was promised up to some moment.

    Attributes:
        acknowledged: event id to checksum of the record; None where only the id is known.
        intents: what may be the open intent now: names of labels, and None for none; None: it is not known.
        cuts: how many cuts there were before; each may have left a row that nobody was told of.
    """

    acknowledged: dict[str, str | None] = field(default_factory=dict)
    intents: tuple[str | None, ...] | None = (None,)
    cuts: int = 0

    def take(self, mark: str) -> None:
        """Note what a mark of the writer says."""
        kind, *words = mark.split()
        if kind == "ack":
            self.acknowledged[words[0]] = words[1]
            if words[2] == "settles":
                self.intents = (None,)
        elif kind in ("intending", "settling"):
            self.intents = (None, f"label{words[0]}")
        elif kind == "intended":
            self.intents = (f"label{words[0]}",)


def examine(path: Path, promises: Promises) -> list[str]:
    """Open the book as the next start would, go on with it, then read every row in the plainest way.

    Returns: what is wrong, as sentences.
    """
    book = SqliteLedger(path, when_damaged="set_aside")
    try:
        book.open()
        findings, intent = book.findings, book.open_intent
        going_on = book.append(Event("boot", 0.0, {"version": "test"}))
        if intent is not None:
            body = {"reason": "interrupted", "item": {"label": intent["label"], "route": intent["route"]}}
            book.append(Event("fault", 0.0, body))
            if book.open_intent is not None:
                return ["the intent is still open after it was settled"]
        book.close()
    except SorterError as exc:
        book.close()
        return [f"the book cannot be opened: {exc}"]
    problems = [f"finding {event.body.get('reason')}: {event.body.get('detail')}" for event in findings]
    label = None if intent is None else intent["label"]
    if promises.intents is not None and label not in promises.intents:
        problems.append(f"the open intent is {label}, expected {' or '.join(map(str, promises.intents))}")
    rows, damage = stored(path)
    problems += damage
    counts = Counter(record["event_id"] for record in rows)
    ours = {record["event_id"] for record in rows if record["boot_id"] == going_on["boot_id"]}
    problems += [f"{event_id} is there {count} times" for event_id, count in counts.items() if count > 1]
    lost = [event_id for event_id in promises.acknowledged if event_id not in counts]
    if lost:
        problems.append(f"{len(lost)} acknowledged rows are lost, the first is {lost[0]}")
    problems += [
        f"{record['event_id']} was changed"
        for record in rows
        if promises.acknowledged.get(record["event_id"]) not in (None, checksum(record))
    ]
    extra = set(counts) - set(promises.acknowledged) - ours
    if len(extra) > promises.cuts + 1:
        problems.append(f"{len(extra)} rows that nobody was told of, the first is {min(extra)}")
    item = next((record for record in rows if record["event_id"] in extra and record["type"] == "item"), None)
    if item is not None and item["label"] == label:
        problems.append(f"{item['event_id']} is settled and its intent is open")
    return problems + _gaps(rows)


def stored(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Every record of archives and book, by nothing but SQLite; and what SQLite finds wrong with the files."""
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for file in [*sorted(path.parent.glob(f"archive/{path.stem}-*.db")), path]:
        try:
            with closing(sqlite3.connect(file)) as database:
                told = [line for (line,) in database.execute("PRAGMA integrity_check")]
                found = [json.loads(line) for (line,) in database.execute("SELECT record FROM events ORDER BY id")]
        except sqlite3.Error as exc:
            problems.append(f"{file.name}: {exc}")
            continue
        rows += found
        if told != ["ok"]:
            problems.append(f"{file.name}: {told[0]}")
    return rows, problems


def _gaps(rows: Iterable[dict[str, Any]]) -> list[str]:
    last: dict[str, int] = {}
    for record in rows:
        if record["seq"] != last.get(record["boot_id"], 0) + 1:
            return [f"{record['event_id']} follows number {last.get(record['boot_id'], 0)} of its boot"]
        last[record["boot_id"]] = record["seq"]
    return []
