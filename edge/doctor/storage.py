"""Where the ledger is written: room, file system, and the health of the card as far as it tells."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge.board.sysfiles import number, text
from edge.doctor.findings import Finding, blocker, note, ok, warning
from edge.doctor.machine import Machine

__all__ = ["Mount", "check_storage", "existing_folder", "mount_of"]

LEAST_BYTES = 50 * 10**6
LOW_BYTES = 10**9
LOW_SHARE = 0.10
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")
WORN_LIFE = 9
"""eMMC register: nine tenths of its life are used (JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST); 11 is beyond its life."""
WORN_RESERVE = 2
"""eMMC register: 80 % of the spare blocks are used (PRE_EOL_INFO); 3 is urgent."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A line of `/proc/self/mountinfo`; `device` is `major:minor`."""

    point: str
    device: str
    options: tuple[str, ...]
    kind: str


def existing_folder(path: Path) -> Path:
    """The folder of a file, or the nearest one above it that exists."""
    folder = Path(os.path.abspath(path)).parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder.resolve()


def mount_of(machine: Machine, folder: Path) -> Mount | None:
    """The file system that holds a folder; None if the system does not tell."""
    try:
        lines = machine.at("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found: Mount | None = None
    for mount in filter(None, map(_parse, lines)):
        # Of two at one place the later one hides the earlier.
        holds = folder.is_relative_to(mount.point)
        if holds and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def check_storage(machine: Machine, ledger: Path) -> Iterator[Finding]:
    """Args: ledger: its file, which need not exist."""
    folder = existing_folder(ledger)
    yield _space(machine, folder)
    mount = mount_of(machine, folder)
    if mount is None:
        yield note("storage.filesystem", f"the system does not tell which file system holds {folder}")
        return
    yield _file_system(mount, folder)
    device = machine.at(f"/sys/dev/block/{mount.device}")
    if device.exists():
        device = device.resolve()
        yield from _errors(machine, device.name)
        yield from _card(device.parent if (device / "partition").exists() else device)


def _space(machine: Machine, folder: Path) -> Finding:
    total, _, free = machine.disk(folder)
    found = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free at {folder}"
    remedy = "free space there (sudo apt clean, sudo journalctl --vacuum-size=50M), or set ledger.path to another disk"
    if free < LEAST_BYTES:
        return blocker(
            "storage.space", f"{free / 1e6:.0f} MB are free at {folder}: nothing can be written soon", remedy
        )
    if free < LOW_BYTES or free < LOW_SHARE * total:
        return warning("storage.space", found, remedy)
    return ok("storage.space", found)


def _file_system(mount: Mount, folder: Path) -> Finding:
    found = f"{folder} is on {mount.kind} mounted at {mount.point}"
    if "ro" in mount.options:
        return blocker(
            "storage.filesystem",
            f"{found}, read-only: the ledger cannot be written",
            f"run: sudo mount -o remount,rw {mount.point}; if it went read-only by itself, replace the card",
        )
    if mount.kind in MEMORY_FILE_SYSTEMS:
        return warning(
            "storage.filesystem",
            f"{found}, which is memory: the ledger is lost when power goes",
            "set ledger.path to a folder on a disk or card",
        )
    if mount.kind == "overlay":
        return note(
            "storage.filesystem",
            f"{found}: if its upper layer is memory (raspi-config's overlay), the ledger is lost when power goes",
            "set ledger.path to a folder on a partition that is mounted writable",
        )
    return ok("storage.filesystem", found)


def _errors(machine: Machine, device_name: str) -> Iterator[Finding]:
    count = number(machine.at(f"/sys/fs/ext4/{device_name}/errors_count"))
    if count:
        yield warning(
            "storage.errors",
            f"the file system on {device_name} has recorded {count:.0f} errors since it was last checked",
            "copy the ledger away, check the file system with e2fsck -f, and replace the card if they come again",
        )
    elif count == 0:
        yield ok("storage.errors", f"the file system on {device_name} has recorded no error")


def _card(disk: Path) -> Iterator[Finding]:
    """An eMMC tells how worn it is; an SD card tells only what it is."""
    folder = disk / "device"
    kind = text(folder / "type")
    if kind not in ("SD", "MMC"):
        return
    name = f"{disk.name}, {'SD card' if kind == 'SD' else 'eMMC'} {text(folder / 'name') or 'without a name'}"
    lives = [int(word, 16) for word in (text(folder / "life_time") or "").split() if _is_hex(word)]
    reserve_word = text(folder / "pre_eol_info") or ""
    reserve = int(reserve_word, 16) if _is_hex(reserve_word) else 0
    if not any(lives):
        yield note(
            "storage.card",
            f"{name} of {text(folder / 'date') or 'no date'}, which does not tell how worn it is",
            "keep a copy of the ledger (edge-sorter ledger export), and take a card made for endurance",
        )
    elif max(lives) >= WORN_LIFE or reserve >= WORN_RESERVE:
        yield warning(
            "storage.card", f"{name} is worn: {_life(max(lives))}", "copy the ledger away, and replace it soon"
        )
    else:
        yield ok("storage.card", f"{name}: {_life(max(lives))}")


def _life(register: int) -> str:
    return "it is beyond its life" if register > 10 else f"at most {10 * register} % of its life are used"


def _is_hex(word: str) -> bool:
    return re.fullmatch(r"0x[0-9a-fA-F]{1,4}", word) is not None


def _parse(line: str) -> Mount | None:
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    words = line.split(" ")
    if len(words) < 10 or "-" not in words[6:]:
        return None
    end = words.index("-", 6)
    point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), words[4])
    options = (*words[5].split(","), *words[-1].split(","))
    return Mount(point, words[2], options, words[end + 1])
