"""The loop and a book that fails, is slow, or comes back: what the gate does, and what is told afterwards."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge.book import Book
from edge.clock import ReplayClock
from edge.config import DropSensorConfig
from edge.errors import ActuatorError, LedgerError, SourceError
from edge.machine import GateJammed, Machine, PauseAsked, State, SupplyLevel, Voted
from edge.parts import Parts
from edge.records import Event, Frame, GateReport, ModelId, Presence
from edge.runtime import Runtime
from tests.rigs import GLASS, rules

BEAM = DropSensorConfig(kind="beam", timeout_s=2.0)


class Ledger:
    """A ledger in memory, on a disk that may fail or be slow."""

    boot_id = "b"
    findings: tuple[Event, ...] = ()

    def __init__(self, clock: ReplayClock) -> None:
        self._clock = clock
        self.rows: list[dict[str, Any]] = []
        self.open_intent: dict[str, Any] | None = None
        self.is_failing = False
        self.slow_s = 0.0

    def open(self) -> None:
        self._write()

    def close(self) -> None:
        pass

    def maintain(self, now_s: float) -> None:
        pass

    def append(self, event: Event) -> dict[str, Any]:
        self._write()
        if event.type == "item" or "item" in event.body:
            self.open_intent = None
        self.rows.append({"type": event.type, **event.body})
        return self.rows[-1]

    def intend(self, event: Event) -> None:
        self._write()
        self.open_intent = {"boot_id": "b", "t_s": event.t_s, "utc": "", **event.body}

    def _write(self) -> None:
        self._clock.wait_until(self._clock.now_s() + self.slow_s)
        if self.is_failing:
            raise LedgerError("cannot write")


class Gate:
    """A gate that takes 0.8 s for each way, and whose motor gives the drop sensor a spike as it is switched on."""

    open_to = None

    def __init__(self) -> None:
        self.is_moving = False
        self.ways: list[tuple[str, float]] = []
        self.is_spike = False
        self.cuts = 0

    def home(self, now_s: float) -> None:
        self._go("home", now_s)

    def route(self, target: str, now_s: float) -> None:
        self.is_spike = True
        self._go(target, now_s)

    def tick(self, now_s: float) -> GateReport | None:
        target, began_s = self.ways[-1]
        if not self.is_moving or now_s - began_s < 0.8:
            return None
        self.is_moving = False
        return GateReport(target, 90.0, began_s, now_s)

    def stop(self) -> None:
        self.is_moving = False
        self.cuts += 1

    def arm(self) -> None:
        self.is_spike = False

    def has_dropped(self) -> bool:
        was_spike, self.is_spike = self.is_spike, False
        return was_spike

    def _go(self, target: str, now_s: float) -> None:
        self.ways.append((target, now_s))
        self.is_moving = True


class Rig:
    """A runtime whose tray and panel the test speaks for."""

    def __init__(self, **book: Any) -> None:
        self.clock = ReplayClock(is_paced=False)
        self.ledger, self.gate = Ledger(self.clock), Gate()
        self.seen = Presence(0.0, True, False, False, False, 0.0, 0.0)
        self.asked: list[Any] = []
        self.watcher = SimpleNamespace(
            told=[],
            on_frame=lambda *_: None,
            on_prediction=lambda _: None,
            on_decision=lambda *_: None,
            on_ending=lambda: None,
        )
        self.watcher.on_event = self.watcher.told.append
        source = SimpleNamespace(clock=self.clock, is_exhausted=False, read=self._read, limit_rate=lambda fps: None)
        presence = SimpleNamespace(observe=lambda frame, may_learn: self.seen._replace(t_s=frame.t_s), is_same=None)
        classifier = SimpleNamespace(
            model=ModelId("a", "1", "0" * 64),
            prepare=None,
            classify=lambda image, t_s, prepared: GLASS._replace(t_s=t_s),
        )
        panel = SimpleNamespace(period_s=0.1, poll=self._poll, remember=lambda: None, show=lambda *_: None)
        keep = Book(self.ledger, **book) if book else None
        parts = Parts(source, presence, classifier, self.gate, self.gate, self.ledger, panel, keep)
        self.runtime = Runtime(parts, rules(drop=BEAM), {}, [self.watcher])

    @property
    def state(self) -> State:
        return self.runtime.machine.state

    def boot(self) -> "Rig":
        self.runtime.begin()
        self.turn(4.0)
        assert self.state is State.READY
        return self

    def turn(self, duration_s: float, **seen: bool) -> None:
        self.seen = self.seen._replace(is_occupied=False, is_moving=False, is_disturbed=False)._replace(**seen)
        end_s = self.clock.now_s() + duration_s
        while self.clock.now_s() < end_s:
            self.runtime.turn()

    def put(self, limit_s: float = 3.0) -> None:
        """An item slides in and rests, for as long as it takes to be decided."""
        self.turn(0.3, is_occupied=True, is_moving=True, is_disturbed=True)
        end_s = self.clock.now_s() + limit_s
        while self.state is not State.ROUTING and self.clock.now_s() < end_s:
            self.turn(0.05, is_occupied=True)

    def reasons(self, type_: str) -> list[str]:
        return [row["reason"] for row in self.ledger.rows if row["type"] == type_]

    def items(self) -> int:
        return sum(row["type"] == "item" for row in self.ledger.rows)

    def _read(self, until_s: float, **_: Any) -> Frame | None:
        frame_s = min(until_s, self.clock.now_s() + 0.05)
        self.clock.wait_until(frame_s)
        return Frame(0, frame_s, None)

    def _poll(self, now_s: float, is_moving: bool = False) -> list[Any]:
        asked, self.asked = self.asked, []
        return asked


@pytest.mark.parametrize("slow_s", [0.0, 0.3, 2.0])
def test_a_slow_disk_does_not_make_a_drop_of_the_motors_spike(slow_s):
    rig = Rig().boot()
    rig.ledger.slow_s = slow_s
    rig.put(10.0)
    rig.ledger.slow_s = 0.0
    rig.turn(8.0)
    (item,) = (row for row in rig.ledger.rows if row["type"] == "item")
    assert item["gate"]["confirmed"] is False, "nothing fell"


def test_a_stop_that_was_pressed_while_the_disk_was_slow_comes_before_the_motion():
    rig = Rig().boot()
    rig.put(0.0)
    ways = len(rig.gate.ways)
    intend = rig.ledger.intend
    rig.ledger.intend = lambda event: (intend(event), rig.asked.append(PauseAsked("e_stop")))
    rig.turn(3.0, is_occupied=True)
    assert (rig.state, len(rig.gate.ways)) == (State.PAUSED, ways)
    assert rig.ledger.rows[-1]["item"] == {"label": "glass", "route": "recyclable"}
    assert rig.ledger.open_intent is None


def test_an_item_waits_on_the_tray_until_it_can_be_written_down():
    rig = Rig(heals=True).boot()
    rig.put(0.0)
    rig.ledger.is_failing = True
    rig.turn(60.0, is_occupied=True)
    assert (rig.state, [target for target, _ in rig.gate.ways]) == (State.SETTLING, ["home"])
    rig.ledger.is_failing = False
    rig.turn(31.0, is_occupied=True)
    assert rig.state is not State.SETTLING
    rig.turn(8.0)
    assert rig.items() == 1
    assert rig.reasons("fault")[:1] == ["ledger_failed"]
    assert rig.reasons("recovered")[:1] == ["ledger_failed"]
    assert "tray_blocked" not in rig.reasons("fault")


def test_an_outcome_that_cannot_be_written_is_named_and_not_credited():
    rig = Rig(heals=True).boot()
    rig.put()
    assert rig.state is State.ROUTING
    rig.ledger.is_failing = True
    rig.turn(8.0)
    rig.ledger.is_failing = False
    rig.turn(31.0)
    assert rig.items() == 0
    (failed,) = (row for row in rig.ledger.rows if row.get("reason") == "ledger_failed" and row["type"] == "fault")
    assert failed["item"] == {"label": "glass", "route": "recyclable"}
    rig.put()
    rig.turn(8.0)
    assert rig.items() == 1, "it sorts on"


def test_where_it_is_to_sort_on_it_does_and_says_how_many_were_not_credited():
    rig = Rig(heals=True, sorts_on=True).boot()
    rig.ledger.is_failing = True
    for _ in range(2):
        rig.put()
        assert rig.state is State.ROUTING
        rig.turn(1.0)
        rig.gate.is_spike = True
        rig.turn(7.0)
    rig.ledger.is_failing = False
    rig.turn(31.0)
    (failed,) = (row for row in rig.ledger.rows if row.get("reason") == "ledger_failed" and row["type"] == "fault")
    assert (failed["missed"]["item"], rig.items()) == (2, 0)
    assert rig.reasons("recovered") == ["ledger_failed"]


def test_a_book_that_heals_does_not_end_a_fault():
    rig = Rig(heals=True).boot()
    rig.put()
    rig.ledger.is_failing = True
    rig.runtime._tick_gate = lambda now_s: None
    rig.gate.is_moving = False
    rig.runtime._machine = rig.runtime.machine._replace(state=State.FAULT, fault="gate_jammed", is_rearmed=False)
    homes = len(rig.gate.ways)
    rig.turn(2.0, is_occupied=True)
    rig.runtime._step(SupplyLevel(is_low=True), rig.clock.now_s())
    rig.ledger.is_failing = False
    rig.turn(40.0, is_occupied=True)
    assert (rig.state, len(rig.gate.ways)) == (State.FAULT, homes), "a hand may be in it"


def test_what_belongs_to_the_start_is_written_once_it_can_be():
    rig = Rig(heals=True)
    rig.ledger.open_intent = {"boot_id": "before", "t_s": 7.5, "utc": "then", "label": "metal", "route": "recyclable"}
    rig.ledger.is_failing = True
    rig.runtime.begin()
    rig.turn(2.0)
    rig.ledger.is_failing = False
    rig.turn(10.0)
    assert {row["type"] for row in rig.ledger.rows} >= {"boot"}
    assert rig.reasons("fault") == ["interrupted", "ledger_failed"]
    assert rig.watcher.told == rig.ledger.rows


def test_a_lost_camera_moves_nothing_on_a_low_supply():
    rig = Rig().boot()
    rig.runtime._step(SupplyLevel(is_low=True), rig.clock.now_s())
    ways, cuts = len(rig.gate.ways), rig.gate.cuts
    rig.runtime._park(SourceError("the camera went away"))
    assert (len(rig.gate.ways), rig.gate.cuts) == (ways, cuts + 1)


def test_a_lost_camera_moves_nothing_while_a_hand_may_be_in_a_jammed_gate():
    rig = Rig().boot()
    rig.put()
    rig.runtime._step(GateJammed("stuck"), rig.clock.now_s())
    rig.turn(0.5, is_occupied=True, is_moving=True, is_disturbed=True)
    assert rig.state is State.FAULT
    ways, cuts = len(rig.gate.ways), rig.gate.cuts
    rig.runtime._park(SourceError("the camera went away"))
    assert (len(rig.gate.ways), rig.gate.cuts) == (ways, cuts + 1)


def test_a_watcher_that_raises_at_the_end_keeps_no_gate_from_being_parked():
    rig = Rig()

    def fail() -> None:
        raise RuntimeError("no ending")

    def refuse(record: dict[str, Any]) -> None:
        raise ActuatorError("no telling")

    rig.watcher.on_ending, rig.watcher.on_event = fail, refuse
    with pytest.raises(RuntimeError, match="no ending"):
        rig.runtime.run(lambda: True)
    assert rig.gate.cuts


def test_a_vote_without_a_frame_decides_nothing():
    rig = Rig().boot()
    rig.runtime._machine = Machine(rules(drop=BEAM), state=State.READY)
    rig.runtime._step(Voted(GLASS), rig.clock.now_s())
    assert rig.state is State.READY
