"""Measures how long an item takes from the first command to the drop sensor, and proposes times to match."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from edge.calibrate.desk import Desk
from edge.calibrate.guard import Guard, claimed_pins
from edge.calibrate.sensors import WatchedSwitch
from edge.calibrate.store import ConfigStore, store_and_tell, told
from edge.config import Config, GateConfig
from edge.configedit import KeyPath
from edge.contact import pin_name
from edge.drivers import make_gate
from edge.errors import ActuatorError, ConfigError
from edge.ports import Gate

__all__ = ["Drop", "DropPlan", "measure_drops", "proposal"]

TICK_S = 0.01
HOLD_S = 3.0
"""While it is measured, the way stays open for so long at least: the present hold_s may be too short for an item."""
WINDOW_S = 2.0
"""A drop is waited for so long after the gate's own motion."""
SLACK_SHARE, SLACK_S = 0.5, 0.5
"""Added to the slowest drop for the time-out: an item may stick for a moment, and heat slows a servo down."""
HOLD_SLACK_S = 0.3
"""Added to the slowest item's time in the open gate: the sensor saw its front end."""
LEAST_HOLD_S = 0.3
MOST_HOLD_S, MOST_REST_S = 30.0, 60.0
"""What the configuration allows."""


@dataclass(frozen=True, slots=True)
class DropPlan:
    """What was asked for.

    Attributes:
        bin: whose way is opened; empty: the first one.
        repeat: how many items.
        wait_s: pause before each item where nobody is asked.
        is_agreed: ask nothing.
        is_storing: store the proposal without asking.
    """

    bin: str = ""
    repeat: int = 5
    wait_s: float = 3.0
    is_agreed: bool = False
    is_storing: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """One item, in seconds from the gate's first command; None for what was not seen."""

    open_s: float | None
    drop_s: float | None


def proposal(drops: Sequence[Drop], gate: GateConfig) -> dict[KeyPath, float]:
    """What the configuration should say after these items, in tenths of a second, rounded up.

    `drop_sensor.timeout_s`: half as much again as the slowest drop took, and half a second. `gate.hold_s`: the longest
    time that an item needed once the way was fully open, and 0.3 s; not for a conveyor, which carries items itself.
    `gate.rest_s`: of a coil that is on for longer, so that it is on for no larger share of the time than now.
    """
    seen = [drop for drop in drops if drop.drop_s is not None]
    slowest_s = max((drop.drop_s for drop in seen if drop.drop_s is not None), default=None)
    if slowest_s is None:
        return {}
    found: dict[KeyPath, float] = {
        ("drop_sensor", "timeout_s"): min(_tenths(slowest_s * (1 + SLACK_SHARE) + SLACK_S), 30.0)
    }
    through_s = [drop.drop_s - drop.open_s for drop in seen if drop.drop_s is not None and drop.open_s is not None]
    if hasattr(gate, "hold_s") and through_s:
        found["gate", "hold_s"] = min(max(_tenths(max(through_s) + HOLD_SLACK_S), LEAST_HOLD_S), _most_hold_s(gate))
        rest_s = _rest_s(gate, found["gate", "hold_s"])
        if rest_s is not None:
            found["gate", "rest_s"] = rest_s
    return found


def _most_hold_s(gate: GateConfig) -> float:
    """As long as a coil may be on, also with the longest rest that keeps its duty cycle; in tenths of a second."""
    if gate.kind != "solenoid":
        return MOST_HOLD_S
    rested_s = math.inf if gate.rest_s == 0 else gate.hold_s * MOST_REST_S / gate.rest_s
    return math.floor(round(min(gate.longest_hold_s, rested_s, MOST_HOLD_S) * 10, 6)) / 10


def _rest_s(gate: GateConfig, hold_s: float) -> float | None:
    """The pause of a coil that keeps its duty cycle although it is on for longer; None where the present one does."""
    if gate.kind != "solenoid" or hold_s <= gate.hold_s or gate.rest_s == 0:
        return None
    return _tenths(gate.rest_s * hold_s / gate.hold_s)


def _tenths(duration_s: float) -> float:
    return math.ceil(round(duration_s * 10, 6)) / 10


def measure_drops(store: ConfigStore, desk: Desk, plan: DropPlan) -> bool:
    """Let items fall through the gate, tell what was measured, and store the proposal if that is wanted.

    Returns: True if at least one drop was seen.
    Raises: ConfigError if there is no drop sensor, or no such bin; HeldError if emergency stop or lid forbid a motion;
        ActuatorError; StoppedError. Every motor is without power then.
    """
    config = store.config
    if config.drop_sensor.kind == "none":
        raise ConfigError("drop_sensor.kind is none; there is nothing to measure with, name a beam or a switch")
    target = plan.bin or config.bin_names[0]
    if target not in config.bin_names:
        raise ConfigError(f"the gate has no bin {target!r}, only {', '.join(config.bin_names)}; check --item-bin")
    if plan.is_storing or not plan.is_agreed:
        store.refuse_unwritable()
    drops = _drops(config, desk, plan, target)
    wanted = proposal(drops, config.gate)
    is_stored = False
    if not plan.as_json:
        _tell(drops, wanted, config, desk)
    if wanted and (plan.is_storing or (not plan.is_agreed and desk.agrees(f"Store {told(wanted)} in {store.path}?"))):
        store_and_tell(store, wanted, desk)
        is_stored = True
    if plan.as_json:
        print(json.dumps(_record(drops, wanted, target, is_stored=is_stored)), flush=True)
    return bool(wanted)


def _drops(config: Config, desk: Desk, plan: DropPlan, target: str) -> list[Drop]:
    with ExitStack() as stack:
        factory = stack.enter_context(claimed_pins(config, desk))
        guard = Guard(config, factory)
        guard.open(stack)
        gate = make_gate(_patient(config.gate), factory)
        stack.callback(gate.close)
        gate.open()
        watch = WatchedSwitch("drop_sensor", config.drop_sensor.switch, factory, desk.clock.now_s)
        watch.open(stack)
        run = _Run(config, gate, guard, watch, desk)
        desk.say("Keep hands away from the gate: it goes home first, and may jump.")
        if not plan.is_agreed:
            desk.ask("Enter moves it home.")
        run.home()
        drops: list[Drop] = []
        while len(drops) < plan.repeat and _is_laid(desk, plan, len(drops) + 1, target):
            drops.append(run.drop(target))
            _tell_one(drops[-1], desk)
        return drops


def _patient(gate: GateConfig) -> GateConfig:
    if not hasattr(gate, "hold_s"):
        return gate
    hold_s = max(gate.hold_s, min(HOLD_S, _most_hold_s(gate)))
    rest_s = _rest_s(gate, hold_s)
    # A coil cools as long as its duty cycle wants it to, also while it is measured.
    return gate.model_copy(update={"hold_s": hold_s} if rest_s is None else {"hold_s": hold_s, "rest_s": rest_s})


def _is_laid(desk: Desk, plan: DropPlan, number: int, target: str) -> bool:
    what = f"Item {number} of {plan.repeat} for {target}"
    if plan.is_agreed:
        desk.say(f"{what}: lay it on the tray, the gate opens in {plan.wait_s:g} s.")
        desk.wait(plan.wait_s)
        return True
    return desk.ask(f"{what}: lay it on the tray, hands away. Enter opens, q ends.") != "q"


class _Run:
    """Opens the gate and watches the sensor. Whatever is raised, the gate is cut off first."""

    def __init__(self, config: Config, gate: Gate, guard: Guard, watch: WatchedSwitch, desk: Desk) -> None:
        self._config = config
        self._gate = gate
        self._guard = guard
        self._watch = watch
        self._desk = desk

    def home(self) -> None:
        self._start(None)
        while self._gate.is_moving:
            self._tick()

    def drop(self, target: str) -> Drop:
        start_s = self._start(target)
        open_s = drop_s = None
        end_s = math.inf
        while self._desk.clock.now_s() < end_s and (drop_s is None or self._gate.is_moving):
            now_s = self._tick()
            if open_s is None and self._gate.open_to == target:
                open_s = now_s - start_s
            for change in self._watch.poll(now_s):
                if change.is_actuated and drop_s is None and change.t_s >= start_s:
                    drop_s = change.t_s - start_s
            if not self._gate.is_moving and end_s == math.inf:
                end_s = now_s + WINDOW_S
        self.home()
        return Drop(open_s, drop_s)

    def _start(self, target: str | None) -> float:
        self._guard.check()
        now_s = self._desk.clock.now_s()
        if target is None:
            self._gate.home(now_s)
            return now_s
        for _ in self._watch.poll(now_s):
            pass
        if self._watch.is_actuated:
            raise ActuatorError(
                f"the drop sensor on {pin_name(self._config.drop_sensor.pin)} is actuated before anything fell; clear "
                "the chute, or check drop_sensor.active_high"
            )
        self._gate.route(target, now_s)
        return now_s

    def _tick(self) -> float:
        clock = self._desk.clock
        now_s = clock.now_s()
        try:
            self._desk.check()
            self._guard.check()
            self._gate.tick(now_s)
            clock.wait_until(now_s + TICK_S)
        except BaseException:
            self._gate.stop()
            raise
        return now_s


def _tell_one(drop: Drop, desk: Desk) -> None:
    if drop.drop_s is None:
        desk.warn("no drop was seen")
        return
    opened = "" if drop.open_s is None else f", the way was open after {drop.open_s:.2f} s"
    desk.say(f"  seen after {drop.drop_s:.2f} s{opened}")


def _tell(drops: Sequence[Drop], wanted: Mapping[KeyPath, float], config: Config, desk: Desk) -> None:
    seen = [drop.drop_s for drop in drops if drop.drop_s is not None]
    if not seen:
        desk.warn("no drop was seen; look at the sensor with calibrate sensors")
        return
    desk.say(
        f"{len(seen)} of {len(drops)} drops were seen, after {min(seen):.2f} to {max(seen):.2f} s, in the median "
        f"{statistics.median(seen):.2f} s."
    )
    if len(seen) < len(drops):
        desk.warn("some were not seen: an item may miss the sensor, or lie still on the tray")
    held = f" and hold_s {config.gate.hold_s:g}" if hasattr(config.gate, "hold_s") else ""
    desk.say(f"Now: timeout_s {config.drop_sensor.timeout_s:g}{held}. Proposed: {told(wanted)}.")


def _record(drops: Sequence[Drop], wanted: Mapping[KeyPath, float], target: str, *, is_stored: bool) -> dict[str, Any]:
    seen = [drop.drop_s for drop in drops if drop.drop_s is not None]
    return {
        "bin": target,
        "items": len(drops),
        "seen": len(seen),
        "drops_s": [None if drop.drop_s is None else round(drop.drop_s, 3) for drop in drops],
        "opens_s": [None if drop.open_s is None else round(drop.open_s, 3) for drop in drops],
        "min_s": round(min(seen), 3) if seen else None,
        "median_s": round(statistics.median(seen), 3) if seen else None,
        "max_s": round(max(seen), 3) if seen else None,
        "proposal": {".".join(key): value for key, value in wanted.items()},
        "is_stored": is_stored,
    }
