"""What a frame allocates, and how long the garbage collector pauses when it is let."""

import gc
import time
import tracemalloc
from collections.abc import Callable

from edge.bench.loop import LoopRig
from edge.bench.report import Figure

__all__ = ["figures_of_pauses", "measure_allocations"]


def measure_allocations(rig: LoopRig, plays: int) -> dict[str, Figure]:
    """Memory that a turn holds at its peak above what it found, by tracemalloc, which sees NumPy's arrays too.

    tracemalloc makes everything several times slower: nothing is timed meanwhile. What the turn leaves behind is
    counted over all plays, in blocks of Python's allocator, a frame.
    """
    peaks: dict[str, list[float]] = {"turn_idle": [], "turn_classified": []}

    def watch(turn: Callable[[], str | None]) -> None:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        kind = turn()
        if kind in peaks:
            peaks[kind].append((tracemalloc.get_traced_memory()[1] - before) / 1024)

    tracemalloc.start()
    try:
        rig.watched(watch, 1)
        for values in peaks.values():
            values.clear()
        rig.watched(watch, plays)
    finally:
        tracemalloc.stop()
    return {
        "idle_turn_kb": Figure.of("memory that a frame of the empty tray takes for its turn", "KB", peaks["turn_idle"]),
        "turn_kb": Figure.of("memory that a classified frame takes for its turn", "KB", peaks["turn_classified"]),
    }


def figures_of_pauses(times: int) -> dict[str, Figure]:
    """How long one collection of what the loop makes takes, after start-up's objects were frozen; it is called only
    while nothing is on the tray.
    """
    pauses_ms = []
    for _ in range(times):
        # As much as piles up before the loop asks for a collection.
        piled = [[number] for number in range(2000)]
        began_ns = time.perf_counter_ns()
        gc.collect()
        pauses_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
        piled.clear()
    return {"collector_pause_ms": Figure.of("pause of the garbage collector, on an empty tray only", "ms", pauses_ms)}
