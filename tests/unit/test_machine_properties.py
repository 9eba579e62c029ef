"""What the state machine promises for any sequence of frames, drops, votes, reports, pauses and requests to end."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import DropSensorConfig, RearmConfig, SettleConfig
from edge.machine import (
    BookLevel,
    DropSeen,
    Emit,
    GateDone,
    HomeGate,
    PauseAsked,
    ResumeAsked,
    RouteItem,
    Seen,
    ShutdownAsked,
    Started,
    State,
    SupplyLevel,
    Tick,
    Voted,
)
from edge.machine_state import CYCLING
from edge.records import GateReport, Presence
from tests.rigs import GLASS, TRASH, MachineRig, policy, rules

Act = Callable[[MachineRig], None]


def looking(frames: int, seen: dict[str, bool]) -> Act:
    return lambda rig: rig.see(frames * 0.05, **seen)


def sending(event: object) -> Act:
    return lambda rig: rig.send(event)


SCENES = [
    {},
    {"occupied": True},
    {"occupied": True, "disturbed": True},
    {"occupied": True, "moving": True},
    {"disturbed": True},
    {"lit": False},
]
STRAY = [
    DropSeen(),
    Voted(TRASH),
    GateDone(GateReport("home", 90.0, 0.0, 0.0)),
    Tick(),
    PauseAsked("lid"),
    ResumeAsked("lid"),
    ShutdownAsked("stopped"),
    BookLevel(is_failing=True),
    BookLevel(is_failing=False),
    SupplyLevel(is_low=True),
    SupplyLevel(is_low=False),
]
ACTS = st.one_of(
    st.builds(looking, st.integers(1, 8), st.sampled_from(SCENES)),
    st.builds(looking, st.integers(5, 8), st.sampled_from(SCENES[:2])),
    st.builds(sending, st.sampled_from(STRAY)),
)
QUICK = {
    "settle": SettleConfig(quiet_s=0.05, max_s=0.2),
    "rearm": RearmConfig(empty_s=0.1, min_frames=3, clear_timeout_s=1.0),
    "policy": policy(max_frames=2, min_frames=1),
    "deadline_s": 0.2,
}


class Witness(MachineRig):
    """Watches the promises while a machine runs, from what was shown to it and what it commanded."""

    def __init__(self, has_sensor: bool) -> None:
        drop = DropSensorConfig(kind="beam", timeout_s=0.3) if has_sensor else DropSensorConfig()
        super().__init__(rules(drop=drop, **QUICK), lambda: GLASS, route_s=0.1, home_s=0.1)
        self.empty_frames = 0
        self.may_decide = False
        self.is_homed = False
        self.uncounted = 0

    def send(self, event: object) -> None:
        if isinstance(event, Seen):
            self.notice(event.presence)
        super().send(event)

    def notice(self, presence: Presence) -> None:
        is_empty = presence.is_lit and not presence.is_occupied and not presence.is_disturbed
        self.empty_frames = self.empty_frames + 1 if is_empty else 0
        self.may_decide = self.may_decide or self.empty_frames >= 3

    def _perform(self, command: object) -> None:
        if isinstance(command, HomeGate):
            is_under_way = self.machine.state is State.RETURNING
            assert is_under_way or not self.machine.is_supply_low, "a motion began on a low supply"
            self.is_homed = True
        if isinstance(command, RouteItem):
            assert not self.machine.is_supply_low, "a motion began on a low supply"
            assert self.is_homed, "the way was opened twice without a return"
            self.is_homed = False
            if self.machine.retries == 0:
                assert not self.machine.is_book_failing, "an item was taken that cannot be written down"
                assert self.may_decide, "an item was taken before the tray had been empty"
                self.may_decide, self.empty_frames = False, 0
                self.uncounted += 1
        if isinstance(command, Emit) and command.type == "item":
            self.uncounted -= 1
            assert self.uncounted >= 0, "an item was counted twice"
        super()._perform(command)


@given(acts=st.lists(ACTS, max_size=40), has_sensor=st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_happens_an_item_is_counted_once_at_most(acts: list[Act], has_sensor: bool):
    witness = Witness(has_sensor)
    witness.send(Started())
    for act in acts:
        act(witness)
        machine = witness.machine
        assert machine.state in State
        assert (machine.fault is not None) == (machine.state is State.FAULT) or machine.state is State.PAUSED
        assert machine.is_cycling == (machine.state in CYCLING)
    assert all(value >= 0 for item in witness.events("item") for value in item.body["latency_ms"].values())
