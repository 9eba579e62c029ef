"""Disks that are full and folders that nobody may write to, with mounts and without."""

import ctypes
import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@functools.cache
def can_mount() -> bool:
    """True where a private mount namespace is to be had, as root or in a user namespace."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", folder]
        try:
            return subprocess.run(command, capture_output=True).returncode == 0
        except FileNotFoundError:
            return False


def unwritable_paths(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Places of a ledger that refuse even root, and the reason that is given."""
    (tmp_path / "file").touch()
    yield tmp_path / "file" / "ledger.db", "a part of its path is a file"
    yield tmp_path / "file" / "deeper" / "ledger.db", "a part of its path is a file"
    yield Path("/proc/ledger.db"), "check"


@contextmanager
def sealed(folder: Path) -> Iterator[None]:
    """This thread may read the folder and its files and write none of them.

    Root opens files as nobody meanwhile, since modes do not bind root; others take their own permission away.
    """
    entries = [folder, *folder.iterdir()]
    modes = {entry: entry.stat().st_mode for entry in entries}
    for entry in entries:
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    as_user = ctypes.CDLL(None).setfsuid
    was = as_user(NOBODY) if os.geteuid() == 0 else None
    try:
        yield
    finally:
        if was is not None:
            as_user(was)
        for entry, mode in modes.items():
            entry.chmod(mode)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
