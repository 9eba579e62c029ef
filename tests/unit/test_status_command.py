"""`edge-sorter status`: what it says, and its exit status."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.commands import status as command
from edge.health.place import METRICS_NAME, STALE_S, STATUS_NAME, kernel_boot_id, runtime_dir, status_places, up_s
from edge.machine import BinLevel, GateJammed, PauseAsked, SupplyLevel
from edge.records import Status
from tests.cli_rig import ENVIRONMENT, invoke
from tests.health_rig import Watched, check, metrics, read, watched

__all__ = ["watched"]


@pytest.fixture
def folder(tmp_path: Path, watched: Watched) -> Path:
    watched.start()
    watched.sort()
    watched.see(6.0)
    return tmp_path / "run"


def change(folder: Path, **fields: Any) -> None:
    path = folder / STATUS_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_sorter_that_sorts_is_told_and_ends_with_0(folder):
    result = invoke("status", "--folder", folder)
    assert result.code == 0
    assert result.out.splitlines()[0] == "sorting (ready)"
    assert "items since the start: 1 (recyclable 1)" in result.out
    assert "model waste 1.2" in result.out
    assert str(folder / STATUS_NAME) in result.err


def test_json_is_the_file_and_whether_it_is_of_now(folder):
    result = invoke("status", "--json", "--folder", folder)
    (told,) = result.records
    assert (told.pop("is_stale"), told.pop("stale")) == (False, None)
    assert told == read(folder)


def test_a_fault_is_the_first_thing_that_is_said(folder, watched):
    watched.rig.send(GateJammed("the flap is stuck"))
    watched.see(1.0, occupied=True)
    result = invoke("status", "--folder", folder)
    assert (result.code, result.out.splitlines()[0]) == (1, "fault: gate_jammed: the flap is stuck")


def test_a_pause_and_a_full_bin_are_told(folder, watched):
    watched.rig.send(PauseAsked("lid_open"))
    watched.rig.send(BinLevel("residue", True))
    watched.see(1.0)
    result = invoke("status", "--folder", folder)
    assert result.code == 1
    assert result.out.splitlines()[:3] == ["not sorting (paused)", "  held by lid_open", "  bin residue is full"]


def test_safe_mode_says_how_long_it_lasts_and_why(folder, watched):
    watched.status.tell(safe_mode={"is_on": True, "detail": "too many", "left_s": 240})
    watched.status.tell(starts={"count": 6, "reasons": ["no camera", "no camera"]})
    watched.clock.advance(1.0)
    watched.status.show("stand_by", Status.FAULT)
    result = invoke("status", "--folder", folder)
    assert result.code == 1
    assert result.out.splitlines()[0].startswith("safe mode: too many starts failed; nothing moves for 240 s")
    assert "  a start that failed: no camera" in result.out


def test_a_short_wait_before_another_start_is_no_safe_mode(folder, watched):
    watched.status.tell(safe_mode={"is_on": False, "detail": "no camera", "left_s": 4})
    watched.clock.advance(1.0)
    watched.status.show("stand_by", Status.FAULT)
    assert invoke("status", "--folder", folder).out.splitlines()[0] == "waits for 4 s: no camera"


def test_an_end_is_told_with_its_status_and_is_never_stale(folder, watched):
    watched.status.close(3, "the camera is gone")
    change(folder, kernel_up_s=0.0, pid=2**22)
    result = invoke("status", "--folder", folder)
    assert (result.code, result.out.splitlines()[0]) == (1, "ended with exit status 3: the camera is gone")


def test_what_stands_in_for_something_refused_is_told(folder, watched):
    watched.status.tell(config={"is_last_good": True}, reload={"is_ok": False, "detail": "c.yaml:3: bad", "utc": "u"})
    watched.status.tell(supply={"now": ["undervoltage"], "advice": "feed the gate separately"}, uncredited=2)
    watched.status.tell(captures={"count": 1, "problem": "disk full"})
    watched.see(1.0)
    out = invoke("status", "--folder", folder).out
    assert "no frames are kept: disk full" in out
    assert "the last good config stands in for one that was refused" in out
    assert "the last reload was refused: c.yaml:3: bad" in out
    assert "supply: undervoltage" in out
    assert "feed the gate separately" in out
    assert "items that could not be written down, not credited: 2" in out


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kernel_up_s": 0.001}, "the sorter hangs"),
        ({"kernel_up_s": None}, "the sorter hangs"),
        ({"kernel_up_s": 1e12}, "the sorter hangs"),
        ({"kernel_boot_id": "another"}, "before the machine was started"),
        ({"pid": 2**22}, "is gone"),
    ],
)
def test_a_status_of_another_moment_is_not_believed(folder, fields, why):
    change(folder, **fields)
    result = invoke("status", "--folder", folder)
    assert result.code == 1
    assert result.out.startswith("not known: ")
    assert why in result.out.splitlines()[0]
    (told,) = invoke("status", "--json", "--folder", folder).records
    assert told["is_stale"] is True


def test_a_status_is_believed_up_to_its_limit(folder):
    change(folder, kernel_up_s=up_s() - STALE_S + 5.0)
    assert invoke("status", "--folder", folder).code == 0


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"schema": 2}', b"\xff", b"[" * 100_000])
def test_without_a_status_it_says_where_it_looked_and_ends_with_3(tmp_path, content):
    if content is not None:
        (tmp_path / STATUS_NAME).write_bytes(content)
    result = invoke("status", "--folder", tmp_path)
    assert (result.code, result.out) == (3, "")
    assert str(tmp_path / STATUS_NAME) in result.err


def test_a_status_with_fields_of_any_kind_is_shown_as_far_as_it_goes(folder):
    for name in read(folder):
        for value in (None, 5, "x", [1], {"a": 1}):
            if name != "schema":
                before = (folder / STATUS_NAME).read_bytes()
                change(folder, **{name: value})
                assert invoke("status", "--folder", folder).code in (0, 1), (name, value)
                (folder / STATUS_NAME).write_bytes(before)


def test_names_that_would_steer_a_terminal_are_shown_harmless(folder, watched):
    watched.append("fault", {"reason": "x", "detail": "\x1b[2J\nforged line"})
    watched.see(1.0)
    out = invoke("status", "--folder", folder).out
    assert "\x1b" not in out
    assert "\nforged" not in out


@pytest.mark.parametrize(
    ("environment", "folder", "places"),
    [
        ({}, None, ["/run/edge-sorter"]),
        ({"RUNTIME_DIRECTORY": "/run/a:/run/b"}, "/run/a", ["/run/a", "/run/edge-sorter"]),
        (
            {"XDG_RUNTIME_DIR": "/run/user/5"},
            "/run/user/5/edge-sorter",
            ["/run/edge-sorter", "/run/user/5/edge-sorter"],
        ),
        (
            {"RUNTIME_DIRECTORY": "/run/edge-sorter", "XDG_RUNTIME_DIR": "/run/user/5"},
            "/run/edge-sorter",
            ["/run/edge-sorter"],
        ),
    ],
)
def test_where_the_status_is_written_and_looked_for(environment, folder, places):
    assert runtime_dir(environment) == (None if folder is None else Path(folder))
    assert status_places(environment) == tuple(map(Path, places))


def test_the_services_status_is_found_before_the_users_own(folder, tmp_path, monkeypatch):
    own = tmp_path / "user"
    monkeypatch.setattr(command, "status_places", lambda: (tmp_path / "nothing", folder, own))
    assert str(folder) in invoke("status").err


@pytest.mark.parametrize(
    ("service", "is_users"),
    [
        ({"ended": {"exit_code": 0, "detail": ""}}, True),
        ({"pid": 1 << 22}, True),
        ({"kernel_boot_id": "another"}, True),
        ({}, False),
    ],
    ids=["ended", "killed", "before the restart", "runs"],
)
def test_a_service_that_is_over_does_not_hide_a_users_run(folder, tmp_path, monkeypatch, service, is_users):
    own = shutil.copytree(folder, tmp_path / "user")
    change(folder, **service)
    monkeypatch.setattr(command, "status_places", lambda: (folder, own))
    assert str(own if is_users else folder) in invoke("status").err


def test_where_none_runs_the_services_last_word_counts(folder, tmp_path, monkeypatch):
    own = shutil.copytree(folder, tmp_path / "user")
    for place in (folder, own):
        change(place, ended={"exit_code": 4, "detail": "no camera"})
    monkeypatch.setattr(command, "status_places", lambda: (folder, own))
    assert str(folder) in invoke("status").err


def test_a_motion_that_waits_for_the_supply_is_told_in_words(folder, watched):
    watched.rig.send(SupplyLevel(is_low=True))
    watched.see(1.0)
    assert "supply" not in invoke("status", "--folder", folder).out, "nothing has to wait for it"
    watched.see(0.3, occupied=True, disturbed=True)
    watched.see(2.0, occupied=True)
    assert "  waits for the supply, which is too low" in invoke("status", "--folder", folder).out


def test_the_kernels_own_clock_and_name_are_known():
    assert len(kernel_boot_id()) == 36
    assert up_s() >= float(Path("/proc/uptime").read_text().split()[0]) - 1.0


def test_it_needs_nothing_that_the_sorting_needs(folder):
    code = (
        "import sys; sys.argv = ['edge-sorter', 'status', '--folder', sys.argv[1]]\n"
        "from edge.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "print([name for name in ('numpy', 'cv2', 'yaml', 'edge.config') if name in sys.modules])"
    )
    change(folder, pid=os.getpid())
    ran = subprocess.run(
        [sys.executable, "-c", code, str(folder)], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_real_run_leaves_a_status_of_schema_1(tmp_path, small, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    command = ("run", "--unattended", "--config", small, "--source", "sim:1", "--pace", "fast", "--items", "2")
    assert invoke(*command).code == 0
    fields = check(read(tmp_path / "run"))
    assert (fields["items"]["total"], fields["ended"]["exit_code"], fields["state"]) == (2, 0, "ended")
    assert fields["config"]["path"] == str(small)
    assert metrics(tmp_path / "run")["edge_sorter_frames_total"] == fields["frames"] > 50


def test_both_files_are_in_the_folder(folder):
    assert sorted(path.name for path in folder.iterdir()) == [METRICS_NAME, STATUS_NAME]
