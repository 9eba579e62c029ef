"""One disk, many boots: each one ends by a power cut at a moment that was drawn, and the next one goes on with it."""

import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.rig.cuts.book import Account, read_book
from tests.rig.cuts.disk import DiskError, StateDisk
from tests.rig.cuts.uml import EVENTS, WITNESS, WRITES, Bench, Guest, Heard

__all__ = ["PHASES", "Bench", "Cut", "Plan", "Series", "draw_plans"]

PHASES = ("starting", "idle", "committing", "moving")
SHARES = (0.1, 0.2, 0.35, 0.35)
SECOND_ITEM_SHARE = 0.2
BUSY_SHARE = 0.25
WRITES_OF_A_COMMIT = 2
"""A commit of SQLite on ext4 in ordered mode is heard as one to seven writes of the disk, within 3 ms."""
COMMIT_S = 0.003
"""After the last of the writes that are waited for, a cut comes so late at most."""
UNTOLD_S = 0.05
"""What was written is told of, or acted upon, within so long: a cut before that was in the middle of a commit."""
IDLE_S = 1.6
STALL_S = 8.0
"""A witness is never silent for so long: under load User Mode Linux now and then loses its timer, and stands still as a
whole. Such a guest is cut then and there; what it left must hold all the same."""
OVERDUE_S = 40.0
"""Cut then at the latest, which no moment is that was planned."""
QUIET_S = 0.1
"""After READY=1 the gate stays without power for so long at least: the tray is seen empty first."""
SAME_MOTION_S = 0.6
"""Between two items the servo rests for longer: pulses that come sooner were held up by a starved guest."""
HOMING_S = 1.5
"""The way home and the time until READY=1 take no longer."""
PULSE_S = 0.03
"""A pulse that was under way at READY=1, and how late the witness may have looked."""
KEPT = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """When to cut.

    Attributes:
        phase: one of `PHASES`.
        is_busy: whether a neighbour keeps the file system's journal busy.
        item: in the cycle of which item since the start.
        share: how far into the phase, 0 to 1.
        writes: for `committing`, at which write of the disk.
        is_outcome: for `committing`, that of the outcome, else that of the intent.
    """

    phase: str
    is_busy: bool
    item: int
    share: float
    writes: int
    is_outcome: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut and what came of it.

    Attributes:
        phase: what was really cut.
        lived_s, ready_s: seconds from power on to the cut, and to READY=1.
        took_s: with the look at what it left.
        is_stalled: the guest stood still by itself before its moment came.
        is_watched: no look at the pin came late; only then can it be said that the pin was quiet, or for how long.
    """

    plan: Plan
    phase: str
    faults: tuple[str, ...]
    lived_s: float
    ready_s: float | None
    took_s: float
    is_watched: bool
    is_stalled: bool

    def describe(self) -> str:
        """One line."""
        ready = "not ready" if self.ready_s is None else f"ready after {self.ready_s:.1f} s"
        plan = f"planned {self.plan.phase}{', journal busy' if self.plan.is_busy else ''}"
        plan += ", the guest stood still" if self.is_stalled else ""
        plan += "" if self.is_watched else ", pin not always seen"
        is_fine = "; ".join(self.faults) or "ok"
        return f"{self.phase} ({plan}), {ready}, cut after {self.lived_s:.2f} s, {self.took_s:.1f} s in all: {is_fine}"


def draw_plans(count: int, seed: int) -> list[Plan]:
    """So many cuts, each phase well covered. The last one leaves the next start nothing to settle."""
    rng = random.Random(seed)
    drawn = [
        Plan(
            phase=rng.choices(PHASES, SHARES)[0],
            is_busy=rng.random() < BUSY_SHARE,
            item=2 if rng.random() < SECOND_ITEM_SHARE else 1,
            share=rng.random(),
            writes=rng.randint(1, WRITES_OF_A_COMMIT),
            is_outcome=rng.random() < 0.5,
        )
        for _ in range(count)
    ]
    return [*drawn[:-1], replace(drawn[-1], phase="idle", item=1)]


@dataclass(slots=True)
class _Life:
    """What was heard of one boot."""

    boot_id: str | None = None
    ready_s: float | None = None
    ready_guest_s: float = 0.0
    homed: int = 0
    moves: int = 0
    rests: int = 0
    beat_s: float = 0.0
    is_stalled: bool = False
    is_moving: bool = False
    moved_s: float = 0.0
    rested_s: float = -1.0
    wrote_s: float = -1.0
    told_s: float = 0.0
    blind_s: list[tuple[float, float]] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    status: int | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def is_blind_at_ready(self) -> bool:
        """What the pin did about the time of READY=1 was not seen without a pause."""
        return any(
            begin_s < self.ready_guest_s + HOMING_S and end_s > self.ready_guest_s - HOMING_S
            for begin_s, end_s in self.blind_s
        )

    @property
    def is_blind_since_ready(self) -> bool:
        return any(end_s > self.ready_guest_s for _, end_s in self.blind_s)


class Series:
    """Boots on one disk.

    Args:
        folder: for the disk and copies of it, its own; in memory.
        number: of the guest, among those side by side.
    """

    def __init__(self, bench: Bench, folder: Path, number: int) -> None:
        self._bench, self._folder, self._number = bench, folder, number
        self._flags = f"--source sim:{number + 1}"
        self._logs = bench.logs / f"guest-{number}"
        self._logs.mkdir()
        self._disk = StateDisk(folder / "state.img", folder)
        self._account = Account()
        self._motion_s: deque[float] = deque([1.2], maxlen=KEPT)
        self._ready_s: deque[float] = deque([3.0], maxlen=KEPT)
        self._set_aside: set[str] = set()
        self._cuts = 0

    def cut(self, plan: Plan) -> Cut:
        """Power on, cut as planned, look at the book."""
        began_s = time.monotonic()
        flags = f"{'--busy ' if plan.is_busy else ''}-- {self._flags}"
        memory = self._folder / "memory"
        memory.mkdir()
        guest = Guest(self._bench, self._disk.image, memory, self._logs / "console.log", flags, self._number)
        life = _Life()
        try:
            self._live(guest, plan, life)
        finally:
            lived_s = guest.now_s
            is_committing = life.told_s < life.wrote_s >= lived_s - UNTOLD_S and not plan.is_busy
            is_moving, is_ready = life.is_moving, life.ready_s is not None
            for heard in guest.cut():
                self._note(life, heard)
        shutil.rmtree(memory)
        self._cuts += 1
        faults, is_unacknowledged = self._look(life)
        phase = "idle"
        if not is_ready:
            phase = "starting"
        elif is_committing or is_unacknowledged:
            phase = "committing"
        elif is_moving:
            phase = "moving"
        is_watched = not is_ready or not (life.is_blind_at_ready or life.is_blind_since_ready)
        return Cut(
            plan, phase, tuple(faults), lived_s, life.ready_s, time.monotonic() - began_s, is_watched, life.is_stalled
        )

    def verify(self) -> str:
        """What the program's own `ledger verify` says of the book at the end. Returns: its complaints, if any."""
        path = self._copied(self._disk.files() / "ledger.db")
        command = [sys.executable, "-m", "edge", "ledger", "verify", "--ledger", str(path)]
        environment = os.environ | {"PYTHONPATH": str(self._bench.share / "program")}
        done = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else f"ledger verify ended with {done.returncode}: {done.stdout}{done.stderr}"

    def _live(self, guest: Guest, plan: Plan, life: _Life) -> None:
        """Listen until the moment of the cut."""
        writes_left, due_s = plan.writes, OVERDUE_S
        if plan.phase == "starting":
            due_s = plan.share * statistics.median(self._ready_s)
        while guest.now_s < due_s:
            heard = guest.hear(min(due_s, life.beat_s + STALL_S))
            if heard is None:
                if not guest.is_running:
                    life.faults.append("the guest ended by itself")
                    return
                if guest.now_s - life.beat_s >= STALL_S:
                    life.is_stalled = True
                    return
                continue
            self._note(life, heard)
            if life.status is not None:
                life.faults.append(f"the program ended by itself with {life.status}")
                return
            if heard.channel == WRITES and self._is_armed(plan, life, heard.t_s):
                writes_left -= 1
                if writes_left == 0:
                    time.sleep(plan.share * COMMIT_S)
                    return
            if due_s == OVERDUE_S:
                due_s = self._due_s(plan, life)
        # A moment that does not come, such as a certain write, is cut at some other one.
        if life.ready_s is None and due_s == OVERDUE_S:
            life.faults.append(f"not ready within {OVERDUE_S:g} s")

    def _is_armed(self, plan: Plan, life: _Life, now_s: float) -> bool:
        if plan.phase != "committing" or plan.is_busy or life.ready_s is None:
            return False
        if not plan.is_outcome:
            return life.rests >= plan.item - 1 and not life.is_moving
        return life.moves >= plan.item and now_s - life.moved_s > 0.5 * statistics.median(self._motion_s)

    def _due_s(self, plan: Plan, life: _Life) -> float:
        if life.ready_s is None:
            return OVERDUE_S
        motion_s = statistics.median(self._motion_s)
        is_there = life.moves == plan.item and life.is_moving
        if plan.phase == "idle" and life.rests == plan.item - 1:
            return max(life.ready_s, life.moved_s) + plan.share * IDLE_S
        if plan.phase == "moving" and is_there:
            return life.moved_s + plan.share * motion_s
        if plan.phase == "committing" and plan.is_busy and is_there:
            return life.moved_s + motion_s - 0.03 + plan.share * 0.12
        return OVERDUE_S

    def _note(self, life: _Life, heard: Heard) -> None:
        life.heard.append(heard)
        if heard.channel == WRITES:
            life.wrote_s = heard.t_s
        elif heard.channel == EVENTS:
            record, life.told_s = heard.line, heard.t_s
            life.boot_id = record["boot_id"]
            self._account.acknowledged[record["event_id"]] = record
        elif heard.channel == WITNESS:
            life.beat_s = heard.t_s
            self._witness(life, heard)

    def _witness(self, life: _Life, heard: Heard) -> None:
        match heard.line["said"]:
            case "moves":
                life.is_moving, life.told_s = True, heard.t_s
                if life.ready_s is None:
                    life.homed += 1
                    return
                after_s = heard.line["seen_s"] - life.ready_guest_s
                if 0 < after_s < QUIET_S and not life.is_blind_at_ready:
                    life.faults.append(f"the servo got power {after_s:.3f} s after READY=1")
                if heard.line["seen_s"] - life.rested_s < SAME_MOTION_S:
                    return
                life.moved_s = heard.t_s
                life.moves += 1
                if life.boot_id is not None:
                    self._account.motions[life.boot_id] += 1
            case "rests":
                life.is_moving, life.rested_s = False, heard.line["seen_s"]
                after_s = life.rested_s - life.ready_guest_s
                if life.ready_s is not None and life.moves == 0 and after_s > PULSE_S and not life.is_blind_at_ready:
                    life.faults.append(f"the servo had power until {after_s:.2f} s after READY=1")
                if life.ready_s is not None and life.moves > 0:
                    life.rests = life.moves
                    self._motion_s.append(heard.t_s - life.moved_s - 0.15)
                    life.moved_s = heard.t_s
            case "ready":
                life.ready_s, life.ready_guest_s = heard.t_s, heard.line["t_s"]
                self._ready_s.append(heard.t_s)
                if life.homed == 0 and not life.is_blind_at_ready:
                    life.faults.append("READY=1 before the gate was brought home")
                if life.boot_id is not None:
                    self._account.recovered.append(life.boot_id)
            case "blind":
                end_s = heard.line["t_s"]
                life.blind_s.append((end_s - heard.line["for_s"], end_s))
                if life.boot_id is not None and life.ready_s is not None:
                    self._account.unwatched.add(life.boot_id)
            case "ended":
                life.status = heard.line["status"]

    def _look(self, life: _Life) -> tuple[list[str], bool]:
        """Look at what the cut left. Returns: what is wrong, whether a row was being committed."""
        faults = life.faults
        try:
            files = self._disk.files()
            set_aside = {path.name for path in (files / "damaged").glob("*")} - self._set_aside
            if set_aside:
                self._set_aside |= set_aside
                faults.append(f"the program set a damaged book aside: {', '.join(sorted(set_aside))}")
            path = files / "ledger.db"
            book = read_book(self._copied(path))
        except (DiskError, sqlite3.Error) as exc:
            faults.append(f"the book cannot be read: {exc}")
            return faults, False
        faults += self._account.faults(book)
        unacknowledged = self._account.unacknowledged(book)
        if len(unacknowledged) > 1:
            faults.append(f"nobody was told of {', '.join(unacknowledged)}")
        if faults:
            kept = self._logs / f"cut-{self._cuts}"
            shutil.copytree(files, kept, ignore=shutil.ignore_patterns("lost+found", "reserve"))
            (kept / "faults").write_text("\n".join(faults) + "\n")
            lines = [f"{heard.t_s:.4f} {heard.channel} {json.dumps(dict(heard.line))}" for heard in life.heard]
            (kept / "heard").write_text("\n".join(lines) + "\n")
            self._account.forgive(book)
        self._account.acknowledged |= {record["event_id"]: record for record in book.records}
        return faults, bool(unacknowledged)

    def _copied(self, path: Path) -> Path:
        """Opening a book plays its log back: what is kept for whoever looks into a fault is as the cut left it."""
        folder = self._folder / "read"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for companion in path.parent.glob(f"{path.name}*"):
            shutil.copy(companion, folder)
        return folder / path.name
