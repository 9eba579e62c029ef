"""What a weak supply or a hot processor means to the sorter: pure, fed with readings and with what the gate does."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from edge.board.supply_gauges import SupplyReading
from edge.board.throttling import SOFT_LIMIT, troubles
from edge.machine_io import Heat, Input, SupplyLevel
from edge.records import Event

__all__ = ["Supply"]

HOLD_S = 5.0
"""The supply counts as low for so long after the last report: the kernel reports every two seconds."""
FORGET_HEAT_S = 60.0
"""A processor whose heat nobody tells for so long counts as cool: what is not measured holds nothing back."""
EVENT_EVERY_S = 60.0
EVENT_AT_LEAST_EVERY_S = 600.0
"""While changes go on, the least time between two events doubles from the first to the second."""
CALM_S = 3600.0
"""After so long without an event the next changes are told every minute again."""
DIPS = 20
"""So many dips are remembered, to tell whether they come with the gate's motions."""
CONVINCING_DIPS = 3
CHANCE = 0.01
"""Dips that would fall together with motions so often by chance, or more, prove nothing."""
REMEMBERED_S = 86_400.0
GATE_ADVICE = (
    "the supply breaks down when the gate moves: feed the gate's motor from a supply of its own, grounds joined, never "
    "from the board's 5 V pins; 470 to 1000 uF across the motor's supply helps as well"
)
SUPPLY_ADVICE = (
    "the supply gives less than 4.63 V: use the board's own supply and a short thick cable, and feed motors from "
    "another supply, grounds joined"
)
HEAT_ADVICE = "the processor is hot: give the board a heat sink or a fan, and the case openings"
BLIND_ADVICE = "the kernel does not answer when asked for supply and heat: restart the machine when it stands idle"


class _Motion(NamedTuple):
    target: str
    started_s: float
    ended_s: float
    item: Mapping[str, Any] | None


class _Dip(NamedTuple):
    state: str
    motion: str | None
    after_motion_start_s: float | None
    item: Mapping[str, Any] | None


class _Condition(NamedTuple):
    """What is told when it changes."""

    is_low: bool = False
    is_hot: bool = False
    slowed: tuple[str, ...] = ()
    is_answering: bool = True


class Supply:
    """Makes inputs of the machine and events of the book from readings.

    `watch` tells it what the gate does, `take` hands over a reading, `due` returns what follows. A report of the kernel
    speaks of some seconds before it, so a dip belongs to a motion if any part of that motion lies within them.

    Events come on changes only, and at most one a minute, less often while changes go on; each says for how many
    changes it stands.

    Args:
        undervoltage_hold: whether `due` returns `SupplyLevel`, for which the machine withholds motions.
        hot_c, cool_c: hot from the first on, cool again from the second down. The firmware's soft limit counts as hot
            only from half-way between them on: a 3B+ has it at 60 degrees as delivered.
    """

    def __init__(self, *, undervoltage_hold: bool = True, hot_c: float = 80.0, cool_c: float = 72.0) -> None:
        self._undervoltage_hold, self._hot_c, self._cool_c = undervoltage_hold, hot_c, cool_c
        self._soft_hot_c = (hot_c + cool_c) / 2
        self._reading = SupplyReading()
        self._was_low = False
        self._low_s = -math.inf
        self._is_hot = False
        self._heat_told_s = -math.inf
        self._is_answering = True
        self._condition = _Condition()
        self._motion: _Motion | None = None
        self._state = ""
        self._item: Mapping[str, Any] | None = None
        self._watched_at_s: float | None = None
        self._watched_s = self._near_s = 0.0
        self._dips: deque[_Dip] = deque(maxlen=DIPS)
        self._new_dip: _Dip | None = None
        self._occurred: set[str] = set()
        self._changes = 0
        self._event_s = -math.inf
        self._gap_s = EVENT_EVERY_S

    def watch(self, now_s: float, state: str, motion: str | None, item: Mapping[str, Any] | None = None) -> None:
        """Note what the machine does.

        Args:
            state: of the machine.
            motion: where the gate is moving to; None while it does not.
            item: `label` and `route` of the one in flight; None without one.
        """
        last, self._state, self._item = self._motion, state, item
        elapsed_s = 0.0 if self._watched_at_s is None else now_s - self._watched_at_s
        self._watched_at_s = now_s
        self._watched_s += elapsed_s
        if last is not None and now_s - last.ended_s <= self._reading.covers_s:
            self._near_s += elapsed_s
        if self._watched_s > REMEMBERED_S:
            self._watched_s, self._near_s = self._watched_s / 2, self._near_s / 2
        is_under_way = last is not None and last.ended_s == math.inf
        if last is not None and is_under_way and motion != last.target:
            self._motion = last._replace(ended_s=now_s)
            is_under_way = False
        if motion is not None and not is_under_way:
            self._motion = _Motion(motion, now_s, math.inf, item)

    def take(self, reading: SupplyReading, t_s: float) -> None:
        """A reading that was taken at `t_s`."""
        self._reading, self._is_answering = reading, True
        bits = reading.bits or 0
        self._occurred.update(troubles(bits), troubles(bits, occurred=True))
        if reading.is_low:
            self._occurred.add("undervoltage")
            self._low_s = t_s
            if not self._was_low:
                self._note_dip(t_s - reading.covers_s, t_s)
        if reading.is_low is not None:
            self._was_low = reading.is_low
        self._take_heat(reading, t_s)

    def lose(self) -> None:
        """No reading comes any more; `take` ends that."""
        self._is_answering = False
        self._was_low = False
        self._reading = SupplyReading()

    def due(self, now_s: float) -> list[Input | Event]:
        """What the machine has to know now, and what is to be written down."""
        if now_s - self._heat_told_s > FORGET_HEAT_S:
            self._is_hot = False
        slowed = tuple(name for name in troubles(self._reading.bits or 0) if name != "undervoltage")
        condition = _Condition(now_s - self._low_s <= HOLD_S, self._is_hot, slowed, self._is_answering)
        found: list[Input | Event] = []
        if condition != self._condition:
            before, self._condition = self._condition, condition
            self._changes += 1
            if condition.is_low != before.is_low and self._undervoltage_hold:
                found.append(SupplyLevel(condition.is_low))
            if condition.is_hot != before.is_hot:
                found.append(Heat(condition.is_hot))
        if self._changes and now_s - self._event_s >= self._gap_s:
            found.append(self._event(now_s))
        return found

    def report(self) -> dict[str, Any]:
        """What is known now, ready for JSON."""
        bits, condition = self._reading.bits, self._condition
        return {
            "is_low": condition.is_low,
            "is_hot": condition.is_hot,
            "is_answering": condition.is_answering,
            "bits": None if bits is None else f"{bits:#x}",
            "now": [*(["undervoltage"] if self._was_low else []), *condition.slowed],
            "temperature_c": self._reading.temperature_c,
            "coincided": self._coincided(),
            "of": len(self._dips),
            "advice": self._advice(),
        }

    def _note_dip(self, since_s: float, t_s: float) -> None:
        motion = self._motion
        if motion is not None and motion.ended_s >= since_s:
            # That of the motion, which may be over by the time of the report.
            dip = _Dip(self._state, motion.target, round(max(t_s - motion.started_s, 0.0), 3), motion.item)
        else:
            dip = _Dip(self._state, None, None, self._item)
        self._dips.append(dip)
        self._new_dip = dip

    def _take_heat(self, reading: SupplyReading, t_s: float) -> None:
        temperature_c, bits = reading.temperature_c, reading.bits
        if temperature_c is None and bits is None:
            return
        self._heat_told_s = t_s
        is_soft_limited = bool((bits or 0) & SOFT_LIMIT)
        if temperature_c is None:
            self._is_hot = is_soft_limited
        elif temperature_c <= self._cool_c:
            self._is_hot = False
        elif temperature_c >= (self._soft_hot_c if is_soft_limited else self._hot_c):
            self._is_hot = True

    def _event(self, now_s: float) -> Event:
        is_calm = now_s - self._event_s >= CALM_S
        self._gap_s = EVENT_EVERY_S if is_calm else min(self._gap_s * 2, EVENT_AT_LEAST_EVERY_S)
        self._event_s = now_s
        dip = self._new_dip
        told = self.report()
        body = {
            **{name: told[name] for name in ("bits", "now", "is_low", "is_hot", "is_answering", "temperature_c")},
            "occurred": sorted(self._occurred),
            "changes": self._changes,
            "during": None if dip is None else dip._asdict(),
            **{name: told[name] for name in ("coincided", "of", "advice")},
        }
        self._changes, self._new_dip = 0, None
        self._occurred.clear()
        return Event("throttled", now_s, body)

    def _coincided(self) -> int:
        return sum(dip.motion is not None for dip in self._dips)

    def _advice(self) -> str | None:
        if not self._condition.is_answering:
            return BLIND_ADVICE
        if self._dips:
            return GATE_ADVICE if self._is_the_gate() else SUPPLY_ADVICE
        return HEAT_ADVICE if self._condition.is_hot else None

    def _is_the_gate(self) -> bool:
        """Whether dips come with motions, and so often as they would not by chance: a busy gate moves half the time."""
        together, count = self._coincided(), len(self._dips)
        if count < CONVINCING_DIPS or together * 2 <= count:
            return False
        share = self._near_s / self._watched_s if self._watched_s else 1.0
        by_chance = sum(
            math.comb(count, k) * share**k * (1.0 - share) ** (count - k) for k in range(together, count + 1)
        )
        return by_chance <= CHANCE
