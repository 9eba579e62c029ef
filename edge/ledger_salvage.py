"""What can be read of a damaged event book, row by row, past what cannot."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from edge.ledger_format import MAX_ROW_BYTES, check_identity, check_path, encode_record
from edge.ledger_repair import is_damage, is_unreadable, open_reading

__all__ = ["Salvage", "count_readable"]

DAMAGE_TRIES = 20_000
"""Row numbers in a row that are tried past one that is damaged: a page of SQLite's tree takes some 600 with it."""

DISK_TRIES = 40
"""The same where the disk does not read: each try may take it seconds."""


class Salvage:
    """A walk over the rows of one book that goes on behind each that cannot be read, in the order they were written.

    What it gives depends on the file alone, so that the rows that a `fault` event counted are those of an export.

    Args:
        type_: only events of this type.

    Attributes:
        rows: records given so far.
        is_whole: False as soon as a row could not be read, or is missing between two others.
    """

    def __init__(self, path: Path, type_: str | None = None) -> None:
        self._path = path
        self._type = type_
        self._next_id: int | None = None
        self.rows = 0
        self.is_whole = True

    def check(self) -> None:
        """Refuse what is no book of this program, or none that can be told to be. Raises: LedgerError."""
        check_path(self._path)
        check_identity(self._path)

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record that can be read; memory stays constant. No damage is an error."""
        for line in self._lines():
            record = _parse(line)
            if record is None:
                self.is_whole = False
            elif self._type is None or record.get("type") == self._type:
                self.rows += 1
                yield record

    def _lines(self) -> Iterator[Any]:
        try:
            with closing(open_reading(self._path)) as connection:
                # Bytes: text that is no UTF-8 would end the walk.
                connection.text_factory = bytes
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)
                yield from self._walk(connection)
        except sqlite3.Error:
            self.is_whole = False

    def _walk(self, connection: sqlite3.Connection) -> Iterator[Any]:
        start, tries = -1 << 63, 0
        while True:
            try:
                for line in self._from(connection, start):
                    tries = 0
                    yield line
                return
            except sqlite3.Error as exc:
                self.is_whole = False
                tries += 1
                if tries > _most_tries(exc):
                    break
                start = max(start + 1, _after_id(connection) + 1 if self._next_id is None else self._next_id)
        # What lies behind a gap that is too wide is reached from the end.
        last_id = self._next_id or 0
        first_id = _first_from_end(connection, last_id)
        if first_id is not None:
            yield from self._from(connection, first_id)

    def _from(self, connection: sqlite3.Connection, start: int) -> Iterator[Any]:
        for row_id, line in connection.execute("SELECT id, record FROM events WHERE id >= ? ORDER BY id", (start,)):
            if self._next_id is not None and row_id != self._next_id:
                self.is_whole = False
            self._next_id = row_id + 1
            yield line


def count_readable(path: Path) -> int:
    """How many rows of a damaged book can still be read: those that `ledger export --salvage` writes."""
    return sum(1 for _ in Salvage(path).records())


def _first_from_end(connection: sqlite3.Connection, stop_id: int) -> int | None:
    """The first row of those that can be read backwards from the end, as far as `stop_id`; None if none can."""
    first_id = None
    query = "SELECT id, record FROM events WHERE id >= ? ORDER BY id DESC"
    with suppress(sqlite3.Error):
        for row_id, _ in connection.execute(query, (stop_id,)):
            first_id = row_id
    return first_id


def _after_id(connection: sqlite3.Connection) -> int:
    """The last row of the book before this one, as far as that can be read; else 0."""
    with suppress(sqlite3.Error):
        for (row_id,) in connection.execute("SELECT value FROM meta WHERE key = 'after_id'"):
            return row_id if isinstance(row_id, int) else 0
    return 0


def _most_tries(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", -1)
    if is_unreadable(error):
        return DISK_TRIES
    return DAMAGE_TRIES if code == sqlite3.SQLITE_TOOBIG or (is_damage(error) and code != sqlite3.SQLITE_NOTADB) else 0


def _parse(line: Any) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        if not isinstance(record, dict):
            return None
        # What no export could write down does not count as read.
        encode_record(record)
    except (ValueError, TypeError, RecursionError):
        return None
    return record
