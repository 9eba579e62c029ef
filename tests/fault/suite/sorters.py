"""The whole program on a recorded disk whose power is cut, run after run, on one book."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from tests.cli_rig import ENVIRONMENT
from tests.fault.fs.disk import ROOT, RecordedDisk, recorded_disk, scratch
from tests.fault.fs.platter import MODES, Op, Platter
from tests.fault.suite.cuts import BOOK, Tally
from tests.fault.suite.rows import Rows, bound
from tests.fault.suite.states import Promises, examine

__all__ = ["cut_sorters", "report"]

EVENTS = "events.jsonl"
LONGEST_S = 1.2
"""A cut comes so long after the program's first event at most."""
CONFIG = """
source: {width_px: 320, height_px: 240}
ledger: {rotate_mb: 1}
"""


class _Acknowledged:
    """Finds, in a log, when a line of the events file was written: its event was durable before."""

    def __init__(self, content: Path) -> None:
        names = sorted(path.relative_to(content).as_posix() for path in content.rglob("*"))
        self._inode = names.index(EVENTS) + 1 if EVENTS in names else None
        self._line = b""

    def take(self, op: Op) -> Iterator[str]:
        if op[:2] == ("create", EVENTS):
            self._inode = op[2]
        elif op[0] == "write" and op[1] == self._inode:
            *lines, self._line = (self._line + op[3]).split(b"\n")
            yield from (json.loads(line)["event_id"] for line in lines if line)


def cut_sorters(runs: int, cuts: int, seed: int = 1) -> Tally:
    """Cut the power of running sorters; each goes on with what the cut of the one before left.

    Args:
        runs: how many sorters, each with one cut that comes while it runs.
        cuts: how many other moments of each run are looked at as well.
    """
    draw = random.Random(seed)
    total, promises = Tally(), Promises(intents=None)
    with scratch() as folder:
        config = folder / "config.yaml"
        config.write_text(CONFIG)
        content = folder / "new"
        content.mkdir()
        for number in range(runs):
            with recorded_disk(folder, content) as disk:
                printed = _run(disk, config, draw)
                tally, promises, content = _look(disk, promises, folder, cuts, draw)
                unknown = [event_id for event_id in printed if event_id not in promises.acknowledged]
                if unknown:
                    tally.failures.append(f"run {number}: {unknown[0]} was printed before it was in the events file")
            total.add(tally)
    return total


def _run(disk: RecordedDisk, config: Path, draw: random.Random) -> list[str]:
    """Events that a sorter printed until its disk was cut off."""
    source = f"sim:{draw.randint(1, 99)}"
    options = ("--source", source, "--pace", "fast", "--items", "1000000", "--json")
    places = ("--config", config, "--ledger", disk.path / BOOK, "--events", disk.path / EVENTS)
    sorter = subprocess.Popen(
        [sys.executable, "-m", "edge", "run", *map(str, (*options, *places))],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with sorter:
        assert sorter.stdout is not None and sorter.stderr is not None
        # One in eight is cut while it starts.
        head = "" if draw.random() < 0.125 else sorter.stdout.readline()
        try:
            sorter.wait(draw.uniform(0, LONGEST_S))
            raise RuntimeError(f"the sorter ended by itself: {sorter.stderr.read()}")
        except subprocess.TimeoutExpired:
            disk.cut()
        sorter.kill()
        lines = (head + sorter.stdout.read()).splitlines(keepends=True)
        sorter.stderr.read()
    return [json.loads(line)["event_id"] for line in lines if line.endswith("\n")]


def _look(
    disk: RecordedDisk, before: Promises, folder: Path, count: int, draw: random.Random
) -> tuple[Tally, Promises, Path]:
    operations = list(disk.operations())
    if not operations:
        return Tally(), before, disk.content
    tally, promises = Tally(), deepcopy(before)
    platter, events = Platter(disk.content), _Acknowledged(disk.content)
    last = len(operations) - 1
    moments = {last, *draw.sample(range(len(operations)), min(count, len(operations)))}
    next_content = folder / f"after-{draw.getrandbits(60):x}"
    for number, op in enumerate(operations):
        platter.apply(op)
        promises.acknowledged.update(dict.fromkeys(events.take(op)))
        if number not in moments:
            continue
        mode = draw.choice(MODES)
        place = folder / "cut"
        place.mkdir()
        platter.cut(draw, mode, place)
        if number == last:
            shutil.copytree(place, next_content)
        tally.cuts += 1
        tally.by_mode[mode] += 1
        problems = examine(place / BOOK, promises)
        if problems:
            where = f"cut at operation {number} of {len(operations)} ({op[0]}), {mode}"
            tally.failures.append(f"{where}: {'; '.join(problems)}")
        shutil.rmtree(place)
    promises.cuts += 1
    return tally, promises, next_content


def report(rows: Rows, runs: int, cuts: int) -> None:
    """The entry of the matrix for the whole program."""
    with rows.timed() as timer:
        tally = cut_sorters(runs, cuts)
    rows.add(
        "lost-writes",
        fault="the same under `edge-sorter run`, run after run on one book",
        injected_by=f"the same file system, cut {runs} times while the program ran (each run goes on with what the cut "
        f"before left), and looked at as {max(0, tally.cuts - runs)} other cuts would have left it",
        required="every event that was told (`--events`) is in the book once; the next start opens it without findings",
        figure=bound(len(tally.failures), tally.cuts),
        is_held=not tally.failures,
        wall_s=timer.wall_s,
    )
    for failure in tally.failures[:10]:
        print(f"  {failure}")
