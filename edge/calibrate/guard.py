"""What forbids every motion during a calibration: the emergency stop, an open lid, a sorter that is at work."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edge.config import PanelConfig
from edge.contact import Contact
from edge.errors import ActuatorError
from edge.ledger_format import sidecar
from edge.pins import PinFactory

__all__ = ["Guard", "HeldError", "no_sorter_at_work"]

_REASONS = {
    "estop": ("emergency stop", "the emergency stop is pressed"),
    "lid": ("lid contact", "the lid is open"),
}


class HeldError(ActuatorError):
    """A motion was forbidden, or cut off, by the emergency stop or the lid; every motor is without power."""


class Guard:
    """Emergency stop and lid, where the configuration has them.

    Hazard: this is software. An emergency stop must also cut the motors' supply by its own contact.
    """

    def __init__(self, panel: PanelConfig, factory: PinFactory) -> None:
        switches = {"estop": panel.estop, "lid": panel.lid}
        self._contacts = [
            (_REASONS[key][1], Contact(switch, factory, _REASONS[key][0], f"panel.{key}"))
            for key, switch in switches.items()
            if switch is not None
        ]

    def open(self, stack: ExitStack) -> None:
        """Claim the pins; `stack` gives them back. Raises: ActuatorError."""
        for _, contact in self._contacts:
            stack.callback(contact.close)
            contact.open()

    def check(self) -> None:
        """Raises: HeldError while one of them is actuated; ActuatorError if a pin does not answer."""
        for reason, contact in self._contacts:
            if contact.is_actuated():
                raise HeldError(f"{reason}: nothing moves, and no motor has power")


@contextmanager
def no_sorter_at_work(ledger: Path) -> Iterator[None]:
    """Keep a sorter from starting meanwhile, where one has ever written this ledger.

    Raises: ActuatorError if one is running: it holds pins and camera.
    """
    try:
        handle = os.open(sidecar(ledger.resolve(), ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # No sorter ever wrote here, or none that this user may know of: the pins refuse what they must.
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 11, 0).decode("ascii", "replace").strip()
            raise ActuatorError(
                f"the sorter is running (process {holder or 'starting'}) and holds pins and camera; stop it first: "
                "sudo systemctl stop edge-sorter"
            ) from None
        yield
    finally:
        os.close(handle)
