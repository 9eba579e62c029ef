"""The book on a disk that forgets what was not synced: thousands of power cuts, each looked at."""

import random
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from tests.fault.fs.disk import ROOT, RecordedDisk, recorded_disk, scratch
from tests.fault.fs.platter import MODES, Op, Platter
from tests.fault.suite.rows import Rows, add_spoiled, bound
from tests.fault.suite.states import Promises, examine
from tests.fault.suite.writer import SPOILERS

__all__ = ["Tally", "cut_writers", "report"]

RARE = frozenset({"rename", "unlink", "create", "truncate", "mkdir", "fsyncdir"})
"""Operations around which a cut is tried in any case: they belong to openings, ends and rotations."""
BOOK = "ledger.db"


@dataclass
class Tally:
    """How many cuts there were, and what was wrong after them."""

    cuts: int = 0
    by_mode: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MODES, 0))
    archived: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.cuts += other.cuts
        self.archived += other.archived
        self.failures += other.failures
        for mode, count in other.by_mode.items():
            self.by_mode[mode] += count


def cut_writers(writers: int, cuts: int, events: int = 250, seed: int = 1, spoiler: str | None = None) -> Tally:
    """Let programs keep books on a recorded disk, and look at each disk as cuts at many moments would leave it.

    Half of the books are made anew; the others are what a cut of the one before left, so that openings which put a
    book in order are cut themselves.

    Args:
        writers: how many programs.
        cuts: how many cuts of each, besides one around each rare operation.
        spoiler: a key of `writer.SPOILERS`.
    """
    total = Tally()
    draw = random.Random(seed)
    with scratch() as folder:
        content, promises = None, Promises()
        for number in range(writers):
            with recorded_disk(folder, content) as disk:
                _write(disk, f"{seed}{number}", events, spoiler)
                tally, states = _cut(disk, promises, folder, cuts, draw)
            total.add(tally)
            content, promises = (None, Promises()) if number % 2 else draw.choice(states)
    return total


def _write(disk: RecordedDisk, seed: str, events: int, spoiler: str | None) -> None:
    command = [sys.executable, "-m", "tests.fault.suite.writer", str(disk.path), seed, str(events)]
    done = subprocess.run([*command, *([spoiler] if spoiler else [])], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the writer failed: {done.stderr}")


def _cut(
    disk: RecordedDisk, before: Promises, folder: Path, count: int, draw: random.Random
) -> tuple[Tally, list[tuple[Path, Promises]]]:
    """What cuts at many moments would leave, and a few of these disks with what was promised by then."""
    operations = list(disk.operations())
    tally, states = Tally(), []
    platter, promises = Platter(disk.content), deepcopy(before)
    moments = _moments(operations, count, draw)
    kept = set(draw.sample(sorted(moments), 3))
    for number, op in enumerate(operations):
        platter.apply(op)
        if op[0] == "mark":
            promises.take(op[1])
        if number not in moments:
            continue
        mode = draw.choice(MODES)
        place = folder / f"cut-{draw.getrandbits(60):x}"
        place.mkdir()
        platter.cut(draw, mode, place)
        if number in kept:
            after = deepcopy(promises)
            after.cuts += 1
            states.append((shutil.copytree(place, place.with_suffix(".kept")), after))
        tally.cuts += 1
        tally.by_mode[mode] += 1
        tally.archived += any(place.glob("archive/*"))
        problems = examine(place / BOOK, promises)
        if problems:
            where = f"cut at operation {number} of {len(operations)} ({op[0]}), {mode}"
            tally.failures.append(f"{where}: {'; '.join(problems)}")
        shutil.rmtree(place)
    return tally, states


def _moments(operations: list[Op], count: int, draw: random.Random) -> set[int]:
    last = len(operations) - 1
    around = {
        min(max(number + draw.choice((-1, 0, 0, 1)), 0), last) for number, op in enumerate(operations) if op[0] in RARE
    }
    return around | set(draw.sample(range(len(operations)), min(count, len(operations))))


def report(rows: Rows, writers: int, cuts: int) -> None:
    """The entry of the matrix for the book alone."""
    with rows.timed() as timer:
        tally = cut_writers(writers, cuts)
    modes = ", ".join(f"{mode} {count}" for mode, count in tally.by_mode.items())
    rows.add(
        "lost-writes",
        fault="unsynced data lost, kept, torn or out of order under a writer of the book",
        injected_by=f"a FUSE file system of our own that keeps unsynced data apart; {writers} writers, {tally.cuts} "
        "cuts "
        f"({modes}), {tally.archived} of them with rotated archives, also in the opening after another cut",
        required="the book opens without findings and goes on; no acknowledged row lost, doubled or changed; an intent "
        "is open exactly while its item is not settled",
        figure=bound(len(tally.failures), tally.cuts),
        is_held=not tally.failures and tally.archived > 0,
        wall_s=timer.wall_s,
    )
    for failure in tally.failures[:10]:
        print(f"  {failure}")
    with rows.timed() as timer:
        found = {name: bool(cut_writers(1, 60, 60, spoiler=name).failures) for name in SPOILERS}
    add_spoiled(rows, "lost-writes", found, timer.wall_s)
