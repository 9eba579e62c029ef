"""Runs the fault suite; exit 0 if every fault of the matrix was injected and held, within half an hour.

    python -m tests.fault.suite.run [--only PART,...] [--no-rig] [--page]

See README.md beside this file.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fault.suite import clocks, cuts, disks, fuzz, long_run, signals, sorters
from tests.fault.suite.page import PAGE, ROOT, is_complete, page_text
from tests.fault.suite.rows import Rows, absent, read_rows, rows_folder

__all__ = ["LONG_RUN_FRAMES", "PARTS", "main"]

RIG_TARGET = "rig-fault"
LONG_RUN_FRAMES = 1_000_000
PARTS: dict[str, tuple[Callable[[Rows], None], ...]] = {
    "lost-writes": (
        lambda rows: cuts.report(rows, writers=10, cuts=300),
        lambda rows: sorters.report(rows, runs=40, cuts=25),
    ),
    "signals": (lambda rows: signals.report(rows, step_ms=10),),
    "clock": (clocks.report,),
    "disk": (disks.report,),
    "fuzz": (lambda rows: fuzz.report(rows, configs=10_000, bundles=1000, runs=80),),
    "long-run": (lambda rows: long_run.report(rows, frames=LONG_RUN_FRAMES),),
}
"""The host's parts; each begins its own file of rows."""
LANES = (("long-run", "fuzz"), ("lost-writes", "signals", "clock", "disk"))
"""Side by side: those that compute all the time, and those that mostly wait."""


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="inject every fault of the matrix")
    parser.add_argument("--only", help=f"parts of the host, of {', '.join(PARTS)}; no page is written")
    parser.add_argument("--no-rig", action="store_true", help="leave out what needs the rig's guests")
    parser.add_argument("--page", action="store_true", help="only write the page, from the rows that lie there")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        rows = Rows(options.part)
        for report in PARTS[options.part]:
            report(rows)
        return 0
    folder, begun_s = rows_folder(), time.monotonic()
    failed: list[str] = []
    if options.only:
        return _run_lanes((tuple(options.only.split(",")),), failed) or _tell(folder)
    if not options.page:
        for stale in folder.glob("*.jsonl"):
            stale.unlink()
        _run_lanes(LANES, failed)
        if not options.no_rig:
            failed += _run_rig()
    rows = read_rows(folder)
    wall_s = None if options.page else time.monotonic() - begun_s
    PAGE.write_text(page_text(rows, failed, wall_s))
    _tell(folder)
    for row, faults in absent(rows).items():
        for fault in faults:
            print(f"ABSENT {row}: {fault}")
    return int(not is_complete(rows, failed, wall_s))


def _run_lanes(lanes: Sequence[Sequence[str]], failed: list[str]) -> int:
    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(lambda parts: [_run_part(part, failed) for part in parts], lanes))
    return int(bool(failed))


def _run_part(part: str, failed: list[str]) -> None:
    if part not in PARTS:
        failed.append(part)
        print(f"fault-test: no part {part!r}, only {', '.join(PARTS)}", file=sys.stderr)
        return
    begun_s = time.monotonic()
    print(f"fault-test: {part} begins", flush=True)
    command = [sys.executable, "-m", "tests.fault.suite.run", "--part", part]
    status = subprocess.run(command, cwd=ROOT).returncode
    print(f"fault-test: {part} took {time.monotonic() - begun_s:.0f} s", flush=True)
    if status != 0:
        failed.append(part)


def _run_rig() -> list[str]:
    """The make target that boots the rig's guests. Returns: its name if it failed, or is not there."""
    status = subprocess.run(["make", "--no-print-directory", RIG_TARGET], cwd=ROOT).returncode
    return [RIG_TARGET] if status != 0 else []


def _tell(folder: Path) -> int:
    rows = read_rows(folder)
    for row in rows:
        print(f"{'held  ' if row.is_held else 'FAILED'} {row.row}: {row.fault}: {row.figure}")
    return int(not all(row.is_held for row in rows))


if __name__ == "__main__":
    sys.exit(main())
