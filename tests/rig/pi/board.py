"""The emulated board: QEMU's raspi3b, its serial console, and its pins as somebody with a probe sees them."""

import json
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from image import Boot
from store import RigError

FUNCTION_SELECT = 0x3F200000
"""GPFSEL0: ten pins a word, three bits each; 0 is input, 1 is output. BCM2835 ARM Peripherals, section 6.1."""
LEVEL = 0x3F200034
"""GPLEV0: the level of GPIO0 to GPIO31. The same source."""
MARK = "@rig "
"""Begins a line of the guest's program; every other line is the kernel's."""


class Board:
    """Runs from `with` to its end. The guest reports events; it waits after each one until `go`.

    Args:
        boot: what to boot; the card is not written to.
        initrd: initrd with the files of this run.
        folder: for the socket and the console's log.
    """

    def __init__(self, boot: Boot, initrd: Path, folder: Path) -> None:
        self._boot = boot
        self._initrd = initrd
        self._folder = folder
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._probe: IO[str] | None = None
        self.log = folder / "console.log"

    def __enter__(self) -> Self:
        probe = self._folder / "probe"
        command = [
            *("qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=multi", "-display", "none"),
            *("-monitor", "none", "-serial", "stdio", "-no-reboot"),
            *("-kernel", self._boot.kernel, "-dtb", self._boot.device_tree, "-initrd", self._initrd),
            *("-drive", f"if=sd,format=raw,snapshot=on,file={self._boot.card}"),
            *("-append", "console=ttyAMA0,115200 panic=-1 quiet"),
            *("-qtest", f"unix:{probe},server=on,wait=off", "-qtest-log", "none"),
        ]
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()
        try:
            self._probe = _connect(probe, self._process)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def await_event(self, name: str, timeout_s: float) -> dict[str, Any]:
        """The guest's next event, which must be `name`. Raises: RigError if it is another, or none comes."""
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            raise RigError(f"no event {name!r} within {timeout_s:g} s; the console's end:\n{self._tail()}") from None
        if event["event"] != name:
            raise RigError(f"event {event}, expected {name!r}; the console's end:\n{self._tail()}")
        return event

    @property
    def has_event(self) -> bool:
        return not self._events.empty()

    def go(self) -> None:
        """Let the guest's program go on."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def level(self, pin: int) -> int:
        """0 or 1: the level of a pin, by its BCM number."""
        return self._read(LEVEL) >> pin & 1

    def is_output(self, pin: int) -> bool:
        """True if the SoC drives the pin."""
        return self._read(FUNCTION_SELECT + 4 * (pin // 10)) >> 3 * (pin % 10) & 7 == 1

    def levels(self, pin: int, duration_s: float) -> Iterator[int]:
        """Look at a pin over and over."""
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            yield self.level(pin)

    def levels_until_event(self, pin: int, timeout_s: float) -> Iterator[int]:
        """Look at a pin over and over until the guest has reported something."""
        end_s = time.monotonic() + timeout_s
        while not self.has_event and time.monotonic() < end_s:
            yield self.level(pin)

    def _read(self, address: int) -> int:
        assert self._probe is not None
        self._probe.write(f"readl {address:#x}\n")
        self._probe.flush()
        answer = self._probe.readline().split()
        if answer[:1] != ["OK"]:
            raise RigError(f"QEMU answers {answer} to a read of {address:#x}; the console's end:\n{self._tail()}")
        return int(answer[1], 16)

    def _listen(self, console: IO[str]) -> None:
        with self.log.open("w", encoding="utf-8") as log:
            for line in console:
                log.write(line)
                log.flush()
                _, mark, event = line.partition(MARK)
                if mark:
                    self._events.put(json.loads(event))
        self._events.put({"event": "QEMU ended"})

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-25:])


def _connect(path: Path, process: subprocess.Popen[str], timeout_s: float = 30.0) -> IO[str]:
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s and process.poll() is None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            time.sleep(0.1)
            continue
        return connection.makefile("rw", encoding="ascii")
    raise RigError("QEMU did not start: " + (process.stdout.read() if process.stdout else "")[-2000:])
