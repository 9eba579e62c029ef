"""What the firmware of a Raspberry Pi says of its supply and heat, and in which files of the kernel that stands."""

import re
from pathlib import Path

from edge.board.sysfiles import number, text

__all__ = [
    "OCCURRED_BIT",
    "SOFT_LIMIT",
    "UNDERVOLTAGE",
    "degrees",
    "describe_throttled",
    "find_alarm",
    "find_temperature",
    "find_throttled",
    "parse_bits",
    "troubles",
]

CPU_ZONES = ("cpu", "soc", "pkg")
"""A thermal zone whose type holds one of these is the processor's: `cpu-thermal` on a Pi, `x86_pkg_temp` on a PC."""
CPU_SENSORS = ("cpu_thermal", "coretemp", "k10temp", "zenpower")
SANE_C = 150.0
"""A sensor that says more is broken."""
# https://www.raspberrypi.com/documentation/computers/os.html, get_throttled; what bit 16 + n had, bit n has now.
TROUBLES = ("undervoltage", "frequency capped", "throttled", "soft temperature limit")
OCCURRED_BIT = 16
UNDERVOLTAGE = 1 << 0
SOFT_LIMIT = 1 << 3
_HEX = re.compile(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})")


def troubles(bits: int, *, occurred: bool = False) -> tuple[str, ...]:
    """The names of what the firmware's word tells of now, or of what it says has occurred."""
    half = bits >> OCCURRED_BIT * occurred
    return tuple(name for index, name in enumerate(TROUBLES) if half >> index & 1)


def describe_throttled(bits: int) -> tuple[str, ...]:
    """Every set bit of the firmware's word in words, those of now first; empty if all was well."""
    known = {index: f"{trouble} now" for index, trouble in enumerate(TROUBLES)}
    known |= {OCCURRED_BIT + index: f"{trouble}: it occurred" for index, trouble in enumerate(TROUBLES)}
    return tuple(
        known.get(bit, f"bit {bit}, which has no known meaning") for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def find_temperature(root: Path) -> Path | None:
    """The processor's sensor; any other, such as the board's, would be of something else."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    paths = [zone / "temp" for zone in zones if any(part in (text(zone / "type") or "").lower() for part in CPU_ZONES)]
    paths += _hwmon(root, CPU_SENSORS, "temp1_input")
    return next((path for path in paths if number(path) is not None), None)


def find_alarm(root: Path) -> Path | None:
    """The undervoltage alarm of the kernel's driver for the firmware."""
    paths = _hwmon(root, ("rpi_volt",), "in0_lcrit_alarm")
    return next((path for path in paths if number(path) is not None), None)


def find_throttled(root: Path) -> Path | None:
    """The firmware's word, as the kernel shows it."""
    files = (root / "sys/devices/platform").glob("soc*/*firmware/get_throttled")
    return next((path for path in sorted(files) if parse_bits(text(path)) is not None), None)


def degrees(path: Path) -> float | None:
    """What a sensor says, in degrees Celsius; None for one that is silent or broken."""
    found = number(path, 1e-3)
    return found if found is not None and found <= SANE_C else None


def parse_bits(line: str | None) -> int | None:
    """The firmware's word as the kernel or `vcgencmd` writes it; None for anything else."""
    match = _HEX.fullmatch(line or "")
    return int(match[1], 16) if match else None


def _hwmon(root: Path, names: tuple[str, ...], file: str) -> list[Path]:
    folders = sorted((root / "sys/class/hwmon").glob("hwmon*"))
    return [folder / file for folder in folders if text(folder / "name") in names]
