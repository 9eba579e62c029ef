"""A sorter that nobody visits takes its configuration anew, or refuses it and goes on."""

import errno
import shutil
from pathlib import Path

import pytest

from edge.commands.unattended import missed_before
from edge.errors import LedgerError
from edge.health.lastgood import LastGood
from edge.health.starts import Starts
from edge.ledger import SqliteLedger
from tests.rigs import SHIPPED_BUNDLE, edit_manifest
from tests.unattended_rig import SMALL, Machine, fail_starts, refuse


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_reload_takes_the_new_configuration_between_two_items(machine):
    def change(record):
        if record["type"] == "item" and machine.reloads == 0 and len(machine.events.records) == 2:
            machine.config.write_text(f"{SMALL}uncertain_route: recyclable\n")
            machine.reloads = 1

    machine.events.at = change
    machine.run(items=3)
    types = [record["type"] for record in machine.events.records]
    assert types == ["boot", "item", "boot", "item", "item", "item"], "the simulation began anew"
    boots = [record["boot_id"] for record in machine.events.records]
    assert len(set(boots[:2])) == len(set(boots[2:])) == 1 and boots[0] != boots[2], "it may be another book"
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
    assert machine.status["reload"]["is_ok"] is False
    kept = LastGood(machine.folder / "last-good").config()
    assert kept is not None and kept.read_text() == SMALL, "what was refused is not what served well"


def test_a_reload_goes_back_to_the_last_good_model_too_where_that_was_at_work(machine):
    machine.run()
    bundle = machine.folder / "model"
    shutil.copytree(SHIPPED_BUNDLE, bundle)
    edit_manifest(bundle, lambda manifest: manifest.update(sha256="0" * 64))
    machine.config.write_text(f"{SMALL}model: {{path: {bundle}}}\n")

    def change(record):
        if record["type"] == "item" and "config_refused" not in machine.faults():
            machine.config.write_text(f"{SMALL}pins: {{factory: lgpio}}\n")
            machine.reloads = 1
            machine.events.at = lambda record: None

    machine.events.at = change
    machine.run()
    assert machine.faults() == ["model_refused", "config_refused"]
    assert machine.events.records[-1]["type"] == "item"
    assert machine.status["model"]["is_last_good"] is True


def test_a_stop_after_a_reload_brings_no_failed_starts_of_before_back(machine, monkeypatch):
    fail_starts(machine, monkeypatch, 4)

    def change(record):
        if record["type"] == "item" and len(machine.events.records) == 4:
            machine.config.write_text(f"{SMALL}uncertain_route: recyclable\n")
            machine.reloads = 1
        if record["type"] == "boot" and len(machine.events.records) > 4:
            machine.stop = 15

    machine.events.at = change
    machine.run(items=5)
    assert machine.stop == 15, "it was stopped right after the reload"
    assert Starts(machine.folder / "starts.json", boot_id="kernel").begin().count == 1


def test_a_reload_ends_the_wait_of_safe_mode(machine, monkeypatch):
    fail_starts(machine, monkeypatch, 5)
    machine.reloads = 1
    began_s = machine.clock.now_s()
    machine.run()
    assert machine.clock.now_s() - began_s < 300
    assert machine.status["reload"]["is_ok"] is True


def test_a_reload_waits_while_nothing_can_be_written_down(machine, monkeypatch):
    machine.config.write_text(f"{SMALL}ledger: {{when_unwritable: sort}}\n")
    appended, opened = SqliteLedger.append, SqliteLedger.open

    def is_bad() -> bool:
        return len(machine.events.records) >= 2

    def append(self, event):
        if is_bad():
            machine.reloads = 1
            raise LedgerError("disk") from OSError(errno.EIO, "it fails")
        return appended(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "append", append)
        patch.setattr(SqliteLedger, "open", lambda self: refuse() if is_bad() else opened(self))
        machine.run(items=4)
    assert [record["type"] for record in machine.events.records] == ["boot", "item"]
    # The first of the three was meant to be moved when the book still took it: the next run names it.
    assert machine.status["ledger"]["missed"]["item"] == 2
    (owed,) = missed_before(machine.folder / "run")
    assert owed.body["missed"]["item"] == 2
