"""The commands as a user meets them when all is well: what they print, write and return."""

import io
import json
import shutil
import signal
import sys

import pytest
import typer

import edge
import edge.app
from edge.commands.app import app
from edge.commands.watchers import LinePrinter, Tally
from edge.config import Config, json_schema
from edge.ledger_format import BASE_FIELDS, ITEM_FIELDS
from edge.machine import State
from tests.cli_rig import ROOT, WITNESSED, invoke, is_parked, ledger_records, sentence, start
from tests.rigs import SHIPPED_BUNDLE

LABELS = json.loads((SHIPPED_BUNDLE / "manifest.json").read_text())["labels"]
PICTURE = SHIPPED_BUNDLE / "golden" / "0.png"


def command_names(command, prefix=()):
    yield prefix
    for name, inner in getattr(command, "commands", {}).items():
        yield from command_names(inner, (*prefix, name))


COMMANDS = {" ".join(names) or "edge-sorter": names for names in command_names(typer.main.get_command(app))}


@pytest.mark.parametrize("names", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_command_explains_itself(names):
    result = invoke(*names, "--help")
    assert result.code == 0
    assert f"Usage: {' '.join(('edge-sorter', *names))}" in result.out
    assert result.err == ""


@pytest.mark.parametrize("arguments", [["sort"], ["run", "--fast"], ["run", "--items", "0"], ["run", "--pace", "slow"]])
def test_bad_usage_is_exit_2_without_a_traceback(arguments):
    result = invoke(*arguments)
    assert result.code == 2
    assert "Usage: edge-sorter" in result.err
    assert "Traceback" not in result.err


def test_run_as_json_prints_nothing_but_events_with_exactly_the_public_fields(ledger, small, gate):
    result = invoke("run", "--config", small, "--pace", "fast", "--items", "2", "--ledger", ledger, "--json")
    assert result.code == 0, result.err
    boot, *items = result.records
    assert [boot["type"], *(item["type"] for item in items)] == ["boot", "item", "item"]
    for item in items:
        assert list(item) == [*BASE_FIELDS, *ITEM_FIELDS]
        for name in ("latency_ms", "gate", "model"):
            assert tuple(item[name]) == ITEM_FIELDS[name]
        assert item["event_id"] == f"{item['boot_id']}-{item['seq']}"
        assert item["label"] in LABELS
        assert sum(item["votes"].values()) == item["frames"]
        assert item["gate"]["confirmed"] is None
    assert "2 items" in result.err
    assert is_parked(gate)


def test_what_is_printed_is_what_the_events_file_and_the_ledger_hold(tmp_path, ledger, small):
    events = tmp_path / "deep" / "events.jsonl"
    arguments = ("run", "--config", small, "--pace", "fast", "--items", "1", "--ledger", ledger, "--events", events)
    printed = [invoke(*arguments, "--json").out for _ in range(2)]
    assert events.read_text() == "".join(printed)
    assert ledger_records(ledger) == [json.loads(line) for line in events.read_text().splitlines()]
    exported = invoke("ledger", "export", "--ledger", ledger)
    assert (exported.code, exported.out) == (0, events.read_text())


def test_a_line_torn_by_a_killed_run_spoils_no_later_one(tmp_path, ledger, small):
    events = tmp_path / "events.jsonl"
    events.write_text('{"schema":1,"event_id":"dead-1"}\n{"schema":1,"ev')
    result = invoke(
        "run", "--config", small, "--pace", "fast", "--items", "1", "--ledger", ledger, "--events", events, "--json"
    )
    assert events.read_text().splitlines()[2:] == result.out.splitlines()


def test_run_prints_a_line_an_event_and_a_summary_where_there_is_no_terminal(ledger, small):
    result = invoke("run", "--config", small, "--pace", "fast", "--items", "2", "--ledger", ledger)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line.split()[2] for line in lines[:3]] == ["boot", "item", "item"]
    assert "2 items" in lines[3]
    assert lines[-1] == f"ledger: {ledger}"


def test_run_writes_what_the_simulation_showed(tmp_path, ledger, small):
    truth = tmp_path / "truth.json"
    result = invoke(
        "run", "--config", small, "--pace", "fast", "--items", "2", "--ledger", ledger, "--truth", truth, "--json"
    )
    shown = json.loads(truth.read_text())
    assert [item["index"] for item in shown["items"]] == [0, 1]
    for item, record in zip(shown["items"], result.records[1:], strict=True):
        assert item["t_in_s"] < item["t_rest_s"] < record["t_s"] < item["t_out_s"]


def test_a_run_without_a_named_ledger_is_found_again_by_summary_and_tail(tmp_path, small, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert invoke("run", "--config", small, "--pace", "fast", "--items", "2").code == 0
    assert (tmp_path / "edge-sorter" / "ledger.db").is_file()
    summary = json.loads(invoke("ledger", "summary", "--json").out)
    assert summary["events"] == {"item": 2, "boot": 1}
    assert "3 events, 1 boots" in invoke("ledger", "summary").out
    assert [record["seq"] for record in invoke("ledger", "tail", "-n", "2", "--json").records] == [2, 3]
    assert invoke("ledger", "verify", "--json").records[0]["is_clean"]


@pytest.mark.parametrize("moment", [State.SETTLING, State.VOTING, State.ROUTING, State.RETURNING])
def test_sigterm_parks_the_gate_and_ends_with_exit_0(ledger, small, gate, monkeypatch, moment):
    """An item whose way is not open for good is named in a `pause` event and not counted; one on its way home is."""
    looked = Tally.on_frame

    def on_frame(self, frame, presence, machine):
        looked(self, frame, presence, machine)
        if machine.state is moment:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Tally, "on_frame", on_frame)
    result = invoke("run", "--config", small, "--pace", "fast", "--items", "5", "--ledger", ledger, "--json")
    assert result.code == 0, result.err
    types = [record["type"] for record in result.records]
    assert types == ["boot", *{State.ROUTING: ["pause"], State.RETURNING: ["item"]}.get(moment, [])]
    if moment is State.ROUTING:
        assert set(result.records[1]["item"]) == {"label", "route"}
    assert ledger_records(ledger) == result.records
    assert is_parked(gate)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_sorter_at_work_ends_in_order_when_the_system_stops_it(tmp_path, ledger):
    report = tmp_path / "gate.json"
    arguments = ("run", "--source", "sim:1", "--items", "1000", "--ledger", ledger, "--json")
    with start(report, "0", *arguments, code=WITNESSED) as sorter:
        lines = [sorter.stdout.readline() for _ in range(2)]
        sorter.terminate()
        out, err = sorter.communicate(timeout=30)
    assert sorter.returncode == 0, err
    assert "Traceback" not in err
    printed = [json.loads(line) for line in "".join([*lines, out]).splitlines()]
    assert [record["type"] for record in printed[:2]] == ["boot", "item"]
    assert ledger_records(ledger) == printed
    assert is_parked(json.loads(report.read_text()))


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["lines", "json"])
def test_a_reader_that_goes_away_does_not_stop_the_sorting(tmp_path, ledger, small, flags):
    """As `edge-sorter run | head -1` does."""
    with start("run", "--config", small, "--pace", "fast", "--items", "4", "--ledger", ledger, *flags) as sorter:
        assert sorter.stdout.readline()
        sorter.stdout.close()
        err = sorter.stderr.read()
    assert sorter.returncode == 0, err
    assert "Traceback" not in err
    assert "Broken" not in err
    assert [record["type"] for record in ledger_records(ledger)] == ["boot"] + ["item"] * 4


def test_a_reader_that_goes_away_before_the_summary_is_no_error(ledger, small, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    printed = LinePrinter.on_event

    def on_event(self, record):
        printed(self, record)
        if record["type"] == "item":
            sys.stdout = Closed()

    monkeypatch.setattr(LinePrinter, "on_event", on_event)
    result = invoke("run", "--config", small, "--pace", "fast", "--items", "1", "--ledger", ledger)
    assert (result.code, result.err) == (0, "")
    assert len(ledger_records(ledger)) == len(result.out.splitlines()) == 2


def test_classify_names_a_file():
    result = invoke("classify", PICTURE, "--json")
    assert (result.code, result.err) == (0, "")
    (found,) = result.records
    assert list(found) == ["path", "label", "route", "decision", "confidence", "energy", "probabilities", "latency_ms"]
    assert found["path"] == str(PICTURE)
    assert list(found["probabilities"]) == LABELS
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert found["label"] == max(LABELS, key=found["probabilities"].__getitem__)
    assert found["route"] in Config().bin_names
    assert found["decision"] in ("confident", "uncertain", "rejected")
    assert found["latency_ms"] > 0
    line = invoke("classify", PICTURE).out
    assert line.split()[0] == found["label"]
    assert line.rstrip().endswith(str(PICTURE))


@pytest.mark.parametrize(("min_energy", "is_rejected"), [(1000, True), (-1000, False)])
def test_classify_says_what_is_rejected_as_no_waste(tmp_path, min_energy: int, is_rejected: bool):
    config = tmp_path / "config.yaml"
    config.write_text(f"vote:\n  min_energy: {min_energy}\n")
    result = invoke("classify", PICTURE, "--json", "--config", config)
    (found,) = result.records
    assert (found["decision"] == "rejected") is is_rejected
    assert found["route"] == "residue" or not is_rejected


def test_classify_walks_folders_and_goes_on_past_what_it_cannot_read(tmp_path):
    """Each unreadable file is named on standard error; the status says at the end that something was amiss."""
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.png", "deeper/c.png"):
        shutil.copy(PICTURE, folder / name)
    (folder / "b.jpg").write_bytes(b"no picture")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("not looked at")
    result = invoke("classify", folder, tmp_path / "gone.png", PICTURE, "--json")
    assert result.code == 2
    assert [found["path"] for found in result.records] == [
        str(folder / "a.png"),
        str(folder / "deeper/c.png"),
        str(PICTURE),
    ]
    named = [str(folder / "b.jpg"), str(folder / "empty.png"), str(tmp_path / "gone.png")]
    lines = result.err.splitlines()
    assert len(lines) == 3
    for line, name in zip(lines, named, strict=True):
        assert line.startswith("edge-sorter: error: ")
        assert name in line


def test_classify_of_a_folder_without_pictures_says_so(tmp_path):
    result = invoke("classify", tmp_path)
    assert result.code == 2
    assert sentence(result) == f"{tmp_path} holds no picture; check the path"


def test_model_show_prints_the_manifest(bundle_dir):
    manifest = json.loads((bundle_dir / "manifest.json").read_text())
    assert json.loads(invoke("model", "show", bundle_dir, "--json").out) == manifest
    shown = invoke("model", "show").out
    assert f"{manifest['name']} {manifest['version']}" in shown
    assert manifest["sha256"][:16] in shown
    assert f"energy {manifest['thresholds']['energy']}" in " ".join(shown.replace("│", " ").split())


def test_model_show_folds_a_long_path_and_loses_nothing_of_it(bundle_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / ("long" * 30) / "waste"
    folder.parent.mkdir()
    bundle_dir.rename(folder)
    shown = invoke("model", "show", folder).out
    assert max(map(len, shown.splitlines())) <= 80
    assert str(folder) in "".join(line.strip("│ ").split("│")[-1].strip() for line in shown.splitlines())


def test_model_verify_runs_the_golden_images(bundle_dir):
    golden = len(json.loads((bundle_dir / "manifest.json").read_text())["golden"])
    found = json.loads(invoke("model", "verify", bundle_dir, "--json").out)
    assert (found["folder"], found["is_valid"], found["golden"]) == (str(bundle_dir), True, golden)
    result = invoke("model", "verify")
    assert (result.code, result.err) == (0, "")
    assert f"{golden} golden images" in result.out


def test_config_check_accepts_the_default_and_prints_all_of_it(small):
    assert "the packaged default is valid: source sim" in invoke("config", "check").out
    assert str(small) in invoke("config", "check", small).out
    shown = json.loads(invoke("config", "check", small, "--json").out)
    assert Config.model_validate(shown).source.width_px == 320


def test_config_schema_is_that_of_the_program_and_of_the_repository():
    result = invoke("config", "schema")
    assert json.loads(result.out) == json_schema()
    assert result.out == (ROOT / "config" / "schema.json").read_text()


def test_the_help_tells_every_exit_status():
    shown = " ".join(invoke("--help").out.split())
    assert (
        "Exit status: 0 done, 2 bad usage or configuration, 3 hardware missing or lost, 4 model bundle refused, "
        "5 ledger missing, not writable or not clean, 6 ended in safe mode."
    ) in shown


def test_the_version_is_printed():
    assert invoke("--version").out == f"edge-sorter {edge.__version__}\n"
