"""The wall clock set to 1970, ten years on, and back in the middle of an item, under the whole program."""

import functools
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fault.fs.disk import scratch
from tests.fault.suite.disks import BOOK
from tests.fault.suite.rows import Rows, add_spoiled
from tests.fault.suite.sorter import WATCHDOG_S, LiveSorter, live_sorter
from tests.fault.suite.states import stored

__all__ = ["STEPS_S", "Outcome", "build_clock", "report", "step_clock"]

YEAR_S = 365.25 * 86400
STEPS_S = {"to 1970": -time.time() + 3600, "+10 years": 10 * YEAR_S, "an hour back": -3600.0}
ITEMS = 4
SAME_S = 0.3
"""Durations of two runs on a machine with other work differ by so much."""
SOURCE = Path(__file__).with_name("wallclock.c")


@dataclass
class Outcome:
    """What one sorter did when its clock was set."""

    problems: list[str] = field(default_factory=list)
    longest_gate_s: float = 0.0
    told_step_s: float | None = None
    captures: int = 0


@functools.cache
def build_clock() -> Path | None:
    """The preloaded library; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = Path(tempfile.mkdtemp(prefix="edge-sorter-clock-")) / "wallclock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


class _WallClock:
    """A file with what the wall clock of the processes that know it is off by."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0.0)

    def set(self, off_s: float) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, int(off_s * 1e9).to_bytes(8, "little", signed=True), 0)
        finally:
            os.close(handle)

    def environment(self, library: Path) -> dict[str, str]:
        return {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._path)}


def step_clock(step_s: float | None, items: int = ITEMS, spoiler: str | None = None) -> Outcome:
    """Let a sorter sort some items and set its clock in the middle of the second one; None sets nothing.

    Every item is uncertain to it, so that each leaves a picture to be labelled.
    """
    library = build_clock()
    if library is None:
        raise RuntimeError("no C compiler: the clock cannot be set for a process alone")
    outcome = Outcome()
    with scratch() as folder:
        wall = _WallClock(folder / "wall")
        # What is sure is not kept for labelling: nothing is sure enough here.
        changes = {"vote": {"min_confidence": 1.0, "deadline_s": 0.6}, "capture": {"max_days": 1.0}}
        with live_sorter(
            folder / "sorter", folder / BOOK, changes, {"spoiler": spoiler}, wall.environment(library)
        ) as sorter:
            try:
                _sort(sorter, wall, step_s, items)
                if sorter.end() != 0:
                    outcome.problems.append(f"it did not end well: {sorter.err[-300:]}")
            except AssertionError as exc:
                outcome.problems.append(str(exc))
                sorter.end()
            _look(sorter, outcome, step_s, items)
    return outcome


def _sort(sorter: LiveSorter, wall: _WallClock, step_s: float | None, items: int) -> None:
    at_s = sorter.wait_for_items(1)
    sorter.wait_for_stroke(2)
    if step_s is not None:
        wall.set(step_s)
    sorter.wait_for_items(items - 1, at_s)
    # A look at the clock a second, and a picture's way to the disk.
    sorter.wait(1.5)


def _look(sorter: LiveSorter, outcome: Outcome, step_s: float | None, items: int) -> None:
    rows, problems = stored(sorter.ledger)
    outcome.problems += problems
    times_s = [record["t_s"] for record in rows]
    # An item's time is that of its decision: what is told while its gate moves may be later, and come first.
    order_s = [record["t_s"] for record in rows if record["type"] == "item"]
    if order_s != sorted(order_s) or any(t_s < 0 for t_s in times_s):
        outcome.problems.append(f"times of the source are out of order: {times_s}")
    found = [record for record in rows if record["type"] == "item"]
    outcome.longest_gate_s = max((record["gate"]["duration_s"] for record in found), default=0.0)
    shown = [record for _, record in sorter.events()]
    if [record["event_id"] for record in rows[: len(shown)]] != [record["event_id"] for record in shown]:
        outcome.problems.append("the book's order is not that in which it was told")
    if any(record["type"] == "fault" for record in rows):
        outcome.problems.append(f"faults: {[record['reason'] for record in rows if record['type'] == 'fault']}")
    steps = [record for record in rows if record["type"] == "clock"]
    outcome.told_step_s = steps[0]["step_s"] if steps else None
    if step_s is None:
        outcome.problems += ["it tells of a step that was not there"] * bool(steps)
    elif len(steps) != 1 or abs(steps[0]["step_s"] - step_s) > 1.0:
        outcome.problems.append(f"told of steps {[record['step_s'] for record in steps]}, there was {step_s:.0f} s")
    wall = [record["utc"] for record in rows]
    if step_s is not None and wall[0][:13] == wall[-1][:13]:
        outcome.problems.append("the clock was not set at all")
    outcome.captures = len(list((sorter.ledger.parent / "captures").glob("*.jpg")))
    unsure = sum(record["decision"] != "confident" for record in found)
    if unsure == 0 or outcome.captures < unsure:
        outcome.problems.append(f"{unsure} items to label and {outcome.captures} pictures")
    beats = sorter.beats("WATCHDOG=1")
    pause_s = max((after - before for before, after in itertools.pairwise(beats)), default=float("inf"))
    if pause_s > WATCHDOG_S / 2:
        outcome.problems.append(f"the watchdog was not fed for {pause_s:.1f} s")


def report(rows: Rows) -> None:
    """One entry."""
    with rows.timed() as timer, ThreadPoolExecutor(5) as pool:
        spoilt = pool.submit(step_clock, STEPS_S["+10 years"], spoiler="wall-clock")
        usual, *stepped = pool.map(step_clock, (None, *STEPS_S.values()))
    problems = [f"no step: {problem}" for problem in usual.problems]
    for name, outcome in zip(STEPS_S, stepped, strict=True):
        problems += [f"{name}: {problem}" for problem in outcome.problems]
        if abs(outcome.longest_gate_s - usual.longest_gate_s) > SAME_S:
            problems.append(
                f"{name}: a gate's way took {outcome.longest_gate_s} s, without a step {usual.longest_gate_s} s"
            )
    slow_s = max(abs(outcome.longest_gate_s - usual.longest_gate_s) for outcome in stepped)
    rows.add(
        "clock",
        fault="the wall clock set to 1970, ten years on and an hour back while a gate moves",
        injected_by="a preloaded clock under the whole program on a live camera double; the monotonic clock stays",
        required="order and durations as without a step, one `clock` event with the step, no fault, watchdog fed, "
        "no picture "
        "expired (limit: one day)",
        figure=f"durations within {slow_s:.2f} s; told steps "
        + ", ".join(
            f"{outcome.told_step_s:.0f} s" if outcome.told_step_s is not None else "none" for outcome in stepped
        ),
        is_held=not problems,
        wall_s=timer.wall_s,
    )
    for problem in problems:
        print(f"  {problem}")
    is_found = bool(spoilt.result().problems) or spoilt.result().longest_gate_s > usual.longest_gate_s + SAME_S
    add_spoiled(rows, "clock", {"wall-clock": is_found}, timer.wall_s)
