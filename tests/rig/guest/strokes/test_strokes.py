"""The program is killed, or told to end, at every hundredth of a second of a stroke, on the real character device."""

import json
import os
import queue
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.rig.guest.chip import eventually

HERE = Path(__file__).parent
WORK = Path("/run/rig/strokes")
PINS = (18, 12, 13, 19)
"""Servos of sorters that run side by side, each with lines of its own: they wait most of the time."""
STEP_S = 0.01
SAFE_S = 1.0
LOOK_S = 0.002
"""Between two looks at a pin, with the four of them on one processor."""
GATE = {"bins_deg": {"recyclable": 140.0, "residue": 40.0}, "home_deg": 90.0, "hold_s": 0.6}
STROKE_S = 0.25 + GATE["hold_s"] + 0.25 + 0.25
"""Ramp, hold, ramp, rest, of the default servo."""
READY_S, ITEM_S, END_S = 40.0, 20.0, 10.0


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke that was cut short.

    Attributes:
        at_s: when the signal was sent, in seconds since the first pulse.
        unpowered_s: from there to the last pulse.
        ended_s: from there to the end of the process.
    """

    at_s: float
    unpowered_s: float
    ended_s: float


class Server:
    """The process that forks sorters, see server.py."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def fork(self, folder: Path) -> int:
        flags = ["--unattended", "--config", f"{folder}/config.yaml", "--source", "sim:11", "--json"]
        with self._lock:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps({"folder": str(folder), "flags": flags}) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        # Waits for it, and closes its pipes.
        with self._process:
            pass


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_signal_at_any_moment_of_a_stroke_leaves_the_servo_without_power_within_a_second(server, chip, row, name):
    began_s = time.monotonic()
    moments: queue.SimpleQueue[float] = queue.SimpleQueue()
    count = round(STROKE_S / STEP_S) + 1
    for index in range(count):
        moments.put(index * STEP_S)
    strokes: list[Stroke] = []
    failures: list[BaseException] = []

    def work(pin: int) -> None:
        while not failures:
            try:
                moment_s = moments.get_nowait()
            except queue.Empty:
                return
            try:
                strokes.append(_stroke(server, chip, pin, moment_s, signal.Signals[name]))
            except BaseException as exc:
                failures.append(exc)

    workers = [threading.Thread(target=work, args=(pin,)) for pin in PINS]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    slowest_s = max(stroke.unpowered_s for stroke in strokes)
    row(
        "signals",
        fault=f"{name} in mid-stroke",
        injected_by=f"{name} at every {STEP_S * 1000:.0f} ms of a stroke of {STROKE_S:.2f} s, {len(strokes)} times, on "
        "gpio-sim; the pin watched from outside",
        required=f"motor unpowered within {SAFE_S:g} s",
        figure=f"{len(strokes)}/{count} strokes; last pulse after {slowest_s:.2f} s at most, "
        f"{statistics.median(stroke.unpowered_s for stroke in strokes):.3f} s in the median; "
        f"end of the process after {max(stroke.ended_s for stroke in strokes):.2f} s at most",
        is_held=slowest_s <= SAFE_S and len(strokes) == count,
        wall_s=time.monotonic() - began_s,
    )
    assert len(strokes) == count
    assert slowest_s <= SAFE_S


def _stroke(server: Server, chip, pin: int, moment_s: float, number: signal.Signals) -> Stroke:
    folder = WORK / str(pin)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = {
        "source": {"fps": 10.0, "sim_items": 5},
        "pins": {"factory": "lgpio"},
        "model": {"threads": 1},
        "gate": GATE | {"servo_pin": pin},
        "rearm": {"empty_s": 0.1, "min_frames": 2},
        "capture": {"kinds": []},
        "ledger": {"reserve_mb": 0.0},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, chip.watch(pin, LOOK_S) as servo:
        notify.bind(str(folder / "notify"))
        notify.settimeout(READY_S)
        pid = server.fork(folder)
        try:
            while b"READY=1" not in notify.recv(4096).splitlines():
                pass
            began_s = servo.wait_for_pulse(ITEM_S)
            time.sleep(max(0.0, began_s + moment_s - time.monotonic()))
            sent_s = time.monotonic()
            os.kill(pid, number)
            ended_s = eventually(lambda: not Path(f"/proc/{pid}").exists(), END_S, "the end of the process") - sent_s
            unpowered_s = max(0.0, servo.wait_for_quiet(END_S, quiet_s=0.15) - sent_s)
            assert not chip.level(pin)
        except BaseException as exc:
            exc.add_note((folder / "log").read_text()[-1000:])
            raise
        finally:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
    return Stroke(sent_s - began_s, unpowered_s, ended_s)
