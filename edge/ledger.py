"""The event book: an append-only SQLite file that outlives a pulled plug."""

import fcntl
import json
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from edge import clock
from edge.errors import LedgerError
from edge.ledger_format import (
    BASE_FIELDS,
    CREATE,
    USED_MARK,
    check_identity,
    check_path,
    database_uri,
    describe_faults,
    encode_record,
    has_bytes,
    is_marked_used,
    sidecar,
    translated,
)
from edge.records import EVENT_SCHEMA, Event

__all__ = ["SqliteLedger"]

BUSY_TIMEOUT_S = 1.0
"""How long an append may wait for a stranger's lock; readers never hold one that blocks it."""

LOG_LIMIT_BYTES = 4 << 20
"""The log is cut back to this at a checkpoint, after a slow reader let it grow."""

HOLDER_BYTES = 11
"""Length of the lock file's first line, the id of a process."""

_INSERT = """
INSERT INTO events (boot_id, seq, type, utc, t_s, label, route, decision, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class SqliteLedger:
    """The one writer of a ledger file (`ports.Ledger`); safe to share between threads.

    An event that `append` returned is on the disk: write-ahead log, `synchronous=FULL`. Within a boot,
    numbers run from 1 without a gap. If power fails in the middle of an append, or the disk fails while it
    commits, the event may be found afterwards although it was never returned; no event is found twice.
    Rows that are taken from the very end of a book, as by losing its `-wal` file, cannot be missed by looking at the
    book: each opening folds the log into the main file, so that only the rows of the current run are at risk.

    Args:
        path: the database; it and its folders are made if they are missing.
        boot_id: letters and digits that name this run; None draws 12 hex digits at each opening. A boot
            that the ledger knows already goes on with its next number.
        utc_now: wall-clock time to write down, as `clock.utc_now`.
    """

    def __init__(self, path: Path, *, boot_id: str | None = None, utc_now: Callable[[], str] = clock.utc_now) -> None:
        self._path = path
        self._wanted_boot_id = boot_id
        self._utc_now = utc_now
        self._boot_id: str | None = None
        self._connection: sqlite3.Connection | None = None
        self._lock: _WriterLock | None = None
        self._stack = ExitStack()
        self._mutex = threading.Lock()

    @property
    def boot_id(self) -> str:
        """The name of this run. Raises: LedgerError before the first `open`."""
        if self._boot_id is None:
            raise LedgerError(f"ledger {self._path} was never opened; call open() first")
        return self._boot_id

    def open(self) -> None:
        """Become the one writer; make the file if it is missing, recover it if a writer was killed.

        Raises: LedgerError if it has another writer, is not a ledger, is damaged, lost all of its rows or cannot
            be written; whatever was there is then as it was.
        """
        with self._mutex:
            if self._connection is not None:
                raise LedgerError(f"ledger {self._path} is already open; close it first")
            boot_id = self._wanted_boot_id or secrets.token_hex(6)
            if not re.fullmatch(r"[0-9A-Za-z]{1,64}", boot_id):
                raise LedgerError(f"boot id {boot_id!r} must be 1 to 64 ASCII letters and digits")
            with ExitStack() as stack, translated("open", self._path):
                # One file, one lock, by whatever name it was called.
                path = self._path.resolve()
                path.parent.mkdir(parents=True, exist_ok=True)
                # Asked before the lock is taken too, so that a stranger's file gets no companion of ours.
                _must_be_made(path)
                lock = stack.enter_context(_WriterLock(path))
                if _must_be_made(path):
                    _make(path)
                elif is_marked_used(path):
                    _refuse_lost_rows(path)
                connection = stack.enter_context(closing(_connect(path)))
                lock.name_holder()
                if _has_rows(connection):
                    lock.mark_used()
                self._stack = stack.pop_all()
                self._connection = connection
                self._lock = lock
                self._boot_id = boot_id

    def append(self, event: Event) -> dict[str, Any]:
        """Write one event down for good and return it as its public record.

        The record holds `schema`, `event_id`, `boot_id`, `seq`, `type`, `utc`, `t_s` (seconds of the
        source), then the event's body. It is a copy: changing it changes nothing in the book.

        Raises: LedgerError if the event is not sound (then nothing was written) or could not be made
            durable; it has no number then, and the next event that succeeds takes the one it would have had.
        """
        with self._mutex:
            if self._connection is None or self._lock is None:
                raise LedgerError(f"ledger {self._path} is not open; call open() first")
            with translated("append to", self._path):
                record = _append(self._connection, event, self.boot_id, self._utc_now())
            self._lock.mark_used()
            return record

    def close(self) -> None:
        """Give the file back; may be called twice, also on a ledger that was never opened."""
        with self._mutex:
            self._connection = self._lock = None
            with translated("close", self._path):
                self._stack.pop_all().close()


class _WriterLock:
    """An advisory lock on `<path>.lock` that the kernel drops when the process dies.

    The file stays behind, holding the id of its last holder's process and a mark from the first event on: to
    remove it would let two writers lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_marked = False

    def __enter__(self) -> "_WriterLock":
        self._fd = os.open(sidecar(self._path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(self._fd, HOLDER_BYTES, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise LedgerError(
                f"ledger {self._path} is being written by process {holder or '(starting)'}; "
                "stop that sorter or name another file"
            ) from exc
        except OSError:
            os.close(self._fd)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def name_holder(self) -> None:
        """Write this process's id into the file, for whoever is refused."""
        os.pwrite(self._fd, f"{os.getpid():<{HOLDER_BYTES - 1}}\n".encode("ascii"), 0)

    def mark_used(self) -> None:
        """Note for good that the book has rows. A mark that fails is tried again: the event itself is durable."""
        if not self._is_marked:
            with suppress(OSError):
                os.pwrite(self._fd, f"{USED_MARK}\n".encode("ascii"), HOLDER_BYTES)
                self._is_marked = True


def _must_be_made(path: Path) -> bool:
    """True if there is no ledger yet.

    Raises: LedgerError if something else is there, or if there was a ledger and it is gone.
    """
    if path.exists() and (not path.is_file() or path.stat().st_size > 0):
        check_path(path)
        check_identity(path)
        return False
    # Making a new file beside an old log would replay that log into it. And a ledger is never empty once
    # the lock file has named a holder: its events were lost, which must not pass for a fresh start.
    for trace in (sidecar(path, "-wal"), sidecar(path, ".lock") if path.exists() else None):
        if trace is not None and has_bytes(trace):
            state = "is empty" if path.exists() else "is missing"
            raise LedgerError(
                f"ledger {path} {state} but {trace.name} shows that it had been in use; "
                "restore it, or move both away to begin anew"
            )
    return True


def _refuse_lost_rows(path: Path) -> None:
    """Refuse a book whose rows were lost. Raises: LedgerError."""
    # Through a reading connection: a writing one would clear away the log, and with it the last trace, as it closes.
    query = "mode=ro" if sidecar(path, "-wal").exists() else "mode=ro&immutable=1"
    with closing(sqlite3.connect(database_uri(path, query), uri=True)) as connection:
        if not _has_rows(connection):
            raise LedgerError(
                f"ledger {path} has no rows but {path.name}.lock shows that it had some; "
                "restore a copy, or move both away to begin anew"
            )


def _has_rows(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is not None


def _make(path: Path) -> None:
    """Build an empty ledger aside and rename it into place: a power cut leaves all of it or none."""
    fresh = sidecar(path, ".new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        sidecar(fresh, suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
        connection.executescript(f"BEGIN;{CREATE}COMMIT;")
        connection.execute("PRAGMA journal_mode = WAL")
    _sync(fresh)
    fresh.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _connect(path: Path) -> sqlite3.Connection:
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
        # SQLite falls back to reading where it may not write: better known now than at the first item.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def _append(connection: sqlite3.Connection, event: Event, boot_id: str, utc: str) -> dict[str, Any]:
    taken = [name for name in BASE_FIELDS if name in event.body]
    if taken:
        raise LedgerError(f"{event.type} event refused: its body has `{taken[0]}`, which the ledger gives")
    try:
        connection.execute("BEGIN IMMEDIATE")
        # The book itself says which number is next: no counter can drift from it, whatever interrupts.
        seq = connection.execute(
            "SELECT coalesce(max(seq), 0) + 1 FROM events WHERE boot_id = ?", (boot_id,)
        ).fetchone()[0]
        record, line = _compose(event, boot_id, seq, utc)
        columns = [record.get(name) for name in ("type", "utc", "t_s", "label", "route", "decision")]
        connection.execute(_INSERT, (boot_id, seq, *columns, line))
        connection.execute("COMMIT")
    except BaseException:
        # Also on KeyboardInterrupt: no half transaction may stay behind. Some errors roll back by themselves.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return record


def _compose(event: Event, boot_id: str, seq: int, utc: str) -> tuple[dict[str, Any], str]:
    """The public record and its line of JSON. Raises: LedgerError if the event is not sound."""
    try:
        line = encode_record(
            {
                "schema": EVENT_SCHEMA,
                "event_id": f"{boot_id}-{seq}",
                "boot_id": boot_id,
                "seq": seq,
                "type": event.type,
                "utc": utc,
                "t_s": float(event.t_s),
                **event.body,
            }
        )
    except (ValueError, TypeError, RecursionError) as exc:
        raise LedgerError(f"{event.type} event refused: it is not plain JSON ({exc}); mend the sender") from exc
    # Parsed back, so that the caller holds what is stored and nothing that is shared with the event.
    record: dict[str, Any] = json.loads(line)
    faults = describe_faults(record)
    if faults:
        raise LedgerError(f"{event.type} event refused: {', '.join(faults)}; mend the sender")
    return record, line
