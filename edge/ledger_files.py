"""Making the event book's file, and putting a new one in the place of an old one, whole or not at all."""

import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from edge.errors import LedgerError
from edge.ledger_format import CREATE, LEDGER_VERSION, MIGRATE, archive_dir, database_uri, sidecar
from edge.paths import sync_folder

__all__ = ["archived", "finish_replacement", "make_book", "migrate", "migration", "next_name", "prepare_replacement"]

_COMPANIONS = ("-wal", "-shm", "-journal")
_INTENT_COLUMNS = ("boot_id", "utc", "t_s", "label", "route", "decision", "confidence", "margin")


def make_book(path: Path) -> None:
    """Build an empty book aside and rename it into place: a power cut leaves all of it or none."""
    _build(sidecar(path, ".new"), {}, None)
    sidecar(path, ".new").rename(path)
    sync_folder(path.parent)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a book of an earlier version up to this one in one commit. Raises: sqlite3.Error; it is then as it was."""
    steps = migration(connection)
    if not steps:
        return
    try:
        connection.executescript(f"BEGIN IMMEDIATE;{steps}COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migration(connection: sqlite3.Connection) -> str:
    """The statements that `migrate` runs; empty if there is nothing to do. Raises: sqlite3.Error."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return "".join(MIGRATE[step] for step in range(version, LEDGER_VERSION))


def prepare_replacement(
    path: Path, target: Path, meta: Mapping[str, Any], intent: Mapping[str, Any] | None = None
) -> None:
    """Build the book that is to follow the one at `path`, which `finish_replacement` then moves to `target`.

    When this returned, the change is decided: the old book must not be written any more. When it raised, nothing
    has changed.

    Args:
        meta: what the new book says of what went before.
        intent: fields of an intent that is open still.
    Raises: OSError or sqlite3.Error.
    """
    fresh = sidecar(path, ".new")
    _build(fresh, {"follows": str(target.relative_to(path.parent)), **meta}, intent)
    # Made now, so that as little as possible can fail once the change is decided.
    target.parent.mkdir(exist_ok=True)
    sync_folder(path.parent)
    decided = sidecar(path, ".next")
    fresh.rename(decided)
    # If this fails the name is there all the same, and counts; whoever finishes waits for the disk again.
    with suppress(OSError):
        sync_folder(path.parent)


def finish_replacement(path: Path) -> bool:
    """Do the rest of a replacement that was decided; whatever was done of it already, once or more often.

    Returns: whether there was one.
    Raises: LedgerError if another file took the old one's place meanwhile; OSError; sqlite3.Error.
    """
    decided = sidecar(path, ".next")
    if not decided.exists():
        return False
    sync_folder(path.parent)
    with closing(sqlite3.connect(database_uri(decided, "mode=ro&immutable=1"), uri=True)) as connection:
        (follows,) = connection.execute("SELECT value FROM meta WHERE key = 'follows'").fetchone()
    target = path.parent / follows
    target.parent.mkdir(exist_ok=True)
    # The log goes last: without its file it is not taken for a log of the new book, which has another name so far.
    for suffix in ("", *_COMPANIONS):
        _move(sidecar(path, suffix), sidecar(target, suffix))
    # In this order, so that no power cut leaves the old book under neither name.
    sync_folder(target.parent)
    sync_folder(path.parent)
    decided.rename(path)
    sync_folder(path.parent)
    return True


def archived(path: Path) -> list[Path]:
    """The full books that came before the one at `path`, oldest first. Raises: OSError."""
    return [file for _, file, companion in _numbered(path, archive_dir(path)) if not companion]


def next_name(path: Path, folder: Path) -> Path:
    """A name for the book at `path` in a folder of old ones, numbered on and never by the clock. Raises: OSError."""
    last = max((number for number, _, _ in _numbered(path, folder)), default=0)
    return folder / f"{path.stem}-{last + 1:06d}{path.suffix}"


def _numbered(path: Path, folder: Path) -> list[tuple[int, Path, str]]:
    # A log whose book is gone takes up its number too.
    pattern = re.compile(rf"{re.escape(path.stem)}-(\d{{6,}}){re.escape(path.suffix)}({'|'.join(_COMPANIONS)})?")
    try:
        files = [(found, file) for file in folder.iterdir() if (found := pattern.fullmatch(file.name))]
    except FileNotFoundError:
        return []
    return sorted((int(found[1]), file, found[2] or "") for found, file in files)


def _build(fresh: Path, meta: Mapping[str, Any], intent: Mapping[str, Any] | None) -> None:
    for suffix in ("", *_COMPANIONS):
        sidecar(fresh, suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
        connection.executescript(f"BEGIN;{CREATE}COMMIT;")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        if intent is not None:
            values = [intent[name] for name in _INTENT_COLUMNS]
            columns = ", ".join(_INTENT_COLUMNS)
            connection.execute(
                f"INSERT INTO intent (slot, after_id, {columns}) VALUES (1, ?, {', '.join('?' * len(values))})",
                (meta.get("after_id", 0), *values),
            )
        connection.execute("PRAGMA journal_mode = WAL")
    _sync_file(fresh)


def _move(old: Path, new: Path) -> None:
    if not old.exists():
        return
    if new.exists() and not new.samefile(old):
        raise LedgerError(f"{old} cannot be moved to {new}, which is there already; move one of them away")
    old.rename(new)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
