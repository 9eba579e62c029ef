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

__all__ = ["Gauges", "Reading", "SupplyGauges", "SupplyReading", "describe_throttled", "troubles"]

CPU_ZONES = ("cpu", "soc", "pkg")
"""A thermal zone whose type holds one of these is the processor's: `cpu-thermal` on a Pi, `x86_pkg_temp` on a PC."""
CPU_SENSORS = ("cpu_thermal", "coretemp", "k10temp", "zenpower")
SANE_C = 150.0
"""A sensor that says more is broken."""
# https://www.raspberrypi.com/documentation/computers/os.html, get_throttled; what bit 16 + n had, bit n has now.
_TROUBLES = ("undervoltage", "frequency capped", "throttled", "soft temperature limit")
_OCCURRED_BIT = 16
UNDERVOLTAGE = 1 << 0
SOFT_LIMIT = 1 << 3
KERNEL_POLL_S = 2.0
"""How often the kernel's driver asks the firmware; the alarm it leaves speaks of the time since it asked before."""
COMMAND_EVERY_S = 5.0
"""How often `vcgencmd` is run, at most: a process each time."""
LOOK_AGAIN_S = 10.0
LOOK_AGAIN_MOST_S = 600.0
"""A driver may be loaded after this program; what is not there is looked for ever more rarely."""
_HEX = re.compile(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})")


class Reading(NamedTuple):
    """What the gauges say at one moment.

    Attributes:
        clock_mhz: of the fastest processor that this process may run on.
        throttled: the firmware's bits, see `describe_throttled`. Those that say "occurred" count from the start of
            the machine; where only the kernel's file is readable, from its last poll.
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
        self._temperature = _find_temperature(root)
        self._cpus = _own_cpus(root)
        self._throttled: Path | None = None
        self._alarm = _find_alarm(root)
        self._has_firmware_clock = self._firmware_clock_mhz() is not None
        self._has_firmware_bits = self._firmware_bits() is not None
        if not self._has_firmware_bits:
            # Second to the command: the kernel writes a warning to its log when this is first read, and what it shows
            # is what its own poll left, every two seconds, of bits that it clears.
            self._throttled = _find_throttled(root)
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
        found = None if self._temperature is None else number(self._temperature, 1e-3)
        return found if found is not None and found <= SANE_C else None

    def _clock_mhz(self) -> float | None:
        # A Pi's kernel says what it asked for; only the firmware knows what a throttled processor got.
        if self._has_firmware_clock:
            return self._firmware_clock_mhz()
        found = [number(cpu / "cpufreq/scaling_cur_freq", 1e-3) for cpu in self._cpus]
        return max((mhz for mhz in found if mhz), default=None)

    def _bits(self) -> int | None:
        if self._has_firmware_bits:
            return self._firmware_bits()
        return None if self._throttled is None else _bits(text(self._throttled))

    def _first_text(self, name: str) -> str | None:
        return next((found for cpu in self._cpus if (found := text(cpu / "cpufreq" / name))), None)

    def _firmware_clock_mhz(self) -> float | None:
        match = re.fullmatch(r"frequency\(\d+\)=(\d+)", (self._run(("vcgencmd", "measure_clock", "arm")) or "").strip())
        return int(match[1]) / 1e6 if match and int(match[1]) else None

    def _firmware_bits(self) -> int | None:
        told = (self._run(("vcgencmd", "get_throttled")) or "").strip()
        return _bits(told) if told.startswith("throttled=") else None


class SupplyReading(NamedTuple):
    """What the supply and the processor's heat are like; each None where nothing tells it.

    Attributes:
        bits: the firmware's word, see `describe_throttled`. From the kernel's file its upper half speaks of the two
            seconds before the kernel's last question only, from the command of the time since the machine's start.
        is_low: the voltage was too low (below 4.63 V) within `covers_s`.
        covers_s: how far back, from now, lies what `is_low` may be newly about.
    """

    bits: int | None = None
    is_low: bool | None = None
    temperature_c: float | None = None
    covers_s: float = KERNEL_POLL_S


class SupplyGauges:
    """Reads the few files of the kernel that tell of supply and heat, again and again, for as long as the machine runs.

    Nothing is touched before the first `read`. Files that vanish are looked for again. The command `vcgencmd` is run
    only where the kernel has no driver for the supply, since it needs a process and `/dev/vcio` each time.

    Hazard: a read may hang as long as the firmware does not answer the kernel; call it in a thread of its own.

    Args:
        root: what stands for `/`.
        run: how the command is run.
        clock: seconds, monotonic.
    """

    def __init__(self, root: Path = ROOT, run: Run = run_command, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._run, self._clock = root, run, clock
        self._alarm: Path | None = None
        self._throttled: Path | None = None
        self._temperature: Path | None = None
        self._has_command = False
        self._command_bits: int | None = None
        self._command_at_s = 0.0
        self._read_at_s: float | None = None
        self._look_at_s: float | None = None
        self._look_again_s = LOOK_AGAIN_S

    def read(self) -> SupplyReading:
        """What they say now. Never raises for what a machine lacks."""
        now_s = self._clock()
        since_s = 0.0 if self._read_at_s is None else now_s - self._read_at_s
        self._read_at_s = now_s
        if self._look_at_s is None or now_s >= self._look_at_s:
            self._look(now_s)
        temperature_c = None if self._temperature is None else number(self._temperature, 1e-3)
        if temperature_c is not None and temperature_c > SANE_C:
            temperature_c = None
        if self._alarm is None:
            return self._ask_command(now_s)._replace(temperature_c=temperature_c)
        alarm = number(self._alarm)
        if alarm is None:
            # Its driver was taken out, or has another number now.
            self._look_again(now_s)
        # Without the driver that asks the firmware, this file shows what somebody asked once.
        bits = None if self._throttled is None or alarm is None else _bits(text(self._throttled))
        is_low = None if alarm is None else alarm > 0 or bool((bits or 0) & UNDERVOLTAGE)
        return SupplyReading(bits, is_low, temperature_c, KERNEL_POLL_S + since_s)

    def _look(self, now_s: float) -> None:
        root = self._root
        self._temperature = _find_temperature(root)
        self._alarm = _find_alarm(root)
        self._throttled = None if self._alarm is None else _find_throttled(root)
        self._has_command = self._alarm is None and self._asked_bits() is not None
        self._look_again_s = min(self._look_again_s * 2, LOOK_AGAIN_MOST_S)
        is_complete = self._temperature is not None and self._alarm is not None
        self._look_at_s = now_s + (LOOK_AGAIN_MOST_S if is_complete else self._look_again_s)

    def _look_again(self, now_s: float) -> None:
        self._look_again_s = LOOK_AGAIN_S
        self._look_at_s = now_s

    def _ask_command(self, now_s: float) -> SupplyReading:
        if not self._has_command:
            return SupplyReading()
        before = self._command_bits
        if before is not None and now_s - self._command_at_s < COMMAND_EVERY_S:
            return SupplyReading(before)
        bits = self._asked_bits()
        covers_s = COMMAND_EVERY_S if before is None else now_s - self._command_at_s
        self._command_bits, self._command_at_s = bits, now_s
        if bits is None:
            return SupplyReading()
        # What occurred stays set until the machine restarts: only its coming tells anything of now.
        came = 0 if before is None else bits & ~before
        is_low = bool((bits | came >> _OCCURRED_BIT) & UNDERVOLTAGE)
        return SupplyReading(bits, is_low, covers_s=covers_s)

    def _asked_bits(self) -> int | None:
        told = (self._run(("vcgencmd", "get_throttled")) or "").strip()
        return _bits(told) if told.startswith("throttled=") else None


def troubles(bits: int, *, occurred: bool = False) -> tuple[str, ...]:
    """The names of what the firmware's word tells of now, or of what it says has occurred."""
    half = bits >> _OCCURRED_BIT * occurred
    return tuple(name for index, name in enumerate(_TROUBLES) if half >> index & 1)


def describe_throttled(bits: int) -> tuple[str, ...]:
    """Every set bit of the firmware's word in words, those of now first; empty if all was well."""
    known = {index: f"{trouble} now" for index, trouble in enumerate(_TROUBLES)}
    known |= {_OCCURRED_BIT + index: f"{trouble}: it occurred" for index, trouble in enumerate(_TROUBLES)}
    return tuple(
        known.get(bit, f"bit {bit}, which has no known meaning") for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def _find_temperature(root: Path) -> Path | None:
    """The processor's sensor; any other, such as the board's, would be of something else."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    paths = [zone / "temp" for zone in zones if any(part in (text(zone / "type") or "").lower() for part in CPU_ZONES)]
    paths += _hwmon(root, CPU_SENSORS, "temp1_input")
    return next((path for path in paths if number(path) is not None), None)


def _find_alarm(root: Path) -> Path | None:
    """The undervoltage alarm of the kernel's driver for the firmware."""
    paths = _hwmon(root, ("rpi_volt",), "in0_lcrit_alarm")
    return next((path for path in paths if number(path) is not None), None)


def _find_throttled(root: Path) -> Path | None:
    """The firmware's word, as the kernel shows it."""
    files = (root / "sys/devices/platform").glob("soc*/*firmware/get_throttled")
    return next((path for path in sorted(files) if _bits(text(path)) is not None), None)


def _hwmon(root: Path, names: tuple[str, ...], file: str) -> list[Path]:
    folders = sorted((root / "sys/class/hwmon").glob("hwmon*"))
    return [folder / file for folder in folders if text(folder / "name") in names]


def _own_cpus(root: Path) -> list[Path]:
    """Folders of the processors that this process may run on; of all, where the system tells of none of these."""
    folder = root / "sys/devices/system/cpu"
    found = [folder / f"cpu{index}" for index in sorted(os.sched_getaffinity(0))]
    return [cpu for cpu in found if (cpu / "cpufreq").is_dir()] or sorted(folder.glob("cpu[0-9]*"))


def _bits(line: str | None) -> int | None:
    match = _HEX.fullmatch(line or "")
    return int(match[1], 16) if match else None


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
