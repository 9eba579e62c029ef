"""An operator's desk on fake time: typed lines, things that happen meanwhile, pins that outlive the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.calibrate.desk import Desk
from edge.calibrate.store import ConfigStore
from edge.contact import Contact
from edge.pins import open_factory
from tests.rigs import FakeClock

__all__ = ["CAROUSEL", "CONVEYOR", "FLAP", "TWO", "CalibrateRig", "Typed"]

FLAP = """\
gate:
  servo_pin: 18
  home_deg: 90.0  # parked
  bins_deg: {recyclable: 140.0, residue: 40.0}
"""
TWO = """\
gate:
  kind: two_servos
  diverter: {pin: 18}
  door: {pin: 19, min_angle_deg: -90.0, max_angle_deg: 90.0}
  bins_deg: {recyclable: 140.0, residue: 40.0}
"""
CAROUSEL = """\
gate:
  kind: carousel
  home_switch: {pin: 4}
  step_pin: 20
  direction_pin: 21
  enable_pin: 16
  bins_deg: {recyclable: 90.0, residue: 180.0}
  door: {pin: 19}
"""
CONVEYOR = """\
gate:
  kind: conveyor
  belt_pin: 20
  diverter: {pin: 18}
  bins_deg: {recyclable: 140.0, residue: 40.0}
"""

Typed = str | float | Callable[[], None]
"""A line; or seconds in which nothing is typed; or what happens before the next line."""


class TimedClock(FakeClock):
    """Things happen when their time has come, whoever waits."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, Callable[[], None]]] = []

    def at(self, t_s: float, action: Callable[[], None]) -> None:
        self._due.append((t_s, action))
        self._due.sort(key=lambda due: due[0])

    def wait_until(self, t_s: float) -> None:
        while self._due and self._due[0][0] <= t_s:
            due_s, action = self._due.pop(0)
            super().wait_until(due_s)
            action()
        super().wait_until(t_s)


class TypedLines:
    """A `Keyboard` whose lines are known; time passes while nothing is typed."""

    def __init__(self, clock: TimedClock, lines: list[Typed]) -> None:
        self._clock = clock
        self._lines = list(lines)
        self._quiet_until_s: float | None = None

    def discard(self) -> None:
        """The lines stand for what is typed when it is asked for, or for a pipe."""

    def poll(self, timeout_s: float) -> str | None:
        if not self._lines:
            raise EOFError
        line = self._lines[0]
        if isinstance(line, str):
            return str(self._lines.pop(0))
        if callable(line):
            self._lines.pop(0)
            line()
            return None
        if self._quiet_until_s is None:
            self._quiet_until_s = self._clock.now_s() + line
        self._clock.wait_until(self._clock.now_s() + timeout_s)
        if self._clock.now_s() >= self._quiet_until_s:
            self._quiet_until_s = None
            self._lines.pop(0)
        return None


class CalibrateRig:
    """See the module's text.

    Args:
        config: text of the configuration file.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, config: str) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(config)
        self.clock = TimedClock()
        self.factory = open_factory("mock")
        self._close = self.factory.close
        monkeypatch.setattr(self.factory, "close", lambda: None)
        monkeypatch.setattr("edge.drivers.open_factory", lambda *_, **__: self.factory)
        self.signum: int | None = None
        self._levels: dict[int, bool] = {}
        original = Contact.open

        def open_driven(contact: Contact) -> None:
            # A simulated pin takes the level of its pull resistor when it is claimed, whatever drives it.
            original(contact)
            for bcm, is_high in self._levels.items():
                self.drive(bcm, is_high)

        monkeypatch.setattr(Contact, "open", open_driven)

    def store(self) -> ConfigStore:
        return ConfigStore(self.path)

    def desk(self, *lines: Typed, is_quiet: bool = False) -> Desk:
        keyboard: Any = TypedLines(self.clock, list(lines))
        return Desk(self.clock, keyboard, stop_signal=lambda: self.signum, is_quiet=is_quiet)

    def stop(self, signum: int) -> None:
        self.signum = signum

    def drive(self, bcm: int, is_high: bool) -> None:
        """Put a level on an input."""
        self._levels[bcm] = is_high
        pin = self.factory.pin(bcm)
        if pin.function != "input":
            return
        if is_high:
            pin.drive_high()
        else:
            pin.drive_low()

    def is_powered(self, bcm: int) -> bool:
        """True if a servo's pin gives pulses, or an output is on."""
        pin = self.factory.pin(bcm)
        return pin.frequency is not None or pin.state > 0

    def pulses(self, bcm: int) -> list[float]:
        """Duty cycles that a servo's pin gave, in order."""
        return [change.state for change in self.factory.pin(bcm).states if 0 < change.state < 1]

    def close(self) -> None:
        self._close()
