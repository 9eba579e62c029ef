"""A sorter that nobody visits: what it runs with when its files are bad, how it waits, how it reloads."""

import itertools
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.commands.common import wish
from edge.commands.watchers import Silent
from edge.errors import BundleError, ConfigError, LedgerError, SafeModeError
from edge.health.heart import Heart
from edge.health.lastgood import LastGood
from edge.health.notify import Notifier
from edge.health.starts import Starts
from edge.health.status import StatusFile
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.unattended import Caretaker, Signals
from tests.rigs import SHIPPED_BUNDLE, edit_manifest

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
        self.reloads = 0

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
            partial(wish, ledger=self.ledger, sim_items=items),
            "fast",
            [self.events],
            Signals(lambda: self.stop, self._take_reload),
            Heart(Notifier(), self.clock),
            status,
            Starts(self.folder / "starts.json", boot_id="kernel"),
            last_good,
            self.clock,
        )
        try:
            caretaker.run()
        finally:
            status.close(0)
            last_good.close()

    def _take_reload(self) -> bool:
        is_asked, self.reloads = self.reloads > 0, max(self.reloads - 1, 0)
        return is_asked


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def spoiled_bundle(folder: Path) -> Path:
    bundle = folder / "model"
    shutil.copytree(SHIPPED_BUNDLE, bundle)
    edit_manifest(bundle, lambda manifest: manifest.update(sha256="0" * 64))
    return bundle


def test_a_sound_run_sorts_and_says_so(machine):
    machine.run()
    assert [record["type"] for record in machine.events.records] == ["boot", "item", "item"]
    assert machine.status["items"]["total"] == 2
    with LedgerReader(machine.ledger) as reader:
        assert reader.verify().problems == ()


def test_a_bad_configuration_without_a_good_one_is_refused_and_counted(machine):
    machine.config.write_text("gate: {kind: trebuchet}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1"):
        machine.run()
    assert Starts(machine.folder / "starts.json", boot_id="kernel").begin().count == 2
    assert not machine.ledger.exists()


def test_a_configuration_that_was_spoiled_leaves_the_last_good_one_at_work(machine):
    machine.run()
    machine.config.write_text("vote: {dead_line_s: 2}\n")
    machine.run()
    assert machine.faults() == ["config_refused"]
    (fault,) = [record for record in machine.events.records if record["type"] == "fault"]
    assert "unknown key 'vote.dead_line_s'" in fault["detail"]
    assert [record["type"] for record in machine.events.records].count("item") == 2
    assert machine.status["config"]["is_last_good"]


def test_a_bundle_that_was_spoiled_leaves_the_last_good_one_at_work(machine):
    machine.run()
    machine.config.write_text(f"{SMALL}model: {{path: {spoiled_bundle(machine.folder)}}}\n")
    machine.run()
    assert machine.faults() == ["model_refused"]
    assert [record["type"] for record in machine.events.records].count("item") == 2


def test_a_bad_bundle_without_a_good_one_is_refused(machine):
    machine.config.write_text(f"{SMALL}model: {{path: {spoiled_bundle(machine.folder)}}}\n")
    with pytest.raises(BundleError, match="SHA-256"):
        machine.run()


def test_what_is_kept_was_in_use_by_a_run_that_lasted(machine):
    machine.config.write_text(SMALL.replace("stable_s: 1", "stable_s: 3600"))
    machine.run()
    assert LastGood(machine.folder / "last-good").config() is None


def test_failed_starts_wait_ever_longer_and_then_move_nothing(machine, monkeypatch):
    machine.run()
    opened = SqliteLedger.open
    monkeypatch.setattr(SqliteLedger, "open", lambda self: _refuse())
    began_s = []
    for _ in range(7):
        before_s = machine.clock.now_s()
        with pytest.raises(LedgerError):
            machine.run()
        began_s.append(round(machine.clock.now_s() - before_s))
    assert began_s[:5] == [0, 0, 2, 4, 8]
    assert began_s[5:] == [300, 600]
    monkeypatch.setattr(SqliteLedger, "open", opened)
    looks = itertools.count()
    machine.clock.wait_until = lambda t_s, wait=machine.clock.wait_until: (wait(t_s), _stop_after(machine, looks, 100))
    with pytest.raises(SafeModeError, match="7 starts in a row came to nothing, the last one: cannot write"):
        machine.run()
    assert machine.status["status"] == "stopped" or machine.status["safe_mode"] is None
    with LedgerReader(machine.ledger) as reader:
        (storm,) = [record for record in reader.iterate() if record.get("reason") == "restart_storm"]
    assert storm["starts"] == 8
    assert "cannot write" in storm["detail"]


def test_a_sound_run_after_failed_ones_begins_the_count_anew(machine, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "open", lambda self: _refuse())
        for _ in range(3):
            with pytest.raises(LedgerError):
                machine.run()
    machine.run()
    assert Starts(machine.folder / "starts.json", boot_id="kernel").begin().count == 1


def test_a_reload_takes_the_new_configuration_between_two_items(machine):
    def change(record):
        if record["type"] == "item" and machine.reloads == 0 and len(machine.events.records) == 2:
            machine.config.write_text(f"{SMALL}uncertain_route: recyclable\n")
            machine.reloads = 1

    machine.events.at = change
    machine.run(items=3)
    types = [record["type"] for record in machine.events.records]
    assert types == ["boot", "item", "boot", "item", "item", "item"], "the simulation began anew"
    assert len({record["boot_id"] for record in machine.events.records}) == 1
    assert machine.status["reload"]["is_ok"]


def test_a_reload_of_a_bad_configuration_changes_nothing(machine):
    def change(record):
        if record["type"] == "item" and len(machine.events.records) == 2:
            machine.config.write_text("routes: {glass: nowhere}\n")
            machine.reloads = 1

    machine.events.at = change
    machine.run(items=3)
    assert [record["type"] for record in machine.events.records] == ["boot", "item", "fault", "item", "item"]
    assert machine.faults() == ["config_refused"]
    assert (machine.status["reload"]["is_ok"], machine.status["config"]["is_last_good"]) == (False, False)


def test_a_reload_whose_pins_cannot_be_had_goes_back_to_what_worked(machine, monkeypatch):
    def change(record):
        if record["type"] == "item" and len(machine.events.records) == 2:
            machine.config.write_text(f"{SMALL}pins: {{factory: lgpio}}\n")
            machine.reloads = 1

    machine.events.at = change
    machine.run(items=2)
    types = [record["type"] for record in machine.events.records]
    assert types[:2] == ["boot", "item"]
    assert machine.faults() == ["config_refused"]
    assert types[-1] == "item"


def _refuse() -> None:
    raise LedgerError("cannot write")


def _stop_after(machine: Machine, looks: "itertools.count[int]", limit: int) -> None:
    if next(looks) >= limit:
        machine.stop = 15
