"""`edge-sorter run --unattended` as a process, from outside: what it prints, its status file, pins and heart beats."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cli_rig import ENVIRONMENT
from tests.fault.fs.disk import ROOT
from tests.fault.suite.pinlog import PinChange, read_pins
from tests.replay.rig import home_pulse

__all__ = ["LiveSorter", "live_sorter"]

CONFIG: dict[str, Any] = {
    # The double is as late as the machine that many of them share.
    "source": {"width_px": 320, "height_px": 240, "max_age_s": 5.0},
    "model": {"threads": 1},
    "ledger": {"reserve_mb": 0},
    "capture": {"keep_free_mb": 0},
    "health": {"stable_s": 3600},
}
WATCHDOG_S = 10.0
END_S = 30.0
START_S = 120.0
"""To the first item. Usually 4 s; a machine that starts several sorters beside other work takes its time."""
ITEM_S = 30.0
"""To the next item, which comes after 2 s if nothing holds it."""
POLL_S = 0.02
HOME_LEEWAY = 1e-6


class LiveSorter:
    """A sorter on a camera double (`live.py`).

    Args:
        folder: for its configuration, state, status file and logs.
        changes: sections of its configuration, key by key.
        settings: see `live.py`.
        prefix: a command that starts it, such as `faketime`.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Path,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.ledger = ledger
        folder.mkdir(parents=True, exist_ok=True)
        config = {**CONFIG, **{name: {**CONFIG.get(name, {}), **keys} for name, keys in (changes or {}).items()}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "run").mkdir(exist_ok=True)
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self._events: list[tuple[float, dict[str, Any]]] = []
        self._beats: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        options = ("--unattended", "--json", "--config", folder / "config.yaml", "--ledger", ledger)
        told = json.dumps({"pins": str(folder / "pins"), **(settings or {})})
        self._err = (folder / "err").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fault.suite.live", told, *map(str, options)],
            cwd=ROOT,
            env={
                **ENVIRONMENT,
                "XDG_STATE_HOME": str(folder / "state"),
                "RUNTIME_DIRECTORY": str(folder / "run"),
                "NOTIFY_SOCKET": str(folder / "notify"),
                "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=self._err,
            text=True,
        )
        self.started_s = time.monotonic()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._feel)]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def events(self, type_: str | None = None) -> list[tuple[float, dict[str, Any]]]:
        """What was printed so far, each with when it was seen."""
        with self._changed:
            return [(t_s, record) for t_s, record in self._events if type_ in (None, record["type"])]

    def beats(self, what: str) -> list[float]:
        """When it said this to the service manager, such as `READY=1`."""
        with self._changed:
            return [t_s for t_s, text in self._beats if what in text.splitlines()]

    def wait_for(self, limit_s: float, is_it: Callable[[dict[str, Any]], bool], after_s: float = 0.0) -> float:
        """When the first such event was printed after a moment. Raises: AssertionError if none was in time."""

        def found() -> float | None:
            return next((t_s for t_s, record in self._events if t_s > after_s and is_it(record)), None)

        end_s = time.monotonic() + limit_s
        with self._changed:
            while (t_s := found()) is None:
                has_ended = self._process.poll() is not None
                self._changed.wait(POLL_S)
                # What it said last may be on its way still.
                if time.monotonic() > end_s or (has_ended and found() is None):
                    told = [record["type"] for _, record in self._events]
                    raise AssertionError(f"not within {limit_s:g} s; it said {told}, and {self.err[-600:]}")
        return t_s

    def wait_for_items(self, count: int, after_s: float = 0.0) -> float:
        """When so many items more were written down after a moment. Raises: AssertionError."""
        for _ in range(count):
            limit_s = ITEM_S if self.events("item") else START_S
            after_s = self.wait_for(limit_s, lambda record: record["type"] == "item", after_s)
        return after_s

    def wait_for_stroke(self, number: int) -> None:
        """Return while the gate moves for its so-manieth item. Raises: AssertionError."""
        self.wait_until(lambda: self.strokes() >= number, "the gate moves")

    def wait_until(self, is_so: Callable[[], bool], what: str, limit_s: float = ITEM_S) -> None:
        """Look until something is so. Raises: AssertionError if it never was."""
        for _ in range(int(limit_s / POLL_S)):
            if is_so():
                return
            self.wait(POLL_S)
        raise AssertionError(f"never seen within {limit_s:g} s: {what}; {self.err[-300:]}")

    def wait(self, duration_s: float) -> None:
        """Let it go on for a while; an end before that is an error."""
        try:
            code = self._process.wait(duration_s)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"it ended with {code}: {self.err[-600:]}")

    def status(self) -> dict[str, Any]:
        """Its status file."""
        told: dict[str, Any] = json.loads((self.folder / "run" / "status.json").read_text())
        return told

    def pins(self) -> list[PinChange]:
        return read_pins(self.folder / "pins")

    def strokes(self, from_s: float = 0.0, to_s: float = float("inf")) -> int:
        """How often the gate left its home between two moments."""
        count, was_home = 0, True
        for change in self.pins():
            if not change.pin.startswith("GPIO") or change.value == 0.0:
                continue
            is_home = abs(change.value - home_pulse()) < HOME_LEEWAY
            count += was_home and not is_home and from_s <= change.t_s <= to_s
            was_home = is_home
        return count

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask for an end, or make one. Returns: the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        code = self._process.wait()
        for thread in self._threads[:1]:
            thread.join(END_S)
        return code

    def close(self) -> None:
        self.end(signal.SIGKILL)
        self._notified.close()
        self._err.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{") and line.endswith("\n"):
                self._note(self._events, json.loads(line))

    def _feel(self) -> None:
        while True:
            try:
                text = self._notified.recv(65536).decode()
            except OSError:
                return
            self._note(self._beats, text)

    def _note(self, into: list[Any], what: Any) -> None:
        with self._changed:
            into.append((time.monotonic(), what))
            self._changed.notify_all()


@contextmanager
def live_sorter(*arguments: Any, **named: Any) -> Iterator[LiveSorter]:
    """A sorter that is gone afterwards."""
    sorter = LiveSorter(*arguments, **named)
    try:
        yield sorter
    finally:
        sorter.close()
