"""The files of `systemd/`: what systemd makes of them, and that they name what exists."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

import edge
from edge.cli import _run_as_a_unit_does
from edge.commands.app import app
from edge.config.gate_base import LONGEST_PARK_S
from edge.sources.live import OPEN_S

FOLDER = Path(edge.__file__).parents[1] / "systemd"
SERVICE, PARK = FOLDER / "edge-sorter.service", FOLDER / "edge-sorter-park.service"
SERVICES = sorted(FOLDER.glob("*.service"))
UNITS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".service", ".target", ".timer"))
PROGRAM = "/opt/edge-sorter/bin/edge-sorter"
WORST = {"edge-sorter.service": 1.0}
WORST_OF_OTHERS = 1.5
COMMANDS = ("ExecStart", "ExecReload", "ExecStopPost")
ANALYZE = shutil.which("systemd-analyze")
with_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")
NEEDED_CALLS = {
    # What the sorter does all the time, and what it does where it may.
    *("ioctl", "read", "write", "mmap", "munmap", "futex", "clone", "epoll_wait", "ppoll", "clock_nanosleep"),
    *("fsync", "fdatasync", "pwrite64", "fcntl", "rename", "unlink", "ftruncate", "fallocate", "fchmod", "flock"),
    *("socket", "sendto", "sched_getaffinity", "sched_setaffinity", "kill", "rt_sigaction", "mknodat"),
}
REFUSED_CALLS = {"mount", "ptrace", "init_module", "reboot", "settimeofday", "setuid", "bpf", "kexec_load"}


class Unit(dict[str, list[str]]):
    """Every value of each key, of all sections together."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.match(r"\w+=", line):
                key, _, value = line.partition("=")
                self.setdefault(key, []).append(value)

    def one(self, key: str) -> str:
        (value,) = self[key]
        return value


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [str(ANALYZE), *map(str, arguments)]
    environment = {**os.environ, "SYSTEMD_COLORS": "0"}
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=60)


@with_systemd
@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_exposed_no_more_than_was_promised(path: Path):
    done = analyze("security", "--offline=true", "--no-pager", path)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= WORST.get(path.name, WORST_OF_OTHERS)


@with_systemd
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path):
    for path in UNITS:
        # systemd wants to see the program, which lies elsewhere here.
        text = path.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = analyze("verify", "--man=no", *sorted(tmp_path.iterdir()))
    said = [line for line in (done.stdout + done.stderr).splitlines() if "edge-sorter" in line]
    assert (done.returncode, said) == (0, [])


@with_systemd
def test_the_calls_that_the_sorter_needs_are_let_through_and_dangerous_ones_are_not():
    allowed: set[str] = set()
    for value in Unit(SERVICE)["SystemCallFilter"]:
        calls = {call for word in value.lstrip("~").split() for call in members(word)}
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    assert NEEDED_CALLS - allowed == set()
    assert REFUSED_CALLS & allowed == set()


def members(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    lines = [line.strip() for line in analyze("syscall-filter", "--no-pager", word).stdout.splitlines()]
    return {call for line in lines[1:] if line and not line.startswith("#") for call in members(line)}


def commands() -> list[tuple[str, list[str]]]:
    found = []
    for path in SERVICES:
        unit = Unit(path)
        found += [(f"{path.stem}-{key}", shlex.split(value)) for key in COMMANDS for value in unit.get(key, [])]
    return found


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in commands()])
def test_a_unit_runs_a_command_that_exists_with_options_that_it_has(words: list[str]):
    if words[0] != PROGRAM:
        assert words[0] == "/bin/kill"
        return
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    command = group.commands[words[1]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[2:] if word.startswith("--")} <= options
    assert words[-2:] == ["--config", "/etc/edge-sorter/config.yaml"]


PROGRAMS_COMMANDS = [pytest.param(words[1:], id=name) for name, words in commands() if words[0] == PROGRAM]


@pytest.mark.parametrize("words", PROGRAMS_COMMANDS)
def test_a_units_command_means_the_same_without_the_library_for_command_lines(monkeypatch, words: list[str]):
    calls: list[object] = []
    monkeypatch.setattr("edge.commands.unattended.run_unattended", calls.append)
    monkeypatch.setattr("edge.commands.park.park", lambda config, *, cut: calls.append((config, cut)) or "done")
    assert _run_as_a_unit_does(words)
    assert CliRunner().invoke(app, words).exit_code == 0
    short, full = calls
    assert short == full


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--unattended", "--config", "x", "--json"],
        ["run", "--unattended", "--config", "--json"],
        ["run", "--config", "x"],
        ["park", "--config", "-h"],
        ["park"],
        [],
    ],
    ids=" ".join,
)
def test_every_other_command_line_goes_to_the_library(words: list[str]):
    assert not _run_as_a_unit_does(words)


@pytest.mark.parametrize("words", PROGRAMS_COMMANDS)
def test_a_unit_loads_no_library_for_command_lines(tmp_path: Path, words: list[str]):
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print({'typer', 'click', 'rich'} & set(sys.modules)))\n"
        "from edge.cli import main\n"
        "main()\n"
    )
    config = tmp_path / "config.yaml"
    config.write_text(f"source: {{sim_items: 1}}\nledger: {{path: {tmp_path / 'ledger.db'}}}\n")
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script, *words[:-1], str(config)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_sorter_is_parked_however_it_ends_and_told_when_it_hangs():
    unit = Unit(SERVICE)
    assert unit.one("Type") == "notify"
    assert unit.one("NotifyAccess") == "main"
    assert unit.one("WatchdogSec") == "10"
    assert shlex.split(unit.one("ExecStopPost"))[1] == "park"
    assert "--unattended" in shlex.split(unit.one("ExecStart"))
    assert PARK.name in unit.one("OnFailure").split()


def test_nothing_is_killed_while_a_gate_may_still_be_coming_home():
    assert float(Unit(SERVICE).one("TimeoutStopSec")) > LONGEST_PARK_S
    # The program asks for more time step by step; the longest step is a camera's opening, which it gives up after 20 s.
    assert 2 * OPEN_S < float(Unit(SERVICE).one("TimeoutStartSec")) <= 60, "a start that hangs is over within a minute"
    assert float(Unit(PARK).one("TimeoutStartSec")) > LONGEST_PARK_S


def test_the_next_try_comes_when_the_budget_of_starts_is_new_again():
    interval, delay = (
        Unit(SERVICE).one("StartLimitIntervalSec"),
        Unit(FOLDER / "edge-sorter-retry.timer").one("OnActiveSec"),
    )
    assert minutes(delay) > minutes(interval)


def minutes(value: str) -> int:
    assert value.endswith("min")
    return int(value.removesuffix("min"))


def test_units_name_units_that_are_there():
    there = {path.name for path in UNITS}
    for path in UNITS:
        unit = Unit(path)
        for key in ("OnFailure", "Wants", "Requisite", "After", "PartOf", "Unit"):
            named = {name for value in unit.get(key, []) for name in value.split() if name.startswith("edge-sorter")}
            assert named <= there, f"{path.name}, {key}"


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_has_no_network_and_runs_as_the_user_that_sysusers_makes(path: Path):
    unit = Unit(path)
    assert unit.one("PrivateNetwork") == "yes"
    made = (FOLDER / "edge-sorter.sysusers.conf").read_text(encoding="utf-8")
    user = unit.one("User")
    assert re.search(rf"^u {user} - ", made, re.MULTILINE)
    for group in unit.one("SupplementaryGroups").split():
        assert f"m {user} {group}" in made.splitlines()


def test_folders_have_the_same_modes_wherever_they_are_made():
    unit = Unit(SERVICE)
    lines = (FOLDER / "edge-sorter.tmpfiles.conf").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    made = {path: (mode, owner) for _, path, mode, owner, *_ in rows}
    assert made == {
        f"/var/lib/{unit.one('StateDirectory')}": (unit.one("StateDirectoryMode"), unit.one("User")),
        f"/run/{unit.one('RuntimeDirectory')}": (unit.one("RuntimeDirectoryMode"), unit.one("User")),
    }


def test_the_boards_watchdog_waits_no_longer_than_a_raspberry_pi_can():
    drop_in = configparser.ConfigParser()
    drop_in.optionxform = str  # type: ignore[method-assign,assignment]  # keys keep their capitals, as the module says
    drop_in.read(FOLDER / "90-edge-sorter-watchdog.conf")
    assert drop_in["Manager"]["RuntimeWatchdogSec"] == "15s"
    assert drop_in["Manager"]["RebootWatchdogSec"] == "2min"
