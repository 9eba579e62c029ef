"""What the version before this one left on a machine is taken over: configuration, calibration, tuning, book, stop.

`tests/data/former` was written by version 0.1.0 as it was before there were intents (commit 14999d2): a configuration
that `calibrate set` and `calibrate tray` changed, with the copy it kept; its whole default configuration; and the
state folder after three runs: four items; an emergency stop in mid-swing, stopped by SIGTERM; and one that the stop
kept from moving. `tuning.json` is that of a Raspberry Pi 4, whose name and four cores that version was told. The book
lies there as SQL.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import edge.classifier
from edge.classify import tuning
from edge.commands.watchers import Tally
from edge.configfile import load_config
from edge.gates.servo_flap import ServoFlap
from edge.machine import State
from edge.presence.tray_picture import load_tray_picture
from tests.cli_rig import Result, invoke, ledger_records
from tests.ledger_rig import run_sql, verify
from tests.rigs import SHIPPED_BUNDLE

FORMER = Path(__file__).parents[1] / "data" / "former"
ROWS = 10
RESUME = 16
FAST = ("--pace", "fast", "--items", "3", "--json")


@pytest.fixture
def config(tmp_path) -> Path:
    """The folder of the configuration, as that version left it."""
    folder = tmp_path / "etc"
    folder.mkdir()
    for path in FORMER.glob("config*"):
        shutil.copy(path, folder)
    return folder / "config.yaml"


@pytest.fixture
def state(tmp_path, monkeypatch) -> Path:
    """The state folder, as that version left it."""
    folder = tmp_path / "edge-sorter"
    folder.mkdir()
    for name in ("tuning.json", "emergency-stop"):
        shutil.copy(FORMER / name, folder)
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as db:
        db.executescript((FORMER / "ledger.sql").read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    (folder / "ledger.db.lock").write_text("16742     \nhas held events\n")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    return folder


@pytest.fixture
def released(state) -> Path:
    """The state folder after the stop was reset."""
    (state / "emergency-stop").unlink()
    return state


@pytest.fixture
def ways(monkeypatch) -> list[str]:
    """Where the gate was sent."""
    sent: list[str] = []
    for name in ("home", "route"):
        drive: Callable[..., None] = getattr(ServoFlap, name)

        def drive_and_tell(self, *arguments, name=name, drive=drive):
            sent.append(name if name == "home" else arguments[0])
            drive(self, *arguments)

        monkeypatch.setattr(ServoFlap, name, drive_and_tell)
    return sent


def run(config: Path, *options: str) -> Result:
    result = invoke("run", "--config", config, *FAST, *options)
    assert result.code == 0, result.err
    return result


@pytest.mark.parametrize("name", ["config.yaml", "config.yaml.1", "default.yaml"])
def test_its_configurations_hold(tmp_path, name):
    path = tmp_path / "config.yaml"
    shutil.copy(FORMER / name, path)
    checked = invoke("config", "check", path)
    assert (checked.code, checked.err) == (0, "")
    assert "is valid" in checked.out


def test_its_calibration_holds(config):
    found = load_config(config)
    assert (found.gate.home_deg, found.gate.bins_deg) == (92.5, {"recyclable": 140.0, "residue": 38.0})
    picture = load_tray_picture(config, found.source)
    assert picture is not None, "today's program looks for the picture under another name"
    assert picture.shape == (60, 80)


def test_its_book_is_read_as_it_is(state):
    before = (state / "ledger.db").read_bytes()
    tail = invoke("ledger", "export", "--ledger", state / "ledger.db")
    assert (tail.code, len(tail.records)) == (0, ROWS)
    assert (state / "ledger.db").read_bytes() == before


@pytest.mark.parametrize("options", [(), ("--unattended",)], ids=["by hand", "unattended"])
def test_items_are_sorted_on_with_all_of_it(config, released, ways, options):
    path = released / "ledger.db"
    before = run_sql(path, "SELECT * FROM events ORDER BY id")[0]
    assert len(before) == ROWS
    run(config, *options)
    after = run_sql(path, "SELECT * FROM events ORDER BY id")[0]
    assert after[:ROWS] == before
    assert run_sql(path, "PRAGMA user_version") == [[(2,)]]
    assert verify(path).problems == ()
    boot, *items = ledger_records(path)[ROWS:]
    assert [record["type"] for record in (boot, *items)] == ["boot", "item", "item", "item"]
    assert {item["route"]: item["gate"]["commanded_deg"] for item in items} == {"recyclable": 140.0, "residue": 38.0}
    assert [way for way in ways if way != "home"] == [item["route"] for item in items]


def test_its_tuning_is_taken_and_nothing_is_measured(config, released, monkeypatch):
    entry = next(iter(json.loads((FORMER / "tuning.json").read_text())))
    monkeypatch.setattr(tuning, "_processor", lambda: "Raspberry Pi 4 Model B Rev 1.4")
    monkeypatch.setattr(tuning, "usable_cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(tuning.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(tuning.metadata, "version", lambda name: entry.split("/")[1].partition("-")[2])
    # It holds for the model that shipped then; another one is measured, as it must be.
    shipped = json.loads((SHIPPED_BUNDLE / "manifest.json").read_text())["sha256"]
    text = (released / "tuning.json").read_text()
    (released / "tuning.json").write_text(text.replace(entry.split("/")[2], shipped[:12]))
    opened = []
    classifier = edge.classifier.TfliteClassifier

    def open_and_tell(bundle, runtime, threads):
        opened.append(threads)
        return classifier(bundle, runtime, threads)

    monkeypatch.setattr(edge.classifier, "TfliteClassifier", open_and_tell)
    monkeypatch.setattr(edge.classifier, "measure", lambda *_: pytest.fail("it is measured anew"))
    run(config)
    assert opened == [2]


@pytest.mark.parametrize("options", [(), ("--unattended",)], ids=["by hand", "unattended"])
def test_its_emergency_stop_holds_and_nothing_moves(config, state, ways, options):
    run(config, *options)
    boot, pause = ledger_records(state / "ledger.db")[ROWS:]
    assert (boot["type"], pause["type"], pause["reason"]) == ("boot", "pause", "e_stop")
    assert ways == []
    assert (state / "emergency-stop").exists()


def test_the_resume_button_ends_its_emergency_stop(config, state, ways, monkeypatch):
    factories = []
    made = ServoFlap.__init__

    def make_and_keep(self, settings, factory):
        factories.append(factory)
        made(self, settings, factory)

    looked, paused = Tally.on_frame, []

    def press(self, frame, presence, machine):
        looked(self, frame, presence, machine)
        if machine.state is State.PAUSED:
            paused.append(frame.t_s)
            if len(paused) == 5:
                factories[-1].pin(RESUME).drive_low()
        elif paused:
            factories[-1].pin(RESUME).drive_high()

    monkeypatch.setattr(ServoFlap, "__init__", make_and_keep)
    monkeypatch.setattr(Tally, "on_frame", press)
    run(config)
    types = [record["type"] for record in ledger_records(state / "ledger.db")[ROWS:]]
    assert types[:3] == ["boot", "pause", "recovered"]
    assert "item" in types
    assert ways[0] == "home"
    assert not (state / "emergency-stop").exists()
