"""The state machine when something goes wrong or somebody interferes."""

import pytest

from edge.config import DropSensorConfig, RearmConfig
from edge.machine import (
    ArmSensor,
    DropSeen,
    Emit,
    Halt,
    HomeGate,
    PauseAsked,
    ResumeAsked,
    RouteItem,
    ShutdownAsked,
    State,
    StopGate,
    WayOpened,
)
from tests.rigs import MachineRig, rules

BEAM = DropSensorConfig(kind="beam", timeout_s=2.0, retries=1)


@pytest.fixture
def rig() -> MachineRig:
    return MachineRig(rules()).boot()


@pytest.fixture
def sensing() -> MachineRig:
    return MachineRig(rules(drop=BEAM)).boot()


def block(rig: MachineRig) -> None:
    """Leave an item on the tray for longer than is allowed."""
    rig.drop_in()
    rig.until(State.FAULT, occupied=True)


def lead_to(rig: MachineRig, state: State) -> None:
    """Bring a machine with a drop sensor from READY into any state."""
    if state is State.PAUSED:
        rig.send(PauseAsked("lid"))
    elif state is State.HOMING:
        rig.send(PauseAsked("lid"))
        rig.send(ResumeAsked("lid"))
    elif state is not State.READY:
        rig.drop_in()
        if state is State.WAIT_EMPTY:
            rig.until(State.ROUTING, occupied=True)
            rig.drop()
        rig.until(state, occupied=True)


def test_an_item_that_never_clears_is_a_fault_with_the_power_off(rig):
    block(rig)
    (fault,) = rig.events("fault")
    assert fault.body["reason"] == "tray_blocked"
    assert fault.body["state"] == "wait_empty"
    assert "clear the tray" in fault.body["detail"]
    assert [type(command) for _, command in rig.commands[-2:]] == [StopGate, Emit]
    item_s, blocked_s = rig.times(Emit)[:2]
    assert blocked_s - item_s == pytest.approx(30.0, abs=0.02)


def test_the_blocked_tray_is_timed_from_the_item_not_from_an_empty_wait():
    rig = MachineRig(rules(rearm=RearmConfig(min_frames=1000, clear_timeout_s=30.0))).boot()
    rig.drop_in()
    rig.until(State.WAIT_EMPTY, occupied=True)
    rig.see(28.0)
    rig.see(28.0, occupied=True)
    assert rig.state is State.WAIT_EMPTY
    rig.see(3.0, occupied=True)
    assert rig.state is State.FAULT


def test_a_machine_in_fault_moves_nothing_until_the_tray_is_empty(rig):
    block(rig)
    rig.commands.clear()
    rig.see(600.0, occupied=True)
    rig.see(600.0, lit=False)
    rig.see(10.0, disturbed=True)
    assert (rig.state, rig.commands) == (State.FAULT, [])


def test_it_recovers_by_itself_once_the_tray_is_empty(rig):
    block(rig)
    rig.until(State.READY)
    (recovered,) = rig.events("recovered")
    assert recovered.body["reason"] == "tray_blocked"
    assert rig.states[-4:] == [State.FAULT, State.HOMING, State.WAIT_EMPTY, State.READY]
    assert rig.machine.fault is None
    rig.sort()
    assert len(rig.events("item")) == 2


def unconfirmed(rig: MachineRig) -> None:
    rig.drop_in()
    rig.until(State.FAULT, occupied=True)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_it_gives_up_after_so_many_faults_in_a_row(most: int):
    rig = MachineRig(rules(drop=BEAM, rearm=RearmConfig(max_recoveries=most))).boot()
    for _ in range(most):
        unconfirmed(rig)
        assert rig.times(Halt) == []
        rig.until(State.READY)
    unconfirmed(rig)
    assert rig.commands[-1][1] == Halt("drop_unconfirmed")
    assert len(rig.events("fault")) == most + 1


def test_a_sorted_item_between_two_faults_starts_the_count_anew():
    rig = MachineRig(rules(drop=BEAM, rearm=RearmConfig(max_recoveries=1))).boot()
    for _ in range(4):
        unconfirmed(rig)
        rig.until(State.READY)
        rig.drop_in()
        rig.until(State.ROUTING, occupied=True)
        rig.drop()
        rig.until(State.READY)
    assert rig.times(Halt) == []


@pytest.mark.parametrize("state", [State.ROUTING, State.CONFIRMING])
def test_a_drop_that_is_seen_confirms_the_item(sensing, state: State):
    sensing.drop_in()
    sensing.until(state, occupied=True)
    sensing.drop()
    sensing.until(State.READY)
    (item,) = sensing.events("item")
    assert (item.body["gate"]["confirmed"], item.body["gate"]["retries"]) == (True, 0)
    assert len(sensing.times(RouteItem)) == 1
    assert sensing.events("fault") == []


def test_what_is_seen_in_the_moment_the_motor_starts_is_its_own_spike_and_confirms_nothing(sensing):
    sensing.drop_in()
    sensing.until(State.ROUTING, occupied=True)
    sensing.commands.clear()
    sensing.send(DropSeen())
    assert [command for _, command in sensing.commands] == [ArmSensor()], "and what is seen later counts again"
    assert sensing.machine.is_confirmed is None
    sensing.drop()
    assert sensing.machine.is_confirmed is True


def test_the_drop_is_waited_for_from_the_moment_the_way_is_open(sensing):
    """A carousel takes its time before anything can fall."""
    sensing.drop_in()
    sensing.until(State.ROUTING, occupied=True)
    sensing.see(0.8, occupied=True)
    sensing.send(WayOpened())
    sensing.until(State.RETURNING, occupied=True)
    assert sensing.times(HomeGate)[-1] - sensing.times(RouteItem)[-1] == pytest.approx(2.8, abs=0.06)


def test_the_gate_waits_open_for_the_drop_no_longer_than_the_timeout(sensing):
    sensing.drop_in()
    sensing.until(State.RETURNING, occupied=True)
    assert sensing.times(HomeGate)[-1] - sensing.times(RouteItem)[-1] == pytest.approx(2.0, abs=0.011)


def test_an_unseen_drop_is_tried_again_and_can_be_confirmed_then(sensing):
    sensing.drop_in()
    sensing.until(State.RETURNING, occupied=True)
    sensing.until(State.CONFIRMING, occupied=True)
    assert sensing.times(RouteItem)[1] - sensing.times(HomeGate)[-1] == pytest.approx(0.5, abs=0.011)
    sensing.send(DropSeen())
    sensing.until(State.READY)
    (item,) = sensing.events("item")
    assert (item.body["gate"]["confirmed"], item.body["gate"]["retries"]) == (True, 1)
    assert sensing.events("fault") == []


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_an_item_without_a_drop_is_unconfirmed_and_a_fault(retries: int):
    rig = MachineRig(rules(drop=DropSensorConfig(kind="beam", timeout_s=2.0, retries=retries))).boot()
    unconfirmed(rig)
    (item,), (fault,) = rig.events("item"), rig.events("fault")
    assert (item.body["gate"]["confirmed"], item.body["gate"]["retries"]) == (False, retries)
    assert fault.body["reason"] == "drop_unconfirmed"
    assert rig.commands[-3][1] is item, "the item must be durable before the fault"
    assert len(rig.times(RouteItem)) == retries + 1


def test_one_items_drop_does_not_confirm_the_next(sensing):
    sensing.drop_in()
    sensing.until(State.ROUTING, occupied=True)
    sensing.drop()
    sensing.until(State.READY)
    unconfirmed(sensing)
    assert [item.body["gate"]["confirmed"] for item in sensing.events("item")] == [True, False]


def test_a_drop_at_any_other_time_confirms_nothing(sensing):
    sensing.send(DropSeen())
    sensing.drop_in()
    sensing.until(State.VOTING, occupied=True)
    sensing.send(DropSeen())
    sensing.until(State.FAULT, occupied=True)
    assert sensing.events("item")[0].body["gate"]["confirmed"] is False


EVERY_STATE = [state for state in State if state not in (State.BOOT, State.PAUSED)]
WITH_ITEM = (State.ROUTING, State.CONFIRMING, State.RETURNING)


@pytest.mark.parametrize("state", EVERY_STATE)
def test_a_pause_cuts_the_power_and_names_an_item_under_way_without_counting_it(sensing, state: State):
    lead_to(sensing, state)
    sensing.commands.clear()
    sensing.send(PauseAsked("lid"))
    assert sensing.state is State.PAUSED
    stop, pause = (command for _, command in sensing.commands)
    assert stop == StopGate()
    assert (pause.type, pause.body["reason"], pause.body["state"]) == ("pause", "lid", state.value)
    assert pause.body.get("item") == ({"label": "glass", "route": "recyclable"} if state in WITH_ITEM else None)
    sensing.see(60.0, occupied=True)
    sensing.send(PauseAsked("lid"))
    assert len(sensing.commands) == 2, "nothing moves and nothing is said twice in a pause"
    sensing.send(PauseAsked("e_stop"))
    assert [command.body["reason"] for command in sensing.events("pause")] == ["lid", "e_stop"]


@pytest.mark.parametrize("state", [*EVERY_STATE, State.PAUSED])
def test_a_resumed_machine_homes_and_wants_an_empty_tray_first(sensing, state: State):
    lead_to(sensing, state)
    sensing.send(PauseAsked("lid"))
    sensing.commands.clear()
    sensing.send(ResumeAsked("lid"))
    assert (sensing.state, sensing.machine.fault) == (State.HOMING, None)
    *told, home = (command for _, command in sensing.commands)
    over = ["lid", "drop_unconfirmed"] if state is State.FAULT else ["lid"]
    assert [(line.type, line.body["reason"]) for line in told] == [("recovered", reason) for reason in over]
    assert home == HomeGate()
    sensing.see(5.0, occupied=True)
    assert sensing.state is State.WAIT_EMPTY
    assert sensing.times(RouteItem) == []
    sensing.until(State.READY)
    assert sensing.events("item") == []


@pytest.mark.parametrize("state", EVERY_STATE)
def test_resuming_what_is_not_paused_does_nothing(sensing, state: State):
    lead_to(sensing, state)
    before, _ = sensing.machine, sensing.commands.clear()
    sensing.send(ResumeAsked("lid"))
    assert (sensing.machine, sensing.commands) == (before, [])


@pytest.mark.parametrize("state", [State.ROUTING, State.CONFIRMING])
def test_shutdown_before_the_drop_is_known_names_the_item_and_brings_the_gate_home(sensing, state: State):
    lead_to(sensing, state)
    sensing.commands.clear()
    sensing.send(ShutdownAsked("stopped"))
    stop, pause, home = (command for _, command in sensing.commands)
    assert isinstance(stop, StopGate), "the disk may hang, and the motor must not have power meanwhile"
    assert (pause.type, pause.body["state"]) == ("pause", state.value)
    assert pause.body["item"] == {"label": "glass", "route": "recyclable"}
    assert home == HomeGate()
    assert sensing.state is State.RETURNING
    sensing.see(5.0, occupied=True)
    assert sensing.events("item") == []
    assert not sensing.machine.is_cycling


def test_shutdown_on_the_way_home_still_counts_the_item(rig):
    rig.drop_in()
    rig.until(State.RETURNING, occupied=True)
    rig.send(ShutdownAsked("stopped"))
    rig.see(2.0)
    assert len(rig.events("item")) == 1
    assert rig.events("pause") == []


@pytest.mark.parametrize("state", [state for state in [*EVERY_STATE, State.PAUSED] if state not in WITH_ITEM])
def test_shutdown_without_an_item_under_way_changes_nothing(sensing, state: State):
    lead_to(sensing, state)
    before, _ = sensing.machine, sensing.commands.clear()
    sensing.send(ShutdownAsked("stopped"))
    assert (sensing.machine, sensing.commands) == (before, [])
