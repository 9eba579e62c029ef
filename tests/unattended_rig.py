"""A machine as a folder has it, and unattended sorters on it, one process after the other."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.commands.common import wish
from edge.commands.watchers import Silent
from edge.errors import LedgerError
from edge.health.heart import Heart
from edge.health.lastgood import LastGood
from edge.health.notify import Notifier
from edge.health.starts import Starts
from edge.health.status import StatusFile
from edge.ledger import SqliteLedger
from edge.records import Event
from edge.unattended import Caretaker, Signals

SMALL = "source: {width_px: 320, height_px: 240}\nhealth: {stable_s: 1}\n"


class Events(Silent):
    """Keeps what was told, and does something at an event when asked to."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.at: Callable[[dict[str, Any]], object] = lambda record: None

    def on_event(self, record):
        self.records.append(dict(record))
        self.at(self.records[-1])


class PacedClock:
    """A clock that goes on by a hundredth of a second each time it is looked at."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        self._now_s += 0.01
        return self._now_s

    def wait_until(self, t_s: float) -> None:
        self._now_s = max(self._now_s, t_s)


class Machine:
    """A folder as a machine has it, and processes of the sorter on it, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.config.write_text(SMALL)
        self.events = Events()
        self.clock = PacedClock()
        self.stop: int | None = None
        self.waited: dict[str, Any] = {}
        self.reloads = 0
        self.names_ledger = True
        self.owed: tuple[Event, ...] = ()

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def status(self) -> dict[str, Any]:
        return json.loads((self.folder / "run" / "status.json").read_text())

    def faults(self) -> list[str]:
        return [record["reason"] for record in self.events.records if record["type"] == "fault"]

    def run(self, items: int = 2) -> None:
        """One process, from its start to its end."""
        self.events.records.clear()
        status = StatusFile(self.folder / "run", self.clock)
        last_good = LastGood(self.folder / "last-good")
        caretaker = Caretaker(
            self.config,
            partial(wish, ledger=self.ledger if self.names_ledger else None, sim_items=items),
            "fast",
            [self.events],
            Signals(lambda: self.stop, self._take_reload),
            Heart(Notifier(), self.clock),
            status,
            Starts(self.folder / "starts.json", boot_id="kernel"),
            last_good,
            self.clock,
            self.owed,
        )
        try:
            caretaker.run()
        finally:
            status.close(0)
            last_good.close()

    def _take_reload(self) -> bool:
        is_asked, self.reloads = self.reloads > 0, max(self.reloads - 1, 0)
        return is_asked


def fail_starts(machine: Machine, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """So many starts in a row whose book cannot be opened."""
    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "open", lambda self: refuse())
        for _ in range(count):
            with pytest.raises(LedgerError):
                machine.run()


def refuse() -> None:
    """What a disk says that takes nothing."""
    raise LedgerError("cannot write")
