"""The event book: an append-only SQLite file that outlives a pulled plug."""

import json
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edge import clock
from edge.errors import LedgerError
from edge.ledger_entries import (
    Position,
    append_event,
    intend_item,
    known_seq,
    last_position,
    open_intent,
    settles,
)
from edge.ledger_files import finish_replacement, next_name, prepare_replacement
from edge.ledger_format import archive_dir, translated
from edge.ledger_lock import WriterLock
from edge.ledger_opening import WhenDamaged, connect, leave_log, open_sound, refuse_stranger, resume_log
from edge.records import Event

__all__ = ["SqliteLedger"]

ROTATION_PAUSE_S = 60.0
"""A rotation that a reader or a full disk prevented is tried again after so long."""


class SqliteLedger:
    """The one writer of a ledger file (`ports.Ledger`); safe to share between threads.

    An event that `append` returned is on the disk: write-ahead log, `synchronous=FULL`. Within a boot,
    numbers run from 1 without a gap, over as many files as it takes. If power fails in the middle of an append, or the
    disk fails while it commits, the event may be found afterwards although it was never returned; no event is found
    twice. Rows that are taken from the very end of a book, as by losing its `-wal` file, cannot be missed by looking at
    the book: each opening folds the log into the main file, so that only the rows of the current run are at risk.

    A file that grew to `rotate_bytes` goes to `archive/` beside it, and a new one goes on (docs/ledger.md).

    Args:
        path: the database; it and its folders are made if they are missing.
        boot_id: letters and digits that name this run; None draws 12 hex digits at the first opening. A boot
            that the file knows already, and one that is opened again, goes on with its next number.
        utc_now: wall-clock time to write down, as `clock.utc_now`.
        rotate_bytes: None never rotates.
        when_damaged: what `open` does about a book that is damaged or lost: `set_aside` begins a new one and has
            `findings`, `stop` raises.
    """

    def __init__(
        self,
        path: Path,
        *,
        boot_id: str | None = None,
        utc_now: Callable[[], str] = clock.utc_now,
        rotate_bytes: int | None = None,
        when_damaged: WhenDamaged = "stop",
    ) -> None:
        self._path = path
        self._file = path
        self._wanted_boot_id = boot_id
        self._utc_now = utc_now
        self._rotate_bytes = rotate_bytes
        self._when_damaged: WhenDamaged = when_damaged
        self._boot_id: str | None = None
        self._book_id = ""
        self._end = Position()
        self._seq_before = 0
        self._open_intent: Mapping[str, Any] | None = None
        self._findings: tuple[Event, ...] = ()
        self._connection: sqlite3.Connection | None = None
        self._lock: WriterLock | None = None
        self._stack = ExitStack()
        self._is_sound = False
        self._next_rotation_s = float("-inf")
        self._mutex = threading.Lock()

    @property
    def boot_id(self) -> str:
        """The name of this run. Raises: LedgerError before the first `open`."""
        if self._boot_id is None:
            raise LedgerError(f"ledger {self._path} was never opened; call open() first")
        return self._boot_id

    @property
    def open_intent(self) -> Mapping[str, Any] | None:
        """What was meant to be moved before this opening and never settled; None once an event settled it."""
        return self._open_intent

    @property
    def findings(self) -> tuple[Event, ...]:
        """`fault` events that tell what was wrong with the book, until they are appended."""
        return self._findings

    def open(self) -> None:
        """Become the one writer; make the file if it is missing, recover it if a writer was killed.

        Raises: LedgerError if it has another writer, is not a ledger, is of a newer version, cannot be written, or,
            unless it may be set aside, is damaged or lost its rows; whatever was there is then as it was.
        """
        with self._mutex:
            if self._lock is not None:
                raise LedgerError(f"ledger {self._path} is already open; close it first")
            boot_id = self._boot_id or self._wanted_boot_id or secrets.token_hex(6)
            if not re.fullmatch(r"[0-9A-Za-z]{1,64}", boot_id):
                raise LedgerError(f"boot id {boot_id!r} must be 1 to 64 ASCII letters and digits")
            with ExitStack() as stack, translated("open", self._path):
                # One file, one lock, by whatever name it was called.
                self._file = self._path.resolve()
                self._file.parent.mkdir(parents=True, exist_ok=True)
                refuse_stranger(self._file, self._when_damaged)
                lock = stack.enter_context(WriterLock(self._file))
                self._attach(lock, boot_id)
                self._stack = stack.pop_all()
                self._lock = lock
                self._boot_id = boot_id

    def append(self, event: Event) -> dict[str, Any]:
        """Write one event down for good and return it as its public record.

        The record holds `schema`, `event_id`, `boot_id`, `seq`, `type`, `utc`, `t_s` (seconds of the
        source), then the event's body. It is a copy: changing it changes nothing in the book.

        Raises: LedgerError if the event is not sound (then nothing was written) or could not be made
            durable; it has no number then, and the next event that succeeds takes the one it would have had.
        """
        with self._mutex, self._writing("append to") as (connection, lock):
            reason = event.body.get("reason") if event.type == "fault" else None
            told = reason if any(known.body["reason"] == reason for known in self._findings) else None
            record, self._end = append_event(connection, event, self.boot_id, self._seq_before, self._utc_now(), told)
            lock.mark_used(self._book_id)
            if told is not None:
                self._findings = tuple(known for known in self._findings if known.body["reason"] != told)
            if settles(event):
                self._open_intent = None
            return record

    def intend(self, event: Event) -> None:
        """Write down for good what is about to be moved (`ports.Ledger.intend`).

        Raises: LedgerError if it is not sound, if an earlier one is open, or if it could not be made durable; in the
            last case it may be found afterwards as an item of which nothing is known.
        """
        with self._mutex, self._writing("append to") as (connection, _):
            intend_item(connection, event, self.boot_id, self._utc_now())

    def maintain(self, now_s: float) -> None:
        """Begin a new file if this one is full; one look at its size otherwise. Not while an intent is open.

        A rotation that a reader or a full disk prevents is put off. Raises: LedgerError if it failed half-way; the next
        call of any kind goes on with it.
        """
        with self._mutex, self._writing("rotate") as (connection, _):
            if self._rotate_bytes is None or now_s < self._next_rotation_s:
                return
            if self._file.stat().st_size < self._rotate_bytes or open_intent(connection) is not None:
                return
            self._next_rotation_s = now_s + ROTATION_PAUSE_S
            self._rotate(connection)

    def close(self) -> None:
        """Give the file back; may be called twice, also on a ledger that was never opened."""
        with self._mutex:
            connection, lock = self._connection, self._lock
            self._connection = self._lock = None
            with translated("close", self._path), self._stack.pop_all():
                if connection is not None and lock is not None:
                    connection.close()
                    # After trouble the next opening reads the file through.
                    if self._is_sound:
                        lock.mark_clean()

    @contextmanager
    def _writing(self, action: str) -> Iterator[tuple[sqlite3.Connection, WriterLock]]:
        if self._lock is None:
            raise LedgerError(f"ledger {self._path} is not open; call open() first")
        with translated(action, self._path):
            try:
                if self._connection is None:
                    self._attach(self._lock, self.boot_id)
                assert self._connection is not None
                yield self._connection, self._lock
            except (sqlite3.Error, OSError):
                self._is_sound = False
                raise

    def _attach(self, lock: WriterLock, boot_id: str) -> None:
        """Open the file, and read what the book says of itself."""
        is_new_boot = self._boot_id is None and self._wanted_boot_id is None
        connection = open_sound(self._file, lock, self._when_damaged, self._end)
        try:
            meta = dict(connection.execute("SELECT key, value FROM meta"))
            self._book_id = meta["book_id"]
            self._end = last_position(connection)
            self._seq_before = 0 if is_new_boot else known_seq(connection, boot_id)
            self._open_intent = open_intent(connection)
            told = [json.loads(text) for key, text in meta.items() if key.startswith("finding:")]
            self._findings = tuple(Event("fault", 0.0, body) for body in told)
            if connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is not None:
                lock.mark_used(self._book_id)
        except BaseException:
            connection.close()
            raise
        self._connection, self._is_sound = connection, True

    def _rotate(self, connection: sqlite3.Connection) -> None:
        end = last_position(connection)
        try:
            leave_log(connection)
            target = next_name(self._file, archive_dir(self._file))
            meta = {"after_id": end.row_id, "after_boot_id": end.boot_id, "after_seq": end.seq}
            prepare_replacement(self._file, target, meta)
        except (OSError, sqlite3.Error):
            # The old book goes on; the next append says what is wrong with the disk, if anything is.
            resume_log(connection)
            return
        self._connection = None
        connection.close()
        finish_replacement(self._file)
        self._connection = connect(self._file)
        (self._book_id,) = self._connection.execute("SELECT value FROM meta WHERE key = 'book_id'").fetchone()
