"""`edge-sorter calibrate` as a user meets it: what it stores, prints and returns, guided and from a script."""

import io
import json
import sys
from pathlib import Path

import pytest

from edge.configedit import HEADER
from edge.ledger import SqliteLedger
from tests.calibrate_rig import CalibrateRig
from tests.cli_rig import invoke, sentence

CONFIG = """\
# Bin 7
source: {spec: "sim:7"}
gate:
  home_deg: 90.0  # parked
  bins_deg: {recyclable: 140.0, residue: 40.0}
drop_sensor: {kind: beam, pin: 23}
"""
SIMULATED = "Simulated pins (pins.factory is mock): nothing moves, and no sensor is real."


@pytest.fixture
def rig(tmp_path: Path, monkeypatch):
    rig = CalibrateRig(tmp_path, monkeypatch, f"{CONFIG}ledger: {{path: {tmp_path / 'ledger.db'}}}\n")
    yield rig
    rig.close()


@pytest.fixture
def typed(monkeypatch):
    def type_lines(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    type_lines()
    return type_lines


def calibrate(rig: CalibrateRig, *arguments: str):
    return invoke("calibrate", *arguments, "--config", rig.path)


def test_keys_are_set_by_their_dotted_names(rig):
    result = calibrate(rig, "set", "gate.home_deg", "92.5", "drop_sensor.timeout_s", "3", "gate.bins_deg.residue", "35")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"Stored in {rig.path}: gate.home_deg 92.5, drop_sensor.timeout_s 3, gate.bins_deg.residue 35.",
        f"The former file is {rig.path}.1.",
    ]
    config = rig.store().config
    assert (config.gate.home_deg, config.drop_sensor.timeout_s, config.gate.bins_deg["residue"]) == (92.5, 3.0, 35.0)
    assert "  # parked" in rig.path.read_text()


def test_values_are_yaml_also_below_zero_and_lists(rig):
    result = calibrate(
        rig,
        "set",
        "gate.min_angle_deg",
        "-90",
        "source.camera.roi_xywh",
        "[0.1, 0.2, 0.5, 0.6]",
        "source.spec",
        "v4l2:/dev/video0",
    )
    assert result.code == 0, result.err
    config = rig.store().config
    assert config.gate.min_angle_deg == -90.0
    assert config.source.camera.roi_xywh == (0.1, 0.2, 0.5, 0.6)
    assert config.source.spec == "v4l2:/dev/video0"


BAD_SETS = [
    ("a key without a value", ["gate.home_deg"], "'gate.home_deg' has no value; give pairs of KEY and VALUE"),
    ("an unknown key", ["gate.hom_deg", "90"], "unknown key 'gate.hom_deg', did you mean 'home_deg'?"),
    ("a value out of bounds", ["gate.home_deg", "200"], "home_deg is 200, outside 0 to 180 degrees"),
    ("no number", ["gate.home_deg", "left"], "gate.home_deg is 'left'"),
    ("no YAML", ["gate.home_deg", "["], "'[' is no YAML value for gate.home_deg"),
    ("no key", ["gate..home", "1"], "'gate..home' is no key"),
    ("YAML without an end", ["gate.home_deg", "[" * 5000], "is no YAML value for gate.home_deg"),
    ("not a number", ["gate.home_deg", ".nan"], "gate.home_deg is nan; give a finite number"),
]


@pytest.mark.parametrize(("arguments", "reason"), [row[1:] for row in BAD_SETS], ids=[row[0] for row in BAD_SETS])
def test_a_bad_value_is_one_sentence_and_nothing_is_written(rig, arguments, reason):
    text = rig.path.read_text()
    result = calibrate(rig, "set", *arguments)
    assert result.code == 2
    assert reason in sentence(result)
    assert rig.path.read_text() == text


def test_a_configuration_that_does_not_exist_is_made_when_a_new_one_is_asked_for(tmp_path):
    path = tmp_path / "new.yaml"
    result = invoke("calibrate", "--config", path, "set", "--new", "gate.home_deg", "92")
    assert (result.code, result.out) == (0, f"Stored in {path}: gate.home_deg 92.\n")
    assert path.read_text() == HEADER + "gate:\n  home_deg: 92\n"


def test_what_is_calibrated_is_shown(rig):
    lines = calibrate(rig, "show").out.splitlines()
    assert lines[0] == f"file          {rig.path}"
    assert "gate          servo_flap: home 90, recyclable 140, residue 40; hold_s 0.8" in lines
    assert "drop sensor   beam, timeout_s 2" in lines
    assert "tray picture  none; calibrate tray takes it" in lines
    assert "sensors       drop_sensor on GPIO23 (J8:16)" in lines


def test_what_is_calibrated_is_json_for_programs(rig):
    found = json.loads(calibrate(rig, "show", "--json").out)
    assert found["gate"]["points_deg"] == {"home": 90.0, "recyclable": 140.0, "residue": 40.0}
    assert found["source"]["rotation_deg"] == 0
    assert found["tray_picture"] is None


@pytest.mark.parametrize("step", [["set", "gate.home_deg", "92"], ["angles"], ["tray", "--auto"], ["show"], []])
def test_a_configuration_whose_name_is_mistyped_is_refused_and_not_made(tmp_path, typed, step):
    path = tmp_path / "confg.yaml"
    result = invoke("calibrate", *step, "--config", path) if step else invoke("calibrate", "--config", path)
    assert result.code == 2
    assert f"there is no {path}; check --config" in sentence(result)
    assert not path.exists()


def test_without_the_systems_file_the_defaults_are_shown_and_it_says_so():
    assert "(missing: these are the defaults)" in invoke("calibrate", "show").out


def test_an_angle_is_set_from_a_script(rig):
    result = calibrate(rig, "angles", "--bin", "recyclable", "--angle", "137.5", "--yes")
    assert (result.code, result.err) == (0, "")
    assert rig.store().config.gate.bins_deg["recyclable"] == 137.5
    assert not rig.is_powered(18)


BAD_USAGE = [
    ("an angle of nothing", ["angles", "--angle", "1"], "--bin and --angle belong together"),
    ("a bin without an angle", ["angles", "--bin", "residue"], "--bin and --angle belong together"),
    ("two regions", ["tray", "--auto", "--roi", "0,0,1,1"], "--roi, --auto and --keep-roi exclude one another"),
    ("no region", ["tray", "--roi", "all"], "'all' is no region"),
    ("an angle that is none", ["angles", "--bin", "home", "--angle", "nan", "--yes"], "home_deg is nan; give a finite"),
    ("a region that is none", ["tray", "--roi", "0,0,nan,1"], "'0,0,nan,1' is no region"),
    ("angles' input that ends", ["angles"], "run it in a terminal, or add --bin, --angle and --yes"),
    ("an angle's input that ends", ["angles", "--bin", "home", "--angle", "91"], "or add --yes"),
    ("sensors' input that ends", ["sensors"], "or add --for SECONDS"),
    ("the tray's input that ends", ["tray"], "or add --auto"),
    ("a region's input that ends", ["tray", "--keep-roi"], "or add --yes"),
    ("drops' input that ends", ["drop"], "or add --yes"),
    ("the guide's input that ends", [], "or add a step and its options"),
]


@pytest.mark.parametrize(("arguments", "reason"), [row[1:] for row in BAD_USAGE], ids=[row[0] for row in BAD_USAGE])
def test_bad_usage_is_exit_2(rig, typed, arguments, reason):
    result = calibrate(rig, *arguments)
    assert result.code == 2
    assert reason in sentence(result)


def test_sensors_are_watched_from_a_script(rig):
    result = calibrate(rig, "sensors", "--json", "--for", "0.1")
    assert (result.code, result.err) == (0, f"{SIMULATED}\n")
    assert [record["type"] for record in result.records] == ["level", "summary"]
    assert result.records[-1]["never_changed"] == ["drop_sensor"]


def test_the_tray_of_a_simulation_is_looked_at_from_a_script(rig):
    result = calibrate(rig, "tray", "--keep-roi", "--yes", "--json")
    assert result.code == 0, result.err
    (record,) = result.records
    assert (record["frames"], record["roi_xywh"]) == (20, None)
    assert Path(record["picture"]).parent == rig.path.parent
    assert "Lay nothing on the tray" in result.err


@pytest.mark.parametrize("step", [["angles"], ["sensors", "--for", "0.1"], ["drop"]], ids=lambda step: step[0])
def test_whoever_calibrates_simulated_pins_is_told(rig, typed, step):
    assert SIMULATED in calibrate(rig, *step).out.splitlines()


def test_drops_that_nobody_sees_are_exit_3(rig, monkeypatch):
    monkeypatch.setattr("edge.calibrate.drop.WINDOW_S", 0.1)
    monkeypatch.setattr("edge.calibrate.drop.HOLD_S", 0.1)
    calibrate(rig, "set", "gate.hold_s", "0.1")
    result = calibrate(rig, "drop", "--repeat", "1", "--wait", "0", "--yes", "--json")
    assert result.code == 3
    (record,) = result.records
    assert (record["seen"], record["proposal"]) == (0, {})


@pytest.mark.parametrize("step", [["angles"], ["sensors", "--for", "1"], ["tray", "--yes", "--auto"], ["drop"], []])
def test_a_sorter_that_runs_must_be_stopped_first(rig, typed, step):
    ledger = SqliteLedger(rig.path.parent / "ledger.db")
    ledger.open()
    try:
        result = calibrate(rig, *step)
    finally:
        ledger.close()
    assert result.code == 3
    assert "the sorter is running (process" in sentence(result)
    assert "sudo systemctl stop edge-sorter" in result.err


def test_values_may_be_set_and_shown_while_a_sorter_runs(rig):
    ledger = SqliteLedger(rig.path.parent / "ledger.db")
    ledger.open()
    try:
        assert calibrate(rig, "set", "gate.hold_s", "1.5").code == 0
        assert calibrate(rig, "show").code == 0
    finally:
        ledger.close()


def test_the_guided_session_leads_through_the_steps(rig, typed):
    typed("2", "home", "", "+", "s", "", "y", "tray", "", "0.1,0.1,0.8,0.8", "y", "", "")
    result = calibrate(rig)
    assert (result.code, result.err) == (0, "")
    assert result.out.count("Which step? Enter ends.") == 3
    config = rig.store().config
    assert (config.gate.home_deg, config.source.camera.roi_xywh) == (91.0, (0.1, 0.1, 0.8, 0.8))
    assert "tray picture  none" not in result.out.rsplit("gate          ", 1)[-1]


def test_a_step_that_fails_is_told_and_the_session_goes_on(rig, typed):
    calibrate(rig, "set", "drop_sensor.kind", "none")
    typed("drop", "nonsense", "")
    result = calibrate(rig)
    assert result.code == 0
    assert "! drop_sensor.kind is none; there is nothing to measure with" in result.out
    assert "! nonsense is no step" in result.out
