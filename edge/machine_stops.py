"""How the state machine stops and goes on: faults, pauses, full bins, the program's end. Pure, as all of it."""

from typing import Any

from edge.machine_io import Command, Emit, Halt, HomeGate, StopGate
from edge.machine_state import CYCLING, Machine, State

__all__ = [
    "BIN_FULL",
    "BUTTON",
    "LEDGER_FAILED",
    "OPERATOR",
    "Step",
    "bin_level",
    "enter",
    "fail",
    "first",
    "forget_item",
    "go_home",
    "item_in_flight",
    "pause",
    "recover",
    "resume",
    "shut_down",
    "start_over",
]

Step = tuple[Machine, tuple[Command, ...]]
BIN_FULL = "bin_full"
BUTTON = "button"
LEDGER_FAILED = "ledger_failed"
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
        way_open_s=None,
        is_confirmed=None,
        retries=0,
        is_retrying=False,
        is_rearmed=False,
        is_motion_due=False,
        empty_since_s=None,
        empty_frames=0,
        fault=None,
    )


def start_over(machine: Machine) -> Machine:
    """Nothing that was seen before counts any more: nobody knows what was done in the interruption."""
    return forget_item(machine)._replace(first_motion_s=None)


def go_home(machine: Machine, now_s: float) -> Step:
    """The gate homes; while the supply is low, once it is not."""
    machine = enter(machine._replace(is_motion_due=machine.is_supply_low), State.HOMING, now_s)
    return machine, () if machine.is_motion_due else (HomeGate(),)


def fail(machine: Machine, reason: str, detail: str, now_s: float) -> Step:
    """Cut the gate off and say why; too many faults in a row end the program."""
    body = {"reason": reason, "detail": detail, "state": machine.state.value, **item_in_flight(machine)}
    commands: tuple[Command, ...] = (StopGate(), Emit("fault", now_s, body))
    machine = machine._replace(
        fault=reason,
        fault_s=now_s,
        recoveries=machine.recoveries + 1,
        is_motion_due=False,
        # That the tray was empty before says nothing of a hand that is in it now.
        is_rearmed=False,
        empty_since_s=None,
        empty_frames=0,
    )
    if machine.recoveries > machine.rules.rearm.max_recoveries:
        commands += (Halt(reason),)
    return enter(machine, State.FAULT, now_s), commands


def recover(machine: Machine, now_s: float) -> Step:
    """Go on after a fault: the gate homes first."""
    told = _fault_is_over(machine, now_s)
    machine, commands = go_home(start_over(machine), now_s)
    return machine, (*told, *commands)


def pause(machine: Machine, reason: str, now_s: float) -> Step:
    """Stand still until `resume` with the same reason; an item in flight is named."""
    if reason in dict(machine.holds):
        return machine, ()
    body = {"reason": reason, "state": machine.state.value, **item_in_flight(machine)}
    held = machine._replace(holds=(*machine.holds, (reason, now_s)), is_motion_due=False)
    if machine.state is not State.PAUSED:
        held = enter(held, State.PAUSED, now_s)
    return held, (StopGate(), Emit("pause", now_s, body))


def resume(machine: Machine, reason: str, now_s: float) -> Step:
    """One reason to pause is gone; the last one lets it go on. The operator's word ends a fault as well."""
    if reason == OPERATOR:
        machine = machine._replace(recoveries=0)
        return recover(machine, now_s) if machine.state is State.FAULT else (machine, ())
    since_s = dict(machine.holds).get(reason)
    if since_s is None:
        return machine, ()
    told = Emit("recovered", now_s, {"reason": reason, "after_s": round(now_s - since_s, 3)})
    machine, commands = _release(machine, reason, now_s)
    return machine, (told, *commands)


def bin_level(machine: Machine, name: str, is_full: bool, now_s: float) -> Step:
    """A bin is full, or emptied; `machine` pauses for it between two items."""
    since_s = dict(machine.full_bins).get(name)
    if is_full == (since_s is not None):
        return machine, ()
    if is_full:
        machine = machine._replace(full_bins=(*machine.full_bins, (name, now_s)))
        return machine, (Emit("bin_full", now_s, {"bin": name, "state": machine.state.value}),)
    machine = machine._replace(full_bins=tuple(full for full in machine.full_bins if full[0] != name))
    told = Emit(
        "recovered", now_s, {"reason": BIN_FULL, "bin": name, "after_s": round(now_s - first(since_s, now_s), 3)}
    )
    if machine.full_bins or BIN_FULL not in dict(machine.holds):
        return machine, (told,)
    machine, commands = _release(machine, BIN_FULL, now_s)
    return machine, (told, *commands)


def _release(machine: Machine, reason: str, now_s: float) -> Step:
    """Take one hold away; without any other the gate homes."""
    machine = machine._replace(holds=tuple(hold for hold in machine.holds if hold[0] != reason))
    if machine.holds:
        return machine, ()
    told = _fault_is_over(machine, now_s)
    machine, commands = go_home(start_over(machine), now_s)
    return machine, (*told, *commands)


def _fault_is_over(machine: Machine, now_s: float) -> tuple[Command, ...]:
    if machine.fault is None:
        return ()
    return (Emit("recovered", now_s, {"reason": machine.fault, "after_s": round(now_s - machine.fault_s, 3)}),)


def item_in_flight(machine: Machine) -> dict[str, Any]:
    """An item that may or may not have fallen is named, and not counted."""
    if machine.decision is None or machine.state not in CYCLING:
        return {}
    return {"item": {"label": machine.decision.label, "route": machine.decision.route}}


def shut_down(machine: Machine, reason: str, now_s: float) -> Step:
    """An item whose way is not open for good is named; the gate goes home, unless somebody wants it to stand still."""
    if machine.state is State.PAUSED and set(dict(machine.holds)) <= {BUTTON, BIN_FULL}:
        if machine.is_supply_low:
            return machine, ()
        return enter(start_over(machine._replace(holds=())), State.RETURNING, now_s), (HomeGate(),)
    is_open = machine.state in (State.ROUTING, State.CONFIRMING)
    is_between = machine.state is State.RETURNING and machine.is_retrying
    if machine.decision is None or not (is_open or is_between):
        return machine, ()
    item = {"label": machine.decision.label, "route": machine.decision.route}
    body = {"reason": reason, "state": machine.state.value, "item": item}
    machine = machine._replace(decision=None, is_retrying=False, is_motion_due=False)
    return enter(machine, State.RETURNING, now_s), (StopGate(), Emit("pause", now_s, body), HomeGate())
