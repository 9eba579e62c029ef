"""What the event book looks like on disk, and how SQLite's errors read as sentences.

Shared by the writer (`ledger.py`) and the reader (`ledger_read.py`). It imports neither numpy nor the
records, so that `edge-sorter ledger …` starts quickly.
"""

import errno
import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge.errors import ConfigError, LedgerError

__all__ = [
    "APPLICATION_ID",
    "BASE_FIELDS",
    "CREATE",
    "ITEM_FIELDS",
    "LEDGER_VERSION",
    "MIGRATE",
    "READABLE_VERSIONS",
    "archive_dir",
    "check_identity",
    "check_path",
    "damaged_dir",
    "database_uri",
    "describe_faults",
    "encode_record",
    "has_bytes",
    "refuse_collision",
    "sidecar",
    "translated",
]

APPLICATION_ID = 0x57535254
"""`WSRT` in the header of the file: this program's own databases, and no one else's."""

LEDGER_VERSION = 2
"""`PRAGMA user_version`: layout of the tables. The schema of a record is counted on its own."""

READABLE_VERSIONS = (1, 2)
"""Readers know them all; the writer brings an old one up to `LEDGER_VERSION` when it opens it."""

PAGE_BYTES = 2048
"""A commit writes whole pages and the log begins each with 24 bytes of its own: docs/ledger.md has what others cost."""

_CREATE_EVENTS = """
CREATE TABLE events (
    id       INTEGER PRIMARY KEY,
    boot_id  TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    utc      TEXT    NOT NULL,
    t_s      REAL    NOT NULL,
    label    TEXT,
    route    TEXT,
    decision TEXT,
    record   TEXT    NOT NULL
);
"""

_ADDED_IN_2 = """
CREATE TABLE intent (
    slot       INTEGER PRIMARY KEY CHECK (slot = 1),
    after_id   INTEGER NOT NULL,
    boot_id    TEXT    NOT NULL,
    utc        TEXT    NOT NULL,
    t_s        REAL    NOT NULL,
    label      TEXT    NOT NULL,
    route      TEXT    NOT NULL,
    decision   TEXT    NOT NULL,
    confidence REAL    NOT NULL,
    margin     REAL    NOT NULL
);
CREATE VIEW intents AS
    SELECT boot_id, utc, t_s, label, route, decision, confidence, margin FROM intent WHERE NOT EXISTS (
        SELECT 1 FROM events WHERE id > after_id
        AND (type = 'item' OR CASE WHEN json_valid(record) THEN json_type(record, '$.item') END IS NOT NULL)
    );
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('book_id', lower(hex(randomblob(6))));
"""

CREATE = f"""
PRAGMA page_size = {PAGE_BYTES};
{_CREATE_EVENTS}{_ADDED_IN_2}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {LEDGER_VERSION};
"""
"""No index: each one costs another page of the card at every commit, and rotation bounds what a search reads.

`intents` has the open intent, if there is one: the event that settles an intent is any later one of an item, so that
settling writes no page of its own. `meta` holds `book_id`; after a rotation or a loss also what went before
(`follows`, `after_id`, `after_boot_id`, `after_seq`); and what the next start has to tell (`finding:` and its reason).
"""

MIGRATE: Mapping[int, str] = {
    1: f"DROP INDEX IF EXISTS events_kind;{_ADDED_IN_2}PRAGMA user_version = 2;",
}
"""What brings a book of this version up to the next. Version 1 keeps the index of its UNIQUE (boot_id, seq)."""

BASE_FIELDS = ("schema", "event_id", "boot_id", "seq", "type", "utc", "t_s")
"""Fields of every record, given by the ledger; an event's body may not use these names."""

ITEM_FIELDS: Mapping[str, tuple[str, ...]] = {
    "label": (),
    "route": (),
    "decision": (),
    "confidence": (),
    "margin": (),
    "votes": (),
    "frames": (),
    "latency_ms": ("settle", "classify", "decide", "gate", "total"),
    "gate": ("commanded_deg", "duration_s", "confirmed", "retries"),
    "model": ("name", "version", "sha256"),
}
"""Mandatory fields of an item event, each with the mandatory fields inside it (DESIGN.md, item event)."""

MAX_ROW_BYTES = 16 << 20
"""Of a row that is read or written; an event takes a thousandth of it."""

_COMPANIONS = ("", "-wal", "-shm", "-journal", ".lock", ".new", ".next")

_TEXT_COLUMNS = ("label", "route", "decision")

_REMEDIES: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free space on it"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "make the file and its folder writable"),
    sqlite3.SQLITE_PERM: ("access is denied", "check the owner and mode of the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: (
        "the file or its -wal and -shm companions cannot be opened",
        "check that its folder exists and is writable",
    ),
    sqlite3.SQLITE_BUSY: ("another program has locked it", "close that program"),
    sqlite3.SQLITE_LOCKED: ("another program has locked it", "close that program"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "move it away or restore a copy"),
    sqlite3.SQLITE_NOTADB: ("the file is no SQLite database", "name another file or move this one away"),
    sqlite3.SQLITE_IOERR: (
        "the disk failed or refused",
        "check the disk, its free space and the size limits",
    ),
}

_OS_REMEDIES: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: _REMEDIES[sqlite3.SQLITE_FULL],
    errno.EDQUOT: ("the disk quota is used up", "free space in it"),
    errno.EFBIG: ("the file reached the size limit", "raise the limit"),
    errno.EROFS: ("the disk is mounted read-only", "mount it writable or name another folder"),
    errno.EACCES: ("access is denied", "check the owner and mode of the file and its folder"),
    errno.EPERM: ("access is denied", "check the owner and mode of the file and its folder"),
    errno.ENOTDIR: ("a part of its path is a file", "name a path inside a folder"),
    errno.EEXIST: ("a part of its path is a file", "name a path inside a folder"),
    errno.EISDIR: ("it is a folder", "name a file"),
}


@contextmanager
def translated(action: str, path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise inside into one LedgerError sentence, the cause kept.

    Args:
        action: what was tried, as `append to`.
    """
    try:
        yield
    except sqlite3.Error as exc:
        # The low byte is the primary code; errors of the Python module itself carry none.
        code = getattr(exc, "sqlite_errorcode", -1) & 0xFF
        found, remedy = _REMEDIES.get(code, (str(exc), "check the file with `ledger verify`"))
        raise LedgerError(f"cannot {action} ledger {path}: {found}; {remedy}") from exc
    except OSError as exc:
        found, remedy = _OS_REMEDIES.get(exc.errno or 0, (exc.strerror or str(exc), "check its folder"))
        raise LedgerError(f"cannot {action} ledger {path}: {found}; {remedy}") from exc


def sidecar(path: Path, suffix: str) -> Path:
    """The companion file of `path`: `-wal`, `-shm`, `.lock` or `.new` appended to its name."""
    return path.with_name(path.name + suffix)


def archive_dir(path: Path) -> Path:
    """Folder of the full books that came before the one at `path`."""
    return path.parent / "archive"


def damaged_dir(path: Path) -> Path:
    """Folder of the books that stood at `path` and were set aside."""
    return path.parent / "damaged"


def database_uri(path: Path, query: str) -> str:
    """The `file:` URI that opens `path` with SQLite's parameters `query`."""
    return f"file:{quote(str(path))}?{query}"


def check_path(path: Path) -> None:
    """Refuse a ledger that is missing, a folder or a device. Raises: LedgerError."""
    with translated("open", path):
        if not path.exists():
            raise LedgerError(f"ledger {path} does not exist; check the path, or run the sorter once to make it")
        if not path.is_file():
            raise LedgerError(f"ledger {path} is no regular file; name a file")


def check_identity(path: Path, connection: sqlite3.Connection | None = None) -> None:
    """Refuse a file that is not a ledger this program can read; nothing on disk changes.

    Args:
        connection: look through this one; without it, at the main file alone, taking no lock.
    Raises: LedgerError.
    """
    # Never open(path, "rb"): closing any descriptor of the file drops every POSIX lock this process has on
    # it, so that another process could take the log away from under a writer. SQLite knows how to close.
    with translated("open", path):
        if connection is not None:
            _refuse_foreign(path, connection)
            return
        try:
            uri = database_uri(path, "mode=ro&immutable=1")
            with closing(sqlite3.connect(uri, uri=True)) as immutable:
                _refuse_foreign(path, immutable)
        except sqlite3.DatabaseError:
            # A writer that was killed in mid-checkpoint leaves the main file half written, and all of it
            # in the log: only an opening that reads the log can judge.
            if not has_bytes(sidecar(path, "-wal")):
                raise


def _harden(connection: sqlite3.Connection) -> None:
    """No row of a file fills the memory, whoever made it. Not `trusted_schema`: our own view asks for json_type()."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)


def _refuse_additions(path: Path, connection: sqlite3.Connection) -> None:
    """A stranger's trigger would change rows behind the writer's back, and a view of his may have no end."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') OR sql LIKE 'CREATE VIRTUAL%'"
    # A schema that is damaged is told, and mended or set aside, by whoever looks for damage.
    with suppress(sqlite3.DatabaseError):
        for kind, name, sql in connection.execute(query).fetchall():
            if sql not in CREATE:
                raise LedgerError(
                    f"ledger {path} holds a {kind} {name!a}, which this program never makes: somebody changed it; "
                    "restore a copy or move it away"
                )


def _refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    _harden(connection)
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id != APPLICATION_ID:
        raise LedgerError(
            f"{path} is no ledger of this program (application_id {application_id:#x}, expected "
            f"{APPLICATION_ID:#x}); name another file"
        )
    if version not in READABLE_VERSIONS:
        age = "a newer" if version > LEDGER_VERSION else "an unknown"
        raise LedgerError(
            f"ledger {path} has {age} version ({version}, this program knows {LEDGER_VERSION}); "
            "update the program or name another file"
        )
    _refuse_additions(path, connection)


def has_bytes(path: Path) -> bool:
    """True if the file exists and is not empty."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def refuse_collision(option: str, target: Path, ledger: Path) -> None:
    """Refuse to write to a file that belongs to the ledger; nothing is opened.

    Args:
        option: what named the target, as `--output`.
    Raises: ConfigError if it is the ledger or one of its companions, by whatever name.
    """
    book = Path(os.path.realpath(ledger))
    if Path(os.path.realpath(target)).parent in (archive_dir(book), damaged_dir(book)):
        raise ConfigError(f"{option} {target} lies among the ledger's old files; name another folder")
    for own in (sidecar(book, suffix) for suffix in _COMPANIONS):
        if os.path.realpath(target) == str(own) or _is_same_file(target, own):
            raise ConfigError(f"{option} {target} is {own.name}, which belongs to the ledger; name another file")


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def encode_record(record: Mapping[str, Any]) -> str:
    """One line of JSON, the same bytes on paper, on the wire and in the book.

    Raises: ValueError, TypeError or RecursionError if the record has NaN, infinity, text that is no
        Unicode, or objects that JSON does not know.
    """
    line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    line.encode()
    return line


def describe_faults(record: Mapping[str, Any]) -> list[str]:
    """What is missing from a record or of the wrong kind, one clause each; empty if it is sound."""
    faults = [f"`{name}` is missing" for name in BASE_FIELDS if name not in record]
    faults += [
        f"`{name}` is {record[name]!r}, expected text"
        for name in _TEXT_COLUMNS
        if record.get(name) is not None and not isinstance(record[name], str)
    ]
    if "type" in record and not (isinstance(record["type"], str) and record["type"]):
        faults.append(f"`type` is {record['type']!r}, expected a name")
    if record.get("type") != "item":
        return faults
    for name, inner_names in ITEM_FIELDS.items():
        if name not in record:
            faults.append(f"`{name}` is missing")
        elif name in _TEXT_COLUMNS and record[name] is None:
            faults.append(f"`{name}` is null, expected text")
        elif inner_names and not isinstance(record[name], Mapping):
            faults.append(f"`{name}` is {record[name]!r}, expected fields")
        else:
            faults += [f"`{name}.{inner}` is missing" for inner in inner_names if inner not in record[name]]
    return faults
