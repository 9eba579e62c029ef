"""Bad input, a full disk and Ctrl-C: one sentence, a status, and nothing half-written. No TensorFlow here."""

import dataclasses
import errno
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convert.cli
from convert.cli import INTERRUPTED
from convert.files import check_room, refuse_foreign, replacing, replacing_folder, write_text
from convert.lock import claimed
from convert.package import Parts, write_bundle
from convert.provenance import measured
from convert.settings import Workspace
from edge.bundle import load_bundle
from edge.errors import ConfigError

ROOT = Path(__file__).parents[2]
KILOBYTE = 1024

MAIN = """
import os, signal, sys
sys.path.insert(0, {root!r})
import convert.cli, convert.files, convert.package, convert.compare
{patch}
sys.argv[0] = "edge-convert"
convert.cli.main()
"""

STOP_IN = """
real = {module}.{name}
def stopped(*given, **named):
    result = real(*given, **named)
    os.kill(os.getpid(), signal.SIGINT)
    return result
{module}.{name} = stopped
"""
"""Ctrl-C arrives right after this function."""


def run(folder: Path, *words: str, patch: str = "", most_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """A real process in `folder`; it may write files of at most `most_bytes`."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.run(
        [sys.executable, "-c", MAIN.format(root=str(ROOT), patch=patch), *words],
        cwd=folder,
        preexec_fn=limit,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same within this process, which is cheaper."""

    def run_here(*words: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["edge-convert", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            convert.cli.main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(ended.value.code or 0), out, err)

    return run_here


def assert_refused(done: subprocess.CompletedProcess[str], message: str, status: int = 2) -> None:
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert [line for line in done.stderr.splitlines() if line and not line.startswith("[")] == [
        line for line in done.stderr.splitlines() if line.startswith("edge-convert: ")
    ], done.stderr
    assert done.stderr.count("edge-convert: ") == 1
    assert "Traceback" not in done.stderr


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def ready(tmp_path: Path, parts: Parts) -> Path:
    """A folder where `package` can run at once and an older bundle lies in `out/tiny`."""
    work = Workspace(tmp_path / "work")
    bundle = write_bundle(work.candidate, parts, None)
    write_text(work.metrics, json.dumps({"of": measured(bundle)}))
    write_bundle(tmp_path / "out" / "tiny", candidate("0", parts), None)
    return tmp_path


def candidate(version: str, parts: Parts) -> Parts:
    return dataclasses.replace(parts, version=version)


PACKAGE = ("package", "--work", "work", "--output", "out/tiny")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs that can be split, eight a class."""
    for label in ("glass", "paper", "trash"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(8):
            pixels = np.random.default_rng([ord(label[0]), number]).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "data" / label / f"{label}{number * 10}.png"), pixels)
    return tmp_path


SPLIT = ("split", "--data", "data", "--work", "work")


def test_the_tests_below_start_from_what_works(ready: Path, call: Callable[..., Any]) -> None:
    done = call(*PACKAGE)
    assert (done.returncode, done.stdout) == (0, "out/tiny\n"), done.stderr
    assert load_bundle(ready / "out" / "tiny").manifest.version == "1"


@pytest.mark.parametrize("most_bytes", [KILOBYTE, 300])
def test_no_room_while_packaging_leaves_the_old_bundle(ready: Path, most_bytes: int) -> None:
    before = tree(ready)
    done = run(ready, *PACKAGE, most_bytes=most_bytes)
    assert_refused(done, "make room on the disk")
    assert "out/tiny" in done.stderr
    assert tree(ready) == before


def test_no_room_while_splitting_leaves_the_old_split(photos: Path, call: Callable[..., Any]) -> None:
    assert call(*SPLIT).returncode == 0
    before = tree(photos)
    done = run(photos, *SPLIT, "--seed", "2", most_bytes=KILOBYTE)
    assert_refused(done, "make room on the disk")
    assert "split.json" in done.stderr
    assert tree(photos) == before


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("convert.package", "tensors"),
        ("convert.package", "load_bundle"),
        ("convert.files", "sync"),
        ("convert.files", "exchange"),
    ],
)
def test_ctrl_c_while_packaging_leaves_a_whole_bundle(ready: Path, module: str, name: str) -> None:
    done = run(ready, *PACKAGE, patch=STOP_IN.format(module=module, name=name))
    assert_refused(done, "stopped; every file is replaced as a whole or stays as it was", INTERRUPTED)
    assert load_bundle(ready / "out" / "tiny").manifest.version == ("1" if name == "exchange" else "0")
    assert [path.name for path in (ready / "out").iterdir()] == ["tiny"]


def test_ctrl_c_while_splitting_leaves_no_work_folder(photos: Path) -> None:
    patch = "import convert.dataset\n" + STOP_IN.format(module="convert.dataset", name="decode")
    assert_refused(run(photos, *SPLIT, patch=patch), "stopped", INTERRUPTED)
    assert not (photos / "work").exists()


def test_a_second_run_in_the_same_work_folder_is_refused(ready: Path, call: Callable[..., Any]) -> None:
    before = tree(ready)
    with claimed(ready / "work"):
        assert_refused(run(ready, *PACKAGE), "another edge-convert is at work in work")
    assert tree(ready) == before
    assert call(*PACKAGE).returncode == 0


def test_a_killed_run_leaves_no_lock(ready: Path, call: Callable[..., Any]) -> None:
    done = run(ready, *PACKAGE, patch=STOP_IN.format(module="convert.package", name="tensors").replace("INT", "KILL"))
    assert done.returncode == -signal.SIGKILL
    assert call(*PACKAGE).returncode == 0


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with claimed(tmp_path / "work"), claimed(tmp_path / "work"):
        pass
    assert not (tmp_path / "work").exists()


def test_a_claim_leaves_nothing_that_it_made_unless_it_is_used(tmp_path: Path) -> None:
    with claimed(tmp_path / "build" / "work"):
        assert (tmp_path / "build" / "work").is_dir()
    assert list(tmp_path.iterdir()) == []
    with claimed(tmp_path / "build" / "work"):
        (tmp_path / "build" / "work" / "split.json").write_text("{}")
    assert (tmp_path / "build" / "work" / "split.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("package", "--work", "file", "--output", "out/tiny"), "file is a file, expected a folder"),
        (("package", "--work", "file/work", "--output", "out/tiny"), "lies in something that is no folder"),
        (("package", "--work", "work", "--output", "file"), "file is a file, expected a folder"),
        (("package", "--work", "work", "--output", "file/tiny"), "file is a file, expected a folder"),
        (("package", "--work", "work", "--output", "foreign"), "foreign holds files but no manifest.json"),
        (("build", "--data", "data", "--work", "work", "--output", "foreign"), "foreign holds files"),
        (("quantize", "--data", "data", "--work", "foreign"), "candidate holds files but no manifest.json"),
        (("export", "--work", "file", "--format", "keras", "--output", "x"), "file is a file, expected a folder"),
    ],
)
def test_what_lies_in_the_way_is_named_and_kept(
    ready: Path, call: Callable[..., Any], words: tuple[str, ...], message: str
) -> None:
    (ready / "file").write_text("precious")
    (ready / "foreign").mkdir()
    (ready / "foreign" / "holiday.jpg").write_bytes(b"precious")
    (ready / "foreign" / "candidate").mkdir()
    (ready / "foreign" / "candidate" / "notes.txt").write_text("precious")
    before = tree(ready)
    assert_refused(call(*words), message)
    assert tree(ready) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_may_not_be_written_is_named_before_the_work(ready: Path, call: Callable[..., Any]) -> None:
    (ready / "out").chmod(0o555)
    try:
        assert_refused(call(*PACKAGE), "choose another --output")
    finally:
        (ready / "out").chmod(0o755)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room on the disk"),
        (errno.EDQUOT, "make room on the disk"),
        (errno.EROFS, "choose another --work"),
        (errno.EACCES, "choose another --work"),
    ],
)
def test_room_is_looked_for_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refuse(**given: Any) -> None:
        raise OSError(number, os.strerror(number))

    check_room(tmp_path / "not" / "yet", "--work")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(ConfigError, match=remedy) as caught:
        check_room(tmp_path / "not" / "yet", "--work")
    assert str(tmp_path / "not" / "yet") in str(caught.value)


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    write_text(tmp_path / "split.json", "old")
    message = r"cannot write .*split\.json \(No space left on device\); make room"
    with pytest.raises(ConfigError, match=message), replacing(tmp_path / "split.json") as partial:
        partial.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert tree(tmp_path) == {"split.json": b"old"}


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replacing_folder(tmp_path / "bundle", "mark", "--output") as draft:
            (draft / "mark").write_text(content)
    full = pytest.raises(ConfigError, match="make room")
    with full, replacing_folder(tmp_path / "bundle", "mark", "--output") as draft:
        (draft / "mark").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert tree(tmp_path) == {"bundle/mark": b"new"}


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    refuse_foreign(tmp_path, "mark", "--output")
    refuse_foreign(tmp_path / "not yet", "mark", "--output")


def damage(path: Path, content: bytes | None) -> None:
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe\x00", b'{"schema": 99}', None])
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("split.json", ("train", "--data", "data", "--work", "work", "--weights", "none")),
        ("training.json", ("quantize", "--data", "data", "--work", "work")),
        ("metrics.json", PACKAGE),
    ],
)
def test_a_damaged_record_names_the_step_that_mends_it(
    ready: Path, photos: Path, call: Callable[..., Any], file: str, words: tuple[str, ...], content: bytes | None
) -> None:
    if file != "metrics.json":
        assert call(*SPLIT).returncode == 0
        write_text(ready / "work" / "training.json", "{}")
    damage(ready / "work" / file, content)
    before = tree(ready)
    done = call(*words)
    assert_refused(done, "edge-convert " if content is not None else file)
    assert tree(ready) == before


def test_a_damaged_candidate_has_the_status_of_a_refused_bundle(ready: Path, call: Callable[..., Any]) -> None:
    model = ready / "work" / "candidate" / "model.tflite"
    model.write_bytes(model.read_bytes()[:-100])
    before = tree(ready)
    assert_refused(call(*PACKAGE), "truncated or was changed", 4)
    assert tree(ready) == before
