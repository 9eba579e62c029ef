"""The state machine under stops, full bins and jams: who wants it to stand still, and what lets it go on."""

import pytest

from edge.config import DropSensorConfig
from edge.machine import (
    BinLevel,
    Emit,
    GateJammed,
    Halt,
    HomeGate,
    PauseAsked,
    ResumeAsked,
    RouteItem,
    ShutdownAsked,
    Started,
    State,
    StopGate,
)
from tests.rigs import MachineRig, rules

BEAM = DropSensorConfig(kind="beam", timeout_s=2.0, retries=1)


@pytest.fixture
def rig() -> MachineRig:
    return MachineRig(rules(drop=BEAM)).boot()


def kinds(rig: MachineRig) -> list[type]:
    return [type(command) for _, command in rig.commands]


def test_a_stop_that_is_pressed_before_the_start_lets_nothing_move():
    rig = MachineRig(rules())
    rig.send(PauseAsked("e_stop"))
    rig.send(Started())
    rig.see(5.0)
    assert (rig.state, rig.times(HomeGate)) == (State.PAUSED, [])
    rig.send(ResumeAsked("e_stop"))
    assert (rig.state, len(rig.times(HomeGate))) == (State.HOMING, 1)


def test_it_goes_on_only_when_nobody_wants_a_pause_any_more(rig):
    rig.send(PauseAsked("lid_open"))
    rig.send(PauseAsked("e_stop"))
    rig.see(2.0)
    rig.commands.clear()
    rig.send(ResumeAsked("lid_open"))
    assert (rig.state, kinds(rig)) == (State.PAUSED, [Emit]), "each pause has its end in the book"
    rig.see(3.0)
    rig.send(ResumeAsked("e_stop"))
    assert rig.state is State.HOMING
    assert kinds(rig) == [Emit, Emit, HomeGate]
    assert [(told.body["reason"], told.body["after_s"]) for told in rig.events("recovered")] == [
        ("lid_open", 2.0),
        ("e_stop", 5.0),
    ]


def test_a_second_stop_cuts_the_power_again_and_is_told(rig):
    rig.send(PauseAsked("lid_open"))
    rig.commands.clear()
    rig.send(PauseAsked("e_stop"))
    assert kinds(rig) == [StopGate, Emit]


def test_what_ends_a_pause_says_how_long_it_was(rig):
    rig.send(PauseAsked("lid_open"))
    rig.see(7.0)
    rig.send(ResumeAsked("lid_open"))
    (recovered,) = rig.events("recovered")
    assert recovered.body == {"reason": "lid_open", "after_s": 7.0}


def test_a_full_bin_is_told_and_pauses_between_two_items(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(BinLevel("residue", is_full=True))
    (full,) = rig.events("bin_full")
    assert (full.body["bin"], rig.state) == ("residue", State.ROUTING), "the item in flight is finished"
    rig.drop()
    rig.until(State.PAUSED)
    assert len(rig.events("item")) == 1
    assert rig.events("pause")[-1].body["reason"] == "bin_full"
    assert "item" not in rig.events("pause")[-1].body


def test_an_emptied_bin_lets_it_go_on_with_one_line(rig):
    rig.send(BinLevel("residue", is_full=True))
    rig.until(State.PAUSED)
    rig.see(20.0)
    rig.commands.clear()
    rig.send(BinLevel("residue", is_full=False))
    (recovered,) = rig.events("recovered")
    assert (recovered.body["reason"], recovered.body["bin"]) == ("bin_full", "residue")
    assert recovered.body["after_s"] == pytest.approx(20.0, abs=0.1)
    rig.until(State.READY)


def test_it_waits_for_the_last_of_several_full_bins(rig):
    rig.send(BinLevel("residue", is_full=True))
    rig.send(BinLevel("recyclable", is_full=True))
    rig.until(State.PAUSED)
    rig.send(BinLevel("residue", is_full=False))
    assert rig.state is State.PAUSED
    rig.send(BinLevel("recyclable", is_full=False))
    assert rig.state is State.HOMING
    assert [event.body["bin"] for event in rig.events("recovered")] == ["residue", "recyclable"]


def test_an_emptied_bin_does_not_overrule_an_open_lid(rig):
    rig.send(BinLevel("residue", is_full=True))
    rig.until(State.PAUSED)
    rig.send(PauseAsked("lid_open"))
    rig.send(BinLevel("residue", is_full=False))
    assert rig.state is State.PAUSED
    rig.send(ResumeAsked("lid_open"))
    assert rig.state is State.HOMING


def test_a_level_that_is_known_is_not_told_again(rig):
    rig.send(BinLevel("residue", is_full=False))
    rig.send(BinLevel("residue", is_full=True))
    rig.send(BinLevel("residue", is_full=True))
    assert len(rig.events("bin_full")) == 1
    assert rig.events("recovered") == []


def test_where_full_bins_only_warn_the_sorting_goes_on():
    rig = MachineRig(rules(is_paused_when_full=False)).boot()
    rig.send(BinLevel("residue", is_full=True))
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(BinLevel("residue", is_full=False))
    assert (rig.state, len(rig.events("bin_full")), len(rig.events("recovered"))) == (State.ROUTING, 1, 1)


def test_a_jam_cuts_the_power_and_names_the_item_without_counting_it(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.commands.clear()
    rig.send(GateJammed("the flap is stuck"))
    assert kinds(rig) == [StopGate, Emit]
    (fault,) = rig.events("fault")
    assert (fault.body["reason"], fault.body["detail"]) == ("gate_jammed", "the flap is stuck")
    assert fault.body["item"] == {"label": "glass", "route": "recyclable"}
    rig.see(60.0, occupied=True)
    assert (rig.state, rig.events("item"), rig.times(HomeGate)) == (State.FAULT, [], [])


def test_a_jammed_gate_is_tried_again_after_a_rest_once_the_tray_is_empty(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(GateJammed("stuck"))
    jammed_s = rig.now_s
    rig.until(State.HOMING)
    assert rig.now_s - jammed_s >= 3.0
    rig.until(State.READY)


def test_a_gate_that_jams_again_and_again_ends_the_program():
    rig = MachineRig(rules())
    rig.send(Started())
    for _ in range(3):
        rig.send(GateJammed("stuck"))
        assert rig.times(Halt) == []
        rig.until(State.HOMING)
    rig.send(GateJammed("stuck"))
    assert [command for _, command in rig.commands if isinstance(command, Halt)] == [Halt("gate_jammed")]


def test_a_jammed_gate_is_not_tried_while_a_hand_is_in_it(rig):
    """That the tray was empty before the jam says nothing of now."""
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.see(0.6)
    assert rig.machine.is_rearmed
    rig.send(GateJammed("stuck"))
    rig.see(60.0, occupied=True, disturbed=True)
    assert rig.state is State.FAULT
    rig.until(State.HOMING)


def test_a_fault_under_a_pause_has_its_end_in_the_book(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(GateJammed("stuck"))
    rig.see(1.0, occupied=True)
    rig.send(PauseAsked("lid_open"))
    rig.see(4.0)
    rig.send(ResumeAsked("lid_open"))
    assert [(told.body["reason"], told.body["after_s"]) for told in rig.events("recovered")] == [
        ("lid_open", 4.0),
        ("gate_jammed", 5.0),
    ]


def test_faults_that_an_operator_ended_do_not_add_up(rig):
    for _ in range(6):
        rig.send(GateJammed("stuck"))
        rig.send(ResumeAsked("operator"))
    assert rig.times(Halt) == []


def test_an_interruption_does_not_count_as_time_that_the_next_item_took(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.drop()
    rig.until(State.RETURNING)
    rig.see(0.3, disturbed=True)
    rig.send(PauseAsked("lid_open"))
    rig.see(60.0)
    rig.send(ResumeAsked("lid_open"))
    rig.until(State.READY)
    rig.see(120.0)
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.drop()
    rig.until(State.READY)
    assert rig.events("item")[-1].body["latency_ms"]["settle"] < 2000.0


@pytest.mark.parametrize("reason", ["button", "bin_full"])
def test_a_shutdown_in_a_pause_that_forbids_no_motion_brings_the_gate_home(rig, reason: str):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(PauseAsked(reason))
    rig.commands.clear()
    rig.send(ShutdownAsked("stopped"))
    assert (kinds(rig), rig.machine.is_cycling) == ([HomeGate], True)
    rig.see(5.0)
    assert (rig.machine.is_cycling, rig.events("item")) == (False, [])


@pytest.mark.parametrize("reason", ["e_stop", "lid_open"])
def test_a_shutdown_under_a_stop_moves_nothing(rig, reason: str):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(PauseAsked("button"))
    rig.send(PauseAsked(reason))
    rig.commands.clear()
    rig.send(ShutdownAsked("stopped"))
    assert (rig.commands, rig.machine.is_cycling) == ([], False)


def test_the_operator_may_end_a_fault_without_waiting(rig):
    rig.drop_in()
    rig.until(State.FAULT, occupied=True, limit_s=120.0)
    rig.send(ResumeAsked("operator"))
    assert rig.state is State.HOMING
    assert rig.events("recovered")[-1].body["reason"] == rig.events("fault")[-1].body["reason"]


def test_the_operator_cannot_end_a_pause_that_is_not_his(rig):
    rig.send(PauseAsked("e_stop"))
    rig.send(ResumeAsked("operator"))
    assert rig.state is State.PAUSED


@pytest.mark.parametrize("state", [State.READY, State.SETTLING, State.VOTING, State.ROUTING, State.RETURNING])
def test_no_route_is_ever_asked_for_in_a_pause(rig, state: State):
    if state is not State.READY:
        rig.drop_in()
        if state is State.RETURNING:
            rig.until(State.ROUTING, occupied=True)
            rig.drop()
        rig.until(state, occupied=True)
    rig.send(PauseAsked("e_stop"))
    rig.commands.clear()
    rig.see(10.0)
    rig.see(10.0, occupied=True)
    assert (rig.times(RouteItem), rig.times(HomeGate)) == ([], [])
