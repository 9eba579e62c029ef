"""What is wrong with an event book, and what of it can be mended."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from edge.ledger_files import migration
from edge.ledger_format import LEDGER_VERSION, database_uri, has_bytes, sidecar
from edge.ledger_lock import lost_rows, used_book

__all__ = [
    "DAMAGED",
    "LOST",
    "find_damage",
    "find_loss",
    "finding",
    "has_lost_rows",
    "is_damage",
    "is_unreadable",
    "mend_indexes",
    "open_reading",
    "rescue_intent",
]

DAMAGED = "ledger_damaged"
LOST = "ledger_lost"
"""Reasons of the `fault` events that tell of it."""

_DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREADABLE_CODES = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ})
_CORRUPT_FILE_SYSTEM = sqlite3.SQLITE_IOERR | 33 << 8
"""SQLITE_IOERR_CORRUPTFS, which Python's module does not name."""


def is_damage(error: sqlite3.Error) -> bool:
    """True if the error lies in what the file holds."""
    return getattr(error, "sqlite_errorcode", -1) & 0xFF in _DAMAGE_CODES


def is_unreadable(error: sqlite3.Error) -> bool:
    """True if the disk would not read what it holds: it may be damaged, or the disk may be away for a moment."""
    code = getattr(error, "sqlite_errorcode", -1)
    return code in _UNREADABLE_CODES or code == _CORRUPT_FILE_SYSTEM


def find_loss(path: Path) -> str | None:
    """What shows that there was a book at `path` where none is, or an empty file; None if nothing does.

    To be asked before the lock file is written. Raises: OSError.
    """
    is_there = path.exists()
    if is_there and (not path.is_file() or path.stat().st_size > 0):
        return None
    log, lock = sidecar(path, "-wal"), sidecar(path, ".lock")
    # An empty file may have been made in advance. A book is never empty once the lock file has named a holder.
    was_used = has_bytes(lock) if is_there else used_book(path) is not None
    trace = log if has_bytes(log) else lock if was_used else None
    if trace is None:
        return None
    return f"{'is empty' if is_there else 'is missing'} but {trace.name} shows that it had been in use"


def has_lost_rows(path: Path, used_in: str | None) -> bool:
    """True if the book has no rows although the lock file knows of some. Raises: sqlite3.Error."""
    if used_in is None:
        return False
    # Through a reading connection: a writing one would clear away the log, and with it the last trace, as it closes.
    with closing(open_reading(path)) as connection:
        if connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is not None:
            return False
        if connection.execute("PRAGMA user_version").fetchone()[0] < LEDGER_VERSION:
            return lost_rows(used_in, "", is_first=True)
        meta = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('book_id', 'follows')"))
        return lost_rows(used_in, meta["book_id"], is_first="follows" not in meta)


def find_damage(path: Path) -> str | None:
    """What SQLite finds wrong with the file, in its own words; None if it is sound.

    It reads the whole file: rotation bounds how long that takes (docs/ledger.md).

    Raises: sqlite3.Error if that cannot be told.
    """
    try:
        with closing(open_reading(path)) as connection:
            # Whether an index agrees with its table is told by the slower check only.
            check = "integrity_check" if _has_index(connection) else "quick_check"
            (found,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
            return None if found == "ok" else " ".join(found.removeprefix("*** in database main ***").split())
    except sqlite3.Error as exc:
        if is_damage(exc):
            return str(exc)
        raise


def mend_indexes(path: Path, told: str) -> bool:
    """Build the indexes anew; True if the file is sound after that, else it is as it was.

    Only a book that an earlier version began has an index.

    Args:
        told: JSON of the finding that is written down in the same commit.
    """
    try:
        with closing(open_reading(path)) as connection:
            if not _has_index(connection):
                return False
        with closing(sqlite3.connect(database_uri(path, "mode=rw"), uri=True, isolation_level=None)) as connection:
            # A script leaves its transaction open; what follows is in it, and so is a layout brought up to date.
            connection.executescript(f"BEGIN IMMEDIATE;{migration(connection)}REINDEX;")
            if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                connection.execute("ROLLBACK")
                return False
            connection.execute(f"INSERT OR REPLACE INTO meta VALUES ('finding:{DAMAGED}', ?)", (told,))
            connection.execute("COMMIT")
            return True
    except sqlite3.Error:
        return False


def rescue_intent(path: Path) -> Mapping[str, Any] | None:
    """The open intent of a damaged book, if that can still be read.

    Where it is unknown whether it was settled it counts as open: an item is rather called unknown once too often.
    """
    for table in ("intents", "intent"):
        with suppress(sqlite3.Error), closing(open_reading(path)) as connection:
            cursor = connection.cursor()
            cursor.row_factory = sqlite3.Row
            row = cursor.execute(f"SELECT * FROM {table}").fetchone()
            return None if row is None else dict(row)
    return None


def finding(reason: str, detail: str, **more: Any) -> str:
    """The body of a `fault` event that tells of it, as JSON."""
    return json.dumps({"reason": reason, "state": "boot", "detail": detail, **more}, ensure_ascii=False)


def open_reading(path: Path) -> sqlite3.Connection:
    """A connection that reads the book, with its log if there is one, in whatever state. Raises: sqlite3.Error."""
    query = "mode=ro" if sidecar(path, "-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(database_uri(path, query), uri=True, isolation_level=None)


def _has_index(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'index'").fetchone() is not None
