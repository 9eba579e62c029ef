"""Who may read and write what the program leaves: nobody else writes, and a umask is kept."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge import paths
from edge.health.starts import Starts
from edge.latch import StopLatch
from edge.paths import write_whole
from tests.cli_rig import ENVIRONMENT

RUN = ["-m", "edge", "run", "--unattended", "--items", "2", "--pace", "fast", "--json"]
FOR_ALL = {"status.json", "metrics.prom"}
"""What other programs read, whatever the sorter's umask is (docs/security.md)."""


def reach(path: Path, top: Path) -> int:
    """Bits of a mode that count: a file in a folder that its group or others may not enter is out of their reach."""
    bits = mode_of(path)
    for folder in path.parents:
        if folder == top:
            return bits
        for shift in (0, 3):
            if not mode_of(folder) & 0o1 << shift:
                bits &= ~(0o7 << shift)
    raise ValueError(f"{path} is not below {top}")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o027, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest):
    """The process's umask for one test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_new_file_keeps_to_the_umask(tmp_path, umask):
    write_whole(tmp_path / "new", "text")
    assert mode_of(tmp_path / "new") == 0o644 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, umask, mode):
    path = tmp_path / "old"
    path.write_text("before")
    path.chmod(mode)
    write_whole(path, "after")
    assert mode_of(path) == mode
    assert path.read_text() == "after"


def test_a_private_file_is_private_while_it_is_replaced(tmp_path):
    path = tmp_path / "private"
    path.write_text("before")
    path.chmod(0o600)
    seen: list[int] = []
    write_whole(path, "after", before=lambda: seen.extend(mode_of(other) for other in tmp_path.iterdir()))
    assert seen == [0o600, 0o600]


def test_a_folder_that_is_made_is_on_the_disk_with_those_above_it(tmp_path, monkeypatch):
    synced: list[Path] = []
    monkeypatch.setattr(paths, "sync_folder", synced.append)
    write_whole(tmp_path / "a" / "b" / "new", "text")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    synced.clear()
    write_whole(tmp_path / "a" / "b" / "new", "again")
    assert synced == [tmp_path / "a" / "b"]


def test_a_link_that_waits_for_the_new_file_is_not_written_through(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda count: bytes(count))
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".new.00000000").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "new", "text")
    assert (tmp_path / "victim").read_text() == "mine"


def test_marks_beside_the_ledger_keep_to_the_umask(tmp_path, umask):
    StopLatch(tmp_path / "emergency-stop").set()
    Starts(tmp_path / "starts.json").begin()
    for path in tmp_path.iterdir():
        assert mode_of(path) & (0o022 | umask) == 0, f"{path.name} has mode {mode_of(path):o}"


def test_a_run_leaves_nothing_that_others_may_write_or_a_umask_shuts_out(tmp_path, umask):
    state, runtime = tmp_path / "state", tmp_path / "runtime"
    runtime.mkdir()
    subprocess.run(
        [sys.executable, *RUN, "--events", str(tmp_path / "events.jsonl")],
        check=True,
        capture_output=True,
        timeout=120,
        cwd=tmp_path,
        env={**ENVIRONMENT, "HOME": str(tmp_path), "XDG_STATE_HOME": str(state), "RUNTIME_DIRECTORY": str(runtime)},
    )
    made = [path for path in tmp_path.rglob("*") if path.is_file() or path.is_dir()]
    assert {path.name for path in made} >= {"ledger.db", "tuning.json", "events.jsonl", "starts.json", *FOR_ALL}
    for path in made:
        forbidden = 0o022 if path.name in FOR_ALL or path == runtime else 0o022 | umask
        assert reach(path, tmp_path) & forbidden == 0, f"{path.relative_to(tmp_path)} has mode {mode_of(path):o}"
