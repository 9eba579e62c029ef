"""The whole of doctor: order, limits of time, what it prints, exit status."""

import json
import os
import re
import threading
from pathlib import Path

import pytest

from edge.commands.doctor import diagnose
from edge.doctor.bounded import LeftBehindError, Subject, look_at
from edge.doctor.examine import examine
from edge.doctor.findings import SCHEMA, note, ok, refused, report, warning
from edge.errors import ConfigError, SourceError
from tests.doctor_rig import PI_CONFIG, a_pi, camera_of, film, found

SUBJECTS = ["config", "system", "power", "clock", "storage", "model", "ledger", "camera", "gpio"]


@pytest.fixture
def pi_yaml(tmp_path):
    path = tmp_path / "pi.yaml"
    path.write_text(f"{PI_CONFIG}\nmodel: {{threads: 1}}\nledger: {{path: {tmp_path}/ledger.db}}\n")
    return path


@pytest.fixture(autouse=True)
def no_system_config(monkeypatch):
    monkeypatch.setattr("edge.configfile.SYSTEM_CONFIG", Path("/nonexistent/config.yaml"))


def everything(machine, path):
    return [finding for outcome in examine(machine, path) for finding in outcome.findings]


def subjects(findings):
    return list(dict.fromkeys(finding.subject for finding in findings))


def test_a_pi_in_good_order_is_ok_from_end_to_end(tmp_path, pi_yaml, capsys):
    assert diagnose(pi_yaml, as_json=True, machine=a_pi(tmp_path / "root")) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["ok"]) == (SCHEMA, True)
    assert {finding["level"] for finding in told["findings"]} == {"ok"}
    assert list(dict.fromkeys(finding["check"].partition(".")[0] for finding in told["findings"])) == SUBJECTS
    assert all(finding.keys() == {"check", "level", "found", "remedy"} for finding in told["findings"])


def test_a_laptop_with_the_default_configuration_has_no_blocker(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    laptop = a_pi(tmp_path / "root", {"proc/device-tree/model": None}, open_camera=None, open_pins=None)
    assert diagnose(None, as_json=False, machine=laptop) == 0
    out = capsys.readouterr().out
    assert "simulated" in out
    verdict = " ".join(out.splitlines()[-3:])
    assert "The sorter runs here, but only simulated: it uses no camera and no pin." in verdict


def test_a_camera_beside_simulated_pins_is_not_only_simulated(tmp_path, capsys):
    path = tmp_path / "camera.yaml"
    path.write_text(f"source: {{spec: v4l2:/dev/video0}}\nledger: {{path: {tmp_path}/ledger.db}}\n")
    assert diagnose(path, as_json=False, machine=a_pi(tmp_path / "root")) == 0
    assert capsys.readouterr().out.rstrip().endswith("The sorter runs here.")


def test_a_pi_configuration_without_camera_and_pins_ends_with_3(tmp_path, pi_yaml, capsys):
    machine = a_pi(
        tmp_path / "root",
        {"dev/gpiochip0": None, "dev/gpiochip1": None},
        open_camera=camera_of([], SourceError("camera is lost; check its cable")),
    )
    assert diagnose(pi_yaml, as_json=False, machine=machine) == 3
    out = capsys.readouterr().out
    assert "2 blockers" in out
    assert "cannot run here" in out


def test_a_refused_configuration_is_a_blocker_and_the_rest_is_looked_at(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("gate: {servo_pinn: 3}\n")
    findings = everything(a_pi(tmp_path / "root", open_camera=None, open_pins=None), path)
    assert subjects(findings) == SUBJECTS
    assert "did you mean 'servo_pin'" in found(findings, "config.file").found
    assert [finding.level for finding in findings if finding.subject in ("ledger", "camera", "gpio")] == ["note"] * 3
    assert found(findings, "model.golden").level == "ok"
    assert not report(findings)["ok"]


def test_nothing_is_left_behind_on_the_disk(tmp_path, pi_yaml):
    machine = a_pi(tmp_path / "root")
    before = sorted(tmp_path.rglob("*"))
    everything(machine, pi_yaml)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_subject_that_hangs_is_a_finding_and_keeps_what_was_found(tmp_path):
    release = threading.Event()

    def look():
        yield ok("camera.device", "there")
        release.wait()

    try:
        outcome = look_at(Subject("camera", look, limit_s=0.05))
    finally:
        release.set()
    assert outcome.is_hanging
    assert [finding.level for finding in outcome.findings] == ["ok", "blocker"]
    assert "hangs" in outcome.findings[1].found


def test_a_check_that_fails_is_a_finding_and_no_traceback():
    def look():
        yield ok("power.supply", "fine")
        raise ZeroDivisionError("division by zero")

    outcome = look_at(Subject("power", look))
    assert not outcome.is_hanging
    assert [finding.level for finding in outcome.findings] == ["ok", "warning"]
    assert "ZeroDivisionError: division by zero" in outcome.findings[1].found


def test_doctor_gives_way_to_a_sorter_and_leaves_the_caller_as_it_was(tmp_path, pi_yaml, capsys):
    before = os.getpriority(os.PRIO_PROCESS, 0)
    seen = []

    def year():
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return 2026

    diagnose(pi_yaml, as_json=True, machine=a_pi(tmp_path / "root", year=year))
    assert seen == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_what_goes_wrong_in_doctor_itself_reaches_its_caller(tmp_path, pi_yaml, monkeypatch):
    def broken(*_):
        raise BrokenPipeError

    monkeypatch.setattr("edge.commands.doctor.print", broken, raising=False)
    with pytest.raises(BrokenPipeError):
        diagnose(pi_yaml, as_json=True, machine=a_pi(tmp_path / "root"))


def test_a_driver_that_was_left_behind_is_known(tmp_path):
    def look():
        yield warning("camera.pictures", "slow", "wait")
        raise LeftBehindError

    outcome = look_at(Subject("camera", look))
    assert outcome.is_hanging
    assert [finding.level for finding in outcome.findings] == ["warning"]


def test_a_process_with_a_hanging_driver_ends_at_once_with_its_status(tmp_path, pi_yaml, monkeypatch, capsys):
    ended = []
    monkeypatch.setattr("edge.commands.doctor.os._exit", ended.append)
    release = threading.Event()
    monkeypatch.setattr("edge.doctor.examine.CAMERA_LIMIT_S", 0.05)

    def hanging(config):
        release.wait()
        return camera_of(film())(config)

    try:
        diagnose(pi_yaml, as_json=True, machine=a_pi(tmp_path / "root", open_camera=hanging))
    finally:
        release.set()
    assert ended == [3]
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["check"] for finding in findings if finding["level"] == "blocker"] == ["camera.check"]


def test_people_read_it_in_80_columns_without_a_broken_path(tmp_path, pi_yaml, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    machine = a_pi(tmp_path / "root", {"sys/class/thermal/thermal_zone0/temp": "80000"})
    diagnose(pi_yaml, as_json=False, machine=machine)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 or str(tmp_path) in line for line in lines)
    assert any(str(pi_yaml) in line for line in lines)
    (hot,) = [number for number, line in enumerate(lines) if "warning temperature" in line]
    assert "-> give the board a heat sink" in lines[hot + 1]
    assert re.fullmatch(r"1 warning, \d+ ok\. The sorter runs here; mind the warnings\.", lines[-1])


@pytest.mark.parametrize(
    ("sentence", "found_part", "remedy"),
    [("a; b; mend it", "a; b", "mend it"), ("no remedy at all", "no remedy at all", "")],
)
def test_an_errors_sentence_is_split_before_what_to_do(sentence, found_part, remedy):
    finding = refused("config.file", ConfigError(sentence))
    assert (finding.found, finding.remedy) == (found_part, remedy)


def test_only_a_blocker_makes_a_report_not_ok():
    assert report([ok("a.b", "x"), note("a.c", "y"), warning("a.d", "z", "w")])["ok"]
    assert not report([refused("a.b", ConfigError("x"))])["ok"]
