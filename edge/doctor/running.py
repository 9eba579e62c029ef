"""Whether a sorter is at work on this ledger. It then holds camera and pins too, and none of that is a fault."""

import os
from pathlib import Path

from edge.board.sysfiles import text, whole
from edge.doctor.machine import Machine
from edge.ledger_format import sidecar

__all__ = ["running_sorter"]


def running_sorter(machine: Machine, ledger: Path) -> int | None:
    """The process that writes the ledger; None if there is none.

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
            return holder
    return None
