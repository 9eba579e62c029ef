"""Reading the event book, while it is written or afterwards, without changing it."""

import json
import math
import sqlite3
import statistics
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.errors import LedgerError
from edge.ledger_format import (
    check_identity,
    check_path,
    database_uri,
    describe_faults,
    is_marked_used,
    sidecar,
    translated,
)

__all__ = ["LatencyFigures", "LedgerReader", "Summary", "VerifyReport"]

PAGE_ROWS = 500
"""Rows fetched at a time: bounds memory, and no read holds the log back for longer than one page."""

PROBLEM_LIMIT = 100
"""Problems that `verify` spells out; the rest are counted."""


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


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `LedgerReader.verify` found; each problem is a sentence that names its row."""

    rows: int
    boots: int
    problems: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """True if every promise of the book holds."""
        return not self.problems


class LedgerReader:
    """A read-only view of a ledger file; what a writer appends meanwhile comes into view.

    Args:
        path: the database.
    Raises: LedgerError if it is missing, not a ledger, of a newer version or not readable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        check_path(path)
        check_identity(path)
        with translated("open", path):
            self._connection = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; may be called twice."""
        self._connection.close()

    def tail(self, count: int) -> list[dict[str, Any]]:
        """The last `count` events, oldest first. Raises: LedgerError if they cannot be read."""
        query = "SELECT id, record FROM events ORDER BY id DESC LIMIT ?"
        with translated("read", self._path):
            rows = self._live().execute(query, (max(count, 0),)).fetchall()
        return [self._parse(row_id, record) for row_id, record in reversed(rows)]

    def iterate(self, type_: str | None = None) -> Iterator[dict[str, Any]]:
        """All events, or those of one type, in the order they were written; memory stays constant.

        Raises: LedgerError if they cannot be read.
        """
        condition, values = ("type = ?", (type_,)) if type_ is not None else ("1", ())
        for row in self._rows("id, record", condition, values):
            yield self._parse(row["id"], row["record"])

    def summary(self) -> Summary:
        """Count and measure the whole book; eight bytes an item and figure of memory.

        Raises: LedgerError if it cannot be read.
        """
        with translated("read", self._path):
            db = self._live()
            # One transaction, so that all the numbers are of one moment.
            db.execute("BEGIN")
            try:
                ends = "SELECT utc FROM events ORDER BY id {} LIMIT 1"
                return Summary(
                    boots=db.execute("SELECT count(DISTINCT boot_id) FROM events").fetchone()[0],
                    events=_count_by(db, "type", "1"),
                    routes=_count_by(db, "route", "type = 'item'"),
                    labels=_count_by(db, "label", "type = 'item'"),
                    decisions=_count_by(db, "decision", "type = 'item'"),
                    first_utc=next((row[0] for row in db.execute(ends.format("ASC"))), None),
                    last_utc=next((row[0] for row in db.execute(ends.format("DESC"))), None),
                    decide=_measure(db, "$.latency_ms.decide"),
                    total=_measure(db, "$.latency_ms.total"),
                )
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def verify(self) -> VerifyReport:
        """Check every row against every promise of the book; memory grows with boots, not with rows.

        Checked are the file's own integrity, that no row is missing, that `seq` runs from 1 without a gap in
        each boot, and that each record is JSON with its mandatory fields, agrees with its columns and bears
        the `event_id` of its boot and number. A file that cannot be read to the end is a problem, no error.

        Rows that are missing at the very end cannot be seen from the book itself: what is left is a sound, shorter
        book. Only if all of them are gone does the lock file tell it from a new one.
        """
        problems = _Problems()
        last_seq: dict[str, int] = {}
        rows = last_id = 0
        was_used = False
        try:
            with translated("read", self._path):
                # Asked before the rows are read: a writer that makes the first one meanwhile is no problem.
                was_used = is_marked_used(self._path)
                for (finding,) in self._live().execute(f"PRAGMA integrity_check({PROBLEM_LIMIT})"):
                    if finding != "ok":
                        problems.add(f"the file is damaged: {finding}")
        except LedgerError as exc:
            problems.add(f"its integrity cannot be checked: {exc}")
        try:
            for row in self._rows("*", "1", ()):
                rows += 1
                where = f"row {row['id']}"
                if row["id"] != last_id + 1:
                    problems.add(f"{where} follows row {last_id}: rows between them are missing")
                last_id = row["id"]
                expected_seq = last_seq.get(row["boot_id"], 0) + 1
                if row["seq"] != expected_seq:
                    problems.add(f"{where} of boot {row['boot_id']} has seq {row['seq']}, expected {expected_seq}")
                if isinstance(row["seq"], int):
                    last_seq[row["boot_id"]] = row["seq"]
                for fault in _faults_of(row):
                    problems.add(f"{where}: {fault}")
        except LedgerError as exc:
            problems.add(f"after row {last_id} nothing can be read: {exc}")
        else:
            if rows == 0 and was_used:
                problems.add(f"there are no rows, but {self._path.name}.lock shows that there were: all are lost")
        return VerifyReport(rows=rows, boots=len(last_seq), problems=problems.sentences())

    def _connect(self) -> sqlite3.Connection:
        # Without a log beside it nobody writes and the file is whole: reading it as immutable leaves no
        # -wal and -shm of the reader's own behind, which the sorter's user might not be allowed to open,
        # and works on a read-only disk. `_live` changes over when a writer comes.
        self._is_immutable = not sidecar(self._path, "-wal").exists()
        query = "mode=ro&immutable=1" if self._is_immutable else "mode=ro"
        connection = sqlite3.connect(
            database_uri(self._path, query), uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            check_identity(self._path, connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _live(self) -> sqlite3.Connection:
        if self._is_immutable and sidecar(self._path, "-wal").exists():
            self._connection.close()
            self._connection = self._connect()
        return self._connection

    def _rows(self, columns: str, condition: str, values: tuple[str, ...]) -> Iterator[sqlite3.Row]:
        query = f"SELECT {columns} FROM events WHERE id > ? AND {condition} ORDER BY id LIMIT {PAGE_ROWS}"
        last_id = -1 << 63
        while True:
            with translated("read", self._path):
                cursor = self._live().cursor()
                cursor.row_factory = sqlite3.Row
                page = cursor.execute(query, (last_id, *values)).fetchall()
            yield from page
            if len(page) < PAGE_ROWS:
                return
            last_id = page[-1]["id"]

    def _parse(self, row_id: int, line: str) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except (ValueError, TypeError) as exc:
            raise LedgerError(f"row {row_id} of ledger {self._path} is no JSON ({exc}); see `ledger verify`") from exc
        if not isinstance(record, dict):
            raise LedgerError(f"row {row_id} of ledger {self._path} is no JSON object; see `ledger verify`")
        return record


class _Problems:
    """At most `PROBLEM_LIMIT` sentences and a count of the rest: a ruined book fits in memory too."""

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._unsaid = 0

    def add(self, sentence: str) -> None:
        if len(self._sentences) < PROBLEM_LIMIT:
            self._sentences.append(sentence)
        else:
            self._unsaid += 1

    def sentences(self) -> tuple[str, ...]:
        rest = (f"and {self._unsaid} more problems",) if self._unsaid else ()
        return (*self._sentences, *rest)


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


def _count_by(db: sqlite3.Connection, column: str, condition: str) -> dict[str, int]:
    query = f"SELECT {column}, count(*) FROM events WHERE {condition} GROUP BY {column} ORDER BY 2 DESC, 1"
    return dict(db.execute(query).fetchall())


def _measure(db: sqlite3.Connection, json_path: str) -> LatencyFigures:
    # CASE, not AND: SQLite may reorder conditions, and json_extract of a damaged record is an error.
    query = "SELECT CASE WHEN json_valid(record) THEN json_extract(record, ?) END FROM events WHERE type = 'item'"
    values = sorted(
        array("d", (value for (value,) in db.execute(query, (json_path,)) if isinstance(value, int | float)))
    )
    if not values:
        return LatencyFigures(count=0, median_ms=None, p95_ms=None)
    return LatencyFigures(
        count=len(values),
        median_ms=statistics.median(values),
        p95_ms=values[math.ceil(0.95 * len(values)) - 1],
    )
