"""Room on the disk: how much there is, and a reserve that is given up when the event book needs it."""

import errno
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

__all__ = ["FULL", "Give", "Reserve", "free_bytes", "unused_bytes"]

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a write fails with on a disk that is full."""
RESERVE_NAME = "reserve"
SHED_BYTES = 8 << 20
"""What the event book needs to go on for a while: its log grows to 4 MiB, and is then copied into the book."""
_MARK = b"edge-sorter: room that is kept for the event book of a full disk; it is made anew when it was removed\n"
_log = logging.getLogger(__name__)

FRUITLESS = 2
"""What one gave up so often without any room coming of it goes on elsewhere: on another disk, or held by a reader."""


class Give(Protocol):
    """Gives up what it has on the disk of a folder. It must not raise."""

    def __call__(self, need_bytes: int, folder: Path, /) -> int:
        """Returns: how many bytes of that disk it gave up."""
        ...


def free_bytes(folder: Path) -> int:
    """What this user may still write to the disk of a folder. Raises: OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def unused_bytes(folder: Path) -> int:
    """What nobody uses of the disk of a folder, also where only root may write to it. Raises: OSError."""
    found = os.statvfs(folder)
    return found.f_bfree * found.f_frsize


class Reserve:
    """Room for the event book on a disk that others fill: pictures go first, then what waits for the network, then a
    file that was made for this. Never a row of the book.

    None of its methods raises: without a reserve the sorter sorts as well, until the disk is full.

    Args:
        folder: of the event book; the file is `reserve` in it.
        ballast_bytes: size of the file; 0: none.
        keep_free_bytes: the file is made only where so much is free beside it.
        images: gives pictures up.
        backlog: give up what is kept for later, in this order.
    """

    def __init__(
        self,
        folder: Path,
        ballast_bytes: int,
        keep_free_bytes: int = SHED_BYTES,
        *,
        images: Give | None = None,
        backlog: tuple[Give, ...] = (),
    ) -> None:
        self._path = folder / RESERVE_NAME
        self._ballast_bytes = ballast_bytes
        self._keep_free_bytes = keep_free_bytes
        self._gives = (*(() if images is None else (images,)), *backlog)
        self._is_told = False

    @property
    def is_whole(self) -> bool:
        """The file holds all the room that it should."""
        return self._held_bytes() >= self._ballast_bytes

    def shed(self) -> bool:
        """Give up what the event book needs to go on; to be called again where that was not enough.

        Returns: whether anything was given up.
        """
        freed_bytes = 0
        for give in (*self._gives, self._drop):
            fruitless = 0
            # What root may fill is no longer there for others: freed room may stay out of their reach at first.
            while fruitless < FRUITLESS and not self._has_enough(freed_bytes):
                unused = self._unused()
                given = give(SHED_BYTES, self._path.parent)
                if given <= 0:
                    break
                freed_bytes += given
                fruitless += self._unused() <= unused
        if freed_bytes:
            _log.warning("the disk is full: gave up %.1f MB for the event book", freed_bytes / 1e6)
        return freed_bytes > 0

    def refill(self) -> bool:
        """Make the file where there is room for it again. Returns: whether it is whole now."""
        try:
            return self._refill()
        except OSError as exc:
            self._tell(f"cannot be made ({exc.strerror or exc})")
            return False

    def _refill(self) -> bool:
        held_bytes = self._held_bytes()
        if held_bytes >= self._ballast_bytes:
            return True
        if os.path.lexists(self._path) and not self._is_ours():
            self._tell("is another file, which is left alone; move it away")
            return False
        if free_bytes(self._path.parent) < self._ballast_bytes - held_bytes + self._keep_free_bytes:
            return False
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(handle, _MARK, 0)
            os.posix_fallocate(handle, 0, self._ballast_bytes)
            os.fsync(handle)
        finally:
            os.close(handle)
        self._is_told = False
        return True

    def _has_enough(self, freed_bytes: int) -> bool:
        # A quota is in no figure of the disk: what was given up counts, too.
        try:
            return freed_bytes >= SHED_BYTES and free_bytes(self._path.parent) >= SHED_BYTES
        except OSError:
            return freed_bytes >= SHED_BYTES

    def _unused(self) -> int:
        try:
            return unused_bytes(self._path.parent)
        except OSError:
            return 0

    def _drop(self, need_bytes: int, folder: Path) -> int:
        """Remove the file, whole."""
        held_bytes = self._held_bytes()
        if not held_bytes:
            return 0
        try:
            self._path.unlink()
        except OSError as exc:
            # Some file systems need room to remove a file, and none to shorten one.
            with suppress(OSError):
                os.truncate(self._path, len(_MARK))
                return held_bytes
            self._tell(f"cannot be given up ({exc.strerror})")
            return 0
        return held_bytes

    def _held_bytes(self) -> int:
        """Room on the disk that the file holds; 0 where there is none of ours."""
        try:
            status = self._path.lstat()
        except OSError:
            return 0
        # Some file systems count no blocks.
        return (status.st_blocks * 512 or status.st_size) if self._is_ours() else 0

    def _is_ours(self) -> bool:
        """Regular, and begun by this program: a file that happens to have the name is never removed."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            status = os.fstat(handle)
            # A power cut may have left it empty, or full of zeros.
            marks = (_MARK, b"", bytes(len(_MARK)))
            return stat.S_ISREG(status.st_mode) and os.pread(handle, len(_MARK), 0) in marks
        finally:
            os.close(handle)

    def _tell(self, what: str) -> None:
        if not self._is_told:
            self._is_told = True
            _log.warning("the reserve %s %s; the event book has no reserve on this disk", self._path, what)
