"""What forbids every motion during a calibration: the emergency stop, an open lid, a sorter that is at work."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edge.board.processes import programs
from edge.board.sysfiles import ROOT
from edge.calibrate.desk import Desk
from edge.config import Config
from edge.contact import Contact
from edge.drivers import open_pins, put_in_order
from edge.errors import ActuatorError
from edge.latch import StopLatch
from edge.ledger_format import sidecar
from edge.paths import stop_path
from edge.pins import PinFactory

__all__ = ["Guard", "HeldError", "claimed_pins", "no_sorter_at_work", "tell_of_strangers"]

_REASONS = {
    "estop": ("emergency stop", "the emergency stop is pressed", "release it"),
    "lid": ("lid contact", "the lid is open", "close it"),
}


class HeldError(ActuatorError):
    """A motion was forbidden, or cut off, by the emergency stop or the lid; every motor is without power."""


class Guard:
    """Emergency stop and lid, where the configuration has them.

    Hazard: this is software. An emergency stop must also cut the motors' supply by its own contact.
    """

    def __init__(self, config: Config, factory: PinFactory) -> None:
        panel = config.panel
        self._latch = StopLatch(stop_path(config)) if panel.estop is not None else None
        self._panel = panel
        self._factory = factory
        switches = {"estop": panel.estop, "lid": panel.lid}
        self._contacts: list[tuple[str, Contact]] = []
        for key, switch in switches.items():
            if switch is not None:
                name, reason, remedy = _REASONS[key]
                sentence = (
                    f"{reason}: nothing moves, and no motor has power; {remedy}, or check panel.{key} with calibrate "
                    "sensors"
                )
                self._contacts.append((sentence, Contact(switch, factory, name, f"panel.{key}")))

    def open(self, stack: ExitStack) -> None:
        """Claim the pins; `stack` gives them back. Raises: ActuatorError; HeldError under a stop that was not reset."""
        if self._latch is not None and self._latch.is_set():
            raise HeldError(
                f"the emergency stop was pressed and not reset ({self._latch.path}): nothing moves; release it, start "
                "the sorter, and press the resume button"
            )
        for _, contact in self._contacts:
            stack.callback(contact.close)
            contact.open()
        put_in_order(self._panel, self._factory)

    def check(self) -> None:
        """Raises: HeldError while one of them is actuated; ActuatorError if a pin does not answer."""
        for sentence, contact in self._contacts:
            if contact.is_actuated():
                raise HeldError(sentence)


@contextmanager
def claimed_pins(config: Config, desk: Desk) -> Iterator[PinFactory]:
    """The configuration's pin factory; the operator is told if the pins are simulated. Raises: ActuatorError."""
    if config.pins.factory == "mock":
        desk.say("Simulated pins (pins.factory is mock): nothing moves, and no sensor is real.")
    with open_pins(config) as factory:
        yield factory


def tell_of_strangers(config: Config, desk: Desk, root: Path = ROOT) -> None:
    """Warn of a sorter that `no_sorter_at_work` may miss: that of another user, or one with another ledger."""
    if config.pins.factory == "mock":
        return
    for program in programs(root):
        if program.command == "run":
            desk.warn(f"{program} is at work: if it uses these pins or this camera, stop it first")
    if config.ledger.path is None:
        desk.warn(
            "ledger.path is not set, so that a sorter of another user is not kept from starting meanwhile; name the "
            "ledger in the configuration"
        )


@contextmanager
def no_sorter_at_work(ledger: Path) -> Iterator[None]:
    """Keep a sorter from starting meanwhile with this ledger, where its folder is there already.

    Raises: ActuatorError if one is running, or another calibration: it holds pins and camera.
    """
    try:
        handle = _open_lock(ledger.resolve())
    except OSError:
        # No folder yet, or none that this user may write to: the pins refuse what they must.
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ActuatorError(
                f"{_holder(handle)} and holds pins and camera; stop it first: sudo systemctl stop edge-sorter"
            ) from None
        yield
    finally:
        os.close(handle)


def _open_lock(ledger: Path) -> int:
    """The file that a sorter locks; an empty one is made where no sorter ever ran. Raises: OSError."""
    lock = sidecar(ledger, ".lock")
    is_new = not lock.exists()
    handle = os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    if is_new and os.geteuid() == 0:
        # The sorter's own user must be able to write to it.
        folder = ledger.parent.stat()
        os.chown(handle, folder.st_uid, folder.st_gid)
    return handle


def _holder(handle: int) -> str:
    """Who holds the lock: the sorter that wrote its number into it, if it still runs; else somebody else."""
    number = os.pread(handle, 11, 0).decode("ascii", "replace").strip()
    is_alive = number.isdecimal() and Path(f"/proc/{number}").exists()
    return f"the sorter is running (process {number})" if is_alive else "another edge-sorter command is running"
