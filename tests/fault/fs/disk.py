"""Mounts a recorded disk, cuts its power, and looks at what may be left of it."""

import ctypes
import functools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import edge
from tests.fault.fs.platter import FAULTS_BYTES, MARK, Op, read_log

__all__ = ["RecordedDisk", "can_mount_recorded", "recorded_disk", "scratch"]

ROOT = Path(edge.__file__).parents[1]
START_LIMIT_S = 20.0


class RecordedDisk:
    """A mounted disk in memory; everything that happens to it stands in a log.

    Attributes:
        path: where it is mounted.
        content: what it held when it was mounted.
    """

    def __init__(self, folder: Path, content: Path) -> None:
        self.path = folder / "mount"
        self.content = content
        self._log = folder / "log"
        self._faults = folder / "faults"
        self.path.mkdir()
        self._faults.write_bytes(bytes(FAULTS_BYTES))
        arguments = (self.content, self._log, self._faults, self.path)
        self._said = (folder / "said").open("wb")
        self._daemon = subprocess.Popen(
            [sys.executable, "-m", "tests.fault.fs.daemon", *map(str, arguments)],
            cwd=ROOT,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        limit_s = time.monotonic() + START_LIMIT_S
        while not os.path.ismount(self.path):
            if self._daemon.poll() is not None or time.monotonic() > limit_s:
                self._daemon.kill()
                self._daemon.wait()
                raise RuntimeError(f"no recorded disk: {(folder / 'said').read_text()}")
            time.sleep(0.005)

    def fail(self, **said: Any) -> None:
        """Let operations fail from now on, until `heal`; the keys are those of `daemon._Faults`."""
        self._faults_are(json.dumps(said).encode())

    def heal(self) -> None:
        self._faults_are(b"")

    def _faults_are(self, raw: bytes) -> None:
        handle = os.open(self._faults, os.O_WRONLY)
        try:
            os.pwrite(handle, raw.ljust(FAULTS_BYTES), 0)
        finally:
            os.close(handle)

    def cut(self) -> None:
        """The power fails: from now on nothing reaches the disk, and whoever uses it gets errors."""
        self._daemon.kill()
        self._daemon.wait()
        ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(self.path), 2)
        self._said.close()

    def operations(self) -> Iterator[Op]:
        """What has happened to it so far."""
        return read_log(self._log)

    def mark(self, text: str) -> None:
        """Leave a mark in the log."""
        os.path.exists(self.path / f"{MARK}{text}")


@functools.cache
def can_mount_recorded() -> str | None:
    """None where a disk can be mounted, else why not."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "no /dev/fuse that may be used"
    try:
        with scratch() as folder, recorded_disk(folder):
            return None
    except (RuntimeError, OSError) as exc:
        return f"{exc}".strip() or type(exc).__name__


@contextmanager
def recorded_disk(folder: Path, content: Path | None = None) -> Iterator[RecordedDisk]:
    """A disk that is gone afterwards.

    Args:
        folder: for its log and its mount point; it must exist.
        content: a folder with what the disk holds; None: nothing.
    """
    place = Path(tempfile.mkdtemp(dir=folder))
    if content is None:
        content = place / "empty"
        content.mkdir()
    disk = RecordedDisk(place, content)
    try:
        yield disk
    finally:
        disk.cut()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one, so that a thousand states of a disk cost no disk."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="edge-sorter-fault-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def draw_for(*names: Any) -> random.Random:
    """A generator of its own for each trial, so that one can be repeated alone."""
    return random.Random("/".join(map(str, names)))
