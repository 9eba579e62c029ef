"""The file beside the event book that says who writes it, whether it has rows, and whether it was closed cleanly."""

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from edge.errors import LedgerError
from edge.ledger_format import sidecar

__all__ = ["WriterLock", "lost_rows", "used_book"]

HOLDER_BYTES = 11
"""Length of the first line, the id of a process."""

FILE_BYTES = 160
"""All of it, written at once and well inside a sector: a power cut leaves the old marks or the new ones."""

_USED = re.compile(r"^has held events(?: in ([0-9a-f]+))?\s*$", re.MULTILINE)
_CLEAN = re.compile(r"^closed cleanly (\d+) (\d+)\s*$", re.MULTILINE)


class WriterLock:
    """An advisory lock on `<path>.lock` that the kernel drops when the process dies.

    The file stays behind: to remove it would let two writers lock two files of one name. A book counts as closed
    cleanly only if the mark says so, and names the very file that is there; the mark is taken away, for good, before
    anything is written.

    Attributes:
        used_in: id of the book that has rows for certain; empty if an earlier version of the program did not say
            which; None if none has.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.used_in: str | None = None
        self._clean: tuple[int, int] | None = None

    def __enter__(self) -> "WriterLock":
        self._fd = os.open(sidecar(self._path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            text = os.pread(self._fd, FILE_BYTES, 0).decode("ascii", "replace")
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
        self.used_in = _used_in(text)
        found = _CLEAN.search(text)
        self._clean = (int(found[1]), int(found[2])) if found else None
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    @property
    def proves_clean(self) -> bool:
        """True if the file that is there now was closed by a writer that had no trouble with it. Raises: OSError."""
        return self._clean == _identity(self._path) and not sidecar(self._path, "-wal").exists()

    def begin(self) -> None:
        """Name this process as the writer, and take the mark of a clean end away. Raises: OSError."""
        self._clean = None
        self._write()
        os.fsync(self._fd)

    def mark_used(self, book_id: str) -> None:
        """Note that the book has rows. A mark that fails is tried again: the event itself is durable."""
        if self.used_in != book_id:
            before, self.used_in = self.used_in, book_id
            try:
                self._write()
            except OSError:
                self.used_in = before

    def mark_clean(self) -> None:
        """Note that the book was closed in good order, once all of it is on the disk; else it is checked."""
        with suppress(OSError):
            self._clean = _identity(self._path)
            self._write()
            os.fsync(self._fd)

    def _write(self) -> None:
        lines = [f"{os.getpid():<{HOLDER_BYTES - 1}}"]
        if self.used_in is not None:
            lines.append(f"has held events in {self.used_in}" if self.used_in else "has held events")
        if self._clean is not None:
            lines.append("closed cleanly {} {}".format(*self._clean))
        text = "\n".join(lines) + "\n"
        os.pwrite(self._fd, f"{text:<{FILE_BYTES - 1}}\n".encode("ascii"), 0)


def used_book(path: Path) -> str | None:
    """`WriterLock.used_in` of the book at `path`, for a reader. Raises: OSError."""
    try:
        return _used_in(sidecar(path.resolve(), ".lock").read_text("ascii", "replace"))
    except FileNotFoundError:
        return None


def lost_rows(used_in: str | None, book_id: str, *, is_first: bool) -> bool:
    """True if a book without rows has lost them.

    Args:
        is_first: no book came before it, so that a mark that names none means this one.
    """
    return used_in == book_id or (used_in == "" and is_first)


def _used_in(text: str) -> str | None:
    found = _USED.search(text)
    return None if found is None else found[1] or ""


def _identity(path: Path) -> tuple[int, int]:
    # The time is compared only, never computed with: another file, or one that a stranger wrote to, is no proof.
    status = path.stat()
    return status.st_size, status.st_mtime_ns
