"""Cuts the power of guests, again and again, and counts the promises that were broken; exit 0 if none was.

    python -m tests.rig.cuts [--cuts 200] [--seed 1] [--logs DIR] [--mutant NAME] KERNEL IMAGE

The cuts that failed lie in the folder for logs, each with the files that it left. Standard library only.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.fault.suite.rows import Rows, bound
from tests.rig.cuts.program import MUTANTS, break_promise, unpack_program
from tests.rig.cuts.series import PHASES, Bench, Cut, Plan, Series, draw_plans
from tests.rig.cuts.uml import end_with_me

REPO = Path(__file__).resolve().parents[3]
GUEST = Path(__file__).resolve().parent / "guest"
CUTS = 200
MUTANT_CUTS = 30
"""A broken promise that was not found by then passes for kept."""
REQUIRED = (
    "no acknowledged row lost or doubled, integrity ok, an item whose gate moved known as sorted or interrupted, gate "
    "parked before READY=1"
)


def main() -> int:
    """Cut as the command line says."""
    parser = argparse.ArgumentParser(description="power cuts at random moments")
    parser.add_argument("kernel", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--cuts", type=int, default=CUTS)
    parser.add_argument("--seed", type=int, help="draws the moments; drawn itself unless given")
    parser.add_argument("--guests", type=int, default=2, help="side by side")
    parser.add_argument("--limit-s", type=float, default=900.0, help="no cut begins later")
    parser.add_argument("--logs", type=Path, default=Path("build/fault/cuts"))
    parser.add_argument("--source", type=Path, default=REPO, help="tree of the program")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="only see whether this broken promise is found")
    parser.add_argument("--no-mutants", action="store_true", help="leave out the programs with a broken promise")
    parser.add_argument("--rows", type=Path, help="folder for the fault suite's rows; none are written unless given")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    shutil.rmtree(options.logs, ignore_errors=True)
    with _bench(options) as bench:
        if options.mutant:
            return _report_mutant(options.mutant, _find(bench(options.mutant), options.mutant, seed))
        rows = None if options.rows is None else Rows("rig-cuts", options.rows)
        is_held = _cut_all(bench(None), options, seed, rows)
        if not options.no_mutants:
            is_held &= _try_mutants(bench, options.guests, seed, rows)
    return int(not is_held)


@contextmanager
def _bench(options: argparse.Namespace) -> Iterator[Callable[[str | None], Bench]]:
    """Makes benches: with the program as it is, or with a mutant."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="edge-sorter-cuts-", dir=shm if shm.is_dir() else None) as name:
        scratch = Path(name)
        end_with_me(scratch)
        (scratch / "wheel").mkdir()
        unpack_program(options.source, scratch / "program", scratch / "wheel")

        def make(mutant: str | None) -> Bench:
            bench_name = mutant or "whole"
            share = scratch / bench_name
            shutil.copytree(scratch / "program", share / "program")
            if mutant is not None:
                break_promise(share / "program", MUTANTS[mutant])
            for part in ("init.sh", "witness.py", "config.yaml"):
                shutil.copy(GUEST / part, share)
            logs = options.logs / bench_name
            logs.mkdir(parents=True)
            return Bench(options.kernel.resolve(), options.image.resolve(), share, logs)

        yield make


def _cut_all(bench: Bench, options: argparse.Namespace, seed: int, rows: Rows | None) -> bool:
    """So many cuts on several guests. Returns: whether every promise was kept."""
    print(f"cuts: {options.cuts} on {options.guests} guests, seed {seed}", flush=True)
    began_s = time.monotonic()
    end_s = began_s + options.limit_s

    def series(number: int) -> list[Cut]:
        plans = draw_plans(options.cuts // options.guests, seed * 1000 + number)
        return _cuts(bench, number, plans, lambda cut: time.monotonic() >= end_s)

    with ThreadPoolExecutor(options.guests) as pool:
        cuts = [cut for part in pool.map(series, range(options.guests)) for cut in part]
    wall_s = time.monotonic() - began_s
    failed = sum(bool(cut.faults) for cut in cuts)
    phases = Counter(cut.phase for cut in cuts)
    ready_s = [cut.ready_s for cut in cuts if cut.ready_s is not None]
    figure = (
        f"{bound(failed, len(cuts))}; "
        + ", ".join(f"{phase} {phases[phase]}" for phase in PHASES)
        + f"; pin seen without a pause in {sum(cut.is_watched for cut in cuts)}, the file system's journal busy in "
        f"{sum(cut.plan.is_busy for cut in cuts)}, {sum(cut.is_stalled for cut in cuts)} guests stood still; power to "
        f"READY=1 {statistics.median(ready_s):.1f} s in the median"
    )
    print(f"cuts: {figure}; {wall_s:.0f} s", flush=True)
    is_held = failed == 0 and len(cuts) >= options.cuts // options.guests * options.guests
    if rows is not None:
        rows.add(
            "power-cut",
            fault="power cut while starting, idle, committing, moving",
            injected_by=f"SIGKILL of the whole guest (User Mode Linux, ext4 data=ordered, gpio-sim) at {len(cuts)} "
            "random moments, one book a guest over all its boots",
            required=REQUIRED,
            figure=figure,
            is_held=is_held,
            wall_s=wall_s,
        )
    return is_held


def _try_mutants(bench: Callable[[str | None], Bench], guests: int, seed: int, rows: Rows | None) -> bool:
    """The cuts must find every broken promise. Returns: whether they did."""
    began_s = time.monotonic()
    benches = {name: bench(name) for name in MUTANTS}
    with ThreadPoolExecutor(guests) as pool:
        found = dict(zip(MUTANTS, pool.map(lambda name: _find(benches[name], name, seed), MUTANTS), strict=True))
    statuses = [_report_mutant(name, cut) for name, cut in found.items()]
    is_held = not any(statuses)
    if rows is not None:
        rows.add(
            "power-cut",
            fault="the same with a program that breaks a promise on purpose",
            injected_by="one line of the program changed, then the same cuts",
            required=f"each one found within {MUTANT_CUTS} cuts",
            figure="; ".join(
                f"{MUTANTS[name].breaks}: " + ("not found" if cut is None else f"found by cut {cut}")
                for name, cut in found.items()
            ),
            is_held=is_held,
            wall_s=time.monotonic() - began_s,
        )
    return is_held


def _find(bench: Bench, name: str, seed: int) -> int | None:
    """Cut until the broken promise shows. Returns: by which cut it did."""
    cuts = _cuts(bench, sorted(MUTANTS).index(name), draw_plans(MUTANT_CUTS, seed), lambda cut: bool(cut.faults))
    return len(cuts) if cuts[-1].faults else None


def _report_mutant(name: str, cut: int | None) -> int:
    print(f"cuts: {name}: {MUTANTS[name].breaks}: {'not found' if cut is None else f'found by cut {cut}'}", flush=True)
    return int(cut is None)


def _cuts(bench: Bench, number: int, plans: Sequence[Plan], is_over: Callable[[Cut], bool]) -> list[Cut]:
    """One guest's boots on one disk, until the plans are used up or one cut is enough."""
    cuts: list[Cut] = []
    with tempfile.TemporaryDirectory(prefix=f"guest-{number}-", dir=bench.share.parent) as folder:
        series = Series(bench, Path(folder), number)
        for plan in plans:
            cuts.append(series.cut(plan))
            _say(f"guest {number}, cut {len(cuts)}: {cuts[-1].describe()}")
            if is_over(cuts[-1]):
                break
        if complaint := series.verify():
            _say(f"guest {number}: {complaint}")
            cuts[-1] = replace(cuts[-1], faults=(*cuts[-1].faults, complaint))
    return cuts


def _say(line: str) -> None:
    with _printing:
        print(line, flush=True)


_printing = threading.Lock()

if __name__ == "__main__":
    sys.exit(main())
