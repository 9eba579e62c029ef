"""A sorter that nobody visits: what it runs with when its files are bad, how it waits, how it reloads."""

import errno
import fcntl
import itertools
import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import edge.unattended
from edge.commands.common import wish
from edge.commands.unattended import missed_before
from edge.commands.watchers import Silent
from edge.config import Config
from edge.errors import ActuatorError, BundleError, ConfigError, JamError, LedgerError, SafeModeError
from edge.gates.motion import ScriptedGate
from edge.health.heart import Heart
from edge.health.lastgood import LastGood
from edge.health.notify import Notifier
from edge.health.starts import Starts
from edge.health.status import StatusFile
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event
from edge.standby import stand_by
from edge.unattended import Caretaker, Signals
from tests.cli_rig import invoke, sentence
from tests.rigs import SHIPPED_BUNDLE, FakeClock, edit_manifest

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
    assert machine.waited["safe_mode"]["is_on"] and machine.waited["status"] == "fault"
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


def test_a_configuration_that_was_mended_while_it_waited_is_used(machine, monkeypatch):
    _fail_starts(machine, monkeypatch, 2)
    waits = machine.clock.wait_until

    def mend(t_s):
        waits(t_s)
        machine.config.write_text(f"{SMALL}uncertain_route: recyclable\n")

    machine.config.write_text(f"{SMALL}gate: {{hold_s: 0.1}}\n")
    machine.clock.wait_until = mend
    machine.run()
    kept = LastGood(machine.folder / "last-good").config()
    assert kept is not None and "uncertain_route" in kept.read_text()


def test_a_reload_ends_the_wait_of_safe_mode(machine, monkeypatch):
    _fail_starts(machine, monkeypatch, 5)
    machine.reloads = 1
    began_s = machine.clock.now_s()
    machine.run()
    assert machine.clock.now_s() - began_s < 300
    assert machine.status["reload"]["is_ok"] is True


def test_panel_pins_that_fall_mute_do_not_end_the_stand_by():
    class Mute:
        def poll(self, now_s):
            raise ActuatorError("GPIO5 does not answer")

    @contextmanager
    def mute(config):
        yield Mute()

    clock = FakeClock()
    assert stand_by(Config(), clock, 300.0, lambda left_s: True, mute)
    assert clock.now_s() >= 300


def test_a_configuration_under_which_it_only_stood_in_a_fault_is_not_kept(machine, monkeypatch):
    def jam(self, now_s):
        if self.is_moving:
            self.stop()
            raise JamError("stuck")

    monkeypatch.setattr(ScriptedGate, "tick", jam)
    monkeypatch.setattr("edge.machine.recover", lambda machine, now_s: (machine, ()))
    machine.run()
    assert machine.faults() == ["gate_jammed"]
    assert LastGood(machine.folder / "last-good").config() is None


def test_a_text_that_was_saved_while_it_was_opened_is_not_taken_for_the_one_in_use(machine, monkeypatch):
    opened = edge.unattended.open_session

    def save_a_typo(*arguments):
        machine.config.write_text("vote: {dead_line_s: 2}\n")
        return opened(*arguments)

    monkeypatch.setattr(edge.unattended, "open_session", save_a_typo)
    machine.run()
    kept = LastGood(machine.folder / "last-good").config()
    assert kept is not None and kept.read_text() == SMALL


def test_a_ledger_that_cannot_be_opened_is_no_reason_to_take_another(machine, monkeypatch):
    machine.names_ledger = False
    old, new = machine.folder / "old.db", machine.folder / "new.db"
    machine.config.write_text(f"{SMALL}ledger: {{path: {old}}}\n")
    machine.run()
    rows = old.read_bytes()
    machine.config.write_text(f"{SMALL}ledger: {{path: {new}}}\n")
    opened = SqliteLedger.open
    monkeypatch.setattr(SqliteLedger, "open", lambda self: _refuse() if self._path == new else opened(self))
    for _ in range(4):
        with pytest.raises(LedgerError):
            machine.run()
    assert old.read_bytes() == rows


def test_the_last_good_configuration_keeps_the_present_book(machine, monkeypatch):
    machine.names_ledger = False
    machine.config.write_text(f"{SMALL}ledger: {{path: {machine.folder / 'old.db'}}}\n")
    machine.run()
    machine.config.write_text(f"{SMALL}pins: {{factory: lgpio}}\nledger: {{path: {machine.folder / 'new.db'}}}\n")
    for _ in range(3):
        with pytest.raises(ActuatorError):
            machine.run()
    machine.run()
    assert machine.faults() == ["config_refused"]
    with LedgerReader(machine.folder / "new.db") as reader:
        assert [record["type"] for record in reader.iterate()].count("item") == 2


@pytest.mark.parametrize(
    ("present", "is_used"),
    [
        ("gate: {servo_pin: 12, hold: 1}\n", False),
        ("panel: {estop: {pin: 5}}\nvote: {dead_line_s: 1}\n", False),
        ("gate: {servo_pin: 18}\nvote: {dead_line_s: 1}\n", True),
        ("gate: {servo_pin: 18\n", True),
    ],
    ids=["another pin", "a new emergency stop", "the same wires", "no YAML at all"],
)
def test_a_machine_that_was_wired_anew_is_not_driven_as_before(machine, present, is_used):
    machine.config.write_text(f"{SMALL}gate: {{servo_pin: 18}}\n")
    machine.run()
    machine.config.write_text(SMALL + present)
    if is_used:
        machine.run()
        assert machine.faults() == ["config_refused"]
    else:
        with pytest.raises(ConfigError, match="other wires"):
            machine.run()


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
        patch.setattr(SqliteLedger, "open", lambda self: _refuse() if is_bad() else opened(self))
        machine.run(items=4)
    assert [record["type"] for record in machine.events.records] == ["boot", "item"]
    assert machine.status["ledger"]["missed"]["item"] == 3
    (owed,) = missed_before(machine.folder / "run")
    assert owed.body["missed"]["item"] == 3


def test_what_the_last_process_could_not_write_is_told_by_the_next(machine):
    machine.owed = (Event("fault", 0.0, {"reason": "ledger_failed", "detail": "x", "missed": {"item": 3}}),)
    machine.run()
    (fault,) = [record for record in machine.events.records if record["type"] == "fault"]
    assert fault["missed"] == {"item": 3}
    assert [record["type"] for record in machine.events.records[:2]] == ["boot", "fault"]


def test_an_end_that_was_asked_for_early_proves_nothing(machine, monkeypatch):
    _fail_starts(machine, monkeypatch, 3)
    machine.config.write_text(SMALL.replace("stable_s: 1", "stable_s: 3600"))

    def stop(record):
        machine.stop = 15

    machine.events.at = stop
    machine.run()
    assert Starts(machine.folder / "starts.json", boot_id="kernel").begin().count == 4


def _fail_starts(machine: Machine, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "open", lambda self: _refuse())
        for _ in range(count):
            with pytest.raises(LedgerError):
                machine.run()


def _refuse() -> None:
    raise LedgerError("cannot write")


def _stop_after(machine: Machine, looks: "itertools.count[int]", limit: int) -> None:
    if next(looks) >= limit:
        machine.waited = machine.status
        machine.stop = 15


def test_a_second_process_beside_the_first_counts_no_start_and_writes_no_status(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    folder = tmp_path / "edge-sorter"
    folder.mkdir()
    with (folder / "unattended.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711\n")
        held.flush()
        refused = invoke("run", "--unattended", "--source", "sim", "--pace", "fast", "--items", "1")
    assert (refused.code, sentence(refused)) == (
        5,
        "another sorter runs unattended already (process 4711); stop that one first",
    )
    assert sorted(path.name for path in folder.iterdir()) == ["unattended.lock"]
    assert not (tmp_path / "run").exists()
