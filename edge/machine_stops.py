"""How the state machine stops and goes on: faults, pauses, full bins, the program's end. Pure, as all of it."""

from typing import Any

from edge.machine_io import Command, Emit, Halt, HomeGate, StopGate
from edge.machine_state import CYCLING, Machine, State

__all__ = [
    "BIN_FULL",
    "JAM_PAUSE_S",
    "OPERATOR",
    "Step",
    "bin_level",
    "enter",
    "fail",
    "first",
    "forget_item",
    "pause",
    "recover",
    "resume",
    "shut_down",
]

Step = tuple[Machine, tuple[Command, ...]]
JAM_PAUSE_S = 3.0
"""A gate that jammed is left alone for so long before it is tried again."""
BIN_FULL = "bin_full"
OPERATOR = "operator"
"""Asks to go on after a fault, without waiting for what would mend it."""


def enter(machine: Machine, state: State, now_s: float) -> Machine:
    """The machine in another state."""
    return machine._replace(state=state, entered_s=now_s)


def first(known_s: float | None, now_s: float) -> float:
    """The time that is known, else now."""
    return now_s if known_s is None else known_s


def forget_item(machine: Machine) -> Machine:
    """Nothing is in flight any more, and nothing is known of the tray."""
    return machine._replace(
        first_motion_s=machine.next_motion_s,
        next_motion_s=None,
        votes=(),
        decision=None,
        opened=None,
        is_confirmed=None,
        retries=0,
        is_retrying=False,
        is_rearmed=False,
        empty_since_s=None,
        empty_frames=0,
        fault=None,
    )


def fail(machine: Machine, reason: str, detail: str, now_s: float) -> Step:
    """Cut the gate off and say why; too many faults in a row end the program."""
    machine = machine._replace(fault=reason, recoveries=machine.recoveries + 1)
    body = {"reason": reason, "detail": detail, "state": machine.state.value, **_item_in_flight(machine)}
    commands: tuple[Command, ...] = (StopGate(), Emit("fault", now_s, body))
    if machine.recoveries > machine.rules.rearm.max_recoveries:
        commands += (Halt(reason),)
    return enter(machine, State.FAULT, now_s), commands


def recover(machine: Machine, now_s: float) -> Step:
    """Go on after a fault: the gate homes first."""
    body = {"reason": machine.fault, "after_s": round(now_s - machine.entered_s, 3)}
    return enter(forget_item(machine), State.HOMING, now_s), (Emit("recovered", now_s, body), HomeGate())


def pause(machine: Machine, reason: str, now_s: float) -> Step:
    """Stand still until `resume` with the same reason; an item in flight is named."""
    if reason in machine.holds:
        return machine, ()
    body = {"reason": reason, "state": machine.state.value, **_item_in_flight(machine)}
    held = machine._replace(holds=(*machine.holds, reason))
    if machine.state is not State.PAUSED:
        held = enter(held, State.PAUSED, now_s)
    return held, (StopGate(), Emit("pause", now_s, body))


def _item_in_flight(machine: Machine) -> dict[str, Any]:
    """An item that may or may not have fallen is named, and not counted."""
    if machine.decision is None or machine.state not in CYCLING:
        return {}
    return {"item": {"label": machine.decision.label, "route": machine.decision.route}}


def resume(machine: Machine, reason: str, now_s: float) -> Step:
    """One reason to pause is gone; the last one lets it go on."""
    if reason == OPERATOR and machine.state is State.FAULT:
        return recover(machine, now_s)
    if reason not in machine.holds:
        return machine, ()
    machine = machine._replace(holds=tuple(hold for hold in machine.holds if hold != reason))
    if machine.holds:
        return machine, ()
    body = {"reason": reason, "after_s": round(now_s - machine.entered_s, 3)}
    return enter(forget_item(machine), State.HOMING, now_s), (Emit("recovered", now_s, body), HomeGate())


def bin_level(machine: Machine, name: str, is_full: bool, now_s: float) -> Step:
    """A bin is full, or emptied; `machine` pauses for it between two items."""
    since_s = dict(machine.full_bins).get(name)
    if is_full == (since_s is not None):
        return machine, ()
    if is_full:
        machine = machine._replace(full_bins=(*machine.full_bins, (name, now_s)))
        return machine, (Emit("bin_full", now_s, {"bin": name, "state": machine.state.value}),)
    machine = machine._replace(full_bins=tuple(full for full in machine.full_bins if full[0] != name))
    body = {"reason": BIN_FULL, "bin": name, "after_s": round(now_s - first(since_s, now_s), 3)}
    emptied = Emit("recovered", now_s, body)
    if machine.full_bins:
        return machine, (emptied,)
    # That it goes on was said by the line above.
    machine, commands = resume(machine, BIN_FULL, now_s)
    return machine, (emptied, *commands[1:])


def shut_down(machine: Machine, reason: str, now_s: float) -> Step:
    """An item whose way is not open for good is named; the gate goes home."""
    is_open = machine.state in (State.ROUTING, State.CONFIRMING)
    is_between = machine.state is State.RETURNING and machine.is_retrying
    if machine.decision is None or not (is_open or is_between):
        return machine, ()
    item = {"label": machine.decision.label, "route": machine.decision.route}
    body = {"reason": reason, "state": machine.state.value, "item": item}
    machine = machine._replace(decision=None, is_retrying=False)
    return enter(machine, State.RETURNING, now_s), (Emit("pause", now_s, body), HomeGate())
