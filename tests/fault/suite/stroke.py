"""Sorts one item in real time, and is struck by a signal at a chosen moment of the stroke.

    python -m tests.fault.suite.stroke FOLDER [edge-sorter run options]

Reads jobs from standard input, one JSON object a line, and writes one line for each when it has ended:

    {"name": "term-0120", "signal": 15, "after_ms": 120}   ->   {"name": "term-0120", "status": 0}

Further keys of a job: `ledger`, its book; `items`, how many come (1); `state`, its state folder; `options`, more
options of `edge-sorter run`; `pause_s`, how long it stands still before the stroke; `spoiler`, a promise to break;
`limit_s`, when it is ended by SIGALRM, with a limit of memory too.

Each job is the whole program (`edge-sorter run`) in a process of its own, forked from this one, which has everything
imported already. It homes the gate, sees a simulated item and decides as fast as it can; from the first command to
sort the item on, time goes as on the wall. The signal comes so long after that. Without `signal` nothing strikes.

In FOLDER lie then `NAME.db`, `NAME.out`, `NAME.err` and `NAME.pins` (`pinlog`: pins, `stroke`, `signal`). Real pins are
chosen by `--config`; whoever looks at them has the times of `stroke` and `signal`, and may ask for a `pause_s` first.

Real time, a real signal, the real program; only the time before the stroke is shortened.
"""

import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from edge.cli import main
from edge.config import Config
from edge.machine import RouteItem
from edge.runtime import Runtime
from tests.fault.suite.pinlog import note, record_pins
from tests.fault.suite.spoilers import spoil

__all__ = ["serve"]


MEMORY_BYTES = 4 << 30
WANTED_AT_ONCE = (
    "edge.app", "edge.classify.tflite", "edge.commands.app", "edge.commands.run", "edge.commands.unattended",
    "edge.gates.servo_flap", "edge.health.status", "edge.ledger", "edge.render", "edge.sources.sim", "edge.unattended",
    "gpiozero", "rich.console", "rich.table",
)  # fmt: skip
"""What the program imports once it is asked to run: done before the first job, it costs none of them anything."""


def serve(folder: Path, options: list[str]) -> None:
    """Run jobs as they come, side by side; a line for each that has ended."""
    for name in WANTED_AT_ONCE:
        importlib.import_module(name)
    Config()
    os.set_blocking(sys.stdin.fileno(), True)
    running: dict[int, str] = {}
    lock = threading.Lock()

    def reap() -> None:
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                if has_ended.is_set():
                    return
                time.sleep(0.01)
                continue
            with lock:
                name = running.pop(pid)
            print(json.dumps({"name": name, "status": os.waitstatus_to_exitcode(status)}), flush=True)

    has_ended = threading.Event()
    reaper = threading.Thread(target=reap)
    reaper.start()
    for line in sys.stdin:
        job = json.loads(line)
        with lock:
            pid = os.fork()
            if pid == 0:
                _run(folder, options, job)
            running[pid] = job["name"]
    has_ended.set()
    reaper.join()


def _run(folder: Path, options: list[str], job: dict[str, Any]) -> None:
    name = job["name"]
    for fd, suffix in ((1, "out"), (2, "err")):
        handle = os.open(folder / f"{name}.{suffix}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(handle, fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["XDG_STATE_HOME"] = job.get("state", str(folder / f"{name}.state"))
    if "limit_s" in job:
        signal.alarm(int(job["limit_s"]))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    record_pins(folder / f"{name}.pins")
    spoil(job.get("spoiler"))
    _go_in_real_time(job)
    ledger = job.get("ledger", str(folder / f"{name}.db"))
    source = ("--source", "sim:10", "--pace", "fast", "--items", str(job.get("items", 1)))
    sys.argv = ["edge-sorter", "run", *source, "--ledger", ledger, "--json", *options, *job.get("options", ())]
    status = 1
    try:
        main()
        status = 0
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _go_in_real_time(job: dict[str, Any]) -> None:
    """From the first command to sort on; the signal's time begins then."""
    perform = Runtime._perform
    has_begun = False

    def perform_and_strike(self: Runtime, command: Any, now_s: float) -> None:
        nonlocal has_begun
        if isinstance(command, RouteItem) and not has_begun and "signal" in job:
            has_begun = True
            time.sleep(job.get("pause_s", 0.0))
            note("stroke")
            clock: Any = self._clock
            clock._is_paced = True
            threading.Thread(target=_strike, args=(job,), daemon=True).start()
        perform(self, command, now_s)

    Runtime._perform = perform_and_strike  # type: ignore[method-assign]  # the stroke is struck from within


def _strike(job: dict[str, Any]) -> None:
    time.sleep(job["after_ms"] / 1000)
    note("signal", float(job["after_ms"]))
    os.kill(os.getpid(), job["signal"])


if __name__ == "__main__":
    # A stop is for the jobs: this one ends with its standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Path(sys.argv[1]), sys.argv[2:])
