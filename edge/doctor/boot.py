"""What the firmware's configuration gives pins to, before any program starts: `config.txt` and `cmdline.txt`."""

from collections.abc import Iterator
from typing import NamedTuple

from edge.doctor.machine import Machine

__all__ = ["Claim", "boot_lines", "claims", "has_console"]

FOLDERS = ("/boot/firmware", "/boot")
_PARAMETERS = {
    "spi": (7, 8, 9, 10, 11),
    "i2c": (2, 3),
    "i2c_arm": (2, 3),
    "i2c1": (2, 3),
    "i2s": (18, 19, 20, 21),
    "uart0": (14, 15),
}
"""`dtparam=NAME=on`, and its pins."""
_OVERLAYS: dict[str, dict[str, int | None]] = {
    "w1-gpio": {"gpiopin": 4},
    "gpio-fan": {"gpiopin": 12},
    "gpio-shutdown": {"gpio_pin": 3},
    "gpio-poweroff": {"gpiopin": 26},
    "gpio-ir": {"gpio_pin": 18},
    "gpio-ir-tx": {"gpio_pin": 18},
    "gpio-key": {"gpio": None},
    "gpio-led": {"gpio": None},
    "pps-gpio": {"gpiopin": 18},
    "dht11": {"gpiopin": 4},
    "pwm": {"pin": 18},
    "pwm-2chan": {"pin": 18, "pin2": 19},
}
"""`dtoverlay=NAME`, the parameters that name its pins, and their defaults (the README of the firmware's overlays)."""
_SERIAL_CONSOLES = ("console=serial0", "console=ttyS0", "console=ttyAMA0")


class Claim(NamedTuple):
    """A line of `config.txt` that gives a pin to something."""

    line: str
    bcm: int


def boot_lines(machine: Machine) -> list[str]:
    """Lines of `config.txt` that count, without comments and without sections for no board at all."""
    counts = True
    found = []
    for raw in _read(machine, "config.txt").splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("["):
            counts = line != "[none]"
        elif line and counts:
            found.append(line)
    return found


def claims(lines: list[str]) -> Iterator[Claim]:
    """Pins that are given away."""
    for line in lines:
        key, _, value = line.partition("=")
        if key == "enable_uart" and value.strip() == "1":
            yield from (Claim(line, bcm) for bcm in (14, 15))
        elif key == "dtparam":
            for setting in value.split(","):
                name, _, state = setting.partition("=")
                if state.strip() in ("on", ""):
                    yield from (Claim(line, bcm) for bcm in _PARAMETERS.get(name.strip(), ()))
        elif key == "dtoverlay":
            yield from _overlay(line, value)


def has_console(machine: Machine) -> bool:
    """True if the kernel talks to a serial console, on GPIO14 and 15."""
    return any(word.startswith(_SERIAL_CONSOLES) for word in _read(machine, "cmdline.txt").split())


def _overlay(line: str, value: str) -> Iterator[Claim]:
    name, *settings = (part.strip() for part in value.split(","))
    given = dict(setting.partition("=")[::2] for setting in settings)
    for parameter, default in _OVERLAYS.get(name, {}).items():
        told = given.get(parameter, "")
        bcm = int(told) if told.isascii() and told.isdigit() else default
        if bcm is not None:
            yield Claim(line, bcm)


def _read(machine: Machine, name: str) -> str:
    for folder in FOLDERS:
        try:
            return machine.at(f"{folder}/{name}").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return ""
