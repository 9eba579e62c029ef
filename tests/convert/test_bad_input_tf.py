"""Ctrl-C in the middle of the steps that need TensorFlow, on tiny made data."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from convert.rendered import rendered_frame, rendered_plan

pytestmark = pytest.mark.convert
ROOT = Path(__file__).parents[2]
CHANGES = (
    *("network.side_px=32", "batch=6", "phases.0.epochs=1", "pictures.passes=1"),
    *("pictures.rendered=6", "pictures.rendered_val=3", "pictures.rendered_test=9"),
)
TRAIN = [
    *("train", "--data", "data", "--work", "work", "--weights", "none", "--recipe", "cnn"),
    *(word for change in CHANGES for word in ("--set", change)),
]
STOPS = [
    ("train", "convert.train", "build_network"),
    ("quantize", "convert.quantize", "to_real"),
    ("quantize", "convert.package", "write_bundle"),
    ("evaluate", "convert.evaluate", "resize_rgb"),
    ("evaluate", "convert.plots", "_confusion"),
    ("train", "convert.train", "draw_curves"),
]
"""A step, and the function after whose first call Ctrl-C arrives; `to_real` is called from within the converter."""

PROGRAM = """
import contextlib, importlib, io, json, os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from convert.cli import main

PLACE = ["--data", "data", "--work", "work"]
WORDS = {{
    "split": ["split", *PLACE],
    "train": [*{train!r}, "--restart"],
    "quantize": ["quantize", *PLACE, "--name", "tiny", "--qat", "off", "--allow-undelegated"],
    "evaluate": ["evaluate", *PLACE, "--no-corruptions"],
}}

def run(step):
    sys.argv = ["edge-convert", *WORDS[step]]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()

def tree():
    return {{
        str(path): path.read_bytes() for path in sorted(Path("work").rglob("*"))
        if path.is_file() and "cache" not in str(path) and "checkpoint" not in path.name
    }}

for step in WORDS:
    status, said = run(step)
    if status:
        sys.exit(said)
found = []
for step, module, name in {stops!r}:
    before = tree()
    home = importlib.import_module(module)
    real = getattr(home, name)

    def stopped(*given, **named):
        result = real(*given, **named)
        setattr(home, name, real)
        os.kill(os.getpid(), signal.SIGINT)
        return result

    setattr(home, name, stopped)
    status, said = run(step)
    is_reached = getattr(home, name) is real
    setattr(home, name, real)
    after = tree()
    found.append({{
        "step": step, "at": name, "is_reached": is_reached, "status": status, "said": said,
        "changed": sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)),
        "partial": [path for path in after if ".partial" in path or "/." in path],
    }})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stops")
    for label in ("glass", "paper", "trash"):
        (folder / "data" / label).mkdir(parents=True)
        for number, item in enumerate(rendered_plan([label], 8, 3, "photographs")):
            frame = cv2.resize(rendered_frame(item, is_degraded=False), (160, 120), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / "data" / label / f"{label}{number * 5}.png"), frame)
    return folder


@pytest.fixture(scope="module")
def stopped(folder: Path) -> list[dict[str, Any]]:
    """What each stop of STOPS left; all in one process, for TensorFlow starts slowly."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT), train=TRAIN, stops=STOPS)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("number", range(len(STOPS)), ids=[f"{step}-{name}" for step, _, name in STOPS])
def test_ctrl_c_leaves_what_was_there(stopped: list[dict[str, Any]], number: int) -> None:
    found = stopped[number]
    assert found["is_reached"], found["said"]
    assert found["status"] == 130, found["said"]
    assert found["said"].splitlines()[-1].startswith("edge-convert: stopped"), found["said"]
    assert "Traceback" not in found["said"]
    assert found["partial"] == []
    # A whole new float model may lie there; the record beside it is of the old one, and quantize says so.
    allowed = {"work/float.keras", "work/curves.png"} if found["at"] == "draw_curves" else set()
    assert set(found["changed"]) <= allowed, found


def test_ctrl_c_from_outside_stops_the_training_and_keeps_the_old_record(
    folder: Path, stopped: list[dict[str, Any]]
) -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from convert.cli import main; main()"
    words = [*TRAIN, "--set", "phases.0.epochs=400", "--restart"]
    before = (folder / "work" / "training.json").read_bytes()
    lines = []
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program, *words],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if "epoch 2/400" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130, lines
    assert lines[-1] == "edge-convert: stopped; every file is replaced as a whole or stays as it was\n"
    assert not any("epoch 400/400" in line for line in lines)
    assert (folder / "work" / "training.json").read_bytes() == before
    assert not list((folder / "work").glob(".partial*"))
