"""The service from outside: its unit, its configuration, its event book."""

import json
import os
import pwd
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.rig.guest.camera import DEVICE
from tests.rig.guest.chip import Chip, Watch, eventually
from tests.rig.guest.tray import HEIGHT_PX, WIDTH_PX

__all__ = [
    "BASE",
    "BIN_FULL",
    "CONFIG",
    "DEVICE",
    "DROP",
    "ESTOP",
    "HOME_SWITCH",
    "RED",
    "RESUME",
    "SERVO",
    "STARTS",
    "USER",
    "Sorter",
    "allowance",
    "pulse_us",
]

USER = "edge-sorter"
UNIT = "edge-sorter.service"
CONFIG = Path("/etc/edge-sorter/config.yaml")
SHIPPED = Path(__file__).resolve().parents[3] / "config" / "default.yaml"
LEDGER = Path("/var/lib/edge-sorter/ledger.db")
STARTS = Path("/var/lib/edge-sorter/starts.json")
END = Path("/run/edge-sorter/rig-end")
STATUS = Path("/run/edge-sorter/status.json")
SERVO, DROP, HOME_SWITCH, ESTOP, RESUME, BIN_FULL = 18, 23, 24, 5, 6, 13
RED = 26
AT_REST = {DROP: True, HOME_SWITCH: True, ESTOP: False, RESUME: True, BIN_FULL: True}
"""Levels of the inputs while nothing happens: sensors and buttons pull low, the emergency stop is closed to ground."""
START_S = 20.0
HOMED_S = 15.0
EMPTY_S = 1.5
BASE: dict[str, Any] = {
    "source": {"spec": f"v4l2:{DEVICE}", "width_px": WIDTH_PX, "height_px": HEIGHT_PX, "fps": 30.0, "max_age_s": 1.5},
    "pins": {"factory": "lgpio"},
    "model": {"threads": 1},
    "gate": {"servo_pin": SERVO, "bins_deg": {"recyclable": 140.0, "residue": 40.0}, "home_deg": 90.0},
    "drop_sensor": {"kind": "beam", "pin": DROP, "timeout_s": 1.5},
    "bins": {"full_s": 0.5, "sensors": {"residue": {"kind": "beam", "pin": BIN_FULL}}},
}
"""A flap and a beam, as of a smart bin with a USB camera. The guest's one processor is also the bench's, so that a
picture may come late."""


def pulse_us(angle_deg: float) -> float:
    """Width of a pulse that commands an angle, with the default reach of 0 to 180 degrees."""
    return 500.0 + angle_deg / 180.0 * 2000.0


def allowance() -> str:
    """What is configured for the guest's sake and differs from what is shipped, for a row's `injected_by`."""
    used, shipped = (yaml.safe_load(file.read_text())["source"]["max_age_s"] for file in (CONFIG, SHIPPED))
    return f"`source.max_age_s` {used:g} and not {shipped:g}, since the guest has one processor"


class Sorter:
    """The program under systemd, as the user of its unit."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._seen = 0

    def rest(self) -> None:
        """Put every input at rest."""
        for bcm, is_high in AT_REST.items():
            self._chip.drive(bcm, is_high)

    def configure(self, changes: Mapping[str, Any]) -> bool:
        """Write the configuration: `BASE` with other sections, merged key by key. Returns: whether it is another."""
        text = yaml.safe_dump(_merged(BASE, changes))
        if CONFIG.exists() and CONFIG.read_text() == text:
            return False
        CONFIG.write_text(text)
        return True

    @property
    def is_running(self) -> bool:
        return self.show("SubState") == "running"

    def start(self) -> None:
        """Start the unit, anew if it runs, and wait until the program has begun."""
        self.forget()
        self.begin()
        self.wait_for("boot", START_S)
        # Claiming a pin switches its pull resistor on, and gpio-sim knows nothing stronger: what is wired to it must
        # be driven anew.
        self.rest()

    def begin(self) -> None:
        """Start the unit as if it had never failed, and wait for nothing."""
        self.stop()
        STARTS.unlink(missing_ok=True)
        # Its start is over when the gate is parked, which a test may want to see, or to prevent.
        _systemctl("start", "--no-block", UNIT)

    def wait_until_ready(self, servo: Watch) -> None:
        """Wait until the servo is at home without power, and the tray was seen empty for long enough."""
        servo.wait_for_quiet(HOMED_S)
        time.sleep(EMPTY_S)

    def wait_until_sorting(self, limit_s: float, but_pid: int = 0) -> float:
        """Wait until another process than this one looks at an empty tray. Returns: when that was seen."""

        def is_sorting() -> bool:
            status = self.status()
            return status.get("state") == "ready" and status["pid"] != but_pid

        return eventually(is_sorting, limit_s, "a sorter that is ready for an item")

    def status(self) -> dict[str, Any]:
        """What the program says of itself; empty before it does."""
        try:
            told: dict[str, Any] = json.loads(STATUS.read_text())
        except FileNotFoundError:
            return {}
        return told

    @property
    def pid(self) -> int:
        """Of the program; 0 while it does not run."""
        return int(self.show("MainPID"))

    def stop(self) -> None:
        _systemctl("stop", UNIT)

    def kill(self, signal_name: str) -> float:
        """Send a signal to the program itself. Returns: when, in monotonic seconds."""
        pid = self.pid
        assert pid > 0, "the program does not run"
        sent_s = time.monotonic()
        subprocess.run(["kill", f"-{signal_name}", str(pid)], check=True)
        return sent_s

    def wait_for_exit(self, limit_s: float) -> None:
        """Wait until the program has ended; its unit may start it again."""
        eventually(lambda: not self.is_running, limit_s, "the program's end")

    @property
    def last_end(self) -> str:
        """How the process ended last: the unit's result, and the exit status or the signal's name."""
        result, _, status = END.read_text().split()
        return f"{result} {status}"

    def show(self, name: str) -> str:
        """A property of the unit."""
        command = ["systemctl", "show", "--property", name, "--value", UNIT]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def wait_for(self, type_: str, limit_s: float, *, reason: str | None = None) -> dict[str, Any]:
        """Wait for the next event of a type, or for a reason, past those that were waited for before."""
        found: list[dict[str, Any]] = []

        def is_written() -> bool:
            for row_id, record in self._rows(self._seen):
                self._seen = row_id
                if record["type"] == type_ or (reason is not None and record.get("reason") == reason):
                    found.append(record)
                    return True
            return False

        eventually(is_written, limit_s, f"event {type_}")
        return found[0]

    def forget(self) -> None:
        """`wait_for` looks only at what is written from now on."""
        self._seen = max((row_id for row_id, _ in self._rows(0)), default=0)

    def events(self) -> list[dict[str, Any]]:
        """Every event so far."""
        return [record for _, record in self._rows(0)]

    def events_of(self, boot_id: str) -> list[dict[str, Any]]:
        """The events of one process."""
        return [record for record in self.events() if record["boot_id"] == boot_id]

    def _rows(self, after: int) -> list[tuple[int, dict[str, Any]]]:
        if not LEDGER.exists():
            return []
        # As the program's own user: whoever reads a book that is written shares files with the writer.
        with _as_user(), closing(sqlite3.connect(f"file:{LEDGER}?mode=ro", uri=True, timeout=5.0)) as book:
            try:
                rows = book.execute("SELECT id, record FROM events WHERE id > ? ORDER BY id", (after,)).fetchall()
            except sqlite3.OperationalError:  # it is being made
                return []
        return [(row_id, json.loads(record)) for row_id, record in rows]


@contextmanager
def _as_user() -> Iterator[None]:
    os.seteuid(pwd.getpwnam(USER).pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"systemctl {' '.join(arguments)}: {done.stderr.strip()}"


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in changes.items():
        old = both.get(key)
        both[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both
