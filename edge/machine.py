"""The state machine of the sorter: pure. `advance(model, event, now_s) -> model, commands`.

    BOOT -> HOMING -> WAIT_EMPTY -> READY -> SETTLING -> VOTING -> ROUTING -> CONFIRMING -> RETURNING -> WAIT_EMPTY
    any -> FAULT(reason); any -> PAUSED; FAULT -> HOMING only by a bounded retry or a restart

At most one item is in flight. Every time is in seconds of the source's clock.
"""

from typing import Any

from edge.machine_io import (
    ArmSensor,
    BinLevel,
    BookLevel,
    ClassifyFrame,
    Command,
    DropSeen,
    Emit,
    GateDone,
    GateJammed,
    Halt,
    Heat,
    HomeGate,
    Input,
    IntentRefused,
    LimitRate,
    PauseAsked,
    ResumeAsked,
    RouteBegun,
    RouteItem,
    Seen,
    ShutdownAsked,
    Started,
    StopGate,
    SupplyLevel,
    Tick,
    Voted,
    WayOpened,
)
from edge.machine_state import Machine, Rules, State
from edge.machine_stops import (
    BIN_FULL,
    Step,
    bin_level,
    enter,
    fail,
    first,
    forget_item,
    go_home,
    pause,
    recover,
    resume,
    shut_down,
)
from edge.policy import decide
from edge.records import Decision, GateReport, Presence

__all__ = [
    "ArmSensor",
    "BinLevel",
    "BookLevel",
    "ClassifyFrame",
    "Command",
    "DropSeen",
    "Emit",
    "GateDone",
    "GateJammed",
    "Halt",
    "Heat",
    "HomeGate",
    "Input",
    "IntentRefused",
    "LimitRate",
    "Machine",
    "PauseAsked",
    "ResumeAsked",
    "RouteBegun",
    "RouteItem",
    "Rules",
    "Seen",
    "ShutdownAsked",
    "Started",
    "State",
    "StopGate",
    "SupplyLevel",
    "Tick",
    "Voted",
    "WayOpened",
    "advance",
]

_CLASSIFY = (ClassifyFrame(),)
DROP_BLIND_S = 0.1
"""Nothing has fallen so soon after the motor was switched on: what is seen then is the motor's own spike."""


def advance(machine: Machine, event: Input, now_s: float) -> Step:
    """One step: what is remembered after `event`, and what is to be done, in this order."""
    match event:
        # The three that come with every frame stand first.
        case Seen(presence):
            return _seen(_track(machine, presence), presence, now_s)
        case Tick():
            return _tick(machine, now_s)
        case Voted(prediction):
            if machine.state is not State.VOTING:
                return machine, ()
            return _judge(machine._replace(votes=(*machine.votes, prediction)), now_s)
        case GateDone(report):
            return _gate_done(machine, report, now_s)
        case DropSeen():
            return _drop_seen(machine, now_s)
        case WayOpened():
            is_news = machine.state is State.ROUTING and machine.way_open_s is None
            return (machine._replace(way_open_s=now_s) if is_news else machine), ()
        case GateJammed(detail):
            return fail(machine, "gate_jammed", detail, now_s)
        case Started():
            # The emergency stop may have been pressed before.
            return (machine, ()) if machine.holds else go_home(machine, now_s)
        case PauseAsked(reason):
            return pause(machine, reason, now_s)
        case ShutdownAsked(reason):
            return shut_down(machine, reason, now_s)
        case ResumeAsked(reason):
            return resume(machine, reason, now_s)
        case BinLevel(name, is_full):
            return bin_level(machine, name, is_full, now_s)
        case RouteBegun():
            return (enter(machine, State.ROUTING, now_s) if machine.state is State.ROUTING else machine), ()
        case IntentRefused():
            return _intent_refused(machine, now_s), ()
        case SupplyLevel(is_low):
            return _supply(machine, is_low, now_s)
        case BookLevel(is_failing):
            return _book(machine, is_failing, now_s), ()
        case Heat(is_hot):
            return machine, (LimitRate(is_hot),)


def _track(machine: Machine, presence: Presence) -> Machine:
    """Follow motion and emptiness in every state, so that the gate's own motion costs the next item no time."""
    t_s = presence.t_s
    is_at_rest = presence.is_lit and presence.is_occupied and not presence.is_moving and not presence.is_disturbed
    if is_at_rest and machine.state is State.VOTING and machine.occupied_since_s is not None:
        # As in the frame before: nothing of what is followed here changes.
        return machine
    is_empty = presence.is_lit and not presence.is_occupied and not presence.is_disturbed
    frames = machine.empty_frames + 1 if is_empty else 0
    since_s = (machine.empty_since_s if machine.empty_since_s is not None else t_s) if is_empty else None
    rearm = machine.rules.rearm
    is_rearmed = machine.is_rearmed or (
        since_s is not None and frames >= rearm.min_frames and t_s - since_s >= rearm.empty_s
    )
    is_blocked = presence.is_lit and presence.is_occupied
    is_stirring = presence.is_moving or presence.is_occupied
    first_motion_s, next_motion_s = machine.first_motion_s, machine.next_motion_s
    if is_rearmed and is_stirring:
        if machine.decision is not None:
            next_motion_s = first(next_motion_s, t_s)
        else:
            first_motion_s = first(first_motion_s, t_s)
    return machine._replace(
        empty_frames=frames,
        empty_since_s=since_s,
        occupied_since_s=first(machine.occupied_since_s, t_s) if is_blocked else None,
        dark_since_s=None if presence.is_lit else first(machine.dark_since_s, t_s),
        is_rearmed=is_rearmed,
        first_motion_s=first_motion_s,
        next_motion_s=next_motion_s,
        moved_s=t_s if presence.is_moving or not presence.is_lit else machine.moved_s,
        disturbed_s=t_s if presence.is_disturbed or not presence.is_lit else machine.disturbed_s,
    )


def _seen(machine: Machine, presence: Presence, now_s: float) -> Step:
    if machine.state is State.FAULT and machine.is_rearmed and not machine.is_supply_low:
        is_too_soon = machine.fault == "gate_jammed" and now_s - machine.entered_s < machine.rules.rearm.jam_pause_s
        return (machine, ()) if is_too_soon else recover(machine, now_s)
    if machine.state is State.WAIT_EMPTY and machine.is_rearmed:
        machine = enter(machine, State.READY, now_s)
    if machine.state is State.READY and (presence.is_moving or presence.is_occupied):
        machine = enter(machine._replace(first_motion_s=first(machine.first_motion_s, now_s)), State.SETTLING, now_s)
    if machine.state is State.VOTING and (presence.is_disturbed or not presence.is_lit or not presence.is_occupied):
        machine = enter(machine._replace(votes=()), State.SETTLING, now_s)
    if machine.state is State.SETTLING:
        machine = _settle(machine, presence, now_s)
    if machine.state is State.VOTING:
        return machine, _CLASSIFY
    return machine, ()


def _settle(machine: Machine, presence: Presence, now_s: float) -> Machine:
    settle = machine.rules.settle
    is_quiet = now_s - machine.moved_s >= settle.quiet_s
    stirred_s = max(machine.disturbed_s, first(machine.first_motion_s, now_s))
    is_only_wobbling = now_s - stirred_s >= settle.max_s
    if not presence.is_lit or not (is_quiet or is_only_wobbling):
        return machine
    if machine.is_withheld and presence.is_occupied:
        return machine
    if not presence.is_occupied:
        return enter(machine._replace(first_motion_s=None), State.READY, now_s)
    rest_s = max(machine.moved_s, machine.freed_s) if is_quiet else now_s
    return enter(machine._replace(rest_s=max(rest_s, first(machine.first_motion_s, rest_s))), State.VOTING, now_s)


def _judge(machine: Machine, now_s: float) -> Step:
    is_late = now_s - machine.rest_s >= machine.rules.deadline_s
    decision = decide(machine.votes, machine.rules.policy, now_s, is_late=is_late)
    if decision is None:
        return machine, ()
    machine = machine._replace(decision=decision, is_rearmed=False, empty_since_s=None, empty_frames=0)
    return enter(machine, State.ROUTING, now_s), (RouteItem(decision.route),)


def _gate_done(machine: Machine, report: GateReport, now_s: float) -> Step:
    if machine.state is State.HOMING:
        return enter(machine, State.WAIT_EMPTY, now_s), ()
    if machine.state is State.ROUTING:
        machine = machine._replace(opened=report)
        if machine.rules.drop.kind != "none" and machine.is_confirmed is None:
            return enter(machine, State.CONFIRMING, now_s), ()
        return enter(machine, State.RETURNING, now_s), (HomeGate(),)
    if machine.state is State.RETURNING:
        return _returned(machine, now_s)
    return machine, ()


def _drop_seen(machine: Machine, now_s: float) -> Step:
    if machine.state is State.ROUTING:
        if now_s - machine.entered_s < DROP_BLIND_S:
            return machine, (ArmSensor(),)
        return machine._replace(is_confirmed=True), ()
    if machine.state is State.CONFIRMING:
        return enter(machine._replace(is_confirmed=True), State.RETURNING, now_s), (HomeGate(),)
    return machine, ()


def _tick(machine: Machine, now_s: float) -> Step:
    if machine.state is State.VOTING and now_s - machine.rest_s >= machine.rules.deadline_s:
        return _judge(machine, now_s)
    if machine.state is State.CONFIRMING and machine.opened is not None:
        if now_s - first(machine.way_open_s, machine.opened.started_s) < machine.rules.drop.timeout_s:
            return machine, ()
        is_retrying = machine.retries < machine.rules.drop.retries
        machine = machine._replace(is_retrying=is_retrying, is_confirmed=None if is_retrying else False)
        return enter(machine, State.RETURNING, now_s), (HomeGate(),)
    if machine.full_bins and machine.rules.is_paused_when_full and machine.state in (State.WAIT_EMPTY, State.READY):
        return pause(machine, BIN_FULL, now_s)
    if machine.state is State.WAIT_EMPTY and _is_blocked(machine, now_s):
        return fail(machine, "tray_blocked", "clear the tray; it goes on by itself once the tray is empty", now_s)
    return machine, ()


def _supply(machine: Machine, is_low: bool, now_s: float) -> Step:
    """No motion begins while the supply is low: it would take the processor down with it. One under way goes on."""
    if is_low == machine.is_supply_low:
        return machine, ()
    machine = _wait_settled(machine._replace(is_supply_low=is_low, freed_s=now_s), now_s)
    if is_low or not machine.is_motion_due:
        return machine, ()
    machine = machine._replace(is_motion_due=False)
    return _returned(machine, now_s) if machine.state is State.RETURNING else go_home(machine, now_s)


def _book(machine: Machine, is_failing: bool, now_s: float) -> Machine:
    if is_failing == machine.is_book_failing:
        return machine
    return _wait_settled(machine._replace(is_book_failing=is_failing, freed_s=now_s), now_s)


def _wait_settled(machine: Machine, now_s: float) -> Machine:
    """Votes of an item that has to wait are thrown away: a hand may come to it meanwhile."""
    if machine.is_withheld and machine.state is State.VOTING:
        return enter(machine._replace(votes=()), State.SETTLING, now_s)
    return machine


def _intent_refused(machine: Machine, now_s: float) -> Machine:
    """The item lies there as before its decision, since nothing has moved."""
    if machine.state is not State.ROUTING:
        return machine
    machine = machine._replace(decision=None, votes=(), is_rearmed=True, is_book_failing=True)
    return enter(machine, State.SETTLING, now_s)


def _is_blocked(machine: Machine, now_s: float) -> bool:
    """In the dark nothing is known, so that a night without light is no fault."""
    if machine.occupied_since_s is None:
        return False
    since_s = max(machine.entered_s, machine.occupied_since_s)
    return now_s - since_s >= machine.rules.rearm.clear_timeout_s


def _returned(machine: Machine, now_s: float) -> Step:
    decision, opened = machine.decision, machine.opened
    if decision is None or opened is None:
        return enter(machine, State.WAIT_EMPTY, now_s), ()
    if machine.is_retrying and machine.is_supply_low:
        return machine._replace(is_motion_due=True), ()
    if machine.is_retrying:
        machine = machine._replace(is_retrying=False, retries=machine.retries + 1, way_open_s=None)
        return enter(machine, State.ROUTING, now_s), (RouteItem(decision.route),)
    item = Emit("item", decision.t_s, _item_body(machine, decision, opened, now_s))
    is_unconfirmed = machine.is_confirmed is False
    rearmed, empty_since_s, empty_frames = machine.is_rearmed, machine.empty_since_s, machine.empty_frames
    machine = forget_item(machine)._replace(is_rearmed=rearmed, empty_since_s=empty_since_s, empty_frames=empty_frames)
    if is_unconfirmed:
        machine, commands = fail(
            machine, "drop_unconfirmed", "no drop was seen; free the chute and check the drop sensor", now_s
        )
        return machine, (item, *commands)
    return enter(machine._replace(recoveries=0), State.WAIT_EMPTY, now_s), (item,)


def _item_body(machine: Machine, decision: Decision, opened: GateReport, now_s: float) -> dict[str, Any]:
    first_s = machine.first_motion_s if machine.first_motion_s is not None else machine.rest_s
    return {
        "label": decision.label,
        "route": decision.route,
        "decision": decision.kind.value,
        "confidence": round(decision.confidence, 4),
        "margin": round(decision.margin, 4),
        "votes": dict(decision.votes),
        "frames": decision.frames,
        "latency_ms": {
            "settle": _ms(machine.rest_s - first_s),
            "classify": _ms(decision.classify_s),
            "decide": _ms(decision.t_s - machine.rest_s),
            "gate": _ms(now_s - decision.t_s),
            "total": _ms(now_s - first_s),
        },
        "gate": {
            "commanded_deg": None if opened.commanded_deg is None else round(opened.commanded_deg, 2),
            "duration_s": round(now_s - decision.t_s, 3),
            "confirmed": machine.is_confirmed,
            "retries": machine.retries,
        },
    }


def _ms(duration_s: float) -> float:
    return round(duration_s * 1000.0, 1)
