"""The state machine while the supply's voltage is too low: no motion begins, one under way is finished."""

import pytest

from edge.config import DropSensorConfig
from edge.machine import (
    GateJammed,
    Heat,
    HomeGate,
    LimitRate,
    PauseAsked,
    ResumeAsked,
    RouteItem,
    ShutdownAsked,
    Started,
    State,
    SupplyLevel,
)
from tests.rigs import MachineRig, rules

BEAM = DropSensorConfig(kind="beam", timeout_s=2.0, retries=1)
LOW, GOOD = SupplyLevel(is_low=True), SupplyLevel(is_low=False)


@pytest.fixture
def rig() -> MachineRig:
    return MachineRig(rules(drop=BEAM)).boot()


def test_a_start_on_a_low_supply_homes_once_it_is_good():
    rig = MachineRig(rules())
    rig.send(LOW)
    rig.send(Started())
    rig.see(30.0)
    assert (rig.state, rig.times(HomeGate)) == (State.HOMING, [])
    rig.send(GOOD)
    assert len(rig.times(HomeGate)) == 1
    rig.until(State.READY)


def test_an_item_waits_on_the_tray_and_is_sorted_in_time_afterwards(rig):
    rig.send(LOW)
    rig.drop_in()
    rig.see(20.0, occupied=True)
    assert (rig.state, rig.times(RouteItem)) == (State.SETTLING, [])
    rig.send(GOOD)
    rig.until(State.ROUTING, occupied=True)
    rig.drop()
    rig.until(State.READY)
    (item,) = rig.events("item")
    assert item.body["decision"] == "confident", "the wait is not taken for votes that came too late"
    assert item.body["latency_ms"]["decide"] < 1000


def test_votes_of_before_do_not_count_when_the_supply_breaks_down(rig):
    rig.predict = lambda: None
    rig.drop_in()
    rig.until(State.VOTING, occupied=True)
    rig.send(LOW)
    rig.see(5.0, occupied=True)
    assert (rig.state, rig.machine.votes) == (State.SETTLING, ())


def test_a_motion_under_way_is_finished_and_the_item_counted(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(LOW)
    rig.drop()
    rig.until(State.READY)
    assert len(rig.events("item")) == 1


def test_another_try_for_an_item_waits_for_the_supply(rig):
    rig.drop_in()
    rig.until(State.CONFIRMING, occupied=True)
    rig.send(LOW)
    rig.see(30.0)
    assert (rig.state, len(rig.times(RouteItem))) == (State.RETURNING, 1)
    rig.send(GOOD)
    assert (rig.state, len(rig.times(RouteItem))) == (State.ROUTING, 2)
    rig.drop()
    rig.until(State.READY)
    (item,) = rig.events("item")
    assert item.body["gate"]["retries"] == 1


def test_a_stop_while_another_try_waits_names_the_item(rig):
    rig.drop_in()
    rig.until(State.CONFIRMING, occupied=True)
    rig.send(LOW)
    rig.see(30.0)
    rig.send(PauseAsked("lid_open"))
    assert rig.events("pause")[-1].body["item"] == {"label": "glass", "route": "recyclable"}
    rig.send(GOOD)
    assert rig.state is State.PAUSED, "a good supply does not close the lid"


def test_what_ends_a_pause_waits_for_the_supply_before_it_homes(rig):
    rig.send(PauseAsked("lid_open"))
    rig.send(LOW)
    homed = len(rig.times(HomeGate))
    rig.send(ResumeAsked("lid_open"))
    rig.see(10.0)
    assert (rig.state, len(rig.times(HomeGate))) == (State.HOMING, homed)
    rig.send(GOOD)
    assert len(rig.times(HomeGate)) == homed + 1


def test_a_jam_is_not_tried_again_on_a_low_supply(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.send(LOW)
    homed = len(rig.times(HomeGate))
    rig.send(GateJammed("stuck"))
    rig.see(30.0)
    assert (rig.state, len(rig.times(HomeGate))) == (State.FAULT, homed)
    rig.send(GOOD)
    rig.until(State.READY)


def test_at_the_end_a_gate_that_stands_still_stays_where_it_is(rig):
    rig.send(PauseAsked("button"))
    rig.send(LOW)
    homed = len(rig.times(HomeGate))
    rig.send(ShutdownAsked("stopped"))
    assert (rig.state, len(rig.times(HomeGate))) == (State.PAUSED, homed)


def test_a_hot_processor_takes_fewer_frames_and_sorts_on(rig):
    rig.send(Heat(is_hot=True))
    rig.send(Heat(is_hot=False))
    assert [command.is_limited for _, command in rig.commands if isinstance(command, LimitRate)] == [True, False]
    assert rig.state is State.READY
