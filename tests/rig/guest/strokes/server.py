"""Starts sorters without the second that each would need to import: this process has imported everything, and forks.

It reads a request a line, of JSON: `folder`, a folder with `config.yaml`; `flags` of `edge-sorter run`. It answers with
the process's id. Each child is a process group of its own, with a state folder, a notify socket and a log in `folder`.
"""

import json
import os
import signal
import sys
import traceback

import edge.app
import edge.classify.tflite
import edge.cli
import edge.commands.app
import edge.commands.unattended
import edge.gates.servo_flap
import edge.pins.header_factory
import edge.sources.sim
from edge.classify.interpreters import resolve_runtime

FIRST_ACT_S = 1.0
"""The simulated tray need not be shown empty for longer than the gate takes home."""


def main() -> None:
    resolve_runtime("auto")
    edge.sources.sim.FIRST_ACT_S = FIRST_ACT_S
    # Nobody waits for the children here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _sort(request["folder"], request["flags"])
        print(pid, flush=True)


def _sort(folder: str, flags: list[str]) -> None:
    """Never returns: what the command does, and its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = 1
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ |= {"XDG_STATE_HOME": folder, "RUNTIME_DIRECTORY": folder, "NOTIFY_SOCKET": f"{folder}/notify"}
        sys.argv = ["edge-sorter", "run", *flags]
        edge.cli.main()
        status = 0
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
