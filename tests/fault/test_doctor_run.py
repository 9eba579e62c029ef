"""Doctor beside a sorter that runs, and before a driver that hangs for ever."""

import json

import pytest

from tests.cli_rig import ledger_records, start

DOCTOR = """
import sys
from pathlib import Path
from edge.commands.doctor import diagnose
sys.exit(diagnose(Path(sys.argv[1]), as_json=True))
"""
HANGING = """
import sys, threading
from pathlib import Path
from edge.board.video import VideoNode
from edge.commands.doctor import diagnose
from edge.doctor.machine import Machine
from edge.sources import live
from edge.sources.v4l2 import V4l2Camera

class Hanging(V4l2Camera):
    def open(self):
        if "{where}" == "open":
            threading.Event().wait()
    def grab(self, out=None):
        threading.Event().wait()

live.OPEN_S = live.FIRST_FRAME_S = live.CLOSE_S = 0.2
import edge.sources.v4l2
edge.sources.v4l2.V4l2Camera = Hanging
machine = Machine(video_node=lambda device: VideoNode("USB camera", True))
sys.exit(diagnose(Path(sys.argv[1]), as_json=True, machine=machine))
"""


@pytest.fixture
def config(tmp_path, ledger):
    path = tmp_path / "config.yaml"
    path.write_text(
        f"source: {{width_px: 320, height_px: 240, sim_items: 2}}\nmodel: {{threads: 1}}\nledger: {{path: {ledger}}}\n"
    )
    return path


def run_doctor(code, config):
    process = start(config, code=code)
    out, err = process.communicate(timeout=60)
    assert err == ""
    return process.returncode, {finding["check"]: finding for finding in json.loads(out)["findings"]}


def test_a_sorter_that_runs_is_noticed_and_goes_on(config, ledger):
    sorter = start("run", "--config", config, "--json")
    try:
        assert sorter.stdout is not None
        assert json.loads(sorter.stdout.readline())["type"] == "boot"
        status, findings = run_doctor(DOCTOR, config)
        assert status == 0
        assert f"is in use by process {sorter.pid} (edge-sorter run)" in findings["ledger.writer"]["found"]
        assert findings["ledger.rows"]["level"] == "ok"
        _, err = sorter.communicate(timeout=120)
    finally:
        sorter.kill()
        sorter.wait()
    assert sorter.returncode == 0, err
    assert [record["type"] for record in ledger_records(ledger)].count("item") == 2
    status, findings = run_doctor(DOCTOR, config)
    assert status == 0
    assert "ledger.writer" not in findings


@pytest.mark.parametrize(("where", "words"), [("open", "did not open"), ("grab", "gave no picture")])
def test_a_camera_that_hangs_for_ever_does_not_hold_doctor_up(config, where, words):
    config.write_text(config.read_text().replace("sim_items: 2", "spec: v4l2:/dev/video0"))
    status, findings = run_doctor(HANGING.replace("{where}", where), config)
    assert status == 3
    assert words in findings["camera.pictures"]["found"]
    assert findings["gpio.pins"]["level"] == "note"
