"""Process 1 of a guest that ends by a power cut: starts the program, listens to it, looks at its servo's pin.

What it sees goes out at once, a line of JSON each, over a console of its own: what the host has read, had happened.
Standard library only.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

SERVO = 18
LOOK_S = 0.0007
"""Between two looks at the pin: less than the 1.5 ms of a servo's pulse."""
REST_S = 0.12
"""A servo that had no pulse for so long has no power: six periods of its pulses."""
REST_LOOKS = 60
"""And so many looks, where the guest's one processor gave the witness few."""
BLIND_S = 0.05
"""Longer between two looks, as on a host that has other things to do: what the pin did meanwhile is not known."""
HANG_S = 30.0
"""A start that takes so long hangs, or waits for something that it should not wait for."""
BEAT_S = 0.5
"""It says so often that the guest's own clock goes on."""
NOTIFY = "/run/notify"
SHARE = Path("/run/share")
STATE = Path("/var/lib/edge-sorter")
BUSY_PAUSE_S = 0.002
BUSY_BYTES = 8192
COMMAND = ("/opt/edge-sorter/bin/python", "-m", "edge")
EVENTS_CONSOLE, WITNESS_CONSOLE = "/dev/tty1", "/dev/tty2"


def main() -> int:
    """Never ends by itself: the host cuts the power."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gpio", type=Path, required=True, help="folder of gpio-sim's lines")
    parser.add_argument("--busy", action="store_true", help="a neighbour keeps the journal of the file system busy")
    parser.add_argument("run", nargs="*", help="flags of `edge-sorter run`")
    options = parser.parse_args()
    lines = _raw_console(WITNESS_CONSOLE)

    def say(what: str, **more: object) -> None:
        os.write(lines, (json.dumps({"said": what, "t_s": round(time.monotonic(), 4), **more}) + "\n").encode())

    say("power on")
    # So many starts that end at once are a storm, upon which it would wait in safe mode.
    (STATE / "starts.json").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(NOTIFY)
        program = subprocess.Popen(
            [*COMMAND, "run", "--unattended", "--config", str(SHARE / "config.yaml"), "--json", *options.run],
            stdin=subprocess.DEVNULL,
            stdout=_raw_console(EVENTS_CONSOLE),
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONFAULTHANDLER": "1",
                "HOME": "/run/work",
                "PYTHONPATH": str(SHARE / "program"),
                "NOTIFY_SOCKET": NOTIFY,
                "XDG_STATE_HOME": str(STATE.parent),
                "STATE_DIRECTORY": str(STATE),
                "RUNTIME_DIRECTORY": "/run/edge-sorter",
            },
        )
        # Before there are threads.
        if options.busy and os.fork() == 0:
            _keep_busy()
        threading.Thread(target=_look, args=(options.gpio / f"sim_gpio{SERVO}" / "value", say), daemon=True).start()
        is_ready = threading.Event()
        threading.Thread(target=_listen, args=(notify, say, is_ready), daemon=True).start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            say("ended", status=program.wait(HANG_S))
        if not is_ready.is_set():
            # Into the log of the console: where each of its threads stands.
            program.send_signal(signal.SIGABRT)
        say("ended", status=program.wait())
        while True:
            time.sleep(60)


def _listen(notify: socket.socket, say: Callable[..., None], is_ready: threading.Event) -> None:
    _hurry()
    while True:
        told = notify.recv(4096).decode(errors="replace").splitlines()
        if "READY=1" in told:
            say("ready")
            is_ready.set()


def _look(value: Path, say: Callable[..., None]) -> None:
    """Say when pulses begin, and when they have ended."""
    _hurry()
    while not value.exists():
        time.sleep(LOOK_S)
    pin = os.open(value, os.O_RDONLY)
    is_moving, looks, seen_s, last_s, beat_s = False, 0, 0.0, time.monotonic(), 0.0
    while True:
        # From before the look: a level that was seen was there then or later.
        now_s = time.monotonic()
        if now_s - last_s > BLIND_S:
            say("blind", for_s=round(now_s - last_s, 3))
        last_s = now_s
        if now_s - beat_s > BEAT_S:
            beat_s = now_s
            say("alive")
        if os.pread(pin, 1, 0) == b"1":
            seen_s, looks = now_s, 0
            if not is_moving:
                is_moving = True
                say("moves", seen_s=round(seen_s, 4))
        elif is_moving:
            looks += 1
            if looks >= REST_LOOKS and now_s - seen_s >= REST_S:
                is_moving = False
                say("rests", seen_s=round(seen_s, 4))
        time.sleep(LOOK_S)


def _hurry() -> None:
    """This thread comes before the program: it does little, and must not miss anything."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)


def _keep_busy() -> NoReturn:
    """Files that come, grow and go on the same file system, each one durable."""
    number = 0
    while True:
        number += 1
        new, old = STATE / f"busy-{number % 4}.new", STATE / f"busy-{number % 4}"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, os.urandom(BUSY_BYTES))
        os.fsync(fd)
        os.close(fd)
        new.rename(old)
        time.sleep(BUSY_PAUSE_S)


def _raw_console(name: str) -> int:
    """A console that changes nothing of what is written to it."""
    console = os.open(name, os.O_WRONLY | os.O_NOCTTY)
    settings = termios.tcgetattr(console)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(console, termios.TCSANOW, settings)
    return console


if __name__ == "__main__":
    sys.exit(main())
