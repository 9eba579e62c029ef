"""Remembers over restarts and power cuts that the emergency stop was pressed and not reset."""

import logging
import os
from pathlib import Path

__all__ = ["StopLatch"]

_log = logging.getLogger(__name__)


class StopLatch:
    """A file that is there from the moment of an emergency stop until the operator resets it.

    A program that ended between release and reset, by whatever fault, must not move anything at its next start.

    Args:
        path: of the file; its folder is that of the ledger.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def is_set(self) -> bool:
        """True if nobody reset the emergency stop; also if that cannot be known."""
        try:
            self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as exc:
            _log.warning("cannot look for %s (%s); taken for an emergency stop that was not reset", self._path, exc)
        return True

    def set(self) -> None:
        """Never raises: what cannot be written is told, and holds as long as the program runs."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("w", encoding="utf-8") as file:
                file.write("The emergency stop was pressed and not reset: press the resume button.\n")
                file.flush()
                os.fsync(file.fileno())
            self._settle()
        except OSError as exc:
            _log.error("cannot keep in %s that the emergency stop was pressed (%s); free some space", self._path, exc)

    def clear(self) -> None:
        """Never raises: what cannot be removed is told, and must be reset again after the next start."""
        try:
            self._path.unlink()
            self._settle()
        except FileNotFoundError:
            # Nothing to wait for a disk for.
            return
        except OSError as exc:
            _log.error("cannot remove %s (%s); the emergency stop must be reset at the next start", self._path, exc)

    def _settle(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
