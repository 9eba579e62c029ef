"""The heartbeat: what feeds the watchdog, and when READY=1 is said."""

import itertools

import pytest

from edge.config import DropSensorConfig
from edge.health.heart import OPENING_S, Heart, describe_machine
from edge.machine import BinLevel, GateJammed, Machine, PauseAsked, ResumeAsked, Started, State
from edge.records import Decision, DecisionKind, Frame
from edge.sources.live import FIRST_FRAME_S, OPEN_S
from tests.health_rig import PICTURE, Manager, look, manager
from tests.rigs import GLASS, FakeClock, MachineRig, rules

WATCHDOG_S = 10.0
BEATS = [["WATCHDOG=1"]]


@pytest.fixture
def line(tmp_path):
    with manager(tmp_path, WATCHDOG_S) as (listening, notifier):
        clock = FakeClock(100.0)
        yield listening, Heart(notifier, clock), clock


def machine(state: State, **changes: object) -> Machine:
    return Machine(rules())._replace(state=state, **changes)


def beats(listening: Manager) -> int:
    return listening.words().count("WATCHDOG=1")


@pytest.mark.parametrize(
    ("state", "is_fed", "is_ready"),
    [
        # Before the gate is home the manager's patience is asked for, which counts as a beat.
        (State.BOOT, True, False),
        (State.HOMING, True, False),
        (State.WAIT_EMPTY, True, True),
        (State.READY, True, True),
        (State.SETTLING, True, True),
        (State.VOTING, False, False),
        (State.ROUTING, True, True),
        (State.CONFIRMING, True, True),
        (State.RETURNING, True, True),
        (State.FAULT, True, False),
        (State.PAUSED, True, True),
    ],
)
def test_what_a_frame_means_in_each_state(line, state, is_fed, is_ready):
    listening, heart, _ = line
    look(heart, machine(state))
    words = listening.words()
    assert ("WATCHDOG=1" in words, "READY=1" in words, heart.is_ready) == (is_fed, is_ready, is_ready)


def test_the_table_knows_every_state():
    (mark,) = [mark for mark in test_what_a_frame_means_in_each_state.pytestmark if mark.name == "parametrize"]
    assert {row[0] for row in mark.args[1]} == set(State)


def test_ready_is_said_once_and_only_after_the_gate_is_home(line):
    listening, heart, clock = line
    rig = MachineRig(rules(), home_s=3.0)
    rig.send(Started())
    told = []
    for _ in range(400):
        rig.see(0.05)
        clock.advance(0.05)
        look(heart, rig.machine)
        told += [(rig.state, word) for word in listening.words() if word == "READY=1"]
    assert told == [(State.WAIT_EMPTY, "READY=1")]


def test_a_gate_that_jams_on_its_first_way_home_is_not_ready_until_it_came_home(line):
    listening, heart, clock = line
    rig = MachineRig(rules())
    rig.send(Started())
    rig.send(GateJammed("stuck"))
    look(heart, rig.machine)
    assert "READY=1" not in listening.words()
    rig.until(State.READY)
    clock.advance(5.0)
    look(heart, rig.machine)
    assert "READY=1" in listening.words()


def test_a_start_under_an_emergency_stop_is_ready_since_the_power_is_off(line):
    listening, heart, _ = line
    rig = MachineRig(rules())
    rig.send(PauseAsked("e_stop"))
    rig.send(Started())
    look(heart, rig.machine)
    assert listening.words()[:2] == ["READY=1", "STATUS=stopped: e_stop"]


def test_ready_is_said_again_where_the_managers_buffer_was_full(line):
    listening, heart, _ = line
    while heart._notifier.watchdog():
        pass
    look(heart, machine(State.READY))
    assert not heart.is_ready
    listening.heard()
    look(heart, machine(State.READY))
    assert heart.is_ready
    assert "READY=1" in listening.words()


def test_a_vote_that_never_decides_is_not_fed(line):
    listening, heart, clock = line
    look(heart, machine(State.READY))
    listening.heard()
    for _ in range(1000):
        clock.advance(0.05)
        look(heart, machine(State.VOTING))
        heart.on_prediction(GLASS)
    assert listening.heard() == []


def test_a_loop_that_hangs_is_not_fed(line):
    listening, heart, clock = line
    look(heart, machine(State.READY))
    listening.heard()
    clock.advance(1000.0)
    # Nothing calls: no thread and no timer speaks for the loop.
    assert listening.heard() == []


def test_events_that_are_no_decision_do_not_feed(line):
    listening, heart, clock = line
    look(heart, machine(State.READY))
    listening.heard()
    clock.advance(WATCHDOG_S)
    for type_ in ("boot", "fault", "recovered", "pause", "bin_full", "throttled", "clock"):
        heart.on_event({"type": type_})
    assert listening.heard() == []


@pytest.mark.parametrize("by", ["decision", "event"])
def test_a_decision_feeds(line, by):
    listening, heart, clock = line
    look(heart, machine(State.READY))
    listening.heard()
    clock.advance(WATCHDOG_S)
    if by == "event":
        heart.on_event({"type": "item"})
    else:
        decision = Decision(0.0, DecisionKind.CONFIDENT, "glass", "recyclable", 0.9, 0.8, {"recyclable": 5}, 5, 0.1)
        heart.on_decision(Frame(0, 0.0, PICTURE), decision)
    assert listening.heard() == BEATS


def test_at_most_four_beats_come_within_the_watchdogs_limit(line):
    listening, heart, clock = line
    look(heart, machine(State.READY))
    listening.heard()
    for _ in range(1000):
        clock.advance(WATCHDOG_S / 1000)
        look(heart, machine(State.READY))
    assert 3 <= beats(listening) <= 4


def test_beats_are_closer_than_half_the_limit_at_two_frames_a_second(line):
    listening, heart, clock = line
    fed_s = []
    for _ in range(200):
        clock.advance(0.5)
        look(heart, machine(State.READY))
        fed_s += [clock.now_s()] * beats(listening)
    assert max(later - sooner for sooner, later in itertools.pairwise(fed_s)) <= WATCHDOG_S / 2


def test_a_beat_that_did_not_get_through_is_tried_at_the_next_frame(line):
    listening, heart, clock = line
    look(heart, machine(State.READY))
    while heart._notifier.watchdog():
        pass
    clock.advance(WATCHDOG_S / 2)
    look(heart, machine(State.READY))
    listening.heard()
    clock.advance(0.05)
    look(heart, machine(State.READY))
    assert listening.heard() == BEATS


def test_a_long_way_home_asks_for_patience_as_long_as_frames_come(line):
    listening, heart, clock = line
    words = []
    for _ in range(100):
        clock.advance(1.0)
        look(heart, machine(State.HOMING))
        words += listening.words()
    assert words.count(f"EXTEND_TIMEOUT_USEC={round(WATCHDOG_S * 1e6)}") >= 25
    assert "READY=1" not in words


def test_without_a_watchdog_only_ready_and_the_status_are_told(tmp_path):
    with manager(tmp_path, None) as (listening, notifier):
        heart, clock = Heart(notifier, FakeClock()), 0.0
        for state in (State.HOMING, State.WAIT_EMPTY, State.READY):
            look(heart, machine(state), clock)
        assert listening.words() == ["STATUS=the gate goes home", "READY=1", "STATUS=sorting"]


def test_the_status_follows_what_an_operator_must_know_and_not_every_item(line):
    listening, heart, clock = line
    rig = MachineRig(rules(drop=DropSensorConfig()))
    told: list[str] = []

    def see(duration_s: float, **seen: bool) -> None:
        for _ in range(round(duration_s / 0.05)):
            rig.see(0.05, **seen)
            clock.advance(0.05)
            look(heart, rig.machine)
            told.extend(word for word in listening.words() if word.startswith("STATUS="))

    rig.send(Started())
    see(3.0)
    for _ in range(3):
        see(0.3, occupied=True, disturbed=True)
        see(1.0, occupied=True)
        see(5.0)
    rig.send(PauseAsked("lid_open"))
    see(1.0)
    rig.send(ResumeAsked("lid_open"))
    see(3.0)
    rig.send(BinLevel("residue", True))
    see(1.0)
    assert list(dict.fromkeys(told)) == [
        "STATUS=the gate goes home",
        "STATUS=sorting",
        "STATUS=paused: lid_open",
        "STATUS=bin full: bin_full",
    ]
    assert len(told) <= 8


def test_a_fault_is_named():
    assert describe_machine(machine(State.FAULT, fault="gate_jammed")) == "fault: gate_jammed"


def test_safe_mode_is_ready_fed_and_says_why(line):
    listening, heart, clock = line
    heart.stand_by("safe mode, nothing moves: camera lost")
    assert listening.heard() == [["READY=1", "STATUS=safe mode, nothing moves: camera lost"], ["WATCHDOG=1"]]
    for _ in range(200):
        clock.advance(0.05)
        heart.stand_by("safe mode, nothing moves: camera lost")
    assert "READY=1" not in (words := listening.words())
    assert 3 <= words.count("WATCHDOG=1") <= 4


def test_a_reload_ends_with_ready_once_the_gate_is_home_again(line):
    listening, heart, _ = line
    look(heart, machine(State.READY))
    listening.heard()
    heart.reloading()
    look(heart, machine(State.HOMING))
    assert listening.words()[0] == "RELOADING=1"
    assert not heart.is_ready
    look(heart, machine(State.WAIT_EMPTY))
    assert "READY=1" in listening.words()


def test_a_reload_that_is_refused_ends_at_once(line):
    listening, heart, _ = line
    look(heart, machine(State.READY))
    listening.heard()
    heart.reloading()
    heart.reload_refused()
    assert [line for line in listening.words() if line in ("RELOADING=1", "READY=1")] == ["RELOADING=1", "READY=1"]
    look(heart, machine(State.READY))
    assert "READY=1" not in listening.words()


@pytest.mark.parametrize(("is_reload", "told"), [(False, ["STOPPING=1"]), (True, [])])
def test_the_way_home_at_the_end_is_told_but_not_at_the_end_of_a_session_that_is_reloaded(line, is_reload, told):
    listening, heart, _ = line
    look(heart, machine(State.READY))
    if is_reload:
        heart.reloading()
    listening.heard()
    heart.on_ending()
    assert listening.words() == told


@pytest.mark.parametrize("when", ["start", "safe mode", "reload"])
def test_a_camera_that_opens_slowly_is_waited_for_at_a_start_after_safe_mode_and_in_a_reload(line, when):
    listening, heart, clock = line
    if when == "safe mode":
        heart.stand_by("safe mode")
    if when == "reload":
        look(heart, machine(State.READY))
        heart.reloading()
    listening.heard()
    heart.opening()
    # Last: WATCHDOG=1 would set the deadline back to that of the unit.
    assert listening.words()[-1] == "WATCHDOG_USEC=30000000"
    clock.advance(OPEN_S + FIRST_FRAME_S)
    look(heart, machine(State.HOMING))
    assert "WATCHDOG_USEC=10000000" in listening.words(), "what runs is watched as closely as ever"
    clock.advance(WATCHDOG_S)
    look(heart, machine(State.READY))
    assert not [word for word in listening.words() if word.startswith("WATCHDOG_USEC")], "said once"


def test_the_patience_with_a_step_of_opening_outlasts_the_slowest_camera():
    assert OPENING_S > OPEN_S + FIRST_FRAME_S


def test_a_watchdog_that_waits_longer_than_a_step_takes_keeps_its_limit(tmp_path):
    with manager(tmp_path, 60.0) as (listening, notifier):
        Heart(notifier, FakeClock()).opening()
        assert listening.words()[-1] == "WATCHDOG_USEC=60000000"


def test_the_end_of_the_patience_is_said_again_where_it_did_not_get_through(line):
    listening, heart, clock = line
    heart.opening()
    while heart._notifier.watchdog():
        pass
    look(heart, machine(State.READY))
    listening.heard()
    clock.advance(WATCHDOG_S)
    look(heart, machine(State.READY))
    assert "WATCHDOG_USEC=10000000" in listening.words()
