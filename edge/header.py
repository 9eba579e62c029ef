"""The 40-pin header of the Raspberry Pi: which pin is what, and how a pin is named.

All boards with 40 pins have the same header (Raspberry Pi hardware documentation, "GPIO and the 40-pin header").
"""

from typing import NamedTuple

__all__ = ["FIRST_FREE_BCM", "HARDWARE_PWM", "HEADER", "PULLED_UP", "HeaderPin", "header_pin_of", "parse_pin"]

GPIO_COUNT = 28
FIRST_FREE_BCM = 2
"""GPIO0 and GPIO1 are kept for the identification chip of a HAT: the firmware drives them while the board starts."""
HARDWARE_PWM = {12: 0, 18: 0, 13: 1, 19: 1}
"""GPIOs that a hardware PWM can drive, and its channel on boards before the Pi 5, where two pins share each."""
PULLED_UP = frozenset({2, 3})
"""GPIOs with 1.8 kohm pull-ups soldered to the board (the I2C bus)."""


class HeaderPin(NamedTuple):
    """A pin of the header.

    Attributes:
        number: 1 to 40; odd pins are on the inner row, pin 1 at the corner next to the SD card.
        name: `3V3`, `5V`, `GND` or `GPIO` with its BCM number.
        bcm: BCM number; None for supply and ground.
        role: what else the board uses it for; empty if nothing.
    """

    number: int
    name: str
    bcm: int | None
    role: str


_ROLES = {
    0: "ID_SD",
    1: "ID_SC",
    2: "I2C SDA",
    3: "I2C SCL",
    7: "SPI CE1",
    8: "SPI CE0",
    9: "SPI MISO",
    10: "SPI MOSI",
    11: "SPI SCLK",
    12: "PWM0",
    13: "PWM1",
    14: "UART TX",
    15: "UART RX",
    18: "PWM0",
    19: "PWM1",
}
# fmt: off
_NAMES: tuple[str | int, ...] = (
    "3V3", "5V", 2, "5V", 3, "GND", 4, 14, "GND", 15,
    17, 18, 27, "GND", 22, 23, "3V3", 24, 10, "GND",
    9, 25, 11, 8, "GND", 7, 0, 1, 5, "GND",
    6, 12, 13, "GND", 19, 16, 26, 20, "GND", 21,
)
# fmt: on

HEADER: tuple[HeaderPin, ...] = tuple(
    HeaderPin(number, name, None, "")
    if isinstance(name, str)
    else HeaderPin(number, f"GPIO{name}", name, _ROLES.get(name, ""))
    for number, name in enumerate(_NAMES, start=1)
)
_BY_BCM = {pin.bcm: pin for pin in HEADER if pin.bcm is not None}


def header_pin_of(bcm: int) -> HeaderPin:
    """The pin of the header that carries a GPIO. Raises: KeyError for one that is not on it."""
    return _BY_BCM[bcm]


def parse_pin(value: object) -> int:
    """The BCM number of a pin that is named by it (`18`, `GPIO18`, `BCM18`) or by its place (`J8:12`, `BOARD12`).

    Raises: ValueError that says what is wrong with the pin.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is no pin; give a BCM number such as 18, or a header pin such as J8:12")
    if isinstance(value, int):
        return _usable(value, f"{value}")
    text = value.strip().upper()
    for prefix in ("GPIO", "BCM"):
        if text.startswith(prefix) and text[len(prefix) :].isdecimal():
            return _usable(int(text[len(prefix) :]), value)
    for prefix in ("J8:", "BOARD"):
        if text.startswith(prefix) and text[len(prefix) :].isdecimal():
            return _on_header(int(text[len(prefix) :]), value)
    raise ValueError(f"{value!r} is no pin; give a BCM number such as 18, or a header pin such as J8:12")


def _on_header(number: int, spelling: str) -> int:
    if not 1 <= number <= len(HEADER):
        raise ValueError(f"{spelling} is no pin of the header, which has pins 1 to {len(HEADER)}")
    pin = HEADER[number - 1]
    if pin.bcm is None:
        raise ValueError(f"{spelling} is {pin.name}, which carries no signal; take a GPIO")
    return _usable(pin.bcm, spelling)


def _usable(bcm: int, spelling: str) -> int:
    if not 0 <= bcm < GPIO_COUNT:
        raise ValueError(f"{spelling} is not on the header, which carries GPIO0 to GPIO{GPIO_COUNT - 1}")
    if bcm < FIRST_FREE_BCM:
        raise ValueError(f"{spelling} (GPIO{bcm}) is kept for the identification chip of a HAT; take another GPIO")
    return bcm
