"""Days of sorting in minutes: what the process holds, and what a row of the book costs, must not grow."""

import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from tests.cli_rig import ENVIRONMENT
from tests.fault.fs.disk import ROOT, scratch
from tests.fault.suite.cuts import BOOK
from tests.fault.suite.endless import FPS
from tests.fault.suite.rows import Rows, add_spoiled
from tests.fault.suite.states import stored

__all__ = ["Held", "growth_of", "report", "run_long", "slope"]

SAMPLE_S = 1.0
LIMIT_S = 900.0
WARM_SHARE = 0.2
"""What is held grows to its limits at first: caches, the store of pictures, the allocator's arenas."""
MEMORY_MB = 5.0
"""Growth of a million frames that the interval must leave out."""
ROW_RATIO = 1.25
MOST_PICTURES = 300
CONFIG = f"""
source: {{width_px: 160, height_px: 120, fps: {FPS:.3f}}}
model: {{threads: 1}}
ledger: {{rotate_mb: 1, reserve_mb: 1}}
capture: {{max_count: {MOST_PICTURES}, max_a_day: 100000, keep_free_mb: 0}}
health: {{stable_s: 5}}
"""


@dataclass
class Held:
    """What a run held, sample by sample."""

    frames: list[int] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    items: int = 0
    archives: int = 0
    pictures: int = 0
    item_us: list[float] = field(default_factory=list)
    """What both rows of an item cost, by tenths."""
    yardstick_us: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def growth_of(values: Sequence[float]) -> float:
    """How many times the first the last of a series is, on the line by Theil and Sen through all of them.

    The first and the last themselves would say what a neighbour did to the machine in either of two minutes.
    """
    pairs = itertools.combinations(enumerate(values), 2)
    slope = median((later - earlier) / (after - before) for (before, earlier), (after, later) in pairs)
    first = median(value - slope * place for place, value in enumerate(values))
    return (first + slope * (len(values) - 1)) / first


def run_long(frames: int, spoiler: str | None = None) -> Held:
    """Let the whole program, unattended, look at so many frames."""
    held = Held()
    with scratch() as folder:
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "run").mkdir()
        counter, costs = folder / "counter", folder / "costs"
        counter.write_bytes(bytes(8))
        settings = json.dumps({"frames": frames, "counter": str(counter), "costs": str(costs), "spoiler": spoiler})
        options = ("--unattended", "--json", "--config", folder / "config.yaml", "--ledger", folder / BOOK)
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fault.suite.endless", settings, *map(str, options)],
                cwd=ROOT,
                env={**ENVIRONMENT, "XDG_STATE_HOME": str(folder / "state"), "RUNTIME_DIRECTORY": str(folder / "run")},
                stdout=out,
                stderr=err,
            )
            code = _watch(process, counter, held)
        if code != 0:
            held.problems.append(f"exit {code}: {(folder / 'err').read_text()[-500:]}")
        _look(folder, costs, held)
    return held


def _watch(process: "subprocess.Popen[bytes]", counter: Path, held: Held) -> int | None:
    for _ in range(int(LIMIT_S / SAMPLE_S)):
        try:
            return process.wait(SAMPLE_S)
        except subprocess.TimeoutExpired:
            _sample(process.pid, counter, held)
    process.kill()
    process.wait()
    held.problems.append(f"not done after {LIMIT_S:g} s, at frame {held.frames[-1]}")
    return None


def _sample(pid: int, counter: Path, held: Held) -> None:
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return
    if "VmRSS" not in status:
        return
    held.frames.append(int.from_bytes(counter.read_bytes(), "little"))
    held.resident_mb.append(int(status["VmRSS"].split()[0]) / 1024)
    held.threads.append(int(status["Threads"]))
    held.descriptors.append(descriptors)


def _look(folder: Path, costs: Path, held: Held) -> None:
    rows, problems = stored(folder / BOOK)
    held.problems += problems
    told = [json.loads(line) for line in (folder / "out").read_text().splitlines() if line.startswith("{")]
    if [record["event_id"] for record in rows] != [record["event_id"] for record in told]:
        held.problems.append(f"{len(told)} events were told, {len(rows)} are in the book")
    odd = [record for record in rows if record["type"] not in ("boot", "item")]
    if odd:
        held.problems.append(
            f"{len(odd)} events beside items, the first is {odd[0]['type']} {odd[0].get('reason', '')}"
        )
    held.items = sum(record["type"] == "item" for record in rows)
    held.archives = len(list(folder.glob("archive/*.db")))
    held.pictures = len(list(folder.glob("captures/*.jpg")))
    cost = json.loads(costs.read_text())
    held.item_us, held.yardstick_us = cost["medians_us"], cost["yardsticks_us"]


def slope(frames: list[int], values: list[float]) -> tuple[float, float]:
    """Growth of a million frames, and half its 95 % interval, over the samples after the warm part.

    Least squares over means of twenty stretches, so that neighbours which go together do not pass for many.
    """
    x, y = np.asarray(frames, float) / 1e6, np.asarray(values, float)
    warm = x >= WARM_SHARE * x[-1]
    parts = [
        part for part in zip(np.array_split(x[warm], 20), np.array_split(y[warm], 20), strict=True) if part[0].size
    ]
    x, y = np.array([part[0].mean() for part in parts]), np.array([part[1].mean() for part in parts])
    if len(x) < 4:
        raise ValueError(f"{len(frames)} samples are too few for a slope")
    spread = float(((x - x.mean()) ** 2).sum())
    growth = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    left = y - y.mean() - growth * (x - x.mean())
    return growth, _student(len(x) - 2) * math.sqrt(float((left**2).sum()) / (len(x) - 2) / spread)


def _student(freedom: int) -> float:
    """Two-sided 95 % point of Student's t, by the expansion of Cornish and Fisher; within 1 % from 4 on."""
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def report(rows: Rows, frames: int) -> None:
    """One entry."""
    with rows.timed() as timer:
        held = run_long(frames)
    problems = list(held.problems)
    figures = []
    for title, values, unit, most in (
        ("memory", held.resident_mb, " MB", MEMORY_MB),
        ("descriptors", held.descriptors, "", 0.5),
        ("threads", held.threads, "", 0.5),
    ):
        growth, half = slope(held.frames, list(map(float, values)))
        figures.append(f"{title} {growth:+.2g} ± {half:.1g}{unit}")
        if growth + half > most:
            problems.append(f"{title} may grow by {growth + half:.3g}{unit} in a million frames")
    ratio = growth_of([item / other for item, other in zip(held.item_us, held.yardstick_us, strict=True)])
    if ratio > ROW_RATIO:
        problems.append(f"an item in the book costs {ratio:.2f} times as much in the end as in the beginning")
    if held.archives < 2 or not 0 < held.pictures <= MOST_PICTURES:
        problems.append(f"{held.archives} archives and {held.pictures} pictures: the limits were not at work")
    rows.add(
        "long-run",
        fault=f"{frames / FPS / 3600:.0f} h of sorting, " + f"{frames:,} frames".replace(",", " "),
        injected_by="a recording that plays for ever, as fast as it can be looked at, under `run --unattended`: "
        f"{held.items} "
        f"items, {held.archives} rotations, {held.pictures} pictures kept of at most {MOST_PICTURES}",
        required=f"a million frames add less than {MEMORY_MB:g} MB, no descriptor and no thread (upper end of 95 %); "
        "an item's cost in the book, over that of a commit to a book that stays small, in the end at most "
        f"{ROW_RATIO:g} times that in the beginning, by the line through its tenths; every event told is in the book, "
        "no fault",
        figure=f"a million frames add: {', '.join(figures)}; an item costs {held.item_us[0]:.0f} us of processor in "
        f"the first tenth, {held.item_us[-1]:.0f} us in the last, over the other's commit {ratio:.2f} times as much by "
        f"the line; {held.frames[-1] / timer.wall_s:.0f} frames a second",
        is_held=not problems,
        wall_s=timer.wall_s,
    )
    for problem in problems:
        print(f"  {problem}")
    with rows.timed() as timer:
        leaking = run_long(100_000, spoiler="leak")
        growth, half = slope(leaking.frames, list(map(float, leaking.descriptors)))
    add_spoiled(rows, "long-run", {"leak": growth - half > 0.5}, timer.wall_s)
