"""A sorter that nobody visits: how it starts, waits, stands by, and what it remembers."""

import fcntl
import itertools
from contextlib import contextmanager
from pathlib import Path

import pytest

import edge.unattended
from edge.commands.unattended import missed_before
from edge.config import Config
from edge.errors import ActuatorError, LedgerError, SafeModeError
from edge.health.lastgood import LastGood
from edge.health.starts import Starts
from edge.health.status import StatusFile
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.machine import State
from edge.records import Event
from edge.sources.replay import ReplaySource
from edge.standby import stand_by
from edge.unattended import Caretaker, _Trial
from tests.cli_rig import invoke, sentence
from tests.rigs import FakeClock, MachineRig, rules
from tests.unattended_rig import SMALL, Machine, fail_starts, refuse


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_sound_run_sorts_and_says_so(machine):
    machine.run()
    assert [record["type"] for record in machine.events.records] == ["boot", "item", "item"]
    assert machine.status["items"]["total"] == 2
    with LedgerReader(machine.ledger) as reader:
        assert reader.verify().problems == ()


def test_failed_starts_wait_ever_longer_and_then_move_nothing(machine, monkeypatch):
    machine.run()
    opened = SqliteLedger.open
    monkeypatch.setattr(SqliteLedger, "open", lambda self: refuse())
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


def test_nothing_is_proven_and_nothing_exchanged_before_the_first_frame(machine, monkeypatch):
    late, reads = 300, itertools.count()
    read, stable, opened = ReplaySource.read, Starts.stable, edge.unattended.open_session
    proven, begun = [], []

    def give_nothing_at_first(self, until_s, **hints):
        if next(reads) < late:
            self.clock.wait_until(until_s)
            return None
        return read(self, until_s, **hints)

    monkeypatch.setattr(ReplaySource, "read", give_nothing_at_first)
    monkeypatch.setattr(Starts, "stable", lambda self: (proven.append(next(reads)), stable(self)))
    monkeypatch.setattr(edge.unattended, "open_session", lambda *care: (begun.append(next(reads)), opened(*care))[1])
    machine.reloads = 1
    machine.run()
    assert len(begun) == 2 and begun[1] > late, "asked for from the beginning on"
    assert proven and proven[0] > late, "by then it had run for long enough more than once"


def test_a_sound_run_after_failed_ones_begins_the_count_anew(machine, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "open", lambda self: refuse())
        for _ in range(3):
            with pytest.raises(LedgerError):
                machine.run()
    machine.run()
    assert Starts(machine.folder / "starts.json", boot_id="kernel").begin().count == 1


def test_a_configuration_that_was_mended_while_it_waited_is_used(machine, monkeypatch):
    fail_starts(machine, monkeypatch, 2)
    waits = machine.clock.wait_until

    def mend(t_s):
        waits(t_s)
        machine.config.write_text(f"{SMALL}uncertain_route: recyclable\n")

    machine.config.write_text(f"{SMALL}gate: {{hold_s: 0.1}}\n")
    machine.clock.wait_until = mend
    machine.run()
    kept = LastGood(machine.folder / "last-good").config()
    assert kept is not None and "uncertain_route" in kept.read_text()


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


def test_what_the_last_process_could_not_write_is_told_by_the_next(machine):
    machine.owed = (Event("fault", 0.0, {"reason": "ledger_failed", "detail": "x", "missed": {"item": 3}}),)
    machine.run()
    (fault,) = [record for record in machine.events.records if record["type"] == "fault"]
    assert fault["missed"] == {"item": 3}
    assert [record["type"] for record in machine.events.records[:2]] == ["boot", "fault"]


def test_what_is_owed_is_not_lost_where_starts_in_between_fail(machine, monkeypatch):
    body = {"reason": "ledger_failed", "detail": "in the run before: disk", "missed": {"item": 3}}
    machine.owed = (Event("fault", 0.0, body),)
    fail_starts(machine, monkeypatch, 2)
    machine.owed = missed_before(machine.folder / "run")
    assert [event.body for event in machine.owed] == [body]
    machine.run()
    assert machine.faults().count("ledger_failed") == 1
    assert machine.status["owed"] is None
    assert missed_before(machine.folder / "run") == (), "it is in the book by now"


def test_what_was_owed_before_and_what_is_missed_now_come_to_one_account(tmp_path):
    clock = FakeClock()
    status = StatusFile(tmp_path, clock)
    status.tell(owed={"detail": "in the run before: disk", "missed": {"item": 3, "pause": 1}})
    status.tell(ledger={"detail": "cannot write", "missed": {"item": 2, "boot": "many"}})
    status.close(5)
    (event,) = missed_before(tmp_path)
    assert event.body["missed"] == {"item": 5, "pause": 1}
    assert event.body["detail"] == "in the run before: cannot write"


def test_a_run_under_an_emergency_stop_proves_nothing():
    sorter, trial = MachineRig(rules()).machine, _Trial(10.0, None)
    for now_s in range(20):
        assert not trial.is_passed(sorter._replace(state=State.PAUSED), now_s)
    ready = sorter._replace(state=State.READY)
    assert [trial.is_passed(ready, now_s) for now_s in (20.0, 29.9, 30.0)] == [False, False, True]


def test_an_end_that_was_asked_for_early_proves_nothing(machine, monkeypatch):
    fail_starts(machine, monkeypatch, 3)
    machine.config.write_text(SMALL.replace("stable_s: 1", "stable_s: 3600"))

    def stop(record):
        machine.stop = 15

    machine.events.at = stop
    machine.run()
    assert Starts(machine.folder / "starts.json", boot_id="kernel").begin().count == 4


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


def test_a_run_that_proved_itself_is_written_down_at_rest(machine, monkeypatch):
    """A motion must not wait for a disk."""
    states, asked = [], Caretaker._must_stop
    stable = Starts.stable

    def ask(self, session, trial):
        def note_and_write(starts):
            states.append(session.runtime.machine.state)
            stable(starts)

        with monkeypatch.context() as patch:
            patch.setattr(Starts, "stable", note_and_write)
            return asked(self, session, trial)

    monkeypatch.setattr(Caretaker, "_must_stop", ask)
    for tenth in range(20):
        machine.config.write_text(SMALL.replace("stable_s: 1", f"stable_s: {2 + tenth / 5}"))
        machine.run()
    assert len(states) > 10
    assert set(states) <= {State.READY, State.WAIT_EMPTY}
