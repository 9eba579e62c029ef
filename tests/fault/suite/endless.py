"""The whole program on a recording that plays for days, as fast as it can be looked at.

    python -m tests.fault.suite.endless SETTINGS [edge-sorter run options]

SETTINGS is JSON: `frames`, how many; `counter`, a file of eight bytes with how many were taken so far; `costs`, a file
for what rows of the book cost, written at the end; `spoiler`, a promise to break (`spoilers.py`). The recording is the
simulation's, rendered once: an item every half minute, some of which nobody could name for sure.
"""

import json
import mmap
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import edge.sources.sim as sim
from edge.cli import main
from edge.ledger import SqliteLedger
from edge.records import Frame
from edge.sources.sim_script import Item
from tests.fault.suite.spoilers import spoil

__all__ = ["FPS", "HOURS", "Endless"]

HOURS = 72
FPS = 1_000_000 / (HOURS * 3600)
"""A million frames in that time."""
SCRIPT = (
    Item("glass", "bottle_brown", gap_s=26.0, rest_s=2.5),
    Item("trash", "pen", gap_s=26.0, rest_s=2.5),
    Item("plastic", "pet_bottle", gap_s=26.0, rest_s=2.5),
    Item("metal", "foil_ball", gap_s=26.0, rest_s=2.5),
)
DECILES = 10
ROWS_A_YARDSTICK = 4


class Endless:
    """A `replay.Recording` that plays the same frames again and again, with time going on."""

    def __init__(self, frames: int, counter: Path, width_px: int, height_px: int) -> None:
        play = _Simulation(seed=5, items=0, fps=FPS, width_px=width_px, height_px=height_px, script=list(SCRIPT))
        play.open()
        self._images = []
        while play.next_s() is not None:
            self._images.append(play.take().image)
        self._frames = frames
        self._index = 0
        counter.write_bytes(bytes(8))
        with counter.open("r+b") as file:
            self._told = mmap.mmap(file.fileno(), 8)

    def open(self) -> None:
        """Nothing to open."""

    def next_s(self) -> float | None:
        return None if self._index >= self._frames else self._index / FPS

    def take(self) -> Frame:
        frame = Frame(self._index, self._index / FPS, self._images[self._index % len(self._images)])
        self._index += 1
        self._told[:] = self._index.to_bytes(8, "little")
        return frame

    def truth(self) -> list[Any]:
        return []

    def close(self) -> None:
        """Nothing to close."""


_Simulation = sim.Simulation


def _run(settings: dict[str, Any], options: list[str]) -> None:
    def endless(*, width_px: int, height_px: int, **_: Any) -> Endless:
        return Endless(settings["frames"], Path(settings["counter"]), width_px, height_px)

    spoil(settings.get("spoiler"))
    sim.Simulation = endless  # type: ignore[assignment,misc]  # the double plays for ever
    costs_ns: dict[str, list[int]] = {"append": [], "intend": []}
    yardstick = _Yardstick(Path(settings["costs"]).with_name("yardstick.db"))
    for name, spent_ns in costs_ns.items():
        setattr(SqliteLedger, name, _timed(getattr(SqliteLedger, name), spent_ns, yardstick))
    sys.argv = ["edge-sorter", "run", "--source", "sim", "--pace", "fast", *options]
    try:
        main()
    finally:
        yardstick.close()
        # Intent and outcome cost differently: the median of both together would lie where neither is.
        both_us = zip(*map(_medians_us, costs_ns.values()), strict=True)
        cost = {"medians_us": list(map(sum, both_us)), "yardsticks_us": _medians_us(yardstick.costs_ns)}
        Path(settings["costs"]).write_text(json.dumps(cost))


class _Yardstick:
    """A commit to a book that does not grow, between the rows of the one that does: neighbours slow down both."""

    def __init__(self, path: Path) -> None:
        self.costs_ns: list[int] = []
        self._calls = 0
        self._book = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._book.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE only (row); ")
        self._book.execute("INSERT INTO only VALUES (?)", ("x" * 400,))

    def measure(self) -> None:
        self._calls += 1
        if self._calls % ROWS_A_YARDSTICK == 0:
            begun_ns = time.thread_time_ns()
            self._book.execute("UPDATE only SET row = ?", (f"{self._calls:0400}",))
            self.costs_ns.append(time.thread_time_ns() - begun_ns)

    def close(self) -> None:
        self._book.close()


def _medians_us(costs_ns: list[int]) -> list[float]:
    size = len(costs_ns) // DECILES
    deciles = [sorted(costs_ns[n * size : (n + 1) * size]) for n in range(DECILES)] if size else []
    return [part[size // 2] / 1000 for part in deciles]


def _timed(method: Callable[..., Any], costs_ns: list[int], yardstick: _Yardstick) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        yardstick.measure()
        begun_ns = time.thread_time_ns()
        try:
            return method(*arguments)
        finally:
            costs_ns.append(time.thread_time_ns() - begun_ns)

    return timed


if __name__ == "__main__":
    _run(json.loads(sys.argv[1]), sys.argv[2:])
