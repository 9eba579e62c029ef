"""What a part of the fault suite reports: lines of JSON in `build/fault/rows/` (README.md beside this file).

Standard library only, so that a guest of the rig can import it as it lies.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

__all__ = ["MATRIX", "REQUIRED", "Row", "Rows", "Timer", "absent", "add_spoiled", "bound", "read_rows", "rows_folder"]

MATRIX = {
    "power-cut": "power cut while idle, committing, moving",
    "lost-writes": "file system loses unsynced data",
    "camera": "camera wedged, black, frozen, unplugged",
    "hang": "loop hangs",
    "signals": "SIGKILL and SIGTERM at every 10 ms of a stroke",
    "disk": "disk full, EIO, read-only remount",
    "clock": "clock to 1970, +10 years, backwards in mid-item",
    "fuzz": "config fuzzed, model fuzzed",
    "long-run": "72 h of replay compressed",
    "memory": "memory limit reached, a neighbour eats the memory",
}
"""Every row of the matrix, in its order."""

SPOILED = "programs that break a promise on purpose"
WHENS = ("while idle", "in mid-motion")
REQUIRED: dict[str, tuple[str, ...]] = {
    "power-cut": (
        "power cut while starting, idle, committing, moving",
        "the same with a program that breaks a promise on purpose",
        "power comes back, the whole system starts",
    ),
    "lost-writes": (
        "unsynced data lost, kept, torn or out of order under a writer of the book",
        "the same under `edge-sorter run`, run after run on one book",
        SPOILED,
    ),
    "camera": (
        *(
            f"camera {failure}, {when}"
            for failure in (
                "unplugged",
                "wedged: no picture comes",
                "wedged: the reader hangs in the driver",
                "frozen",
            )
            for when in WHENS
        ),
        "camera black",
    ),
    "hang": tuple(
        f"{hang}, {when}"
        for hang in ("the process is stopped", "a thread never lets go of the interpreter's lock")
        for when in WHENS
    ),
    "signals": (
        *(f"{name} in {where}" for where in ("a stroke", "mid-stroke") for name in ("SIGTERM", "SIGKILL")),
        SPOILED,
    ),
    "disk": (
        *(
            f"{failure}, `when_unwritable: {policy}`"
            for failure in ("full", "EIO on write", "EIO on fsync", "EIO on everything", "read-only")
            for policy in ("stop", "sort")
        ),
        "a disk that fills up with pictures",
        SPOILED,
    ),
    "clock": (
        "the wall clock set to 1970, ten years on and an hour back while a gate moves",
        *(f"clock set {step} in mid-item, and back" for step in ("to 1970", "10 years ahead", "an hour back")),
        SPOILED,
    ),
    "fuzz": (
        "configurations that nobody would write",
        "bundles that were damaged or forged",
        "`run --unattended` with a bad configuration or bundle",
    ),
    "long-run": ("72 h of sorting, 1 000 000 frames", SPOILED),
    "memory": (
        *(f"memory limit reached, {when}" for when in WHENS),
        "a neighbour eats the memory, in mid-motion",
    ),
}
"""The `fault` of every entry that each row of the matrix must have, the host's and the rig's."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One injected fault with what came of it; see README.md for the fields."""

    row: str
    fault: str
    injected_by: str
    required: str
    figure: str
    is_held: bool
    wall_s: float


class Timer:
    """How long something took; `wall_s` grows until the `with` ends."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._end_s: float | None = None

    @property
    def wall_s(self) -> float:
        return (time.monotonic() if self._end_s is None else self._end_s) - self._start_s

    def stop(self) -> None:
        self._end_s = time.monotonic()


class Rows:
    """The file of one part, begun anew.

    Args:
        part: name of the file, without `.jsonl`.
        folder: None takes `rows_folder()`.
    """

    def __init__(self, part: str, folder: Path | None = None) -> None:
        self._path = (folder or rows_folder()) / f"{part}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)

    @staticmethod
    @contextmanager
    def timed() -> Iterator[Timer]:
        timer = Timer()
        try:
            yield timer
        finally:
            timer.stop()

    def add(
        self, row: str, *, fault: str, injected_by: str, required: str, figure: str, is_held: bool, wall_s: float
    ) -> Row:
        """Append an entry. Raises: ValueError if the matrix has no such row."""
        if row not in MATRIX:
            raise ValueError(f"{row!r} is no row of the matrix: {', '.join(MATRIX)}")
        entry = Row(row, fault, injected_by, required, figure, bool(is_held), round(wall_s, 1))
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
        return entry


def add_spoiled(rows: Rows, row: str, found: Mapping[str, bool], wall_s: float) -> Row:
    """The entry that shows that a part finds what it looks for.

    Args:
        found: programs that break a promise on purpose, and whether that was found.
    """
    return rows.add(
        row,
        fault=SPOILED,
        injected_by=", ".join(found),
        required="each of them is found out",
        figure=f"{sum(found.values())} of {len(found)} found",
        is_held=all(found.values()),
        wall_s=wall_s,
    )


def rows_folder() -> Path:
    """Where the parts leave their rows."""
    named = os.environ.get("SORTER_FAULT_ROWS")
    return Path(named) if named else Path(__file__).resolve().parents[3] / "build" / "fault" / "rows"


def read_rows(folder: Path) -> list[Row]:
    """Every entry of every part, in the order of the matrix. Raises: ValueError if a line is none."""
    names = {field.name for field in fields(Row)}
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            entry = json.loads(line)
            if set(entry) != names or entry["row"] not in MATRIX or not isinstance(entry["is_held"], bool):
                raise ValueError(f"{path.name}, line {number}: expected the keys {', '.join(sorted(names))}: {line}")
            found.append(Row(**entry))
    order = list(MATRIX)
    return sorted(found, key=lambda row: order.index(row.row))


def absent(rows: Sequence[Row]) -> dict[str, list[str]]:
    """What `REQUIRED` wants and nobody reported: rows of the matrix, each with the faults that it lacks."""
    reported = {(row.row, row.fault) for row in rows}
    lacking = {row: [fault for fault in faults if (row, fault) not in reported] for row, faults in REQUIRED.items()}
    return {row: faults for row, faults in lacking.items() if faults}


def bound(failures: int, trials: int) -> str:
    """`0/240 failed, at most 1.24 % (95 %)`: the one-sided upper bound of Clopper and Pearson (1934).

    Without a failure it is 1 - 0.05 ** (1 / trials), which the "rule of three" rounds to 3 / trials.
    """
    if trials <= 0:
        return f"{failures}/{trials} failed"
    percent = 100 * _upper(failures, trials)
    return f"{failures}/{trials} failed, at most {percent:{'.0f' if percent >= 10 else '.2g'}} % ({CONFIDENCE:.0%})"


def _upper(failures: int, trials: int) -> float:
    """The share at which so few failures would be seen in one of twenty times."""
    if failures >= trials:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _chance_of_at_most(failures, trials, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _chance_of_at_most(failures: int, trials: int, share: float) -> float:
    return math.fsum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(failures + 1))
