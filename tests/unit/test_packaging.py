"""What goes into the Debian packages fits what the project is tested with."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import edge
from edge.configfile import load_config

ROOT = Path(edge.__file__).parents[1]
PACKAGING = ROOT / "packaging"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
SUITES = ("bookworm", "trixie")
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def module(name: str) -> ModuleType:
    """A program of packaging/, which is no package: its name would be that of a library."""
    spec = importlib.util.spec_from_file_location(f"packaging_{name}", PACKAGING / f"{name}.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def build_deb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setitem(sys.modules, "wheels", module("wheels"))
    return module("build_deb")


def pins(path: Path) -> dict[str, str]:
    return {
        name.lower().replace("_", "-"): version for name, version in PINNED.findall(path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("suite", SUITES)
def test_wheels_of_a_package_are_those_that_everything_is_tested_with(suite: str):
    tested = pins(ROOT / "constraints.txt")
    found = pins(PACKAGING / f"wheels-{suite}.txt")
    if suite == "bookworm":
        # apt's NumPy 1.24 stays, and OpenCV must work with it.
        major, minor = map(int, found.pop("opencv-python-headless").split(".")[:2])
        assert (major, minor) < (4, 12)
    assert found.items() <= tested.items()


@pytest.mark.parametrize("suite", SUITES)
def test_every_wheel_is_pinned_by_its_hash(suite: str):
    text = (PACKAGING / f"wheels-{suite}.txt").read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert len(entries) == len(pins(PACKAGING / f"wheels-{suite}.txt"))
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("suite", SUITES)
def test_apt_and_wheels_together_bring_what_the_runtime_requires(suite: str, build_deb: ModuleType):
    required = set()
    for need in re.findall(
        r'^    "([A-Za-z0-9-]+)[>=]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    ):
        required.add(need.lower())
    runtime = {"ai-edge-litert", "gpiozero", "numpy", "opencv-python-headless", "pydantic", "pyyaml", "rich", "typer"}
    assert runtime <= required
    by_apt = {depend.split()[0].removeprefix("python3-") for depend in build_deb.DEPENDS[suite]}
    by_apt = {"pyyaml" if name == "yaml" else name for name in by_apt}
    assert runtime - by_apt - set(pins(PACKAGING / f"wheels-{suite}.txt")) == set()


def test_the_first_configuration_is_valid_and_moves_nothing(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text((PACKAGING / "config.yaml.in").read_text(encoding="utf-8"), encoding="utf-8")
    config = load_config(path)
    assert (config.source.spec, config.pins.factory) == ("sim", "mock")
    assert config.ledger.path == "/var/lib/edge-sorter/ledger.db"


def test_configuration_and_ledger_are_no_conffiles():
    names = {path.name for path in (PACKAGING / "debian").iterdir()}
    assert "conffiles" not in names
    assert "/etc/" not in (PACKAGING / "debian" / "install").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*SCRIPTS, "install.sh"])
def test_scripts_that_run_as_root_are_understood_by_a_plain_shell(name: str):
    path = PACKAGING / name if name.endswith(".sh") else PACKAGING / "debian" / name
    done = subprocess.run(["/bin/sh", "-n", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_everything_that_make_install_puts_is_taken_away_again():
    text = (PACKAGING / "install.sh").read_text(encoding="utf-8")
    put = set(re.findall(r"^ +put systemd/\S+ (\S+)$", text, re.MULTILINE))
    listed = re.search(r'^files="([^"]+)"', text, re.MULTILINE)
    assert listed is not None
    assert put == set(listed[1].split())
    units = re.search(r'^units="([^"]+)"', text, re.MULTILINE)
    assert units is not None
    there = {path.name for path in (ROOT / "systemd").iterdir() if path.suffix in (".service", ".target", ".timer")}
    assert set(units[1].split()) == there


def uninstall(destdir: str) -> subprocess.CompletedProcess[str]:
    settings = {"PATH": os.environ["PATH"], "DESTDIR": destdir}
    script = str(PACKAGING / "install.sh")
    return subprocess.run([script, "uninstall"], env=settings, capture_output=True, text=True, timeout=60)


def test_uninstall_names_the_command_for_each_thing_that_stays_and_for_nothing_else(tmp_path: Path):
    ledger = tmp_path / "var/lib/edge-sorter"
    ledger.mkdir(parents=True)
    done = uninstall(str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"sudo rm -r {ledger} " in done.stdout
    assert "/etc/edge-sorter" not in done.stdout
    assert "userdel" not in done.stdout
    assert ledger.is_dir()


@pytest.mark.parametrize(
    ("settings", "is_kept"),
    [(None, False), ("[Manager]\nRuntimeWatchdogSec=5s\n", True)],
    ids=["put by an earlier version", "the administrator's own"],
)
def test_the_watchdogs_former_file_goes_unless_it_says_something_else(
    tmp_path: Path, settings: str | None, is_kept: bool
):
    ours = (ROOT / "systemd" / "90-edge-sorter-watchdog.conf").read_text(encoding="utf-8")
    former = tmp_path / "etc/systemd/system.conf.d/90-edge-sorter-watchdog.conf"
    former.parent.mkdir(parents=True)
    former.write_text(settings or f"# an earlier comment\n{ours}", encoding="utf-8")
    assert uninstall(str(tmp_path)).returncode == 0
    assert former.exists() == is_kept


def test_a_link_that_switches_the_watchdog_off_stays(tmp_path: Path):
    link = tmp_path / "etc/systemd/system.conf.d/90-edge-sorter-watchdog.conf"
    link.parent.mkdir(parents=True)
    link.symlink_to("/dev/null")
    done = uninstall(str(tmp_path))
    assert link.is_symlink()
    assert f"sudo rm -r {link} " in done.stdout


def test_a_destination_that_is_no_full_path_is_refused():
    done = uninstall("out")
    assert done.returncode == 1
    assert "expected a full path" in done.stderr
