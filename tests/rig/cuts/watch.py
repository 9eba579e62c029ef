"""Tells when a file is written to, as soon as it is: Linux's inotify, which Python has no module for."""

import ctypes
import os
from pathlib import Path

__all__ = ["Writes"]

IN_MODIFY = 0x2
_libc = ctypes.CDLL(None, use_errno=True)


class Writes:
    """A descriptor that becomes readable when a file is written to. The kernel joins writes that nobody has read."""

    def __init__(self, path: Path) -> None:
        self.fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0 or _libc.inotify_add_watch(self.fd, os.fsencode(path), IN_MODIFY) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {path}")

    def fileno(self) -> int:
        return self.fd

    def drain(self) -> None:
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self.fd)
