"""`make rig-pi`: boots an emulated Raspberry Pi 3B, watches its pins from outside, compares what its models compute.

It shows what happens, never how fast: the emulator's clock and the widths of its pulses say nothing of a real Pi.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import roots
from board import Board
from checks import Checks
from guest import BLINKS, LED_PIN
from image import TOOLS, boot_files, with_run_files
from outputs import open_classifier, outputs, tensors
from store import PIP, RigError, call, check_tools, folder, project_wheel, say

HERE = Path(__file__).resolve().parent
GUEST_FILES = ("guest.py", "outputs.py", "pi.yaml")
SERVO_PIN = 18
PICTURES = 20
PICTURE_SEED = 5
BOOT_S = 180.0
STEP_S = 120.0
MODEL_S = 240.0
QUIET_S = 0.5
"""25 periods of a servo: a pin that stays low for so long sends no pulses."""


def main() -> int:
    checks = Checks()
    check_tools(TOOLS | roots.TOOLS)
    boot = boot_files()
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder()) as name:
        work = Path(name)
        run_files = _run_files(work)
        initrd = work / "initrd"
        with_run_files(boot.initrd, run_files.parent, initrd)
        say(f"booting; images and wheel took {checks.elapsed_s:.0f} s")
        with Board(boot, initrd, work) as board:
            try:
                _look_at(board, checks, run_files)
            finally:
                shutil.copy(board.log, folder() / "console.log")
    return checks.close()


def _run_files(work: Path) -> Path:
    files = work / "initrd-files/rig"
    site = files / "site"
    site.mkdir(parents=True)
    wheel = project_wheel(work)
    call(*PIP, "install", "--no-deps", "--target", site, wheel)
    for name in GUEST_FILES:
        shutil.copy(HERE / name, files / name)
    # The host computes with the very files that the Pi gets.
    sys.path.insert(0, str(site))
    _draw_pictures(files)
    return files


def _draw_pictures(files: Path) -> None:
    """Draw frames, and for each bundle pictures of its model's size and the tensors that the frames become here.

    They are drawn here and carried over: one drawn there could differ in a grey level, which is not the question.
    """
    import cv2
    import numpy as np

    from edge.bundle import load_bundle
    from edge.render.items import LABELS, render_item
    from edge.render.tray import Light, Placed, Tray

    rng = np.random.default_rng(PICTURE_SEED)
    frames = {}
    for number, label in enumerate(islice(cycle(LABELS), PICTURES)):
        placed = Placed(render_item(label, rng), 320.0, 240.0)
        frames[f"{number:02}-{label}.png"] = Tray(rng).compose([placed], Light(), rng)
    _write_pictures(files / "frames", dict(islice(frames.items(), len(LABELS))))
    (files / "tensors").mkdir()
    for bundle in _bundles(files):
        spec = load_bundle(bundle).manifest.input.spec()
        size = (spec.width, spec.height)
        sized = {name: cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for name, frame in frames.items()}
        _write_pictures(files / "pictures" / bundle.name, sized)
        np.savez(files / "tensors" / f"{bundle.name}.npz", **tensors(open_classifier(bundle), files / "frames"))


def _write_pictures(path: Path, images: dict[str, Any]) -> None:
    import cv2

    path.mkdir(parents=True)
    for name, image in images.items():
        cv2.imwrite(str(path / name), image)


def _bundles(files: Path) -> list[Path]:
    return sorted((files / "site/edge/models").iterdir())


def _look_at(board: Board, checks: Checks, run_files: Path) -> None:
    up = board.await_event("up", BOOT_S)
    checks.check("architecture", "aarch64", up["machine"])
    say(f"Python {up['python']} on Linux {up['kernel']}")
    _look_at_led(board, checks)
    _look_at_flap(board, checks)
    _look_at_kill(board, checks)
    _look_at_park(board, checks)
    for bundle in _bundles(run_files):
        _compare(board, checks, bundle, run_files)
    checks.check("exit status of the guest's program", 0, board.await_event("ended", STEP_S)["status"])


def _look_at_led(board: Board, checks: Checks) -> None:
    first = board.await_event("led", STEP_S)
    checks.check("gpiozero's own choice of factory", "LGPIOFactory", first["factory"])
    checks.check("gpiozero's name of the board", "3B", first["model"])
    checks.check(f"GPIO{LED_PIN} is an output", True, board.is_output(LED_PIN))
    seen = [board.level(LED_PIN)]
    for _ in BLINKS:
        board.go()
        board.await_event("led", STEP_S)
        seen.append(board.level(LED_PIN))
    checks.check(f"levels of GPIO{LED_PIN}, read in the SoC's register", [0, *BLINKS], seen)
    board.go()


def _look_at_flap(board: Board, checks: Checks) -> None:
    def still(what: str) -> None:
        checks.check(f"levels of GPIO{SERVO_PIN} {what}", {0}, set(board.levels(SERVO_PIN, QUIET_S)))

    def pulses(what: str, looks: Callable[[], Any]) -> None:
        checks.check(f"levels of GPIO{SERVO_PIN} {what}", {0, 1}, set(looks()))

    def until_event() -> Any:
        return board.levels_until_event(SERVO_PIN, STEP_S)

    board.await_event("opened", STEP_S)
    still("with the flap opened and not moved")
    board.go()
    board.await_event("homing", STEP_S)
    pulses("on the way home", until_event)
    board.await_event("parked", STEP_S)
    still("parked")
    board.go()
    board.await_event("routing", STEP_S)
    pulses("on the way to a bin", until_event)
    board.await_event("at the bin", STEP_S)
    pulses("held at the bin", lambda: board.levels(SERVO_PIN, QUIET_S))
    board.go()
    board.await_event("homing", STEP_S)
    pulses("on the way back", until_event)
    board.await_event("parked", STEP_S)
    still("parked again")
    board.go()
    board.await_event("closed", STEP_S)
    checks.check(f"GPIO{SERVO_PIN} is an output after the gate was closed", False, board.is_output(SERVO_PIN))
    board.go()


def _look_at_kill(board: Board, checks: Checks) -> None:
    board.await_event("swinging", STEP_S)
    checks.check(f"levels of GPIO{SERVO_PIN} in mid-swing", {0, 1}, set(board.levels(SERVO_PIN, QUIET_S)))
    board.go()
    board.await_event("killed", STEP_S)
    checks.check(f"GPIO{SERVO_PIN} is an output after SIGKILL in mid-swing", False, board.is_output(SERVO_PIN))
    after = set(board.levels(SERVO_PIN, QUIET_S))
    checks.check(f"number of levels of GPIO{SERVO_PIN} after SIGKILL in mid-swing (1: no pulses)", 1, len(after))
    board.go()


def _look_at_park(board: Board, checks: Checks) -> None:
    board.await_event("parking", STEP_S)
    levels = set(board.levels_until_event(SERVO_PIN, STEP_S))
    ended = board.await_event("park ended", STEP_S)
    checks.check(f"exit status of `edge-sorter park` ({ended['said']})", 0, ended["status"])
    checks.check(f"levels of GPIO{SERVO_PIN} while it parked", {0, 1}, levels)
    checks.check(f"levels of GPIO{SERVO_PIN} afterwards", {0}, set(board.levels(SERVO_PIN, QUIET_S)))
    board.go()


def _compare(board: Board, checks: Checks, bundle: Path, files: Path) -> None:
    verified = board.await_event("verified", MODEL_S)
    said = json.loads(verified["said"]) if verified["status"] == 0 else verified
    golden = {key: said.get(key) for key in ("is_valid", "runtime", "is_delegated")}
    expected = {"is_valid": True, "runtime": "litert", "is_delegated": True}
    checks.check(f"{bundle.name}: {said.get('golden')} golden images, bit for bit", expected, golden)
    classifier = open_classifier(bundle)
    here = outputs(classifier, files / "pictures" / bundle.name)
    there = board.await_event("classified", MODEL_S)["outputs"]
    checks.check(f"{bundle.name}: int8 outputs of {len(here)} pictures, bit for bit", _digest(here), _digest(there))
    resized = board.await_event("resized", MODEL_S)
    most = max(resized["steps"].values())
    checks.check(f"{bundle.name}: frames resized there are at most one grey level off", True, most <= 1)
    here, there = outputs(classifier, files / "frames"), resized["outputs"]
    checks.check(f"{bundle.name}: labels of {len(here)} frames", _labels(here), _labels(there))
    off = max(abs(a - b) for name in here for a, b in zip(here[name], there[name], strict=True))
    say(f"{bundle.name}: of whole frames, pixels are up to {most} and outputs up to {off} steps off")


def _labels(values: dict[str, list[int]]) -> list[int]:
    return [row.index(max(row)) for row in values.values()]


def _digest(values: dict[str, list[int]]) -> str:
    return "SHA-256 " + hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RigError as exc:
        print(f"rig-pi: {exc}", file=sys.stderr)
        sys.exit(1)
