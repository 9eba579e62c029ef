"""Ledgers of any size, made in one transaction, and a disk to lay them on."""

import os
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.ledger_format import CREATE, encode_record
from edge.records import EVENT_SCHEMA

__all__ = ["BOOT_EVENTS", "BYTES_A_ROW", "build_book", "filesystem", "forget_pages", "item_body", "real_disk"]

BYTES_A_ROW = 1000
"""More than a row takes, with its part of both indexes."""
BOOT_EVENTS = 1000
"""Events from one start to the next: its boot, and a day's items."""
START_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
ITEM_S = 30.0
BODIES = 256
_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs", "overlay")
"""The last one may be: a Raspberry Pi whose card is protected writes to memory."""
_INSERT = """
INSERT INTO events (boot_id, seq, type, utc, t_s, label, route, decision, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def item_body(config: Config, rng: random.Random) -> dict[str, Any]:
    """The body of an item event as the sorter writes it, with figures drawn from `rng`."""
    label = rng.choice(list(config.routes))
    is_sure = rng.random() < 0.95
    route = config.routes[label] if is_sure else config.uncertain_route
    decide_ms, gate_ms = round(rng.uniform(150, 400), 1), round(rng.uniform(1500, 1700), 1)
    return {
        "label": label,
        "route": route,
        "decision": "confident" if is_sure else "uncertain",
        "confidence": round(rng.uniform(0.8, 1.0), 4),
        "margin": round(rng.uniform(0.6, 1.0), 4),
        "votes": {name: 3 * (name == route) for name in config.bin_names},
        "frames": 3,
        "latency_ms": {
            "settle": round(rng.uniform(200, 500), 1),
            "classify": round(rng.uniform(5, 60), 1),
            "decide": decide_ms,
            "gate": gate_ms,
            "total": round(decide_ms + gate_ms, 1),
        },
        "gate": {"commanded_deg": 140.0, "duration_s": round(gate_ms / 1000, 3), "confirmed": None, "retries": 0},
        "model": {"name": "waste-mobilenetv2", "version": "0.0.0", "sha256": "0" * 64},
    }


def build_book(path: Path, rows: int, config: Config) -> None:
    """Make a sound ledger of so many events, which `edge-sorter ledger verify` finds clean.

    Without a log and without waiting for the disk: if it is interrupted, the file is of no use.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.executescript(CREATE)
        db.execute("BEGIN")
        db.executemany(_INSERT, _rows(rows, config))
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
    forget_pages(path)


def forget_pages(path: Path) -> None:
    """Write a file to the disk and let the system forget it, as after a start of the machine.

    For a file that this process has not open with SQLite: closing it here would drop its locks.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def filesystem(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Type of the file system that a folder lies on, such as `ext4`; None if the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    target = folder.resolve()
    found: Mapping[Path, str] = {
        Path(point): kind for line in lines if (mount := _mount(line)) is not None for point, kind in [mount]
    }
    return next((found[place] for place in (target, *target.parents) if place in found), None)


def real_disk(config: Config, kind_of: Callable[[Path], str | None] = filesystem) -> Path:
    """The folder for measurements that wait for a disk: beside the configured ledger, else the first on a real disk.

    Args:
        kind_of: type of the file system of a folder.
    """
    # Only a parent: the folder itself is made by `tempfile`.
    candidates = [Path("/var/tmp"), Path(tempfile.gettempdir()), Path.cwd()]  # noqa: S108 - see above
    if config.ledger.path is not None:
        candidates.insert(0, Path(config.ledger.path).absolute().parent)
    usable = [folder for folder in candidates if os.access(folder, os.W_OK)]
    return next((folder for folder in usable if kind_of(folder) not in _IN_MEMORY), usable[0] if usable else Path.cwd())


def _mount(line: str) -> tuple[str, str] | None:
    # "36 35 98:0 /root /mount/point options optional... - ext4 /dev/root options"
    front, separator, back = line.partition(" - ")
    words = front.split()
    if not separator or len(words) < 5 or not back.split():
        return None
    return words[4].replace("\\040", " "), back.split()[0]


def _rows(rows: int, config: Config) -> Iterator[tuple[Any, ...]]:
    rng = random.Random(1)  # noqa: S311 - the same rows at every measurement
    # The bodies are drawn beforehand: ten million of them one by one would take longer than the database.
    bodies = [(body, encode_record(body)[1:-1]) for body in (item_body(config, rng) for _ in range(BODIES))]
    boot = encode_record({"version": "0.0.0", "source": "growth"})[1:-1]
    for row in range(rows):
        number, before = divmod(row, BOOT_EVENTS)
        boot_id, seq, t_s = f"{number:012x}", before + 1, ITEM_S * before
        utc = datetime.fromtimestamp(START_S + ITEM_S * row, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        fields: Mapping[str, Any] = {}
        kind, line = "boot", boot
        if before:
            kind, (fields, line) = "item", bodies[row % BODIES]
        record = (
            f'{{"schema":{EVENT_SCHEMA},"event_id":"{boot_id}-{seq}","boot_id":"{boot_id}","seq":{seq},'
            f'"type":"{kind}","utc":"{utc}","t_s":{t_s},{line}}}'
        )
        columns = (fields.get("label"), fields.get("route"), fields.get("decision"))
        yield (boot_id, seq, kind, utc, t_s, *columns, record)
