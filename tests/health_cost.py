"""Measures what the status and the heartbeat cost a frame; the figures stand in docs/operations.md."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge.clock import MonotonicClock
from edge.health.heart import Heart
from edge.health.notify import Notifier
from edge.health.status import StatusFile
from edge.machine import Machine, State
from tests.health_rig import Watched, look
from tests.rigs import rules

TMPFS = Path("/dev/shm")


def least_us(action: Callable[[], object], runs: int, calls: int) -> float:
    """Time of one call, least over the runs."""
    spent: list[float] = []
    for _ in range(runs):
        started_s = time.perf_counter()
        for _ in range(calls):
            action()
        spent.append((time.perf_counter() - started_s) / calls * 1e6)
    return min(spent)


def main() -> None:
    """Print the figures."""
    ready = Machine(rules())._replace(state=State.READY)
    clock = MonotonicClock()
    with tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None) as folder:
        status, heart = StatusFile(Path(folder), clock), Heart(Notifier(None, 1e6), clock)
        for watcher in (status, heart):
            look(watcher, ready)
            print(f"{type(watcher).__name__}.on_frame: {least_us(lambda: look(watcher, ready), 200, 200):.2f} us")  # noqa: B023 - called at once
        watched = Watched(Path(folder)).start()
        watched.sort()
        print(f"writing both files: {least_us(lambda: watched.status.close(), 50, 20):.0f} us")


if __name__ == "__main__":
    main()
