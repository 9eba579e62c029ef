"""Processes that ended without a word: the next one tells it, once, and not before it is durable."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge.errors import LedgerError
from edge.health import starts as starts_module
from edge.health.starts import Starts
from edge.health.untold import UntoldWatch
from edge.ledger import SqliteLedger
from tests.unattended_rig import SMALL, Machine, fail_starts

OLD = {"schema": 1, "serial": 9, "count": 1, "is_open": True, "kernel_boot_id": "kernel", "reasons": []}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "starts.json"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class Killed(BaseException):
    """The process is gone: nothing after this is done."""


def begun(path: Path, boot_id: str = "kernel") -> Starts:
    starts = Starts(path, boot_id=boot_id)
    starts.begin()
    return starts


def told(starts: Starts) -> list[tuple[str, str, int]]:
    return [(event.type, event.body["reason"], event.body["times"]) for event in starts.untold]


@pytest.mark.parametrize("is_stable", [False, True])
@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param("kernel", "kernel", ("fault", "killed", 1), id="the kernel is the same"),
        pytest.param("kernel", "another", ("recovered", "power_lost", 1), id="the machine was started anew"),
        pytest.param("", "kernel", ("fault", "unknown_end", 1), id="its kernel could not be read"),
        pytest.param("kernel", "", ("fault", "unknown_end", 1), id="this kernel cannot be read"),
        pytest.param("", "", ("fault", "unknown_end", 1), id="neither can be read"),
    ],
)
def test_an_end_without_a_word_is_told_by_how_it_came_also_of_a_run_that_was_stable(
    path, before, now, expected, is_stable
):
    starts = begun(path, before)
    if is_stable:
        starts.stable()
    assert told(begun(path, now)) == [expected]


@pytest.mark.parametrize("end", ["ended", "withdraw", "failed"])
@pytest.mark.parametrize("is_stable", [False, True])
def test_an_end_that_was_heard_of_is_not_told(path, end, is_stable):
    starts = begun(path)
    if is_stable:
        starts.stable()
    starts.failed("no camera") if end == "failed" else getattr(starts, end)()
    assert told(begun(path, "another")) == []


def test_the_first_start_of_all_owes_nothing(path):
    assert told(begun(path)) == []


def test_a_file_of_an_earlier_version_is_read_and_its_open_start_told(path):
    path.write_text(json.dumps(OLD))
    assert told(begun(path)) == [("fault", "killed", 1)]
    path.write_text(json.dumps(OLD | {"is_open": False}))
    assert told(begun(path)) == []


def test_what_is_owed_outlasts_starts_that_fail_are_withdrawn_or_killed(path):
    begun(path)
    begun(path).failed("no camera")
    begun(path).withdraw()
    starts = begun(path)
    starts.stable()
    starts.ended()
    begun(path)
    starts = begun(path, "another")
    assert told(starts) == [("fault", "killed", 1), ("recovered", "power_lost", 1)]
    begun(path, "another")
    assert told(begun(path, "another")) == [("fault", "killed", 3), ("recovered", "power_lost", 1)]


def test_what_is_durable_is_owed_no_longer_and_nothing_else(path, monkeypatch):
    begun(path)
    begun(path, "another")
    starts = begun(path, "another")
    watch = UntoldWatch(starts)
    for record in ({"type": "boot"}, {"type": "fault", "reason": "power_lost"}, {"type": "fault"}):
        watch.on_event(record)
    assert len(starts.untold) == 2
    watch.on_event({"type": "fault", "reason": "killed"})
    starts.ended()
    assert told(begun(path, "another")) == [("recovered", "power_lost", 1)]
    monkeypatch.setattr(starts_module, "write_whole", lambda *args: pytest.fail("nothing changed"))
    watch.on_event({"type": "fault", "reason": "killed"})


def test_a_withdrawn_start_that_told_it_does_not_owe_it_anew(path):
    begun(path)
    starts = begun(path)
    starts.told("fault", "killed")
    starts.withdraw()
    assert told(begun(path)) == []


def kill(machine: Machine, at: str = "item") -> None:
    """One process that is killed when it has told such an event."""

    def die(record: dict[str, Any]) -> None:
        if record["type"] == at:
            raise Killed

    machine.events.at = die
    with pytest.raises(Killed):
        machine.run()
    machine.events.at = lambda record: None


def test_a_sorter_that_was_killed_is_told_as_a_fault_by_the_next_one_and_by_no_other(machine):
    kill(machine)
    machine.run()
    boot, fault = machine.events.records[:2]
    assert (boot["type"], fault["type"], fault["reason"], fault["times"]) == ("boot", "fault", "killed", 1)
    assert "watchdog" in fault["detail"]
    assert machine.status["faults"] == {"killed": 1}
    machine.run()
    assert machine.faults() == []


def test_a_sorter_that_was_asked_to_end_is_not_told(machine):
    machine.config.write_text(SMALL.replace("stable_s: 1", "stable_s: 3600"))
    machine.events.at = lambda record: setattr(machine, "stop", 15)
    machine.run()
    machine.stop = None
    machine.events.at = lambda record: None
    machine.run()
    assert machine.faults() == []


def test_a_kill_is_not_forgotten_over_starts_that_cannot_open_the_book(machine, monkeypatch):
    kill(machine)
    fail_starts(machine, monkeypatch, 3)
    machine.run()
    assert machine.faults() == ["killed"]


def test_a_kill_is_not_forgotten_where_the_book_fails_before_it_is_told(machine, monkeypatch):
    kill(machine)
    appended = SqliteLedger.append

    def append(self, event):
        if event.body.get("reason") == "killed":
            raise LedgerError("cannot write")
        return appended(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "append", append)
        machine.run()
    assert "killed" not in machine.faults()
    machine.run()
    assert "killed" in machine.faults()
