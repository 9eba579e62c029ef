"""Which GPIO chip of this machine is the one of the 40-pin header.

Numbers move: on a Pi 5 the header was gpiochip4 with the kernels of 2023 and is gpiochip0 since. Labels do not.
"""

import fcntl
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ActuatorError

__all__ = ["HEADER_LABELS", "Chip", "ReadLabel", "find_chip", "list_chips", "read_label"]

HEADER_LABELS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")
"""Labels of the chip that drives the header: boards up to the Pi 3 and Zero 2 W, Pi 4, Pi 5."""
_DEV = Path("/dev")
_CHIP_INFO = struct.Struct("32s32sI")
"""struct gpiochip_info of <linux/gpio.h>: name, label, lines."""
_GET_CHIP_INFO = 0x8044B401
"""GPIO_GET_CHIPINFO_IOCTL of <linux/gpio.h>."""

ReadLabel = Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Chip:
    """A GPIO chip.

    Attributes:
        name: such as `gpiochip0`.
        label: what the kernel's driver calls it; empty if it may not be asked.
        problem: why it may not; empty if it may.
    """

    name: str
    label: str
    problem: str = ""

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("gpiochip"))

    def __str__(self) -> str:
        return f"{self.name} ({self.label or self.problem})"


def read_label(device: Path) -> str:
    """Ask the kernel for a chip's label. Raises: OSError."""
    chip = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        info = fcntl.ioctl(chip, _GET_CHIP_INFO, bytes(_CHIP_INFO.size))
    finally:
        os.close(chip)
    _, label, _ = _CHIP_INFO.unpack(info)
    return str(label.rstrip(b"\0").decode(errors="replace"))


def list_chips(dev: Path = _DEV, read_label: ReadLabel = read_label) -> tuple[Chip, ...]:
    """Every GPIO chip, in the order of its number."""
    chips = []
    for device in dev.glob("gpiochip*"):
        # A Pi 5 has a link from the old name to the new one.
        if not device.name.removeprefix("gpiochip").isdecimal() or device.is_symlink():
            continue
        try:
            chips.append(Chip(device.name, read_label(device)))
        except OSError as exc:
            chips.append(Chip(device.name, "", exc.strerror or str(exc)))
    return tuple(sorted(chips, key=lambda chip: chip.number))


def find_chip(wanted: str | None = None, dev: Path = _DEV, read_label: ReadLabel = read_label) -> Chip:
    """The chip with a label or a name (`gpiochip0`); None: the first whose label is that of the header.

    Raises: ActuatorError that says which chips there are.
    """
    chips = list_chips(dev, read_label)
    if wanted is None:
        found = [chip for chip in chips if chip.label in HEADER_LABELS]
    else:
        name = (dev / wanted).resolve().name if (dev / wanted).is_symlink() else wanted
        found = [chip for chip in chips if name in (chip.name, chip.label)]
    if found and not found[0].problem:
        return found[0]
    asked = f"no GPIO chip is {wanted}" if wanted else f"no GPIO chip is labelled {' or '.join(HEADER_LABELS)}"
    there = ", ".join(map(str, chips)) or "none at all"
    raise ActuatorError(
        f"{asked}; there are: {there}; on a Raspberry Pi join group gpio or set pins.chip, elsewhere set "
        "pins.factory: mock"
    )
