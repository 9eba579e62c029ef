"""What a disk holds after a power cut: a log of file operations, and every state in which it may be found.

The rules are those of a careful file system on an honest disk, and no kinder:

- what was written to a file since its last `fsync` may be there or not, each 512 bytes by themselves, in any order;
- a length may be there before its data, which then reads as zeros;
- names that were made, changed or removed in a folder are there in the order in which that was done, up to any
  moment since the last `fsync` of the folder. An `fsync` of a file says nothing about its name;
- an `fsync` that failed has dropped the data it was asked to keep.
"""

import pickle
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["FAULTS_BYTES", "MARK", "MODES", "SECTOR_BYTES", "Op", "Platter", "read_log"]

SECTOR_BYTES = 512
MARK = "@mark@"
"""A name that begins so is looked for and not found: the way in which a program leaves a mark in the log."""
FAULTS_BYTES = 512
"""Size of the file that says what is to fail."""
MODES = ("drop", "keep", "prefix", "random")
"""What becomes of unsynced data: none of it, all of it, all up to a torn write, any of it."""

Op = tuple[Any, ...]
"""Name of an operation, then its arguments:

    mkdir PATH | rmdir PATH | create PATH INODE | unlink PATH | rename OLD NEW | write INODE OFFSET BYTES
    | truncate INODE SIZE | fsync INODE | lost INODE | fsyncdir PATH | mark TEXT

`lost` is an fsync that failed; `mark` is a note of the program under test, as an event that it holds for durable.
"""


@dataclass(slots=True)
class _File:
    synced: bytearray
    pending: list[Op] = field(default_factory=list)


class Platter:
    """A folder's files, what of them is safe, and what is not.

    Args:
        root: a folder whose content is what the disk holds at the beginning, all of it synced.
    """

    def __init__(self, root: Path) -> None:
        self.marks: list[str] = []
        self._files: dict[int, _File] = {}
        self._safe: dict[str, int | None] = {}
        """Names that a cut leaves: the inode of a file, None for a folder."""
        self._unsafe: list[Op] = []
        for inode, (name, path) in enumerate(_walk(root), 1):
            self._safe[name] = None if path.is_dir() else inode
            if not path.is_dir():
                self._files[inode] = _File(bytearray(path.read_bytes()))

    @property
    def is_safe(self) -> bool:
        """True if a cut would lose nothing now."""
        return not self._unsafe and not any(file.pending for file in self._files.values())

    def apply(self, op: Op) -> None:
        """Do what the log says."""
        kind, *arguments = op
        if kind == "mark":
            self.marks.append(arguments[0])
        elif kind in ("write", "truncate"):
            self._files[arguments[0]].pending.append(op)
        elif kind == "fsync":
            file = self._files[arguments[0]]
            for pending in file.pending:
                _keep(file.synced, pending)
            file.pending.clear()
        elif kind == "lost":
            self._files[arguments[0]].pending.clear()
        elif kind == "fsyncdir":
            last = max((n for n, done in enumerate(self._unsafe) if _touches(done, arguments[0])), default=-1)
            for done in self._unsafe[: last + 1]:
                _rename(self._safe, done)
            del self._unsafe[: last + 1]
        else:
            if kind == "create":
                self._files[arguments[1]] = _File(bytearray())
            self._unsafe.append(op)

    def cut(self, draw: random.Random, mode: str, folder: Path) -> None:
        """Write a state in which the disk may be found if the power fails now. The platter itself goes on.

        Args:
            folder: empty; what is left comes into it.
        """
        names = dict(self._safe)
        count = {"drop": 0, "keep": len(self._unsafe)}.get(mode, draw.randint(0, len(self._unsafe)))
        for op in self._unsafe[:count]:
            _rename(names, op)
        for name in sorted(names, key=lambda name: name.count("/")):
            inode, path = names[name], folder / name
            if inode is None:
                path.mkdir()
            else:
                path.write_bytes(_left_of(self._files[inode], draw, mode))


def read_log(path: Path) -> Iterator[Op]:
    """The operations of a log, up to one that was cut short."""
    with path.open("rb") as stream:
        while True:
            try:
                yield pickle.load(stream)
            except (EOFError, pickle.UnpicklingError):
                return


def _left_of(file: _File, draw: random.Random, mode: str) -> bytes:
    content = bytearray(file.synced)
    if mode == "drop" or not file.pending:
        return bytes(content)
    if mode == "keep":
        for op in file.pending:
            _keep(content, op)
        return bytes(content)
    if mode == "prefix":
        whole = draw.randrange(len(file.pending))
        for op in file.pending[:whole]:
            _keep(content, op)
        _keep_some(content, file.pending[whole], draw, 0.5)
        return bytes(content)
    share = draw.choice((0.1, 0.5, 0.9))
    # Lengths are a journal's: they are there in their order.
    cuts = [op for op in file.pending if op[0] == "truncate"]
    kept = cuts[: draw.randint(0, len(cuts))]
    for op in file.pending:
        if op[0] == "truncate":
            if any(op is one for one in kept):
                _keep(content, op)
        else:
            _keep_some(content, op, draw, share)
    if draw.random() < 0.25:
        length = max(op[2] + len(op[3]) if op[0] == "write" else op[2] for op in file.pending)
        content.extend(bytes(max(0, length - len(content))))
    return bytes(content)


def _keep(content: bytearray, op: Op) -> None:
    if op[0] == "truncate":
        size = op[2]
        del content[size:]
        content.extend(bytes(size - len(content)))
        return
    _, _, offset, data = op
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _keep_some(content: bytearray, op: Op, draw: random.Random, share: float) -> None:
    if op[0] == "truncate":
        if draw.random() < share:
            _keep(content, op)
        return
    _, inode, offset, data = op
    at = 0
    while at < len(data):
        end = min(len(data), at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES)
        if draw.random() < share:
            _keep(content, ("write", inode, offset + at, data[at:end]))
        at = end


def _rename(names: dict[str, int | None], op: Op) -> None:
    kind, path, *rest = op
    if kind == "mkdir":
        names[path] = None
    elif kind == "create":
        names[path] = rest[0]
    elif kind in ("unlink", "rmdir"):
        names.pop(path, None)
    else:
        moved = {name: names[name] for name in names if name == path or name.startswith(f"{path}/")}
        for name in moved:
            del names[name]
        names.update({rest[0] + name[len(path) :]: inode for name, inode in moved.items()})


def _touches(op: Op, folder: str) -> bool:
    names = op[1:3] if op[0] == "rename" else op[1:2]
    return any(str(PurePosixPath(name).parent).replace(".", "", 1) == folder or name == folder for name in names)


def _walk(root: Path) -> list[tuple[str, Path]]:
    return sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*"))
