"""What an output does before the program has its pin, while the board starts."""

from typing import Literal

from edge.config import PinUse
from edge.header import PULLED_UP, header_pin_of

__all__ = ["pulled_on", "why_misplaced"]

PULLED_UP_AT_START = range(2, 9)
"""GPIOs that are pulled up until the program claims them, the others are pulled down (BCM2835 ARM Peripherals, table
6-31; the RP1 of the Pi 5 starts the same way)."""
_UART_TX = "UART TX"


def pulled_on(use: PinUse) -> Literal["up", "down"] | None:
    """The way that the board's resistor pulls the pin, if that switches the output on."""
    # Of the pulses of a stepper and of a ranger only the change of level counts.
    if use.signal != "output" or use.key.endswith((".trigger_pin", ".step_pin", ".direction_pin")):
        return None
    is_pulled_up = use.bcm in PULLED_UP_AT_START
    if use.active_high != is_pulled_up:
        return None
    return "up" if is_pulled_up else "down"


def why_misplaced(use: PinUse) -> str | None:
    """Why the output must not be at this pin: what switches it on is stronger than any resistor that would hold it off.

    The weak resistors of the other pins (50 kohm and more) give way to 10 kohm.
    """
    pin = header_pin_of(use.bcm)
    if use.bcm in PULLED_UP and pulled_on(use) is not None:
        return (
            f"J8:{pin.number} {pin.name} has 1.8 kohm to 3.3 V on the board, so {use.key} is on from the moment the "
            "board has power until the program starts, and no resistor to ground holds it off: take another pin"
        )
    if pin.role == _UART_TX and use.signal != "input" and use.key.startswith("gate."):
        return (
            f"J8:{pin.number} {pin.name} is {pin.role}, which the board drives high, and low again with each letter, "
            f"while it starts with the serial console on: {use.key} moves by itself, and no resistor keeps it off: "
            "take another pin"
        )
    return None
