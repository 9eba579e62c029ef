"""How warm, fast and well fed the machine is at the moment, and what this process takes of it.

What a machine does not tell is None: never an error, and never a value that nobody measured.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.board.power import find_meter
from edge.board.sysfiles import ROOT, Run, fields, kilobytes_as_mb, number, run_command, text, whole
from edge.board.throttling import degrees, find_alarm, find_temperature, find_throttled, parse_bits

__all__ = ["Gauges", "Reading"]


class Reading(NamedTuple):
    """What the gauges say at one moment.

    Attributes:
        clock_mhz: of the fastest processor that this process may run on.
        throttled: the firmware's bits, see `throttling.describe_throttled`. Those that say "occurred" count from the
            start of the machine; where only the kernel's file is readable, from its last poll.
        is_undervolted: the kernel's own alarm (`rpi_volt`): the voltage was too low since it last looked.
        power_w: see `Gauges.power_meter`.
        resident_mb: memory of this process, in 10^6 bytes.
        processor_s: processor time of this process so far, user and system.
        threads, descriptors: of this process.
    """

    temperature_c: float | None = None
    clock_mhz: float | None = None
    governor: str | None = None
    throttled: int | None = None
    is_undervolted: bool | None = None
    power_w: float | None = None
    resident_mb: float | None = None
    processor_s: float | None = None
    threads: int | None = None
    descriptors: int | None = None


class Gauges:
    """Reads what changes, cheaply and again and again: what is there is found out once.

    Args:
        root: what stands for `/`.
        run: how commands are run. Only a Raspberry Pi's `vcgencmd` is, and only if it answered the first time.
        clock: seconds, for meters that count energy.
    """

    def __init__(self, root: Path = ROOT, run: Run = run_command, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._run = root, run
        self._temperature = find_temperature(root)
        self._cpus = _own_cpus(root)
        self._throttled: Path | None = None
        self._alarm = find_alarm(root)
        self._has_firmware_clock = self._firmware_clock_mhz() is not None
        self._has_firmware_bits = self._firmware_bits() is not None
        if not self._has_firmware_bits:
            # Second to the command: the kernel writes a warning to its log when this is first read, and what it shows
            # is what its own poll left, every two seconds, of bits that it clears.
            self._throttled = find_throttled(root)
        self._meter = find_meter(root, run, clock)

    @property
    def power_meter(self) -> str | None:
        """Which meter `power_w` is read from, and what it leaves out; None without one."""
        return None if self._meter is None else self._meter.name

    def read(self) -> Reading:
        """What they say now."""
        status = _status(self._root)
        alarm = None if self._alarm is None else number(self._alarm)
        return Reading(
            temperature_c=self._temperature_c(),
            clock_mhz=self._clock_mhz(),
            governor=self._first_text("scaling_governor"),
            throttled=self._bits(),
            is_undervolted=None if alarm is None else alarm > 0,
            power_w=None if self._meter is None else self._meter.read_w(),
            resident_mb=kilobytes_as_mb(status.get("VmRSS")),
            processor_s=_processor_s(self._root),
            threads=whole(status.get("Threads")),
            descriptors=_descriptors(self._root),
        )

    def clock_max_mhz(self) -> float | None:
        """What the processor could do."""
        found = [number(cpu / "cpufreq/cpuinfo_max_freq", 1e-3) for cpu in self._cpus]
        return max((mhz for mhz in found if mhz), default=None)

    def _temperature_c(self) -> float | None:
        return None if self._temperature is None else degrees(self._temperature)

    def _clock_mhz(self) -> float | None:
        # A Pi's kernel says what it asked for; only the firmware knows what a throttled processor got.
        if self._has_firmware_clock:
            return self._firmware_clock_mhz()
        found = [number(cpu / "cpufreq/scaling_cur_freq", 1e-3) for cpu in self._cpus]
        return max((mhz for mhz in found if mhz), default=None)

    def _bits(self) -> int | None:
        if self._has_firmware_bits:
            return self._firmware_bits()
        return None if self._throttled is None else parse_bits(text(self._throttled))

    def _first_text(self, name: str) -> str | None:
        return next((found for cpu in self._cpus if (found := text(cpu / "cpufreq" / name))), None)

    def _firmware_clock_mhz(self) -> float | None:
        match = re.fullmatch(r"frequency\(\d+\)=(\d+)", (self._run(("vcgencmd", "measure_clock", "arm")) or "").strip())
        return int(match[1]) / 1e6 if match and int(match[1]) else None

    def _firmware_bits(self) -> int | None:
        told = (self._run(("vcgencmd", "get_throttled")) or "").strip()
        return parse_bits(told) if told.startswith("throttled=") else None


def _own_cpus(root: Path) -> list[Path]:
    """Folders of the processors that this process may run on; of all, where the system tells of none of these."""
    folder = root / "sys/devices/system/cpu"
    found = [folder / f"cpu{index}" for index in sorted(os.sched_getaffinity(0))]
    return [cpu for cpu in found if (cpu / "cpufreq").is_dir()] or sorted(folder.glob("cpu[0-9]*"))


def _status(root: Path) -> dict[str, str]:
    return fields(root / "proc/self/status", ":")


def _processor_s(root: Path) -> float | None:
    # The name of the program, in brackets, may hold blanks and brackets: what counts stands behind the last one.
    words = (text(root / "proc/self/stat") or "").rpartition(")")[2].split()
    ticks = [whole(word) for word in words[11:13]]
    told = [count for count in ticks if count is not None]
    return sum(told) / os.sysconf("SC_CLK_TCK") if len(told) == 2 else None


def _descriptors(root: Path) -> int | None:
    folder = root / "proc/self/fd"
    try:
        # What the listing itself had open is gone when it is looked for.
        return sum(os.path.lexists(folder / name) for name in os.listdir(folder))
    except OSError:
        return None
