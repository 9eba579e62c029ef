"""Reads files that somebody else may have made: never a pipe or a device, never more than was asked for."""

import errno
import os
import stat
from pathlib import Path

__all__ = ["read_whole"]

_STEP = 1 << 20


def read_whole(path: Path, max_bytes: int, *, is_link_allowed: bool = True) -> bytes:
    """The content of a regular file of at most `max_bytes`.

    A pipe would be waited for without an end, and a device such as /dev/zero never ends: both are refused unread.

    Args:
        is_link_allowed: false refuses a name that is itself a symbolic link.
    Raises: OSError, with the reason in `strerror` and the path in `filename`.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        handle = os.open(path, flags if is_link_allowed else flags | os.O_NOFOLLOW)
    except ValueError as exc:
        # A name with a zero byte.
        raise OSError(errno.EINVAL, str(exc), str(path)) from exc
    with os.fdopen(handle, "rb", buffering=0) as file:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe, a socket or a device, no regular file", str(path))
        # Asked for one byte more: the file may grow while it is read.
        content = _read(file.fileno(), status.st_size, max_bytes + 1) if status.st_size <= max_bytes else None
    if content is None or len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than the {_size(max_bytes)} it may have", str(path))
    return content


def _read(handle: int, expected: int, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    # A file that is as large as it says comes in one piece, and is not copied again.
    step = expected + 1
    while left > 0 and (part := os.read(handle, min(left, step))):
        parts.append(part)
        left -= len(part)
        step = _STEP
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
