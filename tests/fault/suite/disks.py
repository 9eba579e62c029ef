"""The whole program on a disk that fails for a while: full, broken, read-only."""

import errno
import itertools
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fault.fs.disk import RecordedDisk, recorded_disk, scratch
from tests.fault.fs.platter import Platter
from tests.fault.suite.cuts import BOOK
from tests.fault.suite.rows import Rows, add_spoiled
from tests.fault.suite.sorter import LiveSorter, live_sorter
from tests.fault.suite.states import stored

__all__ = ["FAULTS", "Outcome", "fail_disk", "fill_disk", "report"]

CHANGES = ("write", "fsync", "fsyncdir", "create", "open", "truncate", "rename", "unlink", "mkdir", "rmdir")
FAULTS: dict[str, dict[str, Any]] = {
    "full": {"errno": errno.ENOSPC, "ops": ["write", "create", "truncate", "mkdir"]},
    "EIO on write": {"errno": errno.EIO, "ops": ["write"]},
    "EIO on fsync": {"errno": errno.EIO, "ops": ["fsync"]},
    "EIO on everything": {"errno": errno.EIO, "ops": [*CHANGES, "read"]},
    "read-only": {"errno": errno.EROFS, "ops": list(CHANGES)},
}
"""What `edge-sorter` meets; each as `daemon._Faults` reads it."""
POLICIES = ("stop", "sort")
MOMENTS = ("idle", "moving")
ROOM_BYTES = 40_000
SIDE_BY_SIDE = 4
BACK_S = 40.0
FAILING_S = 6.0


@dataclass
class Outcome:
    """What one sorter did."""

    problems: list[str] = field(default_factory=list)
    strokes_meanwhile: int = 0
    uncredited: int = 0
    back_s: float = 0.0
    freed_bytes: int = 0
    wall_s: float = 0.0


def fail_disk(
    fault: str, policy: str, moment: str, failing_s: float = FAILING_S, spoiler: str | None = None
) -> Outcome:
    """Let a sorter sort an item, break its disk, heal it, and let it sort another.

    Args:
        fault: a key of `FAULTS`.
        policy: `ledger.when_unwritable`.
        moment: when it breaks: `idle`, right after an item was written down; `moving`, while the gate moves for one.
    """
    outcome = Outcome()
    with scratch() as folder, recorded_disk(folder) as disk:
        book = disk.path / BOOK
        with live_sorter(
            folder / "sorter", book, {"ledger": {"when_unwritable": policy}}, {"spoiler": spoiler}
        ) as sorter:
            try:
                _break_and_heal(sorter, disk, fault, moment, failing_s, outcome)
                code = sorter.end()
                if code != 0:
                    outcome.problems.append(f"exit {code}: {sorter.err[-300:]}")
            except AssertionError as exc:
                outcome.problems.append(str(exc))
                sorter.end()
            _look(sorter, disk, folder, outcome, policy)
    return outcome


def _break_and_heal(
    sorter: LiveSorter, disk: RecordedDisk, fault: str, moment: str, failing_s: float, outcome: Outcome
) -> None:
    item_s = sorter.wait_for_items(1)
    if moment == "moving":
        sorter.wait_for_stroke(2)
    disk.fail(**FAULTS[fault])
    broken_s = time.monotonic()
    # Nothing fails before something is to be written.
    sorter.wait_until(lambda: sorter.status()["ledger"]["is_failing"], "the status file says that the book fails")
    sorter.wait(failing_s)
    outcome.strokes_meanwhile = sorter.strokes(broken_s)
    disk.heal()
    healed_s = time.monotonic()
    told = [record for t_s, record in sorter.events("item") if broken_s < t_s]
    if len(told) > (moment == "moving"):
        outcome.problems.append(f"{len(told)} items were told of while nothing could be written")
    fault_s = sorter.wait_for(
        BACK_S, lambda record: record["type"] == "fault" and record["reason"] == "ledger_failed", item_s
    )
    outcome.back_s = fault_s - healed_s
    sorter.wait_for_items(1, fault_s)


def _look(sorter: LiveSorter, disk: RecordedDisk, folder: Path, outcome: Outcome, policy: str) -> None:
    """What is in the book if the power is cut right after: all that was told, and each stroke once at most."""
    disk.cut()
    platter = Platter(disk.content)
    for op in disk.operations():
        platter.apply(op)
    left = folder / "left"
    left.mkdir()
    platter.cut(random.Random(1), "drop", left)
    rows, problems = stored(left / BOOK)
    outcome.problems += problems
    ids = [record["event_id"] for record in rows]
    if len(ids) != len(set(ids)):
        outcome.problems.append("an event is there twice")
    told = [record for _, record in sorter.events()]
    outcome.problems += [
        f"{record['event_id']} was told of and is not in the book" for record in told if record not in rows
    ]
    fault = next((record for record in rows if record.get("reason") == "ledger_failed"), None)
    if fault is None:
        outcome.problems.append("no event tells of the failure")
        return
    outcome.uncredited = fault["missed"].get("item", 0) if "missed" in fault else 0
    items = sum(record["type"] == "item" for record in rows)
    strokes = sorter.strokes()
    named = sum("item" in record for record in rows)
    if items + outcome.uncredited + named < strokes or items > strokes:
        outcome.problems.append(
            f"{strokes} strokes, {items} items credited, {outcome.uncredited} uncredited, {named} named otherwise"
        )
    if policy == "stop" and outcome.strokes_meanwhile > 0:
        outcome.problems.append(f"{outcome.strokes_meanwhile} strokes began while nothing could be written")
    if policy == "sort" and outcome.uncredited == 0:
        outcome.problems.append("no item was sorted meanwhile")


def fill_disk(items: int = 8) -> Outcome:
    """Let a sorter whose every item leaves a picture run on a disk with hardly any room but what is kept in reserve.

    Pictures and the reserve must go, and no row.
    """
    outcome = Outcome()
    with scratch() as folder, recorded_disk(folder) as disk:
        changes = {
            "ledger": {"reserve_mb": 0.5},
            # Nothing is sure enough: every item is kept for labelling.
            "vote": {"min_confidence": 1.0, "deadline_s": 0.6},
        }
        with live_sorter(folder / "sorter", disk.path / BOOK, changes) as sorter:
            try:
                at_s = sorter.wait_for_items(2)
                used = used_bytes(disk.path)
                pictures = len(list((disk.path / "captures").glob("*.jpg")))
                disk.fail(room_bytes=used + ROOM_BYTES)
                sorter.wait_for_items(items, at_s)
                if not (disk.path / "captures").is_dir() or pictures == 0:
                    outcome.problems.append("there were no pictures to give up")
                if used_bytes(disk.path) > used + ROOM_BYTES:
                    outcome.problems.append("the disk was never full")
                if sorter.end() != 0:
                    outcome.problems.append(f"it did not end well: {sorter.err[-300:]}")
            except AssertionError as exc:
                outcome.problems.append(str(exc))
                sorter.end()
            disk.heal()
            rows, problems = stored(disk.path / BOOK)
            outcome.problems += problems
            outcome.freed_bytes = used + ROOM_BYTES - used_bytes(disk.path)
            faults = [record["reason"] for record in rows if record["type"] == "fault"]
            told = [record for _, record in sorter.events()]
            if faults or [record for record in told if record not in rows]:
                outcome.problems.append(f"faults {faults}, {len(told)} events told, {len(rows)} in the book")
    return outcome


def used_bytes(folder: Path) -> int:
    """What all files under a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def report(rows: Rows) -> None:
    """An entry for each fault and policy, and one for a disk that fills up."""
    runs = list(itertools.product(FAULTS, POLICIES, MOMENTS))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        filled = pool.submit(fill_disk)
        spoilt = pool.submit(fail_disk, "full", "sort", "moving", spoiler="credit-anyway")
        outcomes = dict(zip(runs, pool.map(_timed, *zip(*runs, strict=True)), strict=True))
    for fault, policy in itertools.product(FAULTS, POLICIES):
        found = [outcomes[fault, policy, moment] for moment in MOMENTS]
        problems = [problem for outcome in found for problem in outcome.problems]
        rows.add(
            "disk",
            fault=f"{fault}, `when_unwritable: {policy}`",
            injected_by=f"the FUSE file system, for {FAILING_S:g} s, once from an idle moment and once from a "
            "stroke on, under "
            "`run --unattended` on a live camera double",
            required="nothing told that is not durable, no stroke credited twice or forgotten, "
            + ("the gate stands still meanwhile" if policy == "stop" else "it sorts on and credits nothing")
            + "; it goes on by itself in the same process",
            figure=f"writes again {max(outcome.back_s for outcome in found):.1f} s after the disk does, at most; "
            f"{sum(outcome.uncredited for outcome in found)} items uncredited",
            is_held=not problems,
            wall_s=sum(outcome.wall_s for outcome in found),
        )
        for problem in problems:
            print(f"  {fault}, {policy}: {problem}")
    full = filled.result()
    rows.add(
        "disk",
        fault="a disk that fills up with pictures",
        injected_by=f"the FUSE file system with {ROOM_BYTES // 1000} kB of room, under `run --unattended`",
        required="pictures and the reserve go, no row; no fault",
        figure=f"{full.freed_bytes / 1000:.0f} kB were given up",
        is_held=not full.problems and full.freed_bytes > 0,
        wall_s=full.wall_s,
    )
    for problem in full.problems:
        print(f"  filled up: {problem}")
    is_found = any("not in the book" in problem for problem in spoilt.result().problems)
    add_spoiled(rows, "disk", {"credit-anyway": is_found}, full.wall_s)


def _timed(fault: str, policy: str, moment: str) -> Outcome:
    begun_s = time.monotonic()
    outcome = fail_disk(fault, policy, moment)
    outcome.wall_s = time.monotonic() - begun_s
    return outcome
