"""Cost over the ledger's rows: appending, opening, and reading it."""

import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from edge.bench.growth.book import BOOT_EVENTS, BYTES_A_ROW, build_book, filesystem, forget_pages, item_body
from edge.bench.growth.plan import Plan
from edge.bench.growth.records import Axis, Clock, Curve, Place, Unit
from edge.bench.growth.rounds import interleave
from edge.config import Config
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event

__all__ = ["measure_ledger"]

TAIL_EVENTS = 10
ITEM_T_S = 41.25
SPARE_BYTES = 500_000_000
"""So much of the disk stays free."""


def measure_ledger(config: Config, plan: Plan, folder: Path, progress: Callable[[str], None]) -> Axis:
    """Build ledgers of every size side by side, then write to and read from them in turns.

    A size that the disk has no room for is left out, and named; if it has room for none, there are no curves.

    Raises: LedgerError.
    """
    kind = filesystem(folder) or "an unknown file system"
    remarks = []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        books: dict[Place, Path] = {}
        for rows in plan.rows:
            title = f"{rows:,}".replace(",", " ")
            free_bytes = shutil.disk_usage(place).free - SPARE_BYTES
            if rows * BYTES_A_ROW > free_bytes:
                remarks.append(
                    f"{title} rows are left out: they need {rows * BYTES_A_ROW / 1e9:.1f} GB, and {folder} has "
                    f"{max(free_bytes, 0) / 1e9:.1f} GB to spare."
                )
                continue
            progress(f"ledger: making one of {title} rows")
            path = Path(place) / f"{rows}.db"
            build_book(path, rows, config)
            books[(float(rows), title)] = path
        curves = _curves(config, plan, books, progress) if books else ()
    return Axis(
        name="ledger_size",
        title="Ledger size",
        x_title="rows",
        method=f"Ledgers of items, {BOOT_EVENTS} events a start, on {kind}. Opened with nothing of them in memory; "
        f"appended to with a write that waits for the disk; the last {TAIL_EVENTS} events, and the summary of the "
        "whole book, from wherever the system has them.",
        curves=curves,
        remarks=tuple(remarks),
    )


def _curves(
    config: Config, plan: Plan, books: Mapping[Place, Path], progress: Callable[[str], None]
) -> tuple[Curve, ...]:
    sizes_kb = {at: [path.stat().st_size / at[0] / 1000] for at, path in books.items()}
    progress("ledger: writing and reading in turns")
    writes = interleave({at: partial(_write, path, config, plan) for at, path in books.items()}, plan.rounds)
    tails = interleave({at: partial(_tail_ms, path, plan) for at, path in books.items()}, plan.rounds)
    progress("ledger: reading all of it")
    sums = interleave({at: partial(_summary_ms, path) for at, path in books.items()}, plan.summary_rounds)

    def of_writes(title: str, unit: Unit, clock: Clock, part: Callable[[_Written], float]) -> Curve:
        return Curve.of(title, unit, clock, {at: [*map(part, rounds)] for at, rounds in writes.items()}, "rows")

    return (
        of_writes("append, until durable", "ms", "wall", lambda one: one.append_ms),
        of_writes("of it, processor time", "us", "cpu", lambda one: one.append_cpu_us),
        of_writes("open", "ms", "wall", lambda one: one.open_ms),
        Curve.of(f"`ledger tail -n {TAIL_EVENTS}`", "ms", "wall", tails, "rows"),
        Curve.of("`ledger summary`", "ms", "wall", sums, "rows"),
        Curve.of("file, a row", "KB", "none", sizes_kb, "rows"),
    )


class _Written(NamedTuple):
    open_ms: float
    append_ms: float
    append_cpu_us: float


def _write(path: Path, config: Config, plan: Plan) -> _Written:
    rng = random.Random(2)  # noqa: S311 - the same rows at every measurement
    events = [Event("item", ITEM_T_S, item_body(config, rng)) for _ in range(plan.appends)]
    forget_pages(path)
    ledger = SqliteLedger(path)
    start_s = time.perf_counter()
    ledger.open()
    open_ms = (time.perf_counter() - start_s) * 1000
    try:
        # The first one also marks the lock file.
        ledger.append(events[0])
        wall_ms, cpu_us = [], []
        for event in events:
            start_s, start_ns = time.perf_counter(), time.process_time_ns()
            ledger.append(event)
            wall_ms.append((time.perf_counter() - start_s) * 1000)
            cpu_us.append((time.process_time_ns() - start_ns) / 1000)
    finally:
        ledger.close()
    return _Written(open_ms, statistics.median(wall_ms), statistics.median(cpu_us))


def _tail_ms(path: Path, plan: Plan) -> float:
    return statistics.median(_read_ms(path, lambda reader: reader.tail(TAIL_EVENTS)) for _ in range(plan.calls))


def _summary_ms(path: Path) -> float:
    return _read_ms(path, lambda reader: reader.summary())


def _read_ms(path: Path, read: Callable[[LedgerReader], object]) -> float:
    start_s = time.perf_counter()
    with LedgerReader(path) as reader:
        read(reader)
    return (time.perf_counter() - start_s) * 1000
