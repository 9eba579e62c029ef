"""`ledger summary|tail|export|verify`: data on stdout, messages on stderr, and their exit codes."""

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import edge
from edge.commands.ledger import EventType, app
from edge.errors import ConfigError, LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_export import CSV_COLUMNS, write_file
from edge.ledger_format import refuse_collision
from edge.records import Event
from tests.ledger_rig import ITEM as SOUND_ITEM
from tests.ledger_rig import fill

ITEM = SOUND_ITEM | {"label": 'gl"ass, [red]'}
EVENTS = [Event("boot", 0.0, {"reason": "power"}), Event("item", 1.5, ITEM), Event("item", 2.5, ITEM)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def book(path):
    ledger = SqliteLedger(path, boot_id="b1")
    ledger.open()
    try:
        return [ledger.append(event) for event in EVENTS]
    finally:
        ledger.close()


def invoke(*arguments, path, exit_code=0):
    result = CliRunner().invoke(app, [*arguments, "--ledger", str(path)])
    if isinstance(result.exception, Exception):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def spoil(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE events SET label = 'x' WHERE id = 2")


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_summary_as_json_has_every_figure(path, book):
    found = json.loads(invoke("summary", "--json", path=path).stdout)
    assert found["events"] == {"item": 2, "boot": 1}
    assert found["labels"] == {ITEM["label"]: 2}
    assert found["total"] == {"count": 2, "median_ms": 1890, "p95_ms": 1890}
    assert (found["first_utc"], found["last_utc"]) == (book[0]["utc"], book[-1]["utc"])


def test_summary_for_people_shows_counts_and_labels_unchanged(path, book):
    shown = invoke("summary", path=path).stdout
    assert "3 events, 1 boots" in shown
    for word in ("recyclable", ITEM["label"], "confident", "1890"):
        assert word in shown


def test_summary_of_an_empty_ledger_says_so(path):
    ledger = SqliteLedger(path)
    ledger.open()
    ledger.close()
    assert "no events yet" in invoke("summary", path=path).stdout


def test_tail_as_json_is_the_last_records(path, book):
    assert lines_of(invoke("tail", "-n", "2", "--json", path=path).stdout) == book[1:]


def test_tail_for_people_names_events_and_labels(path, book):
    shown = invoke("tail", path=path).stdout
    for word in ("item", "97.0%", "1890", ITEM["label"], "boot", "power"):
        assert word in shown
    assert [line.split()[2] for line in shown.splitlines()[1:]] == ["1", "2", "3"]


def test_tail_fits_a_terminal_of_80_columns_and_says_why_an_event_that_is_no_item_came(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    kinds = ("cardboard", "uncertain"), ("plastic", "deadline")
    items = [Event("item", 1.5, ITEM | {"label": label, "decision": decision}) for label, decision in kinds]
    pause = Event("pause", 3.0, {"reason": "stopped", "item": {"label": "glass", "route": "recyclable"}})
    fault = Event("fault", 4.0, {"reason": "tray_blocked", "detail": "something lies there"})
    recovered = Event("recovered", 5.0, {})
    fill(path, [*items, pause, fault, recovered])
    heading, *lines = invoke("tail", path=path).stdout.splitlines()
    assert heading.split() == ["utc", "seq", "type", "detail", "conf.", "ms"]
    assert max(map(len, lines)) <= 80
    assert " ".join(lines[0].split()) == "11-22 09:00:00 1 item cardboard -> recyclable, uncertain 97.0% 1890"
    words = " ".join(" ".join(line.split()) for line in lines)
    assert "stopped: not counted: glass on its" in words
    assert "tray_blocked: something lies there" in words


def test_a_table_that_is_piped_is_as_wide_as_columns_says_else_140(path, monkeypatch):
    fill(path, [Event("fault", 1.0, {"reason": "x" * 300})])
    widths = []
    for columns in ("60", None):
        monkeypatch.delenv("COLUMNS") if columns is None else monkeypatch.setenv("COLUMNS", columns)
        widths.append(max(map(len, invoke("tail", path=path).stdout.splitlines())))
    assert widths == [60, 140]


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--format", "jsonl"]])
def test_export_writes_what_is_stored(path, book, arguments):
    result = invoke("export", *arguments, path=path)
    assert lines_of(result.stdout) == book
    assert result.stderr == ""


def test_export_of_one_type(path, book):
    assert lines_of(invoke("export", "--type", "item", path=path).stdout) == book[1:]


def test_export_of_a_type_that_there_is_not_names_those_that_there_are(path, book):
    told = invoke("export", "--type", "itme", path=path, exit_code=2).stderr
    assert all(f"'{kind}'" in told for kind in EventType)


def test_the_types_that_export_knows_are_those_that_an_event_explains():
    line = next(line for line in (Event.__doc__ or "").splitlines() if " type: " in line)
    assert re.findall(r"`(\w+)`", line) == [kind.value for kind in EventType]


def test_export_as_csv_flattens_an_item_and_loses_nothing(path, book):
    rows = list(csv.DictReader(io.StringIO(invoke("export", "--format", "csv", path=path).stdout)))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert rows[0]["other"] == '{"reason": "power"}'
    assert rows[1]["label"] == ITEM["label"]
    assert rows[1]["latency_ms.total"] == "1890"
    assert rows[1]["gate.confirmed"] == ""
    assert json.loads(rows[1]["votes"]) == ITEM["votes"]
    assert rows[1]["other"] == ""


def test_export_to_a_file_leaves_that_file_alone(path, book, tmp_path):
    target = tmp_path / "out" / "events.jsonl"
    target.parent.mkdir()
    result = invoke("export", "--output", str(target), path=path)
    assert lines_of(target.read_text()) == book
    assert (result.stdout, result.stderr) == ("", f"exported to {target}\n")
    assert os.listdir(target.parent) == [target.name]


def test_export_replaces_a_file_only_when_forced(path, book, tmp_path):
    target = tmp_path / "events.jsonl"
    target.write_text("precious")
    with pytest.raises(ConfigError, match="--force"):
        invoke("export", "--output", str(target), path=path)
    assert target.read_text() == "precious"
    invoke("export", "--output", str(target), "--force", path=path)
    assert lines_of(target.read_text()) == book


def test_an_export_that_fails_leaves_the_old_file_and_no_rubbish(tmp_path):
    target = tmp_path / "events.jsonl"
    target.write_text("precious")

    def lines():
        yield "half"
        raise LedgerError("row 2 is no JSON")

    with pytest.raises(LedgerError, match="row 2"):
        write_file(target, lines(), is_forced=True)
    assert target.read_text() == "precious"
    assert os.listdir(tmp_path) == [target.name]


COMPANIONS = ["", "-wal", "-shm", "-journal", ".lock", ".new"]


@pytest.mark.parametrize("suffix", COMPANIONS)
def test_export_never_writes_over_the_ledger_or_its_companions(path, book, tmp_path, suffix):
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    target = tmp_path / ".." / tmp_path.name / f"ledger.db{suffix}"
    with pytest.raises(ConfigError, match=rf"--output .* is ledger\.db{suffix}, which belongs to the ledger"):
        invoke("export", "--output", str(target), "--force", path=path)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symlink", "hard link"])
def test_export_knows_the_ledger_by_another_name(path, book, tmp_path, link):
    link(path, tmp_path / "alias")
    with pytest.raises(ConfigError, match="belongs to the ledger"):
        invoke("export", "--output", str(tmp_path / "alias"), "--force", path=path)
    with pytest.raises(ConfigError, match="belongs to the ledger"):
        refuse_collision("--output", path, tmp_path / "alias")


def test_export_into_a_missing_folder_is_one_sentence(path, book, tmp_path):
    with pytest.raises(LedgerError, match=r"cannot write .*No such file"):
        invoke("export", "--output", str(tmp_path / "missing" / "x"), path=path)


def test_export_refuses_json_and_csv_together(path, book):
    with pytest.raises(ConfigError, match="exclude each other"):
        invoke("export", "--json", "--format", "csv", path=path)


def test_verify_of_a_clean_ledger_ends_with_0(path, book):
    result = invoke("verify", path=path)
    assert result.stdout == ""
    assert result.stderr == f"{path}: 3 rows of 1 boots, clean\n"


def test_verify_lists_problems_and_ends_with_5(path, book):
    spoil(path)
    result = invoke("verify", path=path, exit_code=5)
    assert result.stdout.startswith("row 2: column label has 'x'")
    assert "1 problems" in result.stderr


def test_verify_as_json(path, book):
    assert json.loads(invoke("verify", "--json", path=path).stdout) == {
        "is_clean": True,
        "rows": 3,
        "boots": 1,
        "problems": [],
        "notes": [],
    }
    spoil(path)
    found = json.loads(invoke("verify", "--json", path=path, exit_code=5).stdout)
    assert not found["is_clean"]
    assert len(found["problems"]) == 1


@pytest.mark.parametrize("command", ["summary", "tail", "export", "verify"])
def test_a_missing_ledger_is_a_ledger_error(path, command):
    with pytest.raises(LedgerError, match="does not exist"):
        invoke(command, path=path)
    assert not path.exists()


def test_without_an_option_the_configuration_names_the_ledger(path, book, monkeypatch):
    common = SimpleNamespace(ledger_path=lambda explicit: path if explicit is None else None)
    monkeypatch.setitem(sys.modules, "edge.commands.common", common)
    result = CliRunner().invoke(app, ["tail", "--json"])
    assert lines_of(result.stdout) == book


def test_a_reader_that_leaves_ends_the_export_quietly(path):
    ledger = SqliteLedger(path)
    ledger.open()
    for _ in range(20):
        # Together far more than a pipe holds, so that the export must meet the closed end.
        ledger.append(Event("fault", 0.0, {"reason": "x" * 50_000}))
    ledger.close()
    process = start("ledger", "export", "--ledger", str(path))
    assert process.stdout.read(10) == b'{"schema":'
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_the_command_starts_without_numpy_and_rich(path):
    code = "import sys, edge.commands.ledger, edge.ledger_read; print({'numpy', 'rich.table'} & {*sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True)
    assert result.stdout == b"set()\n"


def environment():
    folders = [str(Path(edge.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def start(*arguments):
    command = [sys.executable, "-m", "edge", *arguments]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
