"""On what is measured: what a machine is, and how warm, fast and well fed it is at the moment.

What a machine does not tell is None: never an error, and never a value that nobody measured.
"""

import contextlib
import importlib.metadata
import os
import platform
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import edge
from edge.bench.power import find_meter
from edge.bench.report import MachineFacts
from edge.bench.sysfiles import Run, number, run_command, text

__all__ = ["Gauges", "Reading", "describe_throttled", "machine_facts"]

ROOT = Path("/")
LIBRARIES = {
    "ai-edge-litert": ("ai-edge-litert",),
    "tflite-runtime": ("tflite-runtime",),
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
}
CPU_ZONES = ("cpu", "soc", "pkg")
"""A thermal zone whose type holds one of these is the processor's: `cpu-thermal` on a Pi, `x86_pkg_temp` on a PC."""
CPU_SENSORS = ("cpu_thermal", "coretemp", "k10temp", "zenpower")
SANE_C = 150.0
"""A sensor that says more is broken."""
# https://www.raspberrypi.com/documentation/computers/os.html, get_throttled; what bit 16 + n had, bit n has now.
_TROUBLES = ("undervoltage", "frequency capped", "throttled", "soft temperature limit")
_OCCURRED_BIT = 16
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
        volts = [path for path in _hwmon(root, ("rpi_volt",), "in0_lcrit_alarm") if number(path) is not None]
        self._alarm = volts[0] if volts else None
        self._has_firmware_clock = self._firmware_clock_mhz() is not None
        self._has_firmware_bits = self._firmware_bits() is not None
        if not self._has_firmware_bits:
            # Second to the command: the kernel writes a warning to its log when this is first read, and what it shows
            # is what its own poll left, every two seconds, of bits that it clears.
            files = (root / "sys/devices/platform").glob("soc*/*firmware/get_throttled")
            self._throttled = next((path for path in sorted(files) if _bits(text(path)) is not None), None)
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
            resident_mb=_kilobytes_as_mb(status.get("VmRSS")),
            processor_s=_processor_s(self._root),
            threads=_whole(status.get("Threads")),
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


def describe_throttled(bits: int) -> tuple[str, ...]:
    """Every set bit of the firmware's word in words, those of now first; empty if all was well."""
    known = {index: f"{trouble} now" for index, trouble in enumerate(_TROUBLES)}
    known |= {_OCCURRED_BIT + index: f"{trouble}: it occurred" for index, trouble in enumerate(_TROUBLES)}
    return tuple(
        known.get(bit, f"bit {bit}, which has no known meaning") for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def machine_facts(root: Path = ROOT, run: Run = run_command) -> MachineFacts:
    """What this machine is, and its state now.

    Args:
        root: what stands for `/`.
        run: how `systemd-detect-virt` and `vcgencmd` are run.
    """
    gauges = Gauges(root, run)
    now = gauges.read()
    board = text(root / "proc/device-tree/model") or text(root / "sys/firmware/devicetree/base/model")
    processor = dict(_fields(root / "proc/cpuinfo", ":"))
    return MachineFacts(
        model=board or _processor(processor) or platform.machine(),
        board=board,
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=_memory_mb(root),
        os=dict(_fields(root / "etc/os-release", "=")).get("PRETTY_NAME", "").strip("\"'") or platform.system(),
        kernel=platform.release(),
        python=platform.python_version(),
        is_virtual=_is_virtual(run, processor.get("flags")),
        governor=now.governor,
        clock_mhz=now.clock_mhz,
        clock_max_mhz=gauges.clock_max_mhz(),
        temperature_c=now.temperature_c,
        throttled=None if now.throttled is None else f"{now.throttled:#x}",
        throttled_meaning=() if now.throttled is None else describe_throttled(now.throttled),
        load=_load(root),
        libraries=_libraries(),
    )


def _processor(told: dict[str, str]) -> str | None:
    """Its name, with what tells generations of one name apart."""
    name = told.get("model name") or told.get("Model")
    family, model = told.get("cpu family"), told.get("model")
    return f"{name} (family {family}, model {model})" if name and family and model else name


def _find_temperature(root: Path) -> Path | None:
    """The processor's sensor; any other, such as the board's, would be of something else."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    paths = [zone / "temp" for zone in zones if any(part in (text(zone / "type") or "").lower() for part in CPU_ZONES)]
    paths += _hwmon(root, CPU_SENSORS, "temp1_input")
    return next((path for path in paths if number(path) is not None), None)


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


def _fields(path: Path, separator: str) -> Iterator[tuple[str, str]]:
    """Names and values of a file, one a line; of names that come again the last one counts in a dict."""
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, found, value = line.partition(separator)
            if found:
                yield name.strip(), value.strip()


def _status(root: Path) -> dict[str, str]:
    return dict(_fields(root / "proc/self/status", ":"))


def _whole(digits: str | None) -> int | None:
    return int(digits) if digits is not None and digits.isascii() and digits.isdigit() else None


def _kilobytes_as_mb(value: str | None) -> float | None:
    kilobytes = _whole(value.removesuffix("kB").strip()) if value is not None else None
    return None if kilobytes is None else kilobytes * 1024 / 1e6


def _processor_s(root: Path) -> float | None:
    # The name of the program, in brackets, may hold blanks and brackets: what counts stands behind the last one.
    words = (text(root / "proc/self/stat") or "").rpartition(")")[2].split()
    ticks = [_whole(word) for word in words[11:13]]
    told = [count for count in ticks if count is not None]
    return sum(told) / os.sysconf("SC_CLK_TCK") if len(told) == 2 else None


def _descriptors(root: Path) -> int | None:
    folder = root / "proc/self/fd"
    try:
        # What the listing itself had open is gone when it is looked for.
        return sum(os.path.lexists(folder / name) for name in os.listdir(folder))
    except OSError:
        return None


def _memory_mb(root: Path) -> int:
    found = _kilobytes_as_mb(dict(_fields(root / "proc/meminfo", ":")).get("MemTotal"))
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6 if found is None else found)


def _load(root: Path) -> float | None:
    word = (text(root / "proc/loadavg") or "").split(" ")[0]
    return float(word) if re.fullmatch(r"\d+\.\d+", word) else None


def _is_virtual(run: Run, flags: str | None) -> bool | None:
    """True on a virtual machine; a container runs on the machine itself and does not count."""
    told = (run(("systemd-detect-virt", "--vm")) or "").strip()
    if told:
        return told != "none"
    # Only x86 has such a flag.
    return None if flags is None else "hypervisor" in flags.split()


def _libraries() -> dict[str, str]:
    """Versions. That of this program is of the code that runs: a checkout need not be what is installed."""
    versions = {"edge-sorter": edge.__version__, "sqlite": sqlite3.sqlite_version}
    for name, packages in LIBRARIES.items():
        for package in packages:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions.setdefault(name, importlib.metadata.version(package))
    if "opencv" not in versions:
        with contextlib.suppress(ImportError):
            # Debian's own package leaves no metadata.
            import cv2

            versions["opencv"] = cv2.__version__
    return versions
