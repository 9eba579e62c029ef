"""Calibration that is killed: a signal leaves every motor without power, a pulled plug a whole configuration."""

import json
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from edge.calibrate.files import KEPT
from edge.configfile import load_config
from tests.cli_rig import ENVIRONMENT, start

LIMIT_S = 60.0
"""A command that is not through by then hangs."""
KILLS = 8
WITNESSED = """
import json, sys
from pathlib import Path
import edge.drivers
from edge.cli import main
from edge.pins import open_factory

report = Path(sys.argv.pop(1))
factory = open_factory("mock")
factory.close = lambda: None
edge.drivers.open_factory = lambda *_, **__: factory
try:
    main()
finally:
    pin = factory.pin(18)
    pulses = [change.state for change in pin.states if 0 < change.state < 1]
    report.write_text(json.dumps({"pulses": len(pulses), "is_powered": pin.frequency is not None or pin.state > 0}))
"""
STORING = """
import itertools, sys
from pathlib import Path
from edge.calibrate.store import ConfigStore

store = ConfigStore(Path(sys.argv[1]))
for number in itertools.count():
    store.store({("gate", "home_deg"): 91.0 + number % 40})
    print(number, flush=True)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda signum: signum.name)
def test_a_signal_in_mid_motion_ends_the_command_with_the_servo_unpowered(tmp_path: Path, signum):
    config, report = tmp_path / "config.yaml", tmp_path / "report.json"
    # A degree in ten milliseconds: the way takes 1.3 s.
    text = f"gate: {{step_deg: 1.0, home_deg: 20.0}}\nledger: {{path: {tmp_path / 'ledger.db'}}}\n"
    config.write_text(text)
    arguments = (report, "calibrate", "angles", "--config", config)
    command = [sys.executable, "-c", WITNESSED, *map(str, arguments)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        watchdog = threading.Timer(LIMIT_S, child.kill)
        watchdog.start()
        child.stdin.write("home\n\n150\n")
        child.stdin.flush()
        out = ""
        while "home 20  [" not in out:
            character = child.stdout.read(1)
            assert character, child.stderr.read()
            out += character
        child.send_signal(signum)
        out += child.stdout.read()
        err = child.stderr.read()
        child.wait()
        watchdog.cancel()
        watchdog.join()
    assert (child.returncode, err) == (128 + signum, "")
    assert f"stopped by {signum.name}; what was not stored by now is not." in out
    left = json.loads(report.read_text())
    assert left["pulses"] >= 1
    assert not left["is_powered"]
    assert config.read_text() == text


def test_a_kill_in_the_midst_of_storing_leaves_a_whole_configuration(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text("# mine\ngate:\n  home_deg: 90.0  # parked\n")
    draw = random.Random(7)
    for _ in range(KILLS):
        with start(config, code=STORING) as child:
            watchdog = threading.Timer(LIMIT_S, child.kill)
            watchdog.start()
            assert child.stdout.readline(), child.stderr.read()
            with suppress(subprocess.TimeoutExpired):
                child.wait(draw.uniform(0, 0.05))
            child.kill()
            child.stdout.read()
            watchdog.cancel()
            watchdog.join()
        kept = [
            path
            for path in (config.with_name(f"config.yaml.{number}") for number in range(1, KEPT + 1))
            if path.exists()
        ]
        assert kept
        for path in (config, *kept):
            load_config(path)
            assert path.read_text().startswith("# mine\ngate:\n  home_deg: ")
            assert path.read_text().endswith("  # parked\n")
