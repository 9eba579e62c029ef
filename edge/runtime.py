"""The loop: frames to presence to votes to gate to ledger, one item at a time, on the source's clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge.clock import TICK_S, Clock
from edge.errors import ActuatorError, BundleError, JamError, LedgerError, SorterError, SourceError
from edge.homing import bring_home
from edge.machine import (
    ArmSensor,
    ClassifyFrame,
    Command,
    DropSeen,
    Emit,
    GateDone,
    GateJammed,
    Halt,
    HomeGate,
    Input,
    Machine,
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
from edge.memory import collector_at_rest
from edge.panel import Panel, status_of
from edge.ports import Classifier, DropSensor, Gate, Ledger, PresenceDetector, Source
from edge.records import Event, Frame, Prediction, Presence, Status

__all__ = ["Parts", "Runtime", "Watcher"]

IDLE_S = 0.1
"""Longest wait for a frame, so that a request to stop is seen."""
_VOTING_SOON = frozenset({State.SETTLING, State.VOTING})
_TICK = Tick()


class Watcher(Protocol):
    """Looks on: a live view, a printer, a file of events. It must be quick and must not raise."""

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None: ...

    def on_prediction(self, prediction: Prediction) -> None: ...

    def on_event(self, record: Mapping[str, Any]) -> None:
        """Called only once the event is durable."""
        ...


class _GaveUpError(ActuatorError):
    """Faults that should have mended themselves came too often in a row; the gate itself may be sound."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The opened drivers that a run is made of."""

    source: Source
    presence: PresenceDetector
    classifier: Classifier
    gate: Gate
    sensor: DropSensor | None
    ledger: Ledger
    panel: Panel | None = None


class Runtime:
    """Sorts until the source ends or a stop is asked for. At most one item is in flight.

    Args:
        parts: opened by the caller, who closes them.
        rules: what the state machine goes by.
        boot: fields of the `boot` event.
        watchers: see `Watcher`.
    """

    def __init__(self, parts: Parts, rules: Rules, boot: Mapping[str, Any], watchers: Sequence[Watcher] = ()) -> None:
        self._parts = parts
        self._clock: Clock = parts.source.clock
        self._machine = Machine(rules)
        self._boot = boot
        self._watchers = tuple(watchers)
        self._frame: Frame | None = None
        self._next_tick_s = 0.0
        self._idle_s = IDLE_S if parts.panel is None else min(IDLE_S, parts.panel.period_s)
        model = parts.classifier.model
        self._model = {"name": model.name, "version": model.version, "sha256": model.sha256}

    @property
    def machine(self) -> Machine:
        return self._machine

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
                        collect(self._clock.now_s())
            self._step(ShutdownAsked("stopped"), self._clock.now_s())
            self._drain()
        except BaseException as exc:
            self._park(exc)
            raise

    def begin(self) -> None:
        """Write the start down, and let the gate go home. `run` does this; a benchmark does it by hand."""
        now_s = self._clock.now_s()
        self._emit("boot", now_s, self._boot)
        self._attend(now_s)
        self._step(Started(), now_s)

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
        self._show(status_of(self._machine), now_s)

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
        self._machine, commands = advance(self._machine, event, now_s)
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
                if self._parts.sensor is not None:
                    self._parts.sensor.arm()
                self._parts.gate.route(route, now_s)
                self._start_ticking(now_s)
            case ArmSensor():
                if self._parts.sensor is not None:
                    self._parts.sensor.arm()
            case StopGate():
                self._parts.gate.stop()
            case Emit(type_, t_s, body):
                self._emit(type_, t_s, {**body, "model": self._model} if type_ == "item" else body)
            case Halt(reason):
                raise _GaveUpError(
                    f"gave up after {self._machine.recoveries} faults in a row, the last one {reason}; "
                    "look at the tray and the gate, then start again"
                )

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
        record = self._parts.ledger.append(Event(type_, round(t_s, 4), body))
        for watcher in self._watchers:
            watcher.on_event(record)

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
            if isinstance(cause, ActuatorError) or state is State.PAUSED:
                gate.stop()
            elif isinstance(cause, SourceError) and self._machine.is_cycling:
                # The gate still works: an item whose gate was open is finished and counted, any other is named.
                self._step(ShutdownAsked(_reason(cause)), self._clock.now_s())
                self._drain()
            else:
                self._home_alone()
        except Exception as exc:  # the first error is the one to report
            cause.add_note(f"and the gate could not be parked: {exc}")
            _stop_quietly(gate, cause)
        if not isinstance(cause, Exception):
            return
        body = {"reason": _reason(cause), "detail": str(cause), "state": state.value}
        try:
            self._emit("fault", self._clock.now_s(), body)
        except SorterError as exc:
            if not isinstance(cause, LedgerError):
                cause.add_note(f"and the fault could not be written down: {exc}")

    def _home_alone(self) -> None:
        def attend(now_s: float) -> bool:
            self._attend(now_s)
            self._show(Status.FAULT, now_s)
            return self._machine.state is not State.PAUSED

        bring_home(self._parts.gate, self._clock, self._machine.rules.park_limit_s, attend)


def _stop_quietly(gate: Gate, cause: BaseException) -> None:
    try:
        gate.stop()
    except Exception as exc:
        cause.add_note(f"and the gate could not be cut off: {exc}; switch its power off")


def _reason(cause: Exception) -> str:
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (SourceError, "source_lost"),
        (LedgerError, "ledger_failed"),
        (_GaveUpError, "gave_up"),
        (ActuatorError, "gate_failed"),
        (BundleError, "model_failed"),
    )
    return next((reason for kind, reason in reasons if isinstance(cause, kind)), "internal_error")
