"""What a machine draws, where something in it or on it measures that: watts, and from which meter."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from edge.board.sysfiles import Run, number, text

__all__ = ["Meter", "find_meter"]

_CURRENT = re.compile(r"^\s*(\w+)_A current\(\d+\)=(\d+(?:\.\d+)?)A\s*$", re.MULTILINE)
_VOLTAGE = re.compile(r"^\s*(\w+)_V volt\(\d+\)=(\d+(?:\.\d+)?)V\s*$", re.MULTILINE)
_MICRO = 1e-6


class Meter(Protocol):
    """One way to learn the power."""

    @property
    def name(self) -> str:
        """What is measured, for people, such as `ina219`."""
        ...

    def read_w(self) -> float | None:
        """Watts now, or since the last call; None if the meter does not tell."""
        ...


def find_meter(root: Path, run: Run, clock: Callable[[], float] = time.monotonic) -> Meter | None:
    """The best meter of this machine: one in the supply line, then the Pi 5's own, then the processor's counter.

    Args:
        root: what stands for `/`.
        clock: seconds, for meters that count energy.
    """
    candidates: list[Meter] = [*_supply_meters(root), _Pmic(run)]
    for meter in candidates:
        if meter.read_w() is not None:
            return meter
    counter = _Rapl(root, clock)
    return counter if counter.is_readable else None


class _SupplyMeter:
    """An INA219, INA226 or the like in the supply line, as the kernel shows it: microwatts."""

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self.name = name
        self._paths = paths

    def read_w(self) -> float | None:
        values = [number(path, _MICRO) for path in self._paths]
        told = [value for value in values if value is not None]
        return sum(told) if len(told) == len(values) else None


class _Pmic:
    """The power chip of a Pi 5. It sees its own rails: neither what USB devices draw from 5 V, nor its own loss."""

    name = "PMIC rails, without USB and its own loss"

    def __init__(self, run: Run) -> None:
        self._run = run

    def read_w(self) -> float | None:
        told = self._run(("vcgencmd", "pmic_read_adc")) or ""
        volts = {rail: float(value) for rail, value in _VOLTAGE.findall(told)}
        amperes = {rail: float(value) for rail, value in _CURRENT.findall(told)}
        if not amperes or not amperes.keys() <= volts.keys():
            return None
        return sum(current * volts[rail] for rail, current in amperes.items())


class _Rapl:
    """The energy counters of an x86 processor's packages; the first reading only starts the count."""

    name = "RAPL, processor packages only"

    def __init__(self, root: Path, clock: Callable[[], float]) -> None:
        zones = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
        # `package-0`, and neither its parts nor `psys`, which counts the packages once more.
        packages = [zone for zone in zones if (text(zone / "name") or "").startswith("package")]
        self._packages = [(zone / "energy_uj", number(zone / "max_energy_range_uj")) for zone in packages]
        self._clock = clock
        self._last_s = clock()
        self._last_uj = self._read_uj()

    @property
    def is_readable(self) -> bool:
        return self._last_uj is not None

    def read_w(self) -> float | None:
        now_s, now_uj = self._clock(), self._read_uj()
        elapsed_s, last_uj = now_s - self._last_s, self._last_uj
        self._last_s, self._last_uj = now_s, now_uj
        if now_uj is None or last_uj is None or elapsed_s <= 0:
            return None
        spent_uj = 0.0
        for before, after, (_, range_uj) in zip(last_uj, now_uj, self._packages, strict=True):
            if after < before and range_uj is None:
                return None
            spent_uj += after - before + (range_uj or 0.0) * (after < before)
        return spent_uj * _MICRO / elapsed_s

    def _read_uj(self) -> list[float] | None:
        values = [number(path) for path, _ in self._packages]
        told = [value for value in values if value is not None]
        return told if told and len(told) == len(values) else None


def _supply_meters(root: Path) -> Iterator[_SupplyMeter]:
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        name = text(folder / "name") or ""
        paths = sorted(folder.glob("power*_input"))
        # Others, such as a graphics card, tell what a part of the machine draws.
        if paths and name.startswith("ina"):
            yield _SupplyMeter(name, paths)
