"""A file system in memory that writes down every operation before it answers, and fails on demand.

    python -m tests.fault.fs.daemon CONTENT LOG FAULTS MOUNTPOINT

One thread, so that the log is the order in which things happened. It ends when it is unmounted or killed.
"""

import errno
import itertools
import json
import os
import pickle
import re
import stat
import sys
import time
from pathlib import Path
from typing import Any

import mfusepy

from tests.fault.fs.platter import FAULTS_BYTES, MARK, Op

HIDDEN = ".fuse_hidden"
"""Names that libfuse gives to files that are removed while they are open."""
BLOCK_BYTES = 4096
FOLDER_INODE = 1 << 40
PLENTY_BYTES = 1 << 30


class _Node:
    def __init__(self, inode: int, content: bytes = b"", mode: int = 0o644) -> None:
        self.inode = inode
        self.content = bytearray(content)
        self.mode = mode
        self.mtime_ns = time.time_ns()

    def blocks(self) -> int:
        return -(-len(self.content) // BLOCK_BYTES)


class _Faults:
    """What is to fail now, read anew from the file before each operation.

    Keys: `errno`; `ops`, names of operations; `match`, a pattern of the path; `skip`, how many of them pass first;
    `room_bytes`, how large all files together may become; `delay_s`, how long each operation takes.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self._raw = b""
        self._said: dict[str, Any] = {}
        self._passed = 0

    def now(self) -> dict[str, Any]:
        raw = os.pread(self._fd, FAULTS_BYTES, 0)
        if raw != self._raw:
            self._raw, self._passed = raw, 0
            self._said = json.loads(raw) if raw.strip(b"\0 \n") else {}
        return self._said

    def check(self, op: str, path: str) -> None:
        """Raises: OSError if this operation is to fail."""
        said = self.now()
        if "delay_s" in said:
            time.sleep(said["delay_s"])
        if "errno" not in said or op not in said["ops"] or not re.search(said.get("match", ""), path):
            return
        self._passed += 1
        if self._passed > said.get("skip", 0):
            raise mfusepy.FuseOSError(said["errno"])


class RecordedDisk(mfusepy.Operations):
    """See the module."""

    use_ns = True

    def __init__(self, content: Path, log: str, faults: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._faults = _Faults(faults)
        self._folders = {"/"}
        self._nodes: dict[str, _Node] = {}
        self._open: dict[int, _Node] = {}
        self._handles = itertools.count(1)
        paths = sorted((path.relative_to(content).as_posix(), path) for path in content.rglob("*"))
        for inode, (name, path) in enumerate(paths, 1):
            if path.is_dir():
                self._folders.add(f"/{name}")
            else:
                self._nodes[f"/{name}"] = _Node(inode, path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        self._inodes = itertools.count(len(paths) + 1)

    def _write_down(self, *op: Any) -> None:
        record: Op = op
        os.write(self._log, pickle.dumps(record, protocol=5))

    def _node(self, path: str, fh: int | None = None) -> _Node:
        if fh is not None and fh in self._open:
            return self._open[fh]
        if path not in self._nodes:
            raise mfusepy.FuseOSError(errno.EISDIR if path in self._folders else errno.ENOENT)
        return self._nodes[path]

    def _check_room(self, node: _Node, size: int) -> None:
        room = self._faults.now().get("room_bytes")
        grows = -(-size // BLOCK_BYTES) - node.blocks()
        if room is not None and grows > 0 and self._used_bytes() + grows * BLOCK_BYTES > room:
            raise mfusepy.FuseOSError(errno.ENOSPC)

    def _used_bytes(self) -> int:
        return BLOCK_BYTES * sum(node.blocks() for node in self._nodes.values())

    def statfs(self, path: str) -> dict[str, int]:
        total = self._faults.now().get("room_bytes", PLENTY_BYTES) // BLOCK_BYTES
        free = max(0, total - self._used_bytes() // BLOCK_BYTES)
        return {
            "f_bsize": BLOCK_BYTES, "f_frsize": BLOCK_BYTES, "f_blocks": total, "f_bfree": free, "f_bavail": free,
            "f_files": 1 << 20, "f_ffree": 1 << 20, "f_favail": 1 << 20, "f_namemax": 255,
        }  # fmt: skip

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        if name.startswith(MARK):
            self._write_down("mark", name.removeprefix(MARK))
            raise mfusepy.FuseOSError(errno.ENOENT)
        owner = {"st_uid": os.getuid(), "st_gid": os.getgid()}
        if path in self._folders:
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, "st_ino": FOLDER_INODE, **owner}
        node = self._node(path, fh)
        times = dict.fromkeys(("st_mtime", "st_atime", "st_ctime"), node.mtime_ns)
        size = len(node.content)
        return {
            "st_mode": stat.S_IFREG | node.mode, "st_nlink": 1, "st_size": size, "st_blocks": node.blocks() * 8,
            "st_ino": node.inode, **owner, **times,
        }  # fmt: skip

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        inside = [
            (name, self._nodes[name].inode if name in self._nodes else FOLDER_INODE)
            for name in (*self._nodes, *self._folders)
            if name != "/" and name.rpartition("/")[0] == path.rstrip("/") and HIDDEN not in name
        ]
        entries = [
            (".", FOLDER_INODE),
            ("..", FOLDER_INODE),
            *((name.rpartition("/")[2], inode) for name, inode in inside),
        ]
        # A name whose inode is 0 is shown to nobody.
        return [(name, {"st_ino": inode}, 0) for name, inode in entries]

    def mkdir(self, path: str, mode: int) -> int:
        self._faults.check("mkdir", path)
        self._write_down("mkdir", path[1:])
        self._folders.add(path)
        return 0

    def rmdir(self, path: str) -> int:
        self._faults.check("rmdir", path)
        if any(name.startswith(f"{path}/") for name in (*self._nodes, *self._folders)):
            raise mfusepy.FuseOSError(errno.ENOTEMPTY)
        self._write_down("rmdir", path[1:])
        self._folders.discard(path)
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._faults.check("create", path)
        node = _Node(next(self._inodes), mode=stat.S_IMODE(mode))
        self._write_down("create", path[1:], node.inode)
        self._nodes[path] = node
        return self._hold(node)

    def open(self, path: str, flags: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self._faults.check("open", path)
        return self._hold(self._node(path))

    def _hold(self, node: _Node) -> int:
        handle = next(self._handles)
        self._open[handle] = node
        return handle

    def release(self, path: str, fh: int) -> int:
        self._open.pop(fh, None)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._faults.check("read", path)
        return bytes(self._open[fh].content[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        node = self._open[fh]
        self._faults.check("write", path)
        self._check_room(node, offset + len(data))
        self._write_down("write", node.inode, offset, data)
        node.content.extend(bytes(max(0, offset - len(node.content))))
        node.content[offset : offset + len(data)] = data
        node.mtime_ns = time.time_ns()
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        node = self._node(path, fh)
        self._faults.check("truncate", path)
        self._check_room(node, length)
        self._write_down("truncate", node.inode, length)
        del node.content[length:]
        node.content.extend(bytes(length - len(node.content)))
        node.mtime_ns = time.time_ns()
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        node = self._open[fh]
        try:
            self._faults.check("fsync", path)
        except OSError:
            # As the page cache does: the error is told once, and the pages pass for clean.
            self._write_down("lost", node.inode)
            raise
        self._write_down("fsync", node.inode)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._faults.check("fsyncdir", path)
        self._write_down("fsyncdir", path.strip("/"))
        return 0

    def unlink(self, path: str) -> int:
        if HIDDEN not in path:
            self._faults.check("unlink", path)
            self._write_down("unlink", path[1:])
        self._nodes.pop(path)
        return 0

    def rename(self, old: str, new: str) -> int:
        self._faults.check("rename", old)
        if HIDDEN in new:
            self._write_down("unlink", old[1:])
        else:
            self._write_down("rename", old[1:], new[1:])
        if old in self._nodes:
            self._nodes[new] = self._nodes.pop(old)
            return 0
        for names in (self._nodes, dict.fromkeys(self._folders)):
            for name in [name for name in names if name == old or name.startswith(f"{old}/")]:
                moved = new + name[len(old) :]
                if name in self._folders:
                    self._folders.discard(name)
                    self._folders.add(moved)
                else:
                    self._nodes[moved] = self._nodes.pop(name)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        if path in self._nodes:
            self._nodes[path].mode = stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        return 0


def main() -> None:
    """Mount, and serve until the end."""
    content, log, faults, mountpoint = sys.argv[1:5]
    mfusepy.FUSE(
        RecordedDisk(Path(content), log, faults),
        mountpoint,
        foreground=True,
        nothreads=True,
        default_permissions=True,
        fsname="recorded",
        use_ino=True,
    )


if __name__ == "__main__":
    main()
