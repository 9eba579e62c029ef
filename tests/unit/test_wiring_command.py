"""`edge-sorter config show-wiring`: a table, a picture or JSON, of the file that was named."""

import io
import json
import xml.etree.ElementTree as ET
from contextlib import redirect_stdout

import pytest

from edge.commands.wiring import show_wiring
from edge.config import Config
from edge.configfile import load_config, parse_config
from edge.wiring import wiring_remarks, wiring_rows, wiring_svg, wiring_text
from tests.cli_rig import invoke, sentence
from tests.wiring_rig import FULL_MACHINE

SHOW = ("config", "show-wiring")


@pytest.fixture
def machine(tmp_path):
    path = tmp_path / "machine.yaml"
    path.write_text(FULL_MACHINE)
    return path


def test_without_a_file_the_default_is_shown_and_called_simulated():
    result = invoke(*SHOW)
    assert (result.code, result.out, result.err) == (0, wiring_text(Config()), "")
    assert "the pins are simulated" in result.out


def test_a_file_may_be_named_either_way(machine):
    assert invoke(*SHOW, machine).out == invoke(*SHOW, "--config", machine).out == wiring_text(load_config(machine))


def test_two_files_are_refused(machine):
    result = invoke(*SHOW, machine, "--config", machine)
    assert result.code == 2
    assert sentence(result) == f"both {machine} and --config {machine} are given; name one file"


def test_json_holds_every_wire_and_remark(machine):
    told = json.loads(invoke(*SHOW, machine, "--json").out)
    config = load_config(machine)
    assert told["schema"] == 1
    assert told["is_simulated"] is False
    assert [(wire["pin"], wire["key"]) for wire in told["wires"]] == [(row.pin, row.key) for row in wiring_rows(config)]
    assert told["remarks"] == list(wiring_remarks(config))
    assert set(told["wires"][0]) == {
        *("pin", "number", "name", "key", "signal", "active", "pull", "connect", "is_misplaced")
    }


def test_the_picture_is_written_beside_the_table(machine, tmp_path):
    result = invoke(*SHOW, machine, "--svg", tmp_path / "out.svg")
    assert result.out == wiring_text(load_config(machine))
    assert (tmp_path / "out.svg").read_text(encoding="utf-8") == wiring_svg(load_config(machine), "machine")


def test_a_dash_prints_nothing_but_the_picture(machine):
    result = invoke(*SHOW, machine, "--svg", "-")
    assert (result.code, result.err) == (0, "")
    assert ET.fromstring(result.out).tag.endswith("svg")


@pytest.mark.parametrize("out", ["missing/out.svg", "."], ids=["no such folder", "a folder"])
def test_a_picture_that_cannot_be_written_is_one_sentence(machine, tmp_path, out):
    result = invoke(*SHOW, machine, "--svg", tmp_path / out)
    assert (result.code, result.out) == (2, "")
    assert sentence(result).startswith(f"cannot write {tmp_path / out} (")


def test_pins_that_conflict_are_refused_as_by_check(tmp_path):
    (tmp_path / "c.yaml").write_text("gate: {servo_pin: 23}\ndrop_sensor: {kind: beam, pin: 23}\n")
    result = invoke(*SHOW, tmp_path / "c.yaml")
    assert (result.code, result.out) == (2, "")
    assert "gate.servo_pin and drop_sensor.pin are both GPIO23" in sentence(result)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_same_words_within_its_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    config = parse_config(FULL_MACHINE, "c.yaml")
    with redirect_stdout(Terminal()) as out:
        show_wiring(config, "test", svg=None, as_json=False)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    begun = [line.split()[0] for line in lines if line.strip().startswith("J8:")]
    assert begun == [row.pin for row in wiring_rows(config)]
    folded = "".join(out.getvalue().split())
    for remark in wiring_remarks(config):
        assert remark.replace(" ", "") in folded
