"""A guest without systemd that lives until its power is cut."""

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.core import on_core
from tests.rig.cuts.watch import Writes

__all__ = ["EVENTS", "WITNESS", "WRITES", "Bench", "Guest", "Heard", "end_with_me"]

MEMORY = "384M"
EVENTS, WITNESS, WRITES = "events", "witness", "writes"
DEATH_S = 5.0
_living: set[int] = set()


def end_with_me(scratch: Path) -> None:
    """A signal that ends this process ends the guests, which are process groups of their own, and their memory."""

    def end(number: int, _: object) -> None:
        for pid in list(_living):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every guest of a campaign has.

    Attributes:
        kernel, image: as of the rig.
        share: folder of the host with what the guest runs, which sees it as /run/share; see guest/init.sh.
        logs: folder for consoles, and for the files of a book that broke a promise.
    """

    kernel: Path
    image: Path
    share: Path
    logs: Path


@dataclass(frozen=True, slots=True)
class Heard:
    """A line of the guest, or a write to its disk.

    Attributes:
        t_s: when it was heard, in seconds since power on.
    """

    channel: str
    t_s: float
    line: Mapping[str, Any]


class Guest:
    """A running kernel, its lines and its disk's writes.

    Args:
        disk: its second disk, writable.
        scratch: for its memory; its own.
        flags: of the witness.
        core: number of the processor that it has.
    """

    def __init__(self, bench: Bench, disk: Path, scratch: Path, console: Path, flags: str, core: int) -> None:
        self._writes = Writes(disk)
        pipes = {channel: os.pipe() for channel in (EVENTS, WITNESS)}
        self._texts = dict.fromkeys(pipes, b"")
        self._readers = {channel: pipe[0] for channel, pipe in pipes.items()}
        self._heard: deque[Heard] = deque()
        self._selector = selectors.DefaultSelector()
        for channel, reader in self._readers.items():
            os.set_blocking(reader, False)
            self._selector.register(reader, selectors.EVENT_READ, channel)
        self._selector.register(self._writes, selectors.EVENT_READ, WRITES)
        events_fd, witness_fd = (pipe[1] for pipe in pipes.values())
        command = [
            str(bench.kernel), f"mem={MEMORY}", f"ubd0rc={bench.image}", f"ubd1={disk}", "root=/dev/ubda", "ro",
            "quiet", "panic=-1", "con=null", "con0=null,fd:1", f"con1=null,fd:{events_fd}",
            f"con2=null,fd:{witness_fd}", "console=tty0", f"uml_dir={scratch}/uml/", "vivid.n_devs=0",
            "init=/bin/sh", "--", "-c",
            f'"mount -t hostfs -o ro,{bench.share} none /mnt && exec /bin/bash /mnt/init.sh {flags}"',
        ]  # fmt: skip
        with console.open("ab") as log, on_core(core):
            self._began_s = time.monotonic()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"TMPDIR": str(scratch)},
                pass_fds=(events_fd, witness_fd),
                start_new_session=True,
            )
        _living.add(self._process.pid)
        os.close(events_fd)
        os.close(witness_fd)

    @property
    def now_s(self) -> float:
        """Seconds since power on."""
        return time.monotonic() - self._began_s

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def _is_open(self) -> bool:
        """Some process of the guest can still say something."""
        return any(key.data != WRITES for key in self._selector.get_map().values())

    def hear(self, until_s: float) -> Heard | None:
        """The next thing that is heard until then (seconds since power on), in order; None if there is nothing."""
        while not self._heard and self._is_open and (left_s := until_s - self.now_s) > 0:
            # What was written before what was said comes first, where both were waiting.
            for key, _ in sorted(self._selector.select(left_s), key=lambda found: found[0].data != WRITES):
                if key.data == WRITES:
                    self._writes.drain()
                    self._heard.append(Heard(WRITES, self.now_s, {}))
                else:
                    self._read(key.data)
        return self._heard.popleft() if self._heard else None

    def cut(self) -> list[Heard]:
        """Cut its power. Returns: what it had said by then and was not heard yet."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        _living.discard(self._process.pid)
        self._selector.unregister(self._writes)
        self._writes.close()
        # The pipes end when the last process of the guest has: then nobody writes to the disk any more either.
        end_s = self.now_s + DEATH_S
        while self._selector.get_map() and self.now_s < end_s:
            for key, _ in self._selector.select(end_s - self.now_s):
                self._read(key.data)
        if self._selector.get_map():
            raise TimeoutError("a process of the guest outlived it")
        self._selector.close()
        return list(self._heard)

    def _read(self, channel: str) -> None:
        reader = self._readers[channel]
        data = os.read(reader, 65536)
        if not data:
            self._selector.unregister(reader)
            os.close(reader)
            return
        # What stands behind the last line end was not said to its end.
        *lines, self._texts[channel] = (self._texts[channel] + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):
                self._heard.append(Heard(channel, self.now_s, json.loads(line)))
