"""Calibration that is killed: a signal leaves every motor without power, a pulled plug a whole configuration."""

import json
import os
import pty
import random
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from edge.calibrate.files import KEPT
from edge.configfile import load_config
from edge.ending import STOP_SIGNALS
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
WATCHED = """
import sys, threading
import edge.drivers
from edge.cli import main
from edge.pins import open_factory

# Standard error goes past the terminal: a line each time that the servo gets power, and that it loses it.
factory = open_factory("mock")
edge.drivers.open_factory = lambda *_, **__: factory
pin = factory.pin(18)

def watch():
    was = False
    while not threading.Event().wait(0.01):
        is_powered = pin.frequency is not None or pin.state > 0
        if is_powered is not was:
            print("on" if is_powered else "off", file=sys.stderr, flush=True)
        was = is_powered

threading.Thread(target=watch, daemon=True).start()
main()
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


@pytest.mark.parametrize("signum", STOP_SIGNALS, ids=lambda signum: signum.name)
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


class Terminal:
    """`edge-sorter calibrate ...` at a terminal of its own; `power` tells a servo's power, line by line.

    Whatever is waited for comes within `LIMIT_S`, or the child is killed and the wait fails.
    """

    def __init__(self, *arguments: str | Path) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-c", WATCHED, "calibrate", *map(str, arguments)]
        self.child = subprocess.Popen(
            command, env=ENVIRONMENT, stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True
        )
        os.close(slave)
        self._watchdog = threading.Timer(LIMIT_S, self.child.kill)
        self._watchdog.start()
        self.power = self.child.stderr
        self._shown = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read_until(self, words: str) -> str:
        """What was shown, up to the words and with them."""
        while words not in self._shown:
            try:
                self._shown += os.read(self._master, 1024).decode()
            except OSError:
                # The child has ended.
                raise AssertionError(f"{words!r} did not come: {self._shown}") from None
        head, _, self._shown = self._shown.partition(words)
        return head + words

    def close(self) -> None:
        self._watchdog.cancel()
        self._watchdog.join()
        self.child.kill()
        self.child.communicate()
        os.close(self._master)


@pytest.fixture
def terminal(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text(f"gate: {{home_deg: 90.0}}\nledger: {{path: {tmp_path / 'ledger.db'}}}\n")
    terminal = Terminal("angles", "--config", config)
    yield terminal
    terminal.close()


def test_what_was_typed_before_a_question_moves_nothing(terminal):
    terminal.read_until("Which one? Enter ends.")
    terminal.type("home\n\n\n++\n")
    terminal.read_until("q leaves.")
    terminal.type("q\n")
    out = terminal.read_until("Which one? Enter ends.")
    assert "home 90  [" not in out, "nobody agreed to a motion"
    terminal.type("\n")
    assert terminal.child.wait() == 0
    assert terminal.power.read() == ""


def test_a_terminal_that_takes_no_more_output_does_not_keep_the_servo_powered(terminal):
    terminal.read_until("Which one? Enter ends.")
    terminal.type("home\n")
    terminal.read_until("q leaves.")
    terminal.type("\n")
    terminal.read_until("home 90  [")
    assert terminal.power.readline() == "on\n"
    terminal.type("\x13")  # Ctrl-S
    terminal.type("+\n")
    assert terminal.power.readline() == "off\n", "the next question is not shown, and does not take the power off"
    terminal.type("++\n")
    terminal.type("\x11")  # Ctrl-Q
    terminal.read_until("the program was held up for 0.5 s")
    terminal.read_until("home 9")
    terminal.type("q\n")
    terminal.read_until("Which one? Enter ends.")
    terminal.type("\n")
    assert terminal.child.wait() == 0
    assert terminal.power.read() == "", "what was typed at a terminal that showed nothing moved nothing"
