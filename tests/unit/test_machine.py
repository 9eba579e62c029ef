"""The way of an item through the state machine: presence to votes to gate, on fake time."""

import pytest

from edge.config import RearmConfig, SettleConfig
from edge.machine import ClassifyFrame, Emit, HomeGate, RouteItem, State
from edge.records import Prediction
from tests.rigs import DOUBTFUL, GLASS, TRASH, MachineRig, policy, rules

WAY_OF_AN_ITEM = [
    State.READY,
    State.SETTLING,
    State.VOTING,
    State.ROUTING,
    State.RETURNING,
    State.WAIT_EMPTY,
    State.READY,
]


@pytest.fixture
def rig() -> MachineRig:
    return MachineRig(rules()).boot()


def rig_of(**changes: object) -> MachineRig:
    return MachineRig(rules(**changes)).boot()


def answers(*predictions: Prediction):
    """A classifier that gives these answers and then the last one for ever."""
    left = list(predictions)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_the_first_thing_is_to_home_the_gate():
    rig = MachineRig(rules()).boot()
    assert rig.states == [State.BOOT, State.HOMING, State.WAIT_EMPTY, State.READY]
    assert [command for _, command in rig.commands] == [HomeGate()]


def test_an_item_goes_the_whole_way_and_is_written_down_once_the_gate_is_home(rig):
    rig.commands.clear()
    rig.sort()
    assert rig.states[-7:] == WAY_OF_AN_ITEM
    kinds = [type(command) for _, command in rig.commands]
    assert kinds == [ClassifyFrame, ClassifyFrame, ClassifyFrame, RouteItem, HomeGate, Emit]
    assert rig.commands[3][1] == RouteItem("recyclable")


def test_the_item_says_what_was_decided_and_what_the_gate_was_told(rig):
    rig.sort()
    (item,) = rig.events("item")
    assert {name: value for name, value in item.body.items() if name != "latency_ms"} == {
        "label": "glass",
        "route": "recyclable",
        "decision": "confident",
        "confidence": 0.98,
        "margin": 0.96,
        "votes": {"recyclable": 3, "residue": 0},
        "frames": 3,
        "gate": {"commanded_deg": 140.0, "duration_s": 1.5, "confirmed": None, "retries": 0},
    }


def test_latencies_are_counted_from_the_first_motion_and_from_rest(rig):
    first_s = rig.now_s
    rig.drop_in()
    last_motion_s = rig.now_s - 0.05
    rig.until(State.ROUTING, occupied=True)
    decided_s = rig.times(RouteItem)[0]
    rig.until(State.READY)
    (item,) = rig.events("item")
    assert item.t_s == decided_s
    assert item.body["latency_ms"] == pytest.approx(
        {
            "settle": 1000 * (last_motion_s - first_s),
            "classify": 60.0,
            "decide": 1000 * (decided_s - last_motion_s),
            "gate": 1500.0,
            "total": 1000 * (decided_s - first_s) + 1500.0,
        },
        abs=0.1,
    )


def test_every_item_is_counted_once(rig):
    for _ in range(3):
        rig.sort()
    assert len(rig.events("item")) == len(rig.times(RouteItem)) == 3


def test_an_item_that_stays_is_not_counted_again(rig):
    rig.drop_in()
    rig.see(20.0, occupied=True)
    assert rig.state is State.WAIT_EMPTY
    assert len(rig.events("item")) == 1


@pytest.mark.parametrize("occupied", [True, False], ids=["over the tray", "beside the tray"])
def test_a_hand_that_leaves_nothing_is_no_item(rig, occupied: bool):
    rig.see(2.0, occupied=occupied, disturbed=True)
    assert rig.state is State.SETTLING
    rig.see(0.3)
    assert rig.state is State.READY
    assert rig.times(ClassifyFrame) == []


def test_a_hand_before_the_item_costs_no_settling_time(rig):
    rig.see(2.0, disturbed=True)
    rig.see(1.0)
    rig.sort()
    assert rig.events("item")[0].body["latency_ms"]["settle"] == pytest.approx(250, abs=60)


def test_a_moving_item_is_not_classified(rig):
    rig.see(5.0, occupied=True, disturbed=True)
    assert rig.state is State.SETTLING
    assert rig.times(ClassifyFrame) == []


def test_a_wobble_is_taken_for_rest_after_a_while():
    rig = rig_of(settle=SettleConfig(max_s=0.6))
    rig.drop_in()
    large_motion_s = rig.now_s - 0.05
    rig.see(2.0, occupied=True, moving=True)
    assert rig.times(ClassifyFrame)[0] - large_motion_s == pytest.approx(0.6, abs=0.051)


def test_an_item_that_creeps_in_without_large_motion_is_given_the_same_while():
    rig = rig_of(settle=SettleConfig(max_s=0.6))
    rig.see(5.0)
    first_s = rig.now_s
    rig.see(2.0, occupied=True, moving=True)
    assert rig.times(ClassifyFrame)[0] - first_s == pytest.approx(0.6, abs=0.051)


def test_slight_motion_while_voting_does_not_matter(rig):
    rig.drop_in()
    rig.until(State.VOTING, occupied=True)
    rig.see(0.1, occupied=True, moving=True)
    assert rig.state is State.ROUTING


def test_large_motion_while_voting_discards_the_votes():
    rig = MachineRig(rules(), answers(TRASH, TRASH, GLASS)).boot()
    rig.drop_in()
    rig.until(State.VOTING, occupied=True)
    rig.see(0.05, occupied=True)
    assert len(rig.machine.votes) == 2
    rig.see(0.05, occupied=True, disturbed=True)
    assert (rig.state, rig.machine.votes) == (State.SETTLING, ())
    rig.until(State.WAIT_EMPTY, occupied=True)
    (item,) = rig.events("item")
    assert item.body["votes"] == {"recyclable": 3, "residue": 0}


def test_an_item_removed_while_voting_is_no_item(rig):
    rig.drop_in()
    rig.until(State.VOTING, occupied=True)
    rig.see(0.1, disturbed=True)
    rig.see(1.0)
    assert rig.state is State.READY
    assert rig.times(RouteItem) == []
    rig.sort()
    assert rig.events("item")[0].body["frames"] == 3


def test_the_deadline_comes_although_the_classifier_does_not_answer():
    rig = MachineRig(rules(deadline_s=0.8), predict=lambda: None).boot()
    rig.drop_in()
    rest_s = rig.now_s - 0.05
    rig.see(4.0, occupied=True)
    (item,) = rig.events("item")
    assert (item.body["decision"], item.body["route"], item.body["label"]) == ("deadline", "residue", "")
    assert rig.times(RouteItem)[0] - rest_s == pytest.approx(0.8, abs=0.011)


def test_the_deadline_keeps_the_votes_that_came():
    rig = MachineRig(rules(deadline_s=0.4, policy=policy(max_frames=50)), predict=lambda: DOUBTFUL).boot()
    rig.drop_in()
    rig.see(4.0, occupied=True)
    (item,) = rig.events("item")
    assert (item.body["decision"], item.body["label"]) == ("deadline", "glass")
    assert 1 <= item.body["frames"] < 10


def test_doubt_is_routed_as_soon_as_the_frames_are_used():
    rig = MachineRig(rules(), predict=lambda: DOUBTFUL).boot()
    rig.drop_in()
    rig.until(State.WAIT_EMPTY, occupied=True)
    (item,) = rig.events("item")
    assert (item.body["decision"], item.body["route"], item.body["frames"]) == ("uncertain", "residue", 5)


@pytest.mark.parametrize(
    ("rearm", "empty_s", "reason"),
    [
        (RearmConfig(empty_s=2.0, min_frames=1), 2.0, "time, though the frames were there long ago"),
        (RearmConfig(empty_s=0.0, min_frames=41), 2.0, "frames, though the time was over long ago"),
        (RearmConfig(empty_s=1.0, min_frames=41), 2.0, "whichever comes last"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_rearming_needs(rearm: RearmConfig, empty_s: float, reason: str):
    rig = rig_of(rearm=rearm)
    rig.drop_in()
    rig.until(State.WAIT_EMPTY, occupied=True)
    emptied_s = rig.now_s
    rig.until(State.READY)
    assert rig.now_s - emptied_s == pytest.approx(empty_s, abs=0.11), reason


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"occupied": True}, "the item flickers back"),
        ({"disturbed": True}, "a hand passes"),
        ({"lit": False}, "nothing is known in the dark"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_emptiness_must_be_unbroken(rig, seen: dict[str, bool], reason: str):
    rig.drop_in()
    rig.until(State.WAIT_EMPTY, occupied=True)
    for _ in range(5):
        rig.see(0.4)
        rig.see(0.05, **seen)
        assert rig.state is State.WAIT_EMPTY, reason
    rig.see(0.6)
    assert rig.state is State.READY


def test_slight_motion_does_not_put_rearming_off(rig):
    rig.drop_in()
    rig.until(State.WAIT_EMPTY, occupied=True)
    rig.see(0.6, moving=True)
    assert rig.state is State.SETTLING


def test_emptiness_that_is_seen_while_the_gate_moves_counts(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.until(State.WAIT_EMPTY)
    rig.see(0.05)
    assert rig.state is State.READY


def test_an_item_that_lands_while_the_gate_returns_is_the_next_one(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.until(State.RETURNING)
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.until(State.READY)
    first, second = rig.events("item")
    assert second.t_s > first.t_s
    assert min(second.body["latency_ms"].values()) >= 0


def test_a_second_item_on_top_of_the_first_is_not_counted_with_it(rig):
    rig.drop_in()
    rig.until(State.ROUTING, occupied=True)
    rig.drop_in()
    rig.see(10.0, occupied=True)
    assert len(rig.events("item")) == 1


@pytest.mark.parametrize("state", [State.READY, State.WAIT_EMPTY, State.SETTLING, State.VOTING])
def test_a_night_without_light_is_neither_an_item_nor_a_fault(rig, state: State):
    if state is State.SETTLING:
        rig.drop_in()
    elif state is not State.READY:
        rig.drop_in()
        rig.until(state, occupied=True)
    rig.commands.clear()
    rig.see(0.05, lit=False)
    dusk = rig.state
    rig.see(600.0, lit=False)
    assert rig.commands == []
    assert rig.state is dusk is {State.VOTING: State.SETTLING}.get(state, state)
    rig.see(0.05, disturbed=True)
    rig.see(1.0)
    assert rig.state is State.READY
    assert rig.events("fault") == []


def test_votes_from_before_the_dark_do_not_count():
    rig = MachineRig(rules(), answers(TRASH, TRASH, GLASS)).boot()
    rig.drop_in()
    rig.until(State.VOTING, occupied=True)
    rig.see(0.05, occupied=True)
    rig.see(5.0, lit=False)
    rig.see(0.05, occupied=True, disturbed=True)
    rig.until(State.WAIT_EMPTY, occupied=True)
    (item,) = rig.events("item")
    assert item.body["votes"] == {"recyclable": 3, "residue": 0}
    assert item.body["decision"] == "confident"


def test_an_item_that_is_put_down_in_the_dark_is_seen_when_the_light_comes_back(rig):
    rig.see(5.0, lit=False)
    rig.see(0.05, occupied=True, disturbed=True)
    rig.until(State.WAIT_EMPTY, occupied=True)
    assert len(rig.events("item")) == 1
