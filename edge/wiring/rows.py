"""The wires of a configuration, one row each: signals, and the grounds and supplies that their devices need."""

from dataclasses import dataclass
from typing import Literal

from edge.config import Config, PinUse
from edge.header import HEADER, HeaderPin, header_pin_of
from edge.wiring.farend import FarEnd, Rail, far_end
from edge.wiring.starting import why_misplaced

__all__ = ["WiringRow", "wiring_rows"]

SHARING = 6
"""A free pin so many steps further away is as good as one that has a wire already."""


@dataclass(frozen=True, slots=True)
class WiringRow:
    """One wire at the header.

    Attributes:
        number: pin of the header, 1 to 40.
        name: `GPIO` with its BCM number, `GND`, `3V3` or `5V`.
        key: where the configuration names it; of a supply wire, the device that it is for.
        signal: `servo` pulses, a switched `output`, an `input`, `ground` or a `supply`.
        active: level that actuates, `high` or `low`; empty where there is none.
        pull: the board's resistor that is switched on, `up` or `down`; empty if none.
        connect: what the other end of the wire goes to.
        is_misplaced: the board itself switches the pin on while it starts; it must be another one.
    """

    number: int
    name: str
    key: str
    signal: Literal["servo", "output", "input", "ground", "supply"]
    active: Literal["high", "low", ""]
    pull: Literal["up", "down", ""]
    connect: str
    is_misplaced: bool = False

    @property
    def pin(self) -> str:
        """The pin's name on the board, such as `J8:12`."""
        return f"J8:{self.number}"


def wiring_rows(config: Config) -> tuple[WiringRow, ...]:
    """Every wire: device by device in the order of the configuration, its signals first.

    A ground or a supply is a pin near to the device's first signal, rather one that is free: the installer may take any
    other of its name.
    """
    devices: dict[str, list[tuple[PinUse, FarEnd]]] = {}
    for use in config.pin_uses():
        end = far_end(use, config)
        devices.setdefault(end.device, []).append((use, end))
    taken: dict[int, int] = {}
    rows: list[WiringRow] = []
    for device, wires in devices.items():
        rows += [_signal_row(use, end) for use, end in wires]
        rails = dict(rail for _, end in reversed(wires) for rail in end.rails)
        near = header_pin_of(wires[0][0].bcm)
        rows += [_rail_row(device, rail, connect, near, taken) for rail, connect in sorted(rails.items())]
    return tuple(rows)


def _signal_row(use: PinUse, end: FarEnd) -> WiringRow:
    pin = header_pin_of(use.bcm)
    level: Literal["high", "low"] = "high" if use.active_high else "low"
    is_level = use.signal != "servo" and not use.key.endswith((".trigger_pin", ".echo_pin"))
    return WiringRow(
        number=pin.number,
        name=pin.name,
        key=use.key,
        signal=use.signal,
        active=level if is_level else "",
        pull="" if use.pull == "none" else use.pull,
        connect=end.connect,
        is_misplaced=why_misplaced(use) is not None,
    )


def _rail_row(device: str, rail: Rail, connect: str, near: HeaderPin, taken: dict[int, int]) -> WiringRow:
    pins = (pin for pin in HEADER if pin.name == rail)
    pin = min(pins, key=lambda pin: (SHARING * taken.get(pin.number, 0) + _distance(pin, near), pin.number))
    taken[pin.number] = taken.get(pin.number, 0) + 1
    return WiringRow(pin.number, pin.name, device, "ground" if rail == "GND" else "supply", "", "", connect)


def _distance(one: HeaderPin, other: HeaderPin) -> int:
    """Between two pins, in steps along and across the header."""
    along = abs((one.number - 1) // 2 - (other.number - 1) // 2)
    return along + abs(one.number % 2 - other.number % 2)
