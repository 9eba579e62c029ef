"""What an item costs the card: bytes that the ledger has written, as the kernel counts them for this process.

    .venv/bin/python -m tests.fault.ledger_cost [FOLDER] [--items 10000] [--page 4096] [--indexes]

Each item is an intent and its outcome, each durable before the next; the checkpoint at the end is in it. FOLDER must
lie on a disk: the kernel counts nothing in memory. What the file system writes for itself, its journal, is not in it.
"""

import argparse
import random
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edge import ledger_files
from edge.bench.growth.book import filesystem, item_body
from edge.config import Config
from edge.ledger import SqliteLedger
from edge.ledger_format import PAGE_BYTES
from edge.records import Event

__all__ = ["Cost", "measure_cost"]

INTENT_FIELDS = ("label", "route", "decision", "confidence", "margin")
PARTS = 10
INDEXES = """
CREATE UNIQUE INDEX events_number ON events (boot_id, seq);
CREATE INDEX events_kind ON events (type, route, label, decision);
"""
"""Those of layout 1."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What writing items down costs.

    Attributes:
        bytes_an_item: handed to the disk for an intent and its outcome, in whole pages of the system.
        bytes_a_row: the same without intents.
        file_bytes_a_row: what the file has grown by.
        ms_an_item: until both are durable, on this disk.
        parts: `bytes_an_item` of each tenth of the run; constant if a row costs the same however many there are.
    """

    items: int
    bytes_an_item: float
    bytes_a_row: float
    file_bytes_a_row: float
    ms_an_item: float
    parts: tuple[float, ...]


def measure_cost(folder: Path, items: int = 10_000) -> Cost:
    """Write so many items into ledgers in `folder`, with intents and without, and take the ledgers away again.

    Raises: LedgerError; OSError where the kernel does not count (no /proc/self/io).
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "intents.db"
        start_s = time.perf_counter()
        parts = _write(path, items, has_intents=True)
        ms_an_item = (time.perf_counter() - start_s) * 1000 / items
        size = path.stat().st_size
        rows_only = _write(Path(place) / "rows.db", items, has_intents=False)
    return Cost(
        items=items,
        bytes_an_item=sum(parts) / items,
        bytes_a_row=sum(rows_only) / items,
        file_bytes_a_row=size / items,
        ms_an_item=ms_an_item,
        parts=tuple(part * PARTS / items for part in parts),
    )


def _write(path: Path, items: int, *, has_intents: bool) -> list[int]:
    """Bytes written in each tenth; the last one has the checkpoint as the book is closed."""
    rng, config = random.Random(1), Config()
    ledger = SqliteLedger(path)
    ledger.open()
    marks = [_written_bytes()]
    for part in range(PARTS):
        for _ in range(items // PARTS):
            body = item_body(config, rng)
            if has_intents:
                ledger.intend(Event("item", 41.25, {name: body[name] for name in INTENT_FIELDS}))
            ledger.append(Event("item", 41.25, body))
        if part == PARTS - 1:
            ledger.close()
        marks.append(_written_bytes())
    return [after - before for before, after in pairwise(marks)]


def _written_bytes() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def main() -> None:
    parser = argparse.ArgumentParser(description="what an item costs the card")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--page", type=int, default=PAGE_BYTES, help="bytes of the book's pages, to compare")
    parser.add_argument("--indexes", action="store_true", help="with the indexes of layout 1, to compare")
    arguments = parser.parse_args()
    pages = ledger_files.CREATE.replace(f"page_size = {PAGE_BYTES}", f"page_size = {arguments.page}")
    ledger_files.CREATE = pages + (INDEXES if arguments.indexes else "")  # type: ignore[misc]  # to compare only
    cost = measure_cost(arguments.folder, arguments.items)
    print(f"{cost.items} items on {filesystem(arguments.folder)}")
    print(f"intent and outcome: {cost.bytes_an_item / 1000:.1f} KB written, {cost.ms_an_item:.2f} ms an item")
    print(f"a row without intent: {cost.bytes_a_row / 1000:.1f} KB written")
    print(f"the file grows by {cost.file_bytes_a_row:.0f} bytes a row")
    print("by tenths, KB an item: " + " ".join(f"{part / 1000:.1f}" for part in cost.parts))
    for items_a_day in (100, 500, 2000):
        card, file = (
            items_a_day * 365 * cost_bytes / 1e9 for cost_bytes in (cost.bytes_an_item, cost.file_bytes_a_row)
        )
        print(f"{items_a_day} items a day: {card:.1f} GB a year to the card, {file:.2f} GB a year of archive")


if __name__ == "__main__":
    main()
