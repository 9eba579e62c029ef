"""Where the status files lie. Light: a command that only reads them needs nothing else of this package."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.reading import read_whole

__all__ = [
    "METRICS_NAME",
    "STALE_S",
    "STATUS_LIMIT_BYTES",
    "STATUS_NAME",
    "STATUS_SCHEMA",
    "SUPPLY_LOW",
    "UNIT_FOLDER",
    "is_alive",
    "kernel_boot_id",
    "read_status",
    "runtime_dir",
    "status_places",
    "up_s",
]

STATUS_NAME = "status.json"
METRICS_NAME = "metrics.prom"
UNIT_FOLDER = Path("/run/edge-sorter")
"""`RuntimeDirectory=edge-sorter` of the unit."""
STATUS_SCHEMA = 1
SUPPLY_LOW = "supply_low"
"""Among the `holds`: a motion waits until the supply's voltage is high enough."""
STATUS_LIMIT_BYTES = 1 << 20
STALE_S = 15.0
"""A status that is older, which is three times what it may be, is of a sorter that hangs or is gone."""


def runtime_dir(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Folder for what lasts no longer than this run of the machine; None where nobody made one."""
    # systemd joins several by colons.
    first = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if first:
        return Path(first)
    base = environment.get("XDG_RUNTIME_DIR")
    return Path(base) / "edge-sorter" if base else None


def status_places(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Folders in which a reader looks for the status, best first: the service's own comes before the user's."""
    own = runtime_dir(environment)
    is_service = bool(environment.get("RUNTIME_DIRECTORY"))
    places = (own, UNIT_FOLDER) if is_service else (UNIT_FOLDER, own)
    return tuple(dict.fromkeys(place for place in places if place is not None))


def read_status(places: Iterable[Path]) -> tuple[Path, dict[str, Any]] | None:
    """The status that tells most, and where it lies: the first one whose process still runs, else the first one that
    can be read; None if there is none. A service that ended does not hide a run of the user's own.
    """
    found = list(_statuses(places))
    running = (one for one in found if _is_running(one[1]))
    return next(running, found[0] if found else None)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, of whichever user."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # Another user's.
        return True
    return True


def _is_running(fields: Mapping[str, Any]) -> bool:
    pid = fields.get("pid")
    is_of_now = not fields.get("ended") and fields.get("kernel_boot_id") == kernel_boot_id()
    return is_of_now and isinstance(pid, int) and pid > 0 and is_alive(pid)


def _statuses(places: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for place in places:
        try:
            fields = json.loads(read_whole(place / STATUS_NAME, STATUS_LIMIT_BYTES))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(fields, dict) and fields.get("schema") == STATUS_SCHEMA:
            yield place / STATUS_NAME, fields


def up_s() -> float:
    """Seconds since the kernel started, the same for every process, on a clock that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def kernel_boot_id() -> str:
    """Names this run of the kernel; empty where that cannot be known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
