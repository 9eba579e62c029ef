"""Who holds a line of a GPIO chip, from the kernel itself. Nothing is claimed, nothing moves, no level changes."""

import fcntl
import os
import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["Line", "read_line"]

# linux/gpio.h: struct gpio_v2_line_info, and its ioctl of Linux 5.10 and later.
_LINE_INFO = struct.Struct("32s32sIIQ")
_LINE_INFO_BYTES = 256
_GET_LINE_INFO = 0xC100B405
_USED = 1 << 0


class Line(NamedTuple):
    """A line of a chip.

    Attributes:
        is_used: somebody holds it, in the kernel or a program.
        consumer: the holder's name for itself; empty if it gave none.
    """

    is_used: bool
    consumer: str


def read_line(device: Path, offset: int) -> Line:
    """A line of a `/dev/gpiochip*`. Raises: OSError if it may not be opened, is no chip, or has no such line."""
    answer = bytearray(_LINE_INFO_BYTES)
    _LINE_INFO.pack_into(answer, 0, b"", b"", offset, 0, 0)
    descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _GET_LINE_INFO, answer)
    finally:
        os.close(descriptor)
    _, consumer, _, _, flags = _LINE_INFO.unpack_from(answer)
    return Line(bool(flags & _USED), consumer.partition(b"\0")[0].decode("utf-8", "replace"))
