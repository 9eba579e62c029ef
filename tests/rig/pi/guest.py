"""Runs on the emulated Pi: moves pins and classifies, and reports each step on the console.

Nothing is judged here. After a step that is to be looked at from outside the program waits for a line.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "pi.yaml"
LED_PIN = 17
BLINKS = (1, 0, 1, 1, 0)


def report(event: str, **fields: object) -> None:
    print("@rig " + json.dumps({"event": event, **fields}), flush=True)


def show(event: str, **fields: object) -> None:
    """Report, and hold still until the observer has seen it."""
    report(event, **fields)
    sys.stdin.readline()


def blink() -> None:
    """gpiozero as it comes, with nothing chosen for it."""
    from gpiozero import LED

    led = LED(LED_PIN)
    board = led.pin_factory.board_info
    show("led", level=0, factory=type(led.pin_factory).__name__, model=board.model, revision=board.revision)
    for level in BLINKS:
        (led.on if level else led.off)()
        show("led", level=level)
    led.close()
    led.pin_factory.close()


@contextmanager
def open_gate() -> Iterator[Any]:
    """The gate as the program itself opens it, from a configuration."""
    from edge.configfile import load_config
    from edge.drivers import open_hardware

    with open_hardware(load_config(CONFIG)) as hardware:
        yield hardware.gate


def swing() -> None:
    """Home, to a bin, home again, closed."""
    with open_gate() as gate:
        show("opened")
        drive(gate.home, gate, "homing")
        show("parked")
        drive(lambda now_s: gate.route("recyclable", now_s), gate, "routing")
        show("at the bin")
        drive(gate.home, gate, "homing")
        show("parked")
    show("closed")


def drive(begin: Callable[[float], None], gate: Any, event: str) -> None:
    report(event)
    begin(time.monotonic())
    while gate.is_moving:
        gate.tick(time.monotonic())
        time.sleep(0.005)


def swing_for_ever() -> None:
    with open_gate() as gate:
        while True:
            drive(gate.home, gate, "homing")
            drive(lambda now_s: gate.route("residue", now_s), gate, "routing")


def kill_in_mid_swing() -> None:
    child = subprocess.Popen([sys.executable, __file__, "swing"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    while "routing" not in child.stdout.readline():
        if child.poll() is not None:
            raise SystemExit("the program that swings ended by itself")
    show("swinging")
    child.send_signal(signal.SIGKILL)
    child.wait()
    show("killed")


def park() -> None:
    """What a restart does first."""
    report("parking")
    done = subprocess.run(
        [sys.executable, "-m", "edge", "park", "--config", str(CONFIG)], capture_output=True, text=True
    )
    show("park ended", status=done.returncode, said=(done.stdout + done.stderr).strip())


def verify(bundle: Path) -> None:
    command = [sys.executable, "-m", "edge", "model", "verify", str(bundle), "--runtime", "litert", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    report("verified", bundle=bundle.name, status=done.returncode, said=done.stdout.strip(), error=done.stderr.strip())


def classify(bundle: Path) -> None:
    """Pictures of the model's own size, then frames of a camera's size with the tensors that the host made of them."""
    import numpy as np
    from outputs import open_classifier, outputs, tensors

    classifier = open_classifier(bundle)
    report("classified", bundle=bundle.name, outputs=outputs(classifier, HERE / "pictures" / bundle.name))
    with np.load(HERE / "tensors" / f"{bundle.name}.npz") as expected:
        steps = {
            name: int(np.abs(tensor.astype(int) - expected[name]).max())
            for name, tensor in tensors(classifier, HERE / "frames").items()
        }
    report("resized", bundle=bundle.name, steps=steps, outputs=outputs(classifier, HERE / "frames"))


def main() -> None:
    # lgpio puts its pipes into the working directory.
    os.chdir(HERE)
    if sys.argv[1:] == ["swing"]:
        swing_for_ever()
    report("up", machine=platform.machine(), python=platform.python_version(), kernel=platform.release())
    blink()
    swing()
    kill_in_mid_swing()
    park()
    for bundle in sorted((HERE / "site/edge/models").iterdir()):
        verify(bundle)
        classify(bundle)


if __name__ == "__main__":
    main()
