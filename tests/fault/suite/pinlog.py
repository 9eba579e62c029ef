"""Writes down what simulated pins are told, with times, into a file that outlives the process."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PinChange", "note", "read_pins", "record_pins"]


@dataclass(frozen=True, slots=True)
class PinChange:
    """A line of the log.

    Attributes:
        t_s: CLOCK_MONOTONIC, the same in all processes.
        pin: GPIO number, or what else happened: `stroke`, `signal`.
        value: level or duty, 0..1; 0 is without power.
    """

    t_s: float
    pin: str
    value: float


def record_pins(path: Path) -> None:
    """From now on, write down every change of every simulated pin of this process."""
    from gpiozero.pins.mock import MockPin

    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.environ["FAULT_PINLOG_FD"] = str(handle)
    change = MockPin._change_state

    def change_and_note(self: Any, value: float) -> bool:
        has_changed = bool(change(self, value))
        if has_changed and self.function == "output":
            note(self.info.name, float(value))
        return has_changed

    MockPin._change_state = change_and_note


def note(what: str, value: float = 0.0) -> None:
    """Add a line; nothing is lost of it when the process dies next."""
    handle = os.environ.get("FAULT_PINLOG_FD")
    if handle is not None:
        os.write(int(handle), f"{json.dumps([time.monotonic(), what, value])}\n".encode())


def read_pins(path: Path) -> list[PinChange]:
    """Every line that is whole."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [PinChange(*json.loads(line)) for line in lines]
