"""Reading the event book, while it is written or afterwards, without changing it."""

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.errors import LedgerError
from edge.ledger_audit import PROBLEM_LIMIT, Audit, VerifyReport
from edge.ledger_format import check_identity, check_path, database_uri, sidecar, translated
from edge.ledger_lock import lost_rows, used_book
from edge.ledger_tally import LatencyFigures, Summary, Tally

__all__ = ["LatencyFigures", "LedgerReader", "LedgerView", "Summary", "VerifyReport"]

PAGE_ROWS = 500
"""Rows fetched at a time: bounds memory, and no read holds the log back for longer than one page."""


class LedgerView(ABC):
    """What is closed when the block ends that it was opened for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Give back what is open; may be called twice."""


class LedgerReader(LedgerView):
    """A read-only view of a ledger file; what a writer appends meanwhile comes into view.

    If the file is rotated while it is read, the view ends with it: what the next file holds is another reader's. A file
    that is being written is not rotated as long as a reader has it open.

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

    @property
    def inode(self) -> tuple[int, int]:
        """Device and number of the file that is read, by whatever name it goes now."""
        return self._inode

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

    def open_intent(self) -> Mapping[str, Any] | None:
        """What was about to be moved and is not settled (`ports.Ledger.open_intent`), as of the present run too.

        Raises: LedgerError if it cannot be read.
        """
        with translated("read", self._path):
            if not self._has_intents():
                return None
            cursor = self._live().cursor()
            cursor.row_factory = sqlite3.Row
            row = cursor.execute("SELECT * FROM intents").fetchone()
        return None if row is None else dict(row)

    def summary(self) -> Summary:
        """Count and measure the whole file; eight bytes an item and figure of memory.

        Raises: LedgerError if it cannot be read.
        """
        tally = Tally()
        self.count(tally)
        return tally.summary()

    def count(self, tally: Tally) -> None:
        """Add this file to a count. Raises: LedgerError if it cannot be read."""
        with translated("read", self._path):
            tally.add(self._live())

    def verify(self) -> VerifyReport:
        """Check every row against every promise of the book; memory grows with boots, not with rows.

        Checked are the file's own integrity, that no row is missing, that `seq` runs from 1 without a gap in
        each boot, from where the file before it ended, and that each record is JSON with its mandatory fields, agrees
        with its columns and bears the `event_id` of its boot and number. A file that cannot be read to the end is a
        problem, no error. An open intent is a note.

        Rows that are missing at the very end cannot be seen from the book itself: what is left is a sound, shorter
        book. Only if all of them are gone does the lock file tell it from a new one.
        """
        audit = Audit()
        self.check(audit)
        return audit.report()

    def check(self, audit: Audit, *, is_named: bool = False) -> None:
        """Add this file to a check; see `verify`."""
        used_in: str | None = None
        meta: Mapping[str, Any] = {}
        try:
            with translated("read", self._path):
                # Asked before the rows are read: a writer that makes the first one meanwhile is no problem.
                used_in = used_book(self._path)
                meta = self._meta()
        except LedgerError as exc:
            audit.problem(f"what went before it cannot be read: {exc}")
        audit.begin_file(self._path, meta, is_named=is_named)
        try:
            with translated("read", self._path):
                for (finding,) in self._live().execute(f"PRAGMA integrity_check({PROBLEM_LIMIT})"):
                    if finding != "ok":
                        audit.problem(f"the file is damaged: {finding}")
        except LedgerError as exc:
            audit.problem(f"its integrity cannot be checked: {exc}")
        rows = 0
        try:
            for row in self._rows("*", "1", ()):
                rows += 1
                audit.row(row)
            intent = self.open_intent()
        except LedgerError as exc:
            audit.problem(f"after row {audit.last_id} nothing can be read: {exc}")
            return
        if rows == 0 and lost_rows(used_in, meta.get("book_id", ""), is_first="follows" not in meta):
            audit.problem(f"there are no rows, but {self._path.name}.lock shows that there were: all are lost")
        if intent is not None:
            audit.note(
                f"an intent is open: {intent['label'] or 'an item'} for {intent['route']}, at {intent['t_s']:g} s "
                f"of boot {intent['boot_id']}; what became of it is not written down yet"
            )

    def _connect(self) -> sqlite3.Connection:
        # Without a log beside it nobody writes and the file is whole: reading it as immutable leaves no
        # -wal and -shm of the reader's own behind, which the sorter's user might not be allowed to open,
        # and works on a read-only disk. `_live` changes over when a writer comes.
        self._is_immutable = not sidecar(self._path, "-wal").exists()
        query = "mode=ro&immutable=1" if self._is_immutable else "mode=ro"
        self._inode = _inode_of(self._path)
        connection = sqlite3.connect(
            database_uri(self._path, query), uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            check_identity(self._path, connection)
            if _inode_of(self._path) != self._inode:
                raise LedgerError(f"ledger {self._path} was rotated just now; try again")
        except BaseException:
            connection.close()
            raise
        return connection

    def _live(self) -> sqlite3.Connection:
        # Not where the name is another file's by now: what was begun is read to its end.
        if self._is_immutable and sidecar(self._path, "-wal").exists() and _inode_of(self._path) == self._inode:
            self._connection.close()
            self._connection = self._connect()
        return self._connection

    def _has_intents(self) -> bool:
        # Not in a book of layout 1, nor in one whose schema is damaged: `verify` says so.
        query = "SELECT 1 FROM sqlite_master WHERE name = 'intents'"
        return self._live().execute(query).fetchone() is not None

    def _meta(self) -> dict[str, Any]:
        if not self._has_intents():
            return {}
        return dict(self._live().execute("SELECT key, value FROM meta"))

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


def _inode_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
