"""Whether a sorter, or a calibration, holds this ledger's lock: then camera and pins are its, and that is no fault."""

import os
from collections.abc import Iterator
from pathlib import Path

from edge.board.processes import Program, program_of, programs
from edge.board.sysfiles import text, whole
from edge.config import Config
from edge.doctor.findings import Finding, note
from edge.doctor.machine import Machine
from edge.ledger_format import sidecar

__all__ = ["other_sorters", "running_sorter"]


def running_sorter(machine: Machine, ledger: Path) -> Program | None:
    """The process that holds the ledger; None if there is none.

    The kernel's list of locks is read: to try the lock itself could refuse a sorter that starts at that moment.
    """
    lock = sidecar(ledger.resolve(), ".lock")
    try:
        found = lock.stat()
        lines = machine.at("/proc/locks").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    inode = str(found.st_ino)
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    named = whole((text(lock) or "").strip())
    for line in lines:
        # 1: FLOCK  ADVISORY  WRITE 1234 b3:02:5678 0 EOF; who only waits for a lock has an arrow before its kind.
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK" or words[3] != "WRITE":
            continue
        holder, (held_device, _, held_inode) = whole(words[4]), words[5].rpartition(":")
        # Some file systems give programs another device number than the kernel's own.
        if held_inode == inode and (held_device == device or holder == named):
            return None if holder is None else program_of(holder, machine.root)
    return None


def other_sorters(machine: Machine, config: Config, sorter: Program | None) -> Iterator[Finding]:
    """Sorters with another ledger, such as that of another user, which may use the same camera and pins."""
    if config.pins.factory == "mock":
        return
    for program in programs(machine.root):
        if program.command == "run" and (sorter is None or program.pid != sorter.pid):
            yield note(
                "ledger.others",
                f"{program} sorts with another ledger; what is held below may be held by it",
                "end it, or run doctor with its configuration",
            )
