"""What happens when something fails under a sorter: the gate is parked, and nothing is told that was not kept."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.commands.watchers import Tally
from edge.config import CameraConfig
from edge.errors import LedgerError, SourceError
from edge.ledger import SqliteLedger
from edge.machine import State
from edge.sources.sim import Simulation
from tests.cli_rig import ENVIRONMENT, WITNESSED, Result, invoke, is_parked, ledger_records, sentence
from tests.fault.rig import can_mount, open_folder, sealed, unwritable_paths

FAST = ("--pace", "fast", "--json")
MOUNT_FULL = 'mount -t tmpfs -o size=1m none "$0" && head -c 1M /dev/zero >"$0/ballast" 2>/dev/null; exec "$@"'
MOUNT_READ_ONLY = 'mount -t tmpfs -o size=1m,ro none "$0" && exec "$@"'
UNLIMITED = "0"
LOST = "camera sim is lost: unplugged; check its cable"


def run_apart(report, limit_bytes, *arguments, mount=None, mounted_on=None):
    """Run a command in a process of its own, with a limit of file sizes or on a disk that vanishes with it."""
    prefix = ["unshare", "-rm", "sh", "-c", mount, str(mounted_on)] if mount else []
    command = [*prefix, sys.executable, "-c", WITNESSED, report, limit_bytes, *arguments]
    done = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True)
    return Result(done.returncode, done.stdout, done.stderr)


needs_mounts = pytest.mark.skipif(not can_mount(), reason="no private mounts here")


def test_a_ledger_that_may_not_grow_at_the_start_is_exit_5(tmp_path, ledger, small):
    limited = run_apart(tmp_path / "gate.json", "1000", "run", "--config", small, "--ledger", ledger, *FAST)
    assert (limited.code, limited.out) == (5, "")
    assert f"ledger {ledger}" in sentence(limited)
    assert not ledger.exists()


@pytest.mark.parametrize(
    ("mount", "reason"),
    [(MOUNT_FULL, "the disk is full"), (MOUNT_READ_ONLY, "read-only")],
    ids=["full", "read-only"],
)
@needs_mounts
def test_a_ledger_on_a_disk_that_takes_nothing_is_exit_5(tmp_path, mount, reason):
    disk = tmp_path / "disk"
    disk.mkdir()
    arguments = ("run", "--ledger", disk / "ledger.db", *FAST)
    refused = run_apart(tmp_path / "gate.json", UNLIMITED, *arguments, mount=mount, mounted_on=disk)
    assert (refused.code, refused.out) == (5, "")
    assert reason in sentence(refused)


def test_a_ledger_that_is_full_says_so_and_parks_the_gate(ledger, small, gate, monkeypatch):
    """SQLite's own SQLITE_FULL, from the third event on."""
    append = SqliteLedger.append

    def append_on_a_full_disk(self, event):
        record = append(self, event)
        if record["seq"] == 2:
            used = self._connection.execute("PRAGMA page_count").fetchone()[0]
            self._connection.execute(f"PRAGMA max_page_count = {used}")
        return record

    monkeypatch.setattr(SqliteLedger, "append", append_on_a_full_disk)
    result = invoke("run", "--config", small, "--items", "30", "--ledger", ledger, *FAST)
    assert result.code == 5
    assert sentence(result) == f"cannot append to ledger {ledger}: the disk is full; free space on it"
    assert ledger_records(ledger) == result.records
    assert len(result.records) >= 2
    assert is_parked(gate)


def test_a_ledger_in_a_folder_that_cannot_be_written_is_exit_5(tmp_path):
    for path, reason in unwritable_paths(tmp_path):
        result = invoke("run", "--ledger", path, *FAST)
        assert (result.code, result.out) == (5, "")
        assert reason in sentence(result)
        assert str(path) in sentence(result)


def test_a_ledger_in_a_folder_without_write_permission_is_exit_5(monkeypatch):
    with open_folder() as folder:
        opened = SqliteLedger.open

        def open_sealed(self):
            with sealed(folder):
                opened(self)

        monkeypatch.setattr(SqliteLedger, "open", open_sealed)
        result = invoke("run", "--ledger", folder / "ledger.db", *FAST)
        assert (result.code, result.out) == (5, "")
        assert sentence(result).startswith(f"cannot open ledger {folder}/ledger.db: access is denied")
        assert os.listdir(folder) == []


def test_a_file_that_is_no_ledger_is_exit_5_and_untouched(ledger):
    ledger.write_bytes(b"minutes of the last meeting\n" * 200)
    content = ledger.read_bytes()
    result = invoke("run", "--ledger", ledger, *FAST)
    assert (result.code, result.out) == (5, "")
    assert "the file is no SQLite database" in sentence(result)
    assert ledger.read_bytes() == content


def test_a_ledger_that_another_sorter_writes_is_exit_5(ledger):
    other = SqliteLedger(ledger)
    other.open()
    result = invoke("run", "--ledger", ledger, *FAST)
    other.close()
    assert (result.code, result.out) == (5, "")
    assert "is being written by process" in sentence(result)


def test_a_ledger_that_becomes_full_in_mid_run_is_exit_5_and_no_event_is_told_that_was_not_kept(
    tmp_path, ledger, small
):
    """The gate is parked, and the ledger holds every event that was printed."""
    report, events = tmp_path / "gate.json", tmp_path / "events.jsonl"
    arguments = ("run", "--config", small, "--items", "1000", "--ledger", ledger, "--events", events, *FAST)
    result = run_apart(report, "100000", *arguments)
    assert result.code == 5, result.err
    assert f"cannot append to ledger {ledger}" in sentence(result)
    stored = ledger_records(ledger)
    assert stored[: len(result.records)] == result.records
    assert len(result.records) > 2
    assert events.read_text() == result.out
    assert is_parked(json.loads(report.read_text()))


def test_an_events_file_on_a_full_disk_is_exit_5_and_the_ledger_has_the_event(ledger, small, gate):
    result = invoke("run", "--config", small, "--ledger", ledger, "--events", "/dev/full", *FAST)
    assert (result.code, result.out) == (5, "")
    assert sentence(result).startswith("cannot write events to /dev/full (No space left on device); the ledger has")
    boot, fault = ledger_records(ledger)
    assert (boot["type"], fault["type"], fault["reason"]) == ("boot", "fault", "ledger_failed")
    assert len(gate) == 1
    assert not gate[0]["is_powered"]


@pytest.fixture
def lose_source_in(monkeypatch):
    """Make the simulation fail at the first frame after the machine was seen in a state."""

    def arrange(state):
        looked, take = Tally.on_frame, Simulation.take
        seen = set()

        def on_frame(self, frame, presence, machine):
            looked(self, frame, presence, machine)
            seen.add(machine.state)

        def take_or_lose(self):
            if state in seen:
                raise SourceError(LOST)
            return take(self)

        monkeypatch.setattr(Tally, "on_frame", on_frame)
        monkeypatch.setattr(Simulation, "take", take_or_lose)

    return arrange


@pytest.mark.parametrize("state", [State.HOMING, State.READY, State.VOTING, State.ROUTING, State.RETURNING])
def test_a_source_that_is_lost_in_mid_run_parks_the_gate_and_is_exit_3(ledger, small, gate, lose_source_in, state):
    """The fault is written down and told. The gate still works: an item whose gate was open is finished and counted,
    one whose gate was not yet open is named in a `pause` event.
    """
    lose_source_in(state)
    result = invoke("run", "--config", small, "--ledger", ledger, *FAST)
    assert result.code == 3
    assert sentence(result) == LOST
    boot, *between, fault = ledger_records(ledger)
    assert result.records == [boot, *between, fault]
    assert [record["type"] for record in between] == {State.ROUTING: ["pause"], State.RETURNING: ["item"]}.get(
        state, []
    )
    assert (fault["type"], fault["reason"], fault["detail"]) == ("fault", "source_lost", LOST)
    assert between or fault["state"] == state.value
    assert is_parked(gate)


def test_a_camera_that_is_unplugged_in_mid_run_parks_the_gate_and_is_exit_3(ledger, gate, monkeypatch):
    """The grabbing thread's error reaches the loop at its next look."""
    has_begun = threading.Event()
    append = SqliteLedger.append

    def append_and_tell(self, event):
        record = append(self, event)
        has_begun.set()
        return record

    class StubCamera:
        def __init__(self, device: Path, width_px: int, height_px: int, fps: float, settings: CameraConfig) -> None:
            self._images = iter([np.full((height_px, width_px, 3), 128, np.uint8)])

        def open(self):
            pass

        def grab(self, out=None):
            image = next(self._images, None)
            if image is None:
                has_begun.wait(10)
                raise SourceError("camera /dev/video0 is lost; check its cable")
            return image

        def close(self):
            pass

    monkeypatch.setattr(SqliteLedger, "append", append_and_tell)
    monkeypatch.setattr("edge.sources.v4l2.V4l2Camera", StubCamera)
    result = invoke("run", "--source", "v4l2:/dev/video0", "--ledger", ledger, "--json")
    assert result.code == 3
    assert sentence(result) == "camera /dev/video0 is lost; check its cable"
    boot, fault = ledger_records(ledger)
    assert (boot["type"], fault["type"], fault["reason"]) == ("boot", "fault", "source_lost")
    assert is_parked(gate)


def test_a_ledger_that_fails_while_the_gate_is_open_does_not_keep_it_from_being_parked(
    ledger, small, gate, lose_source_in, monkeypatch
):
    """Source and ledger lost at once: the first error gives the exit status, the second one is named with it."""
    append = SqliteLedger.append

    def append_or_fail(self, event):
        if event.type == "fault":
            raise LedgerError("cannot append to ledger: the disk is full; free space on it")
        return append(self, event)

    monkeypatch.setattr(SqliteLedger, "append", append_or_fail)
    lose_source_in(State.ROUTING)
    result = invoke("run", "--config", small, "--ledger", ledger, *FAST)
    assert result.code == 3
    assert sentence(result).startswith(f"{LOST}; and the fault could not be written down: cannot append")
    assert [record["type"] for record in ledger_records(ledger)] == ["boot", "pause"]
    assert is_parked(gate)


def test_a_ledger_that_fails_while_an_item_is_named_at_the_stop_parks_the_gate_and_is_exit_5(
    ledger, small, gate, monkeypatch
):
    """SIGTERM in mid-swing writes a `pause` event: if that fails the gate comes home all the same."""
    looked, append = Tally.on_frame, SqliteLedger.append

    def on_frame(self, frame, presence, machine):
        looked(self, frame, presence, machine)
        if machine.state is State.ROUTING:
            signal.raise_signal(signal.SIGTERM)

    def append_or_fail(self, event):
        if event.type == "pause":
            raise LedgerError("cannot append to ledger: the disk is full; free space on it")
        return append(self, event)

    monkeypatch.setattr(Tally, "on_frame", on_frame)
    monkeypatch.setattr(SqliteLedger, "append", append_or_fail)
    result = invoke("run", "--config", small, "--ledger", ledger, *FAST)
    assert result.code == 5
    assert sentence(result) == "cannot append to ledger: the disk is full; free space on it"
    assert ledger_records(ledger) == result.records
    assert is_parked(gate)
