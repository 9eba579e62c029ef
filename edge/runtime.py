"""The loop: frames to presence to votes to gate to ledger, one item at a time, on the source's clock."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.book import Book
from edge.clock import TICK_S, Clock
from edge.errors import ActuatorError, JamError, LedgerError, SorterError, SourceError
from edge.failures import GaveUpError, reason_of, stop_quietly
from edge.homing import bring_home
from edge.machine import (
    ArmSensor,
    BookLevel,
    ClassifyFrame,
    Command,
    DropSeen,
    Emit,
    GateDone,
    GateJammed,
    Halt,
    HomeGate,
    Input,
    IntentRefused,
    LimitRate,
    Machine,
    RouteBegun,
    RouteItem,
    Rules,
    Seen,
    ShutdownAsked,
    Started,
    State,
    StopGate,
    Tick,
    Voted,
    WayOpened,
    advance,
)
from edge.machine_stops import item_in_flight
from edge.memory import collector_at_rest
from edge.panel import status_of
from edge.parts import Parts, Watcher
from edge.records import Event, Frame, Status
from edge.scribe import Scribe

__all__ = ["Parts", "Runtime", "Watcher"]

IDLE_S = 0.1
"""Longest wait for a frame, so that a request to stop is seen."""
_VOTING_SOON = frozenset({State.SETTLING, State.VOTING})
_TICK = Tick()


class Runtime:
    """Sorts until the source ends or a stop is asked for. At most one item is in flight.

    Args:
        parts: opened by the caller, who closes them.
        rules: what the state machine goes by.
        boot: fields of the `boot` event.
        watchers: see `Watcher`.
        told: events that follow `boot`, of what happened before.
        at_rest: called once, when the gate is home, the camera at work, and nothing in flight: what has to be done
            after the start, and takes some hundredths of a second.
    """

    def __init__(
        self,
        parts: Parts,
        rules: Rules,
        boot: Mapping[str, Any],
        watchers: Sequence[Watcher] = (),
        *,
        told: Sequence[Event] = (),
        at_rest: Callable[[], None] | None = None,
    ) -> None:
        self._parts = parts
        self._clock: Clock = parts.source.clock
        self._machine = Machine(rules)
        self._boot = boot
        self._told = tuple(told)
        self._at_rest = at_rest
        self._watchers = tuple(watchers)
        self._scribe = Scribe(parts.book or Book(parts.ledger), parts.ledger, self._watchers)
        self._frame: Frame | None = None
        self._is_ending = False
        self._next_tick_s = 0.0
        self._idle_s = IDLE_S if parts.panel is None else min(IDLE_S, parts.panel.period_s)
        model = parts.classifier.model
        self._model = {"name": model.name, "version": model.version, "sha256": model.sha256}

    @property
    def machine(self) -> Machine:
        return self._machine

    @property
    def has_seen(self) -> bool:
        """The camera is at work: a frame has been looked at."""
        return self._frame is not None

    @property
    def is_book_failing(self) -> bool:
        """Nothing can be written down at the moment."""
        return self._scribe.is_failing

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Home the gate, sort, and leave the gate parked and unpowered, whatever happens.

        Args:
            should_stop: asked at least every 0.1 s of source time.
        Raises: SorterError, after the gate is parked and the fault is written down where that is possible.
        """
        try:
            self.begin()
            with collector_at_rest() as collect:
                while not should_stop():
                    if self._parts.source.is_exhausted and not self._machine.is_cycling:
                        break
                    self.turn()
                    if self._machine.may_pause:
                        self._rest()
                        now_s = self._clock.now_s()
                        collect(now_s)
                        self._scribe.maintain(now_s)
            self._end()
            self._step(ShutdownAsked("stopped"), self._clock.now_s())
            self._drain()
            self._settle_account()
        except BaseException as exc:
            try:
                self._end()
            finally:
                self._park(exc)
            raise

    def _rest(self) -> None:
        is_started = self.has_seen and self._machine.state in (State.READY, State.WAIT_EMPTY)
        if self._at_rest is not None and is_started:
            self._at_rest()
            self._at_rest = None

    def _end(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            for watcher in self._watchers:
                watcher.on_ending()

    def begin(self) -> None:
        """Write the start down, and let the gate go home. `run` does this; a benchmark does it by hand."""
        now_s = self._clock.now_s()
        self._scribe.begin(Event("boot", now_s, self._boot), self._told, now_s)
        self._attend(now_s)
        # A supply that is low is known before the gate moves for the first time.
        self._look_after(now_s)
        self._step(Started(), now_s)

    def tell(self, event: Event) -> None:
        """Write down what somebody beside the loop has to say. Raises: LedgerError, unless the book heals itself."""
        self._emit(event.type, self._clock.now_s(), event.body)

    def turn(self) -> None:
        """Wait for a frame or for the next tick, whichever comes first, and act on it."""
        now_s = self._clock.now_s()
        if self._is_ticking():
            frame = self._parts.source.read(self._next_tick_s)
        else:
            is_dull = self._parts.presence.is_same if self._machine.is_idle(now_s) else None
            prepare = self._parts.classifier.prepare if self._machine.state in _VOTING_SOON else None
            frame = self._parts.source.read(now_s + self._idle_s, is_dull=is_dull, prepare=prepare)
        if frame is not None:
            self._look(frame)
        self._tick(self._clock.now_s())

    def _look(self, frame: Frame) -> None:
        self._frame = frame
        presence = self._parts.presence.observe(frame, may_learn=self._machine.may_learn)
        self._step(Seen(presence), frame.t_s)
        for watcher in self._watchers:
            watcher.on_frame(frame, presence, self._machine)

    def _attend(self, now_s: float) -> None:
        """Do what the operator's switches ask for."""
        panel = self._parts.panel
        if panel is None:
            return
        asked = panel.poll(now_s, is_moving=self._is_ticking())
        for event in asked:
            self._step(event, now_s)
        if asked:
            panel.remember()

    def _look_after(self, now_s: float) -> None:
        """See to what goes on beside the items: supply, heat, the wall clock, a book that cannot be written."""
        is_busy = self._is_ticking()
        if self._parts.upkeep is not None:
            for found in self._parts.upkeep.poll(now_s, self._machine, self._parts.gate, is_busy=is_busy):
                if isinstance(found, Event):
                    self._emit(found.type, found.t_s, found.body)
                else:
                    self._step(found, now_s)
        # An item that waits for the book may wait a little longer; where it is sorted on, no item is held up.
        if self._scribe.is_failing and (not is_busy if self._scribe.must_wait else self._machine.may_pause):
            self._mend_book(now_s)

    def _show(self, status: Status, now_s: float) -> None:
        if self._parts.panel is not None:
            self._parts.panel.show(status, now_s)

    def _tick(self, now_s: float) -> None:
        # Before the gate takes its next step: the emergency stop comes first.
        self._attend(now_s)
        sensor = self._parts.sensor
        if sensor is not None and self._machine.state in (State.ROUTING, State.CONFIRMING) and sensor.has_dropped():
            self._step(DropSeen(), now_s)
        if self._is_ticking() and now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._tick_gate(now_s)
        self._step(_TICK, now_s)
        self._look_after(now_s)
        status = Status.FAULT if self._scribe.is_failing else status_of(self._machine)
        self._show(Status.STARTING if status is Status.READY and not self.has_seen else status, now_s)

    def _mend_book(self, now_s: float) -> None:
        """Decide nothing until the book can be written, unless it is to be sorted meanwhile; try it now and then."""
        if self._scribe.must_wait:
            self._step(BookLevel(is_failing=True), now_s)
        if self._scribe.mend(now_s):
            self._step(BookLevel(is_failing=False), now_s)

    def _tick_gate(self, now_s: float) -> None:
        try:
            report = self._parts.gate.tick(now_s)
        except JamError as exc:
            self._step(GateJammed(str(exc)), now_s)
            return
        if self._machine.state is State.ROUTING and self._machine.way_open_s is None and self._parts.gate.open_to:
            self._step(WayOpened(), now_s)
        if report is not None:
            self._step(GateDone(report), now_s)

    def _is_ticking(self) -> bool:
        return self._parts.gate.is_moving or self._machine.is_cycling

    def _step(self, event: Input, now_s: float) -> None:
        former = self._machine.decision
        self._machine, commands = advance(self._machine, event, now_s)
        if not commands:
            return
        decision = self._machine.decision
        if former is None and decision is not None and self._frame is not None:
            for watcher in self._watchers:
                watcher.on_decision(self._frame, decision)
        for command in commands:
            self._perform(command, now_s)

    def _perform(self, command: Command, now_s: float) -> None:
        match command:
            case ClassifyFrame():
                self._classify()
            case HomeGate():
                self._parts.gate.home(now_s)
                self._start_ticking(now_s)
            case RouteItem(route):
                if not self._may_move(now_s):
                    self._step(IntentRefused(), now_s)
                    return
                # To write it down took its time: a stop of meanwhile comes first, and the motion begins now.
                now_s = self._clock.now_s()
                self._attend(now_s)
                self._step(RouteBegun(), now_s)
                if self._machine.state is not State.ROUTING:
                    return
                if self._parts.sensor is not None:
                    self._parts.sensor.arm()
                self._parts.gate.route(route, now_s)
                self._start_ticking(now_s)
            case ArmSensor():
                if self._parts.sensor is not None:
                    self._parts.sensor.arm()
            case StopGate():
                self._parts.gate.stop()
            case LimitRate(is_limited):
                self._parts.source.limit_rate(self._parts.hot_fps if is_limited else None)
            case Emit(type_, t_s, body):
                self._emit(type_, t_s, {**body, "model": self._model} if type_ == "item" else body)
            case Halt(reason):
                raise GaveUpError(
                    f"gave up after {self._machine.recoveries} faults in a row, the last one {reason}; "
                    "look at the tray and the gate, then start again"
                )

    def _may_move(self, now_s: float) -> bool:
        """Write down what is about to be done with the item, before the gate moves for it the first time."""
        decision = self._machine.decision
        if decision is None or self._machine.retries > 0:
            return True
        return self._scribe.intend(decision, now_s)

    def _start_ticking(self, now_s: float) -> None:
        """The first command goes to the pins at once, not a tick later."""
        self._next_tick_s = now_s + TICK_S
        self._tick_gate(now_s)

    def _classify(self) -> None:
        if self._frame is None:
            return
        frame = self._frame
        prediction = self._parts.classifier.classify(frame.image, frame.t_s, frame.prepared)
        for watcher in self._watchers:
            watcher.on_prediction(prediction)
        self._step(Voted(prediction), self._clock.now_s())

    def _emit(self, type_: str, t_s: float, body: Mapping[str, Any]) -> None:
        self._scribe.write(Event(type_, t_s, body), self._clock.now_s())

    def _drain(self) -> None:
        """Let the gate finish, without looking at further frames."""
        park_limit_s, was_fault = self._machine.rules.park_limit_s, self._machine.fault
        limit_s = self._clock.now_s() + park_limit_s
        while self._is_ticking():
            if self._clock.now_s() >= limit_s:
                raise ActuatorError(f"the gate was not home after {park_limit_s:g} s; it is cut off")
            self._clock.wait_until(self._next_tick_s)
            self._tick(self._clock.now_s())
        if was_fault is None and self._machine.fault == "gate_jammed":
            raise ActuatorError("the gate jammed on its way home and is cut off; free it, then start again")

    def _park(self, cause: BaseException) -> None:
        """Bring the gate home if it can still be trusted, else cut it off; then write the fault down."""
        gate, state = self._parts.gate, self._machine.state
        self._show(Status.FAULT, self._clock.now_s())
        try:
            # In a fault it may be a hand that the gate waits for: nobody has seen an empty tray since.
            if isinstance(cause, ActuatorError) or state in (State.PAUSED, State.FAULT):
                gate.stop()
            elif isinstance(cause, SourceError) and self._machine.is_cycling:
                # The gate still works: an item whose gate was open is finished and counted, any other is named.
                self._step(ShutdownAsked(reason_of(cause)), self._clock.now_s())
                self._drain()
            elif self._machine.is_supply_low and not gate.is_moving:
                gate.stop()
            else:
                self._home_alone()
        except Exception as exc:  # the first error is the one to report
            cause.add_note(f"and the gate could not be parked: {exc}")
            stop_quietly(gate, cause)
        if not isinstance(cause, Exception):
            return
        self._settle_account()
        item = item_in_flight(self._machine)
        body = {"reason": reason_of(cause), "detail": str(cause) or repr(cause), "state": state.value, **item}
        try:
            self._emit("fault", self._clock.now_s(), body)
        except SorterError as exc:
            if not isinstance(cause, LedgerError):
                cause.add_note(f"and the fault could not be written down: {exc}")

    def _settle_account(self) -> None:
        """A last try of a book that failed: what it lacks is known to nobody once this run has ended."""
        if self._scribe.is_failing:
            self._scribe.mend(self._clock.now_s(), is_last=True)

    def _home_alone(self) -> None:
        def attend(now_s: float) -> bool:
            self._attend(now_s)
            self._show(Status.FAULT, now_s)
            return self._machine.state is not State.PAUSED

        bring_home(self._parts.gate, self._clock, self._machine.rules.park_limit_s, attend)
