"""Every row of the event book held against every promise of the book, over one file or a chain of them."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.ledger_format import describe_faults

__all__ = ["PROBLEM_LIMIT", "Audit", "VerifyReport"]

PROBLEM_LIMIT = 100
"""Problems that `verify` spells out; the rest are counted."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found; each problem is a sentence that names its row.

    Attributes:
        notes: what is worth knowing and breaks no promise, such as an item whose gate is moving.
    """

    rows: int
    boots: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """True if every promise of the book holds."""
        return not self.problems


class Audit:
    """A check under way; memory grows with boots, not with rows."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._unsaid = 0
        self._notes: list[str] = []
        self._last_seq: dict[str, int] = {}
        self._rows = 0
        self._last_id = 0
        self._where = ""
        self._before: Path | None = None

    @property
    def last_id(self) -> int:
        """Row that was looked at last."""
        return self._last_id

    def begin_file(self, path: Path, meta: Mapping[str, Any], *, is_named: bool) -> None:
        """Go on with the next file.

        Args:
            meta: what it says of itself and of what went before.
            is_named: each problem names the file.
        """
        self._where = f"{path.name}: " if is_named else ""
        after_id, boot_id, seq = meta.get("after_id", 0), meta.get("after_boot_id"), meta.get("after_seq", 0)
        follows = meta.get("follows")
        if follows is not None and self._before is not None and Path(follows).name == self._before.name:
            if after_id != self._last_id:
                self.problem(f"it goes on after row {after_id}, but {self._before.name} ends with row {self._last_id}")
        elif follows is not None and is_named:
            self.note(f"{self._where}it goes on after {follows}, which is not among these files")
        self._last_id = after_id
        if boot_id is not None and seq > self._last_seq.get(boot_id, 0):
            self._last_seq[boot_id] = seq
        self._before = path

    def problem(self, sentence: str) -> None:
        """Note a broken promise: at most `PROBLEM_LIMIT` sentences, so that a ruined book fits in memory too."""
        if len(self._problems) < PROBLEM_LIMIT:
            self._problems.append(self._where + sentence)
        else:
            self._unsaid += 1

    def note(self, sentence: str) -> None:
        """Say what breaks no promise."""
        self._notes.append(sentence)

    def row(self, row: sqlite3.Row) -> None:
        """Look at the next row."""
        self._rows += 1
        where = f"row {row['id']}"
        if row["id"] != self._last_id + 1:
            self.problem(f"{where} follows row {self._last_id}: rows between them are missing")
        self._last_id = row["id"]
        expected_seq = self._last_seq.get(row["boot_id"], 0) + 1
        if row["seq"] != expected_seq:
            self.problem(f"{where} of boot {row['boot_id']} has seq {row['seq']}, expected {expected_seq}")
        if isinstance(row["seq"], int):
            self._last_seq[row["boot_id"]] = row["seq"]
        for fault in _faults_of(row):
            self.problem(f"{where}: {fault}")

    def report(self) -> VerifyReport:
        """What was found so far."""
        rest = (f"and {self._unsaid} more problems",) if self._unsaid else ()
        return VerifyReport(
            rows=self._rows,
            boots=len(self._last_seq),
            problems=(*self._problems, *rest),
            notes=tuple(self._notes),
        )


def _faults_of(row: sqlite3.Row) -> Iterator[str]:
    try:
        record = json.loads(row["record"])
    except (ValueError, TypeError) as exc:
        yield f"the record is no JSON ({exc})"
        return
    if not isinstance(record, dict):
        yield "the record is no JSON object"
        return
    yield from describe_faults(record)
    for name in ("boot_id", "seq", "type", "utc", "t_s", "label", "route", "decision"):
        if record.get(name) != row[name]:
            yield f"column {name} has {row[name]!r}, the record {record.get(name)!r}"
    event_id = f"{row['boot_id']}-{row['seq']}"
    if record.get("event_id") != event_id:
        yield f"event_id is {record.get('event_id')!r}, expected {event_id!r}"
