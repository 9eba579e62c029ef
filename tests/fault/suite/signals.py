"""SIGKILL and SIGTERM at every 10 ms of a stroke."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import SorterError
from edge.ledger import SqliteLedger
from tests.cli_rig import ENVIRONMENT
from tests.fault.fs.disk import ROOT, scratch
from tests.fault.suite.pinlog import PinChange, read_pins
from tests.fault.suite.rows import Rows, add_spoiled, bound
from tests.fault.suite.states import stored
from tests.replay.rig import home_pulse

__all__ = ["Strikes", "StrokeServer", "report", "strike", "stroke_server"]

STROKE_MS = 1750
"""From the command to sort to the item's event, and some more: a sixth of a second into the next wait."""
SIDE_BY_SIDE = 6
UNPOWERED_S = 1.0
CONFIG = "source: {width_px: 320, height_px: 240}\nmodel: {threads: 1}\n"


@dataclass
class Strikes:
    """What came of signals at many moments."""

    count: int = 0
    failures: list[str] = field(default_factory=list)
    unpowered_s: list[float] = field(default_factory=list)
    interrupted: int = 0
    finished: int = 0


class StrokeServer:
    """`stroke.py` in a process of its own."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.folder = folder
        self._process = process

    def run(self, jobs: list[dict[str, Any]]) -> dict[str, int]:
        """Run jobs, a few at a time. Returns: exit status of each by its name."""
        assert self._process.stdin is not None and self._process.stdout is not None
        left, ended = list(jobs), {}
        for _ in range(min(SIDE_BY_SIDE, len(left))):
            self._send(left.pop(0))
        while len(ended) < len(jobs):
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError("the server of strokes ended")
            told = json.loads(line)
            ended[told["name"]] = told["status"]
            if left:
                self._send(left.pop(0))
        return ended

    def _send(self, job: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()


@contextmanager
def stroke_server(folder: Path) -> Iterator[StrokeServer]:
    """A server whose jobs have the configuration `config.yaml` in that folder, unless they name another one."""
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "tests.fault.suite.stroke", str(folder), "--config", str(config)]
    with subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield StrokeServer(folder, process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def strike(number: signal.Signals, phases_ms: list[int], spoiler: str | None = None) -> Strikes:
    """Strike a sorter at each of these moments of a stroke; look at pins and book, then start again on the same "
    "book."""
    spoilt = {"spoiler": spoiler}
    found = Strikes(len(phases_ms))
    with scratch() as folder, stroke_server(folder) as server:
        names = {f"{number.name.lower()}-{phase_ms:04d}": phase_ms for phase_ms in phases_ms}
        ended = server.run(
            [{"name": name, "signal": int(number), "after_ms": phase_ms, **spoilt} for name, phase_ms in names.items()]
        )
        books = {name: _open_intent(folder / f"{name}.db", found) for name in names}
        again = {}
        if number == signal.SIGTERM:
            for name in names:
                _look_at_end(folder, name, found)
        else:
            again = server.run([{"name": f"{name}-again", "ledger": str(folder / f"{name}.db")} for name in names])
        for name in names:
            if ended[name] != (-number if number == signal.SIGKILL else 0):
                found.failures.append(f"{name}: exit {ended[name]}: {(folder / f'{name}.err').read_text()[-300:]}")
            if again and not _is_homed_first(folder / f"{name}-again.pins"):
                found.failures.append(f"{name}: the next start moved the gate elsewhere before it was home")
            if again.get(f"{name}-again", 0) != 0:
                found.failures.append(f"{name}: the next start ended with {again[f'{name}-again']}")
            _look_at_book(folder, name, books[name], found, is_restarted=bool(again))
    return found


def _open_intent(path: Path, found: Strikes) -> str | None:
    """The label of the intent that the sorter left open, by a reader that changes nothing of it."""
    book = SqliteLedger(path)
    try:
        book.open()
        intent = book.open_intent
        return None if intent is None else str(intent["label"])
    except SorterError as exc:
        found.failures.append(f"{path.name}: {exc}")
        return None
    finally:
        book.close()


def _look_at_end(folder: Path, name: str, found: Strikes) -> None:
    """After SIGTERM: at home, without power, soon."""
    changes = read_pins(folder / f"{name}.pins")
    struck = next((change for change in changes if change.pin == "signal"), None)
    pins = [change for change in changes if change.pin.startswith("GPIO")]
    if struck is None or not pins:
        found.failures.append(f"{name}: there was no stroke")
        return
    if pins[-1].value != 0.0:
        found.failures.append(f"{name}: the servo still has power")
    pulses = [change.value for change in pins if change.value > 0]
    if abs(pulses[-1] - home_pulse()) > 1e-6:
        found.failures.append(f"{name}: the last pulse was {pulses[-1]}, home is {home_pulse()}")
    late_s = pins[-1].t_s - struck.t_s
    found.unpowered_s.append(max(0.0, late_s))
    if late_s > UNPOWERED_S:
        found.failures.append(f"{name}: without power {late_s:.2f} s after the signal")


def _look_at_book(folder: Path, name: str, intent: str | None, found: Strikes, *, is_restarted: bool) -> None:
    """Every event that was printed is there once; one that was in the air is called interrupted, by the next start."""
    rows, problems = stored(folder / f"{name}.db")
    told = [json.loads(line) for line in (folder / f"{name}.out").read_text().splitlines() if line.startswith("{")]
    if not told:
        problems.append("nothing was printed")
        found.failures += [f"{name}: {problem}" for problem in problems]
        return
    first = told[0]["boot_id"]
    ours = [record for record in rows if record["boot_id"] == first]
    lost = [record["event_id"] for record in told if record not in ours]
    if lost:
        problems.append(f"{lost[0]} was printed and is not in the book")
    if len(ours) - len(told) > 1:
        problems.append(f"{len(ours) - len(told)} events that nobody was told of")
    interrupted = [record for record in rows if record.get("reason") == "interrupted"]
    items = [record for record in ours if record["type"] == "item"]
    named = [record for record in ours if record["type"] == "pause" and "item" in record]
    if intent is not None and not is_restarted:
        problems.append(f"an intent of {intent} was left behind by an orderly end")
    elif [record["item"]["label"] for record in interrupted] != ([] if intent is None else [intent]):
        problems.append(f"an intent of {intent} was left, and {len(interrupted)} events say interrupted")
    known = len(items) + len(interrupted) + len(named)
    if known > 1:
        problems.append(f"one item, told of {known} times: {len(items)} sorted, {len(interrupted)} interrupted")
    if known == 0 and _has_moved(folder, name):
        problems.append("the gate moved for an item that the book does not know")
    found.interrupted += len(interrupted)
    found.finished += len(items)
    found.failures += [f"{name}: {problem}" for problem in problems]


def _is_homed_first(path: Path) -> bool:
    first = next((change for change in read_pins(path) if change.pin.startswith("GPIO") and change.value > 0), None)
    return first is not None and not _is_away(first)


def _has_moved(folder: Path, name: str) -> bool:
    changes = read_pins(folder / f"{name}.pins")
    begun_s = next((change.t_s for change in changes if change.pin == "stroke"), None)
    return begun_s is not None and any(_is_away(change) and change.t_s >= begun_s for change in changes)


def _is_away(change: PinChange) -> bool:
    return change.pin.startswith("GPIO") and change.value > 0 and abs(change.value - home_pulse()) > 1e-6


def report(rows: Rows, step_ms: int) -> None:
    """Two entries of the matrix."""
    phases_ms = list(range(0, STROKE_MS, step_ms))
    with rows.timed() as timer:
        told = strike(signal.SIGTERM, phases_ms)
    rows.add(
        "signals",
        fault="SIGTERM in a stroke",
        injected_by=f"the signal at {len(phases_ms)} moments, every {step_ms} ms from the decision on; the whole "
        "program in "
        "real time on simulated pins",
        required="home and without power within 1 s, exit 0; every event that was told is in the book; the item is "
        "in it once",
        figure=f"{bound(len(told.failures), told.count)}; without power after "
        f"{max(told.unpowered_s, default=0):.2f} s at most",
        is_held=not told.failures and told.finished > 0,
        wall_s=timer.wall_s,
    )
    with rows.timed() as timer:
        killed = strike(signal.SIGKILL, phases_ms)
    rows.add(
        "signals",
        fault="SIGKILL in a stroke",
        injected_by=f"the signal at {len(phases_ms)} moments, every {step_ms} ms, then another start on the same book",
        required="the next start homes the gate first; every event that was told is in the book; an item whose gate "
        "may have moved is there once, counted or as `interrupted`; the pins are the rig's to see",
        figure=f"{bound(len(killed.failures), killed.count)}; {killed.interrupted} named as interrupted, "
        f"{killed.finished} counted",
        is_held=not killed.failures and killed.interrupted > 0 and killed.finished > 0,
        wall_s=timer.wall_s,
    )
    for failure in (told.failures + killed.failures)[:10]:
        print(f"  {failure}")
    with rows.timed() as timer:
        found = {
            "no-intent": bool(strike(signal.SIGKILL, [150, 700], "no-intent").failures),
            "stay-open": bool(strike(signal.SIGTERM, [150, 700], "stay-open").failures),
        }
    add_spoiled(rows, "signals", found, timer.wall_s)
