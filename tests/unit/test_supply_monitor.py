"""The thread that reads the supply: it may hang, fail or lag, and the loop does not notice."""

import contextlib
import logging
import os
import queue
import threading
import time
from types import SimpleNamespace

import pytest

from edge import supply_monitor
from edge.board.supply_gauges import SupplyGauges, SupplyReading
from edge.machine import State
from edge.machine_io import Heat, SupplyLevel
from edge.records import Event
from edge.supply import BLIND_ADVICE
from edge.supply_monitor import NOTHING_PERIOD_S, SILENT_S, SupplyMonitor
from edge.upkeep import Upkeep
from tests.rigs import WAIT_S, FakeClock, MachineRig, rules

WELL = SupplyReading(0, False, 50.0)
LOW = SupplyReading(0x50005, True, 50.0)
ITEM = {"label": "glass", "route": "recyclable"}


class Kernel:
    """Answers when a test lets it: until then it hangs."""

    def __init__(self) -> None:
        self._answers: queue.Queue[SupplyReading | Exception | None] = queue.Queue()
        self._asked = threading.Condition()
        self.asks = 0
        self._given = 0

    def read(self) -> SupplyReading:
        with self._asked:
            self.asks += 1
            self._asked.notify_all()
        answer = self._answers.get(timeout=WAIT_S)
        if isinstance(answer, Exception):
            raise answer
        return SupplyReading() if answer is None else answer

    def give(self, answer: SupplyReading | Exception | None) -> None:
        """Let the reading under way end so."""
        self._given += 1
        self._answers.put(answer)

    def wait_until_asked(self) -> None:
        with self._asked:
            assert self._asked.wait_for(lambda: self.asks > self._given, WAIT_S), "nobody reads"


class Rig:
    def __init__(self) -> None:
        self.kernel = Kernel()
        self.clock = FakeClock(1000.0)
        self.monitor = SupplyMonitor(self.kernel.read, clock=self.clock.now_s)
        self.said: list[object] = []

    def read(self, reading: SupplyReading | None) -> None:
        """One reading ends, and the next one hangs."""
        self.kernel.give(reading)
        self.kernel.wait_until_asked()

    def poll(self, after_s: float = 0.0) -> list[object]:
        self.clock.advance(after_s)
        # The source's clock is another one.
        found = self.monitor.poll(self.clock.now_s() - 900.0, "ready", None, ITEM)
        self.said += found
        return found

    def thread(self) -> threading.Thread:
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "supply"]
        return thread


@pytest.fixture
def rig(monkeypatch):
    monkeypatch.setattr(supply_monitor, "PERIOD_S", 0.0)
    monkeypatch.setattr(supply_monitor, "END_S", WAIT_S)
    rig = Rig()
    rig.monitor.open()
    rig.kernel.wait_until_asked()
    yield rig
    rig.monitor.close()
    for _ in range(3):
        rig.kernel.give(WELL)
    for thread in threading.enumerate():
        if thread.name == "supply":
            thread.join(WAIT_S)


def test_a_dip_is_handed_over_at_the_next_poll_with_the_time_of_its_reading(rig):
    rig.read(WELL)
    assert rig.poll() == []
    rig.read(LOW)
    level, event = rig.poll(after_s=0.25)
    assert level == SupplyLevel(True)
    assert isinstance(event, Event)
    assert event.body["during"] == {"state": "ready", "motion": None, "after_motion_start_s": None, "item": ITEM}
    assert rig.poll(after_s=4.5) == [], "the hold counts from the reading"
    assert rig.poll(after_s=0.5) == [SupplyLevel(False)]


def test_readings_that_came_while_the_loop_stood_still_are_all_seen(rig):
    for reading in (WELL, LOW, WELL, LOW, WELL):
        rig.read(reading)
        rig.clock.advance(1.0)
    rig.poll()
    assert rig.monitor.report()["of"] == 2


def test_a_reading_that_hangs_costs_nothing_holds_nothing_and_is_told_once(rig, caplog):
    rig.read(LOW._replace(temperature_c=90.0))
    assert rig.poll()[:2] == [SupplyLevel(True), Heat(True)]
    with caplog.at_level(logging.WARNING):
        for _ in range(600):
            rig.poll(after_s=1.0)
    assert [what for what in rig.said if not isinstance(what, Event)] == [
        SupplyLevel(True),
        Heat(True),
        SupplyLevel(False),
        Heat(False),
    ]
    assert rig.monitor.report()["is_answering"] is False
    assert len(caplog.records) == 1
    assert "does not answer" in caplog.text
    assert rig.kernel.asks == 2, "no second reading is begun"


def test_a_kernel_that_answers_again_is_heard_again(rig):
    rig.read(WELL)
    rig.poll(after_s=SILENT_S + 1.0)
    assert rig.monitor.report()["is_answering"] is False
    rig.read(WELL)
    rig.poll()
    assert rig.monitor.report()["is_answering"] is True


def test_a_poll_never_waits_for_a_reading(rig):
    began_s = time.perf_counter()
    for _ in range(1000):
        rig.poll(after_s=0.01)
    assert time.perf_counter() - began_s < WAIT_S / 2


def test_a_reader_that_fails_is_logged_once_and_tried_again_and_is_heard_when_it_works(rig, caplog, monkeypatch):
    waits = []
    monkeypatch.setattr(rig.monitor._closing, "wait", waits.append)
    for error in (OSError("the firmware is on fire"), MemoryError(), OSError(24, "Too many open files")):
        rig.read(error)
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert "the firmware is on fire" in caplog.text
    assert waits == [NOTHING_PERIOD_S] * 3
    assert rig.poll() == []
    rig.poll(after_s=SILENT_S + 1.0)
    assert rig.monitor.report()["is_answering"] is False
    rig.read(LOW)
    assert SupplyLevel(True) in rig.poll()
    assert rig.monitor.report()["is_answering"] is True


def test_each_silence_is_told(rig, caplog):
    for _ in range(2):
        rig.read(WELL)
        rig.poll()
        for _ in range(3):
            rig.poll(after_s=SILENT_S + 1.0)
    assert [record.message.count("does not answer") for record in caplog.records] == [1, 1]


def test_a_machine_that_tells_nothing_is_asked_once_a_minute_and_that_is_no_silence(rig):
    thread = rig.thread()
    rig.monitor.close()
    rig.kernel.give(None)
    thread.join(WAIT_S)
    assert rig.poll(after_s=NOTHING_PERIOD_S + SILENT_S - 1.0) == []
    assert rig.monitor.report()["is_answering"] is True
    rig.poll(after_s=2.0)
    assert rig.monitor.report()["is_answering"] is False


def test_closing_waits_for_nobody_and_may_be_done_twice_and_before_opening(rig):
    thread = rig.thread()
    rig.monitor.close()
    rig.monitor.close()
    assert thread.is_alive(), "it hangs in the kernel"
    assert thread.daemon, "and does not keep the program alive"
    rig.kernel.give(WELL)
    thread.join(WAIT_S)
    assert not thread.is_alive()
    SupplyMonitor(WELL._replace).close()


def test_opening_again_begins_anew(rig):
    first = rig.thread()
    rig.monitor.close()
    rig.kernel.give(WELL)
    rig.monitor.open()
    rig.kernel.wait_until_asked()
    assert rig.thread() is not first
    rig.read(LOW)
    assert rig.poll()[0] == SupplyLevel(True)


def test_opening_again_over_a_thread_that_hangs_leaves_it_the_only_one(rig, monkeypatch):
    monkeypatch.setattr(supply_monitor, "END_S", 0.01)
    hanging = rig.thread()
    for _ in range(3):
        rig.monitor.close()
        rig.monitor.open()
    assert rig.thread() is hanging
    rig.poll(after_s=SILENT_S + 1.0)
    assert rig.monitor.report()["is_answering"] is False


def test_after_a_reload_over_a_slow_reading_the_next_poll_reads_again(rig, monkeypatch):
    monkeypatch.setattr(supply_monitor, "END_S", 0.01)
    slow = rig.thread()
    rig.monitor.close()
    fresh = SupplyMonitor(rig.kernel.read, clock=rig.clock.now_s)
    fresh.open()
    rig.kernel.give(WELL)
    slow.join(WAIT_S)
    fresh.poll(100.0, "ready", None)
    rig.kernel.wait_until_asked()
    rig.read(LOW)
    assert fresh.poll(100.0, "ready", None)[0] == SupplyLevel(True)
    assert rig.thread() is not slow
    fresh.close()


def test_what_was_closed_over_a_slow_reading_begins_nothing(rig, monkeypatch):
    monkeypatch.setattr(supply_monitor, "END_S", 0.01)
    slow = rig.thread()
    rig.monitor.close()
    rig.monitor.open()
    rig.monitor.close()
    rig.kernel.give(WELL)
    slow.join(WAIT_S)
    rig.poll()
    assert [thread for thread in threading.enumerate() if thread.name == "supply"] == []


def test_a_file_that_hangs_the_thread_in_the_kernel_leaves_the_loop_alone(tmp_path, monkeypatch):
    hanging = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    hanging.parent.mkdir(parents=True)
    (hanging.parent / "type").write_text("cpu-thermal")
    os.mkfifo(hanging)
    clock = FakeClock()
    monitor = SupplyMonitor(SupplyGauges(tmp_path, lambda command: None).read, clock=clock.now_s)
    monitor.open()
    said = []
    for second in range(30):
        clock.wait_until(second)
        said += monitor.poll(float(second), "ready", None)
    (event,) = said
    assert event.body["advice"] == BLIND_ADVICE
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "supply"]
    monkeypatch.setattr(supply_monitor, "END_S", 0.01)
    SupplyMonitor(lambda: WELL, clock=clock.now_s).open()
    assert [one for one in threading.enumerate() if one.name == "supply"] == [thread], "no thread more at a reload"
    monitor.close()
    # Whoever writes frees whoever reads.
    while thread.is_alive():
        with contextlib.suppress(OSError), open(os.open(hanging, os.O_WRONLY | os.O_NONBLOCK), "w") as pipe:
            pipe.write("50000")
        thread.join(0.05)


def test_a_monitor_that_was_not_opened_says_nothing():
    rig = Rig()
    assert rig.poll(after_s=1000.0) == []
    assert rig.monitor.report()["is_answering"] is True


class Told:
    """Notes what it is told of the machine."""

    def __init__(self) -> None:
        self.items: list[object] = []

    def poll(self, now_s, state, motion, item=None):
        self.items.append((state, motion, item))
        return ()


def test_what_is_to_be_written_down_comes_before_what_may_let_the_gate_move():
    """The supply is good again after a dip: the homing that was held back begins when the dip is in the book."""
    dip, rig = Event("throttled", 1.0, {}), MachineRig(rules()).boot()
    news = iter([[dip], [SupplyLevel(is_low=False)]])
    upkeep = Upkeep(SimpleNamespace(poll=lambda *_: next(news)))
    gate = SimpleNamespace(is_moving=False)
    assert upkeep.poll(1.0, rig.machine, gate, is_busy=True) == []
    assert upkeep.poll(2.0, rig.machine, gate, is_busy=False) == [dip, SupplyLevel(is_low=False)]


def test_whoever_watches_the_supply_is_told_of_the_item_in_flight_and_of_no_other():
    told, rig = Told(), MachineRig(rules()).boot()
    upkeep, gate = Upkeep(told), SimpleNamespace(is_moving=False)
    rig.drop_in()
    for state in (State.VOTING, State.ROUTING, State.RETURNING, State.WAIT_EMPTY):
        rig.until(state, occupied=state is not State.WAIT_EMPTY)
        gate.is_moving = state in (State.ROUTING, State.RETURNING)
        upkeep.poll(rig.now_s, rig.machine, gate, is_busy=gate.is_moving)
    assert told.items == [
        ("voting", None, None),
        ("routing", "recyclable", ITEM),
        ("returning", "home", ITEM),
        ("wait_empty", None, None),
    ]
