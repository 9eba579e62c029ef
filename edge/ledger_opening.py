"""Opening the event book for writing: the file that is there, once it is known to be sound, or a new one."""

import shlex
import sqlite3
import time
from pathlib import Path
from typing import Literal

from edge.errors import LedgerError
from edge.ledger_entries import Position
from edge.ledger_files import finish_replacement, make_book, migrate, next_name, prepare_replacement
from edge.ledger_format import check_identity, check_path, damaged_dir, database_uri, sidecar
from edge.ledger_lock import WriterLock, used_book
from edge.ledger_repair import (
    DAMAGED,
    LOST,
    find_damage,
    find_loss,
    finding,
    has_lost_rows,
    is_damage,
    is_unreadable,
    mend_indexes,
    rescue_intent,
)
from edge.ledger_salvage import count_readable

__all__ = ["WhenDamaged", "connect", "leave_log", "open_sound", "refuse_stranger", "resume_log"]

WhenDamaged = Literal["set_aside", "stop"]

BUSY_TIMEOUT_S = 1.0
"""How long an append may wait for a stranger's lock; readers never hold one that blocks it."""

READ_TRIES = 4
READ_PAUSE_S = 0.5
"""A start whose disk does not read the book tries so often before it takes the book for damaged."""

_SET_ASIDE_ONCE = "or start it once with --unattended, which sets it aside (unless ledger.when_damaged is stop)"

LOG_LIMIT_BYTES = 4 << 20
"""The log is cut back to this at a checkpoint, after a slow reader let it grow."""


def refuse_stranger(path: Path, when_damaged: WhenDamaged) -> None:
    """Refuse what is no book of ours before the lock file is made, so that a stranger's file gets no companion.

    Raises: LedgerError.
    """
    if not _is_there(path):
        loss = find_loss(path) if when_damaged == "stop" and not sidecar(path, ".next").exists() else None
        if loss is not None:
            raise _lost(path, loss)
        return
    check_path(path)
    try:
        check_identity(path)
    except LedgerError as exc:
        # What cannot even be told to be ours is taken for ours only if the lock file says that a book was here.
        cause = _cause(exc)
        is_ours = used_book(path) is not None
        if when_damaged == "stop" or cause is None or not is_ours or not (is_damage(cause) or is_unreadable(cause)):
            raise


def open_sound(path: Path, lock: WriterLock, when_damaged: WhenDamaged, end: Position) -> sqlite3.Connection:
    """A connection that may write to the book at `path`; made, repaired or replaced by a new one where it must be.

    Args:
        lock: held.
        end: where the book ended as far as this process knows; a new one goes on after it.
    Raises: LedgerError, sqlite3.Error or OSError; whatever was there is then as it was.
    """
    finish_replacement(path)
    # A run that had the book open waits for its disk, however long it takes.
    tries_left = READ_TRIES if end == Position() else 0
    while True:
        loss = damage = None
        try:
            loss, damage = _look(path, lock, end)
            if loss is None and damage is None:
                if not _is_there(path):
                    make_book(path)
                lock.begin()
                return connect(path)
            break
        except (LedgerError, sqlite3.Error) as exc:
            cause = _cause(exc)
            if cause is None or not (is_damage(cause) or (is_unreadable(cause) and tries_left)):
                raise
            damage = str(cause)
            tries_left -= 1
            if is_damage(cause) or not tries_left:
                break
            time.sleep(READ_PAUSE_S)
    if when_damaged == "stop":
        raise _lost(path, loss) if loss is not None else _damaged(path, damage)
    lock.begin()
    if damage is not None:
        mended = f"an index of ledger {path} was damaged ({damage}) and was built anew; no row was touched"
        if mend_indexes(path, finding(DAMAGED, mended, moved_to=None)):
            return connect(path)
    _set_aside(path, loss, damage, end)
    return connect(path)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for writing, fold the log of a killed writer into it, bring an old layout up to date.

    Raises: LedgerError or sqlite3.Error.
    """
    connection = sqlite3.connect(
        database_uri(path, "mode=rw"),
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        check_identity(path, connection)
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise LedgerError(f"ledger {path} is in journal mode {mode}, expected wal; move it to a local disk")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}")
        connection.execute("SELECT max(id) FROM events").fetchone()
        # The log of a writer that was killed goes into the file, so that losing the log loses this run's rows at most.
        # A slow reader may hold it back; what is then left in the log is as safe as it was.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        migrate(connection)
        # SQLite falls back to reading where it may not write: better known now than at the first item.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def leave_log(connection: sqlite3.Connection) -> None:
    """Bring all of the book into its one file, and take the log away.

    That succeeds only if nobody else has the book open: whoever closed it later would take away the log of the book
    that has its name by then. Raises: sqlite3.Error.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute("PRAGMA journal_mode = DELETE").fetchone()


def resume_log(connection: sqlite3.Connection) -> None:
    """Undo `leave_log`, as far as it came. Raises: sqlite3.Error."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")


def _look(path: Path, lock: WriterLock, end: Position) -> tuple[str | None, str | None]:
    """How the book was lost and how it is damaged; None where it is not. Raises: sqlite3.Error or OSError."""
    loss = find_loss(path)
    if loss is None and not _is_there(path) and end != Position():
        loss = "is gone although this run has written to it"
    if loss is not None or not _is_there(path):
        return loss, None
    # A file that is proved to be as it was left is not read through at every start.
    damage = None if lock.proves_clean else find_damage(path)
    if damage is None and has_lost_rows(path, lock.used_in):
        loss = f"has no rows but {path.name}.lock shows that it had some"
    return loss, damage


def _set_aside(path: Path, loss: str | None, damage: str | None, end: Position) -> None:
    target = next_name(path, damaged_dir(path))
    is_left = any(sidecar(path, suffix).exists() for suffix in ("", "-wal"))
    moved_to = str(target) if is_left else None
    rows, intent = 0, None
    if damage is not None:
        rows, intent = count_readable(path), rescue_intent(path)
        reason = DAMAGED
        detail = (
            f"ledger {path} is damaged ({damage}); {rows} of its rows can still be read in {target}, where it was put "
            f"(edge-sorter ledger export --salvage --ledger {shlex.quote(str(target))}), and a new ledger was begun"
        )
    else:
        reason = LOST
        kept = f"what is left of it was put into {target}" if is_left else "nothing is left of it"
        detail = f"ledger {path} {loss}; {kept}, and a new ledger was begun"
    told = finding(reason, detail, moved_to=moved_to, readable_rows=rows)
    meta = {"after_id": end.row_id, "after_boot_id": end.boot_id, "after_seq": end.seq, f"finding:{reason}": told}
    prepare_replacement(path, target, meta, intent)
    finish_replacement(path)


def _is_there(path: Path) -> bool:
    """False for nothing, and for an empty file, which may have been made in advance."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


def _cause(error: LedgerError | sqlite3.Error) -> sqlite3.Error | None:
    cause = error.__cause__ if isinstance(error, LedgerError) else error
    return cause if isinstance(cause, sqlite3.Error) else None


def _lost(path: Path, loss: str) -> LedgerError:
    return LedgerError(f"ledger {path} {loss}; restore a copy, or move both away to begin anew, {_SET_ASIDE_ONCE}")


def _damaged(path: Path, damage: str | None) -> LedgerError:
    return LedgerError(
        f"cannot open ledger {path}: the file is damaged ({damage}); restore a copy, move it away, {_SET_ASIDE_ONCE}"
    )
