"""Fixtures of all tests."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

_STATE = tempfile.mkdtemp(prefix="edge-sorter-tests-")
os.chmod(_STATE, 0o777)  # some tests run the program as another user
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)

# Before Typer and Rich are imported, which look once: neither the terminal nor a CI service decides what is printed.
for _name in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TERMINAL_WIDTH"):
    os.environ.pop(_name, None)
os.environ |= {
    "NO_COLOR": "1",
    "_TYPER_FORCE_DISABLE_TERMINAL": "1",
    "TERM": "xterm",
    "COLUMNS": "120",
    "LINES": "40",
    # What a run remembers of this machine is no business of a test's.
    "XDG_STATE_HOME": _STATE,
}

from tests.rigs import SHIPPED_BUNDLE  # noqa: E402  # the environment is set first


@pytest.fixture
def bundle_dir(tmp_path: Path) -> Path:
    """A copy of the shipped bundle, to be tampered with."""
    folder = tmp_path / "waste"
    shutil.copytree(SHIPPED_BUNDLE, folder)
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where a ledger may be made."""
    return tmp_path / "ledger.db"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A configuration with small frames, which make the simulation quick."""
    path = tmp_path / "small.yaml"
    path.write_text("source:\n  width_px: 320\n  height_px: 240\n")
    return path


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How the gates of this test were left."""
    # Imported here: the tests of the conversion share this file and need no gate.
    import edge.gates.servo_flap
    from tests.cli_rig import WitnessedFlap

    monkeypatch.setattr(edge.gates.servo_flap, "ServoFlap", WitnessedFlap)
    monkeypatch.setattr(WitnessedFlap, "left", [])
    return WitnessedFlap.left
