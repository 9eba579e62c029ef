"""The machine as doctor sees it: one seam, so that every finding can be shown on a made-up machine."""

import ctypes
import getpass
import grp
import importlib.util
import os
import shutil
import struct
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.board.gpiochip import Line, read_line
from edge.board.sysfiles import ROOT, Run, run_command
from edge.board.video import VideoNode, read_video_node
from edge.config import Config
from edge.drivers import open_pins, open_source
from edge.pins import PinFactory
from edge.pins.chips import ReadLabel, read_label
from edge.ports import Source

__all__ = ["Machine", "User", "is_kernel_clock_synchronized", "this_user"]

_STA_UNSYNC = 0x40
_TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class User:
    """Who runs doctor.

    Attributes:
        groups: that this process is in.
        listed_in: groups that name the user; one that is not in `groups` was joined after the login.
    """

    name: str
    is_root: bool
    groups: frozenset[str]
    listed_in: frozenset[str]


def this_user() -> User:
    """The user of this process."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    known = {entry.gr_gid: entry for entry in grp.getgrall()}
    gids = {*os.getgroups(), os.getegid()}
    return User(
        name=name,
        is_root=os.geteuid() == 0,
        groups=frozenset(known[gid].gr_name for gid in gids if gid in known),
        listed_in=frozenset(entry.gr_name for entry in known.values() if name in entry.gr_mem),
    )


class _Timex(ctypes.Structure):
    # sys/timex.h; only its beginning is looked at, and the rest is room for every libc.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def is_kernel_clock_synchronized() -> bool | None:
    """True if something disciplines the kernel's clock (adjtimex(2), as `timedatectl` asks); None if it is not told."""
    try:
        asked = _Timex()
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR and not asked.status & _STA_UNSYNC


def _open_camera(config: Config) -> AbstractContextManager[tuple[Source, Any]]:
    return open_source(config, None, lambda: None)


@dataclass(frozen=True, slots=True)
class Machine:
    """How doctor looks at things. The defaults are the machine it runs on.

    Attributes:
        root: what stands for `/`, where the kernel's files and the system's are read.
        run: runs a command, such as `vcgencmd`.
        user: who asks.
        may: like `os.access`.
        has_module: whether a Python module is installed.
        pointer_bits: 32 where the programs are, whatever the kernel is.
        python: major and minor version.
        year: of the wall clock, UTC.
        is_clock_synchronized: by the kernel; None if it is not told.
        disk: total, used and free bytes of the file system that holds a folder.
        chip_label, line: label of a GPIO chip, and a line of it; OSError if it cannot be asked.
        video_node: a video device; OSError if it cannot be asked.
        open_pins: the pin factory of a configuration. No pin of it is claimed.
        open_camera: the camera of a configuration, as the sorter opens it.
        clock_s: seconds of a clock that only moves forward, by which inferences are timed.
    """

    root: Path = ROOT
    run: Run = run_command
    user: User = field(default_factory=this_user)
    may: Callable[[Path, int], bool] = os.access
    has_module: Callable[[str], bool] = lambda name: importlib.util.find_spec(name) is not None
    pointer_bits: int = 8 * struct.calcsize("P")
    python: tuple[int, int] = sys.version_info[:2]
    year: Callable[[], int] = lambda: datetime.now(UTC).year
    is_clock_synchronized: Callable[[], bool | None] = is_kernel_clock_synchronized
    disk: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
    chip_label: ReadLabel = read_label
    line: Callable[[Path, int], Line] = read_line
    video_node: Callable[[Path], VideoNode] = read_video_node
    open_pins: Callable[[Config], AbstractContextManager[PinFactory]] = open_pins
    open_camera: Callable[[Config], AbstractContextManager[tuple[Source, Any]]] = _open_camera
    clock_s: Callable[[], float] = time.perf_counter

    def at(self, path: str | Path) -> Path:
        """An absolute path of the system below `root`."""
        return self.root / str(path).lstrip("/")

    def may_use(self, device: Path) -> bool:
        """Whether this user may read and write it."""
        return self.may(device, os.R_OK | os.W_OK)

    def joining(self, group: str) -> str:
        """What to do so that this user is in a group."""
        if group in self.user.listed_in and group not in self.user.groups:
            return f"log out and in again: {self.user.name} joined group {group} after this login"
        return f"run: sudo adduser {self.user.name} {group}; then log in again"
