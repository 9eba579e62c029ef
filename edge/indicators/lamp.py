"""Status lamp of up to three colours, one of which shows at a time."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Literal

from edge.config import LampConfig
from edge.indicators.output import Output
from edge.pins import PinFactory
from edge.records import Status

__all__ = ["StatusLamp"]

Colour = Literal["green", "yellow", "red"]
BLINK_S = 1.0
"""Period of blinking; lit for the first half."""
COLOURS: Mapping[Status, Colour] = {
    Status.STARTING: "yellow",
    Status.READY: "green",
    Status.BUSY: "green",
    Status.PAUSED: "yellow",
    Status.STOPPED: "red",
    Status.BIN_FULL: "yellow",
    Status.FAULT: "red",
}
BLINKING = frozenset({Status.BIN_FULL, Status.FAULT})


class StatusLamp:
    """A status whose colour has no pin shows as dark.

    Hazards: a pin gives a few milliamperes at 3.3 V; a lamp of 12 or 24 V needs a transistor or a relay board. Once the
    program has ended the pin floats: a resistor at the transistor's input must keep it off. A dark lamp says nothing.
    """

    def __init__(self, config: LampConfig, factory: PinFactory) -> None:
        pins: dict[Colour, int | None] = {
            "green": config.green_pin,
            "yellow": config.yellow_pin,
            "red": config.red_pin,
        }
        self._outputs = {
            colour: Output(pin, config.active_high, factory, f"{colour} lamp", f"panel.lamp.{colour}_pin")
            for colour, pin in pins.items()
            if pin is not None
        }
        self._status: Status | None = None
        self._since_s = 0.0

    def open(self) -> None:
        """Claim the pins, dark. Raises: ActuatorError if one is taken; none is claimed then."""
        with ExitStack() as stack:
            for output in self._outputs.values():
                output.open()
                stack.callback(output.close)
            stack.pop_all()
        self._status = None

    def show(self, status: Status, now_s: float) -> None:
        """Blinking begins lit; see `ports.Indicator`."""
        if status is not self._status:
            self._status, self._since_s = status, now_s
        is_lit = status not in BLINKING or (now_s - self._since_s) % BLINK_S < BLINK_S / 2
        for colour, output in self._outputs.items():
            output.switch(is_lit and colour == COLOURS[status])

    def close(self) -> None:
        for output in self._outputs.values():
            output.close()
