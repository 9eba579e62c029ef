"""What a frame allocates, and how long the garbage collector pauses when it is let."""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence

from edge.bench.loop import LoopRig
from edge.bench.report import Figure

__all__ = ["collector_pause_ms", "measure_allocations", "pause_figure"]


def measure_allocations(rig: LoopRig, plays: int) -> dict[str, Figure]:
    """What a turn takes and leaves behind.

    What it holds at its peak above what it found is told by tracemalloc, which sees NumPy's arrays too, and which makes
    everything several times slower: nothing is timed meanwhile. What it leaves is counted without it, in blocks of
    Python's allocator over all turns of the plays; a leak of one object a frame would show as one.
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
    idle, classified = peaks["turn_idle"], peaks["turn_classified"]
    return {
        "idle_turn_kb": Figure.of(
            f"most memory that one of {len(idle)} frames of the empty tray took for its turn", "KB", [max(idle)]
        ),
        "turn_kb": Figure.of(
            f"most memory that one of {len(classified)} classified frames took for its turn", "KB", [max(classified)]
        ),
        "blocks_kept": Figure.of(
            "blocks of memory that a turn leaves behind", "blocks", [_blocks_kept(rig) for _ in range(plays)]
        ),
    }


def _blocks_kept(rig: LoopRig) -> float:
    turns = 0

    def count(turn: Callable[[], str | None]) -> None:
        nonlocal turns
        turn()
        turns += 1

    before = sys.getallocatedblocks()
    rig.watched(count, 1)
    return (sys.getallocatedblocks() - before) / turns


def collector_pause_ms() -> float:
    """How long one collection of what has piled up takes, after start-up's objects were frozen."""
    began_ns = time.perf_counter_ns()
    gc.collect()
    return (time.perf_counter_ns() - began_ns) / 1e6


def pause_figure(pauses_ms: Sequence[float]) -> dict[str, Figure]:
    """Of pauses after each round: the loop itself collects only while nothing is on the tray."""
    title = "pause of the garbage collector after a round, on an empty tray only"
    return {"collector_pause_ms": Figure.of(title, "ms", pauses_ms)}
