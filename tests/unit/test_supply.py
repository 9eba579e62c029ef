"""What follows from readings of supply and heat: holds with hysteresis, few events, whether the gate is to blame."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.board.supply_gauges import SupplyReading
from edge.machine_io import Heat, SupplyLevel
from edge.records import Event
from edge.supply import (
    BLIND_ADVICE,
    EVENT_AT_LEAST_EVERY_S,
    EVENT_EVERY_S,
    FORGET_HEAT_S,
    GATE_ADVICE,
    HEAT_ADVICE,
    HOLD_S,
    SUPPLY_ADVICE,
    Supply,
)

WINDOW_S = 3.0
GLASS = {"label": "glass", "route": "recyclable"}
PAPER = {"label": "paper", "route": "recyclable"}


class Rig:
    """A supply that is read once a second and polled ten times a second, and all that it said."""

    def __init__(self, **settings) -> None:
        self.supply = Supply(**settings)
        self.ms = 0
        self.motion: str | None = None
        self.item: dict[str, str] | None = None
        self.reading = SupplyReading(0, False, 50.0, WINDOW_S)
        self.said: list[tuple[float, object]] = []

    @property
    def now_s(self) -> float:
        return self.ms / 1000

    def go_on(self, duration_s: float, **reading) -> None:
        self.reading = self.reading._replace(**reading)
        for _ in range(round(duration_s * 10)):
            if self.ms % 1000 == 0:
                self.supply.take(self.reading, self.now_s)
            self.poll()
            self.ms += 100

    def poll(self) -> list[object]:
        self.supply.watch(self.now_s, "routing" if self.motion else "ready", self.motion, self.item)
        found = self.supply.due(self.now_s)
        self.said += [(self.now_s, what) for what in found]
        return found

    def move(self, target: str, duration_s: float = 1.0) -> None:
        self.motion = target
        self.go_on(duration_s)
        self.motion = None

    def inputs(self) -> list[object]:
        return [what for _, what in self.said if not isinstance(what, Event)]

    def events(self) -> list[Event]:
        return [what for _, what in self.said if isinstance(what, Event)]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_sound_supply_says_nothing_for_a_day(rig):
    for second in range(86_400):
        rig.supply.take(rig.reading, second)
        rig.supply.watch(second, "ready", None)
        assert rig.supply.due(second) == []


def test_a_dip_holds_motions_at_once_and_until_five_seconds_after_its_last_report(rig):
    rig.go_on(10.0)
    rig.go_on(3.0, is_low=True)
    rig.go_on(20.0, is_low=False)
    assert [(t_s, what) for t_s, what in rig.said if not isinstance(what, Event)] == [
        (10.0, SupplyLevel(True)),
        (pytest.approx(12.0 + HOLD_S + 0.1), SupplyLevel(False)),
    ]


def test_motions_are_not_held_where_that_is_not_wanted_and_the_dip_is_told_all_the_same():
    rig = Rig(undervoltage_hold=False)
    rig.go_on(10.0, is_low=True)
    assert rig.inputs() == []
    assert rig.events()[0].body["is_low"] is True


def test_an_event_says_what_is_so_now_and_what_has_been(rig):
    rig.go_on(5.0)
    rig.go_on(1.0, is_low=True, bits=0x50005)
    (event,) = rig.events()
    assert event.type == "throttled"
    assert event.t_s == pytest.approx(5.0)
    assert json.loads(json.dumps(event.body)) == {
        "bits": "0x50005",
        "now": ["undervoltage", "throttled"],
        "is_low": True,
        "is_hot": False,
        "is_answering": True,
        "temperature_c": 50.0,
        "occurred": ["throttled", "undervoltage"],
        "changes": 1,
        "during": {"state": "ready", "motion": None, "after_motion_start_s": None, "item": None},
        "coincided": 0,
        "of": 1,
        "advice": SUPPLY_ADVICE,
    }


def test_an_event_tells_only_what_came_since_the_one_before_it(rig):
    rig.go_on(1.0, is_low=True, bits=0x50005)
    rig.go_on(100.0, is_low=False, bits=0)
    first, second = (event.body for event in rig.events())
    assert (first["occurred"], first["changes"]) == (["throttled", "undervoltage"], 1)
    assert (second["occurred"], second["changes"], second["during"]) == ([], 2, None)
    assert (second["now"], second["is_low"], second["of"]) == ([], False, 1)


@pytest.mark.parametrize(
    ("readings", "changes"),
    [
        ([{"temperature_c": 79.9}], []),
        ([{"temperature_c": 80.0}], [True]),
        ([{"temperature_c": 81.0}, {"temperature_c": 72.1}], [True]),
        ([{"temperature_c": 81.0}, {"temperature_c": 72.0}], [True, False]),
        ([{"temperature_c": 76.0, "bits": 8}], [True]),
        ([{"temperature_c": 75.9, "bits": 8}], []),
        ([{"temperature_c": 76.0, "bits": 8}, {"temperature_c": 72.1}, {"temperature_c": 72.0}], [True, False]),
        pytest.param(
            [{"temperature_c": t, "bits": 8} for t in (72.0, 72.5, 72.0, 72.5, 72.0)], [], id="about the lower limit"
        ),
        pytest.param([{"temperature_c": 62.0, "bits": 8}], [], id="a 3B+ has its soft limit at 60 degrees"),
        ([{"temperature_c": None, "bits": 8}, {"bits": 0}], [True, False]),
        pytest.param([{"temperature_c": 70.0, "bits": 0x50005}], [], id="slowed by the supply, not by heat"),
    ],
)
def test_heat_begins_at_its_limit_and_ends_below_another(rig, readings, changes):
    for reading in readings:
        rig.go_on(3.0, **reading)
    assert rig.inputs() == [Heat(is_hot) for is_hot in changes]


def test_heat_that_nobody_tells_any_more_ends_after_a_minute(rig):
    rig.go_on(3.0, temperature_c=85.0)
    rig.go_on(FORGET_HEAT_S + 5.0, temperature_c=None, bits=None)
    assert rig.inputs() == [Heat(True), Heat(False)]


def test_a_hot_board_is_told_how_to_cool(rig):
    rig.go_on(3.0, temperature_c=85.0)
    assert rig.events()[0].body["advice"] == HEAT_ADVICE


@given(st.lists(st.floats(20.0, 120.0), max_size=60))
def test_heat_neither_flaps_between_its_limits_nor_misses_one(temperatures_c):
    supply, is_hot = Supply(hot_c=80.0, cool_c=72.0), False
    for second, temperature_c in enumerate(temperatures_c):
        supply.take(SupplyReading(0, False, temperature_c), second)
        said = [what for what in supply.due(second) if isinstance(what, Heat)]
        if said:
            assert said == [Heat(not is_hot)]
            assert temperature_c >= 80.0 if not is_hot else temperature_c <= 72.0
            is_hot = not is_hot
        else:
            assert not (temperature_c >= 80.0 and not is_hot)
            assert not (temperature_c <= 72.0 and is_hot)


@given(st.lists(st.sampled_from([True, False, None]), max_size=60))
def test_the_hold_lasts_exactly_while_a_report_is_five_seconds_old_at_most(lows):
    supply, is_low = Supply(), False
    for second, low in enumerate(lows):
        supply.take(SupplyReading(None, low, None), second)
        for what in supply.due(second):
            if isinstance(what, SupplyLevel):
                assert what.is_low is not is_low
                is_low = what.is_low
        assert is_low is any(lows[max(0, second - round(HOLD_S)) : second + 1])


step = st.tuples(
    st.floats(0.01, 400.0), st.booleans(), st.sampled_from([None, 50.0, 75.0, 90.0]), st.integers(0, 15), st.booleans()
)


@given(st.lists(step, max_size=80))
def test_events_are_never_nearer_than_a_minute_and_leave_no_change_untold(steps):
    supply, now_s, last_s, changes, told = Supply(), 0.0, None, 0, 0
    condition = (False, False, (), True)
    for step_s, is_low, temperature_c, bits, is_lost in steps:
        now_s += step_s
        if is_lost:
            supply.lose()
        else:
            supply.take(SupplyReading(bits, is_low, temperature_c), now_s)
        said = supply.due(now_s)
        report = supply.report()
        now = tuple(name for name in report["now"] if name != "undervoltage")
        changes += (report["is_low"], report["is_hot"], now, report["is_answering"]) != condition
        condition = (report["is_low"], report["is_hot"], now, report["is_answering"])
        for event in said:
            if isinstance(event, Event):
                assert last_s is None or now_s - last_s >= EVENT_EVERY_S
                last_s, told = now_s, told + event.body["changes"]
        if told < changes:
            assert last_s is not None, "the first change is told at once"
            assert now_s - last_s < EVENT_AT_LEAST_EVERY_S
    assert told <= changes


def test_a_supply_that_flaps_for_a_month_leaves_the_book_room(rig):
    events = []
    for second in range(0, 30 * 86_400, 10):
        is_low = second // 10 % 2 == 0
        rig.supply.take(SupplyReading(0x50005 if is_low else 0, is_low, 50.0), second)
        rig.supply.watch(second, "ready", None)
        events += [what for what in rig.supply.due(second) if isinstance(what, Event)]
    assert len(events) <= 30 * 86_400 / EVENT_AT_LEAST_EVERY_S + 5
    assert max(len(json.dumps(event.body)) for event in events) < 800


def test_after_a_calm_hour_the_next_change_is_told_at_once_and_the_one_after_it_within_a_minute(rig):
    for _ in range(6):
        rig.go_on(2.0, is_low=True)
        rig.go_on(60.0, is_low=False)
    rig.go_on(4000.0)
    known, since_s = len(rig.events()), rig.now_s
    rig.go_on(2.0, is_low=True)
    rig.go_on(70.0, is_low=False)
    assert [event.t_s - since_s for event in rig.events()[known:]] == [
        pytest.approx(0.0, abs=1.1),
        pytest.approx(EVENT_EVERY_S, abs=1.2),
    ]


class TestMotions:
    """A dip belongs to the motion that was under way at any time of what its report may be about."""

    @pytest.mark.parametrize(
        ("rest_s", "motion", "after_s"),
        [
            pytest.param(0.0, "recyclable", 2.0, id="reported as the motion ends"),
            pytest.param(2.0, "recyclable", 4.0, id="reported two seconds after it ended"),
            pytest.param(4.0, None, None, id="reported too late to be of it"),
        ],
    )
    def test_a_dip_is_tied_to_the_motion_before_it_while_the_window_reaches_back_to_it(
        self, rig, rest_s, motion, after_s
    ):
        rig.go_on(10.0)
        rig.move("recyclable", 2.0)
        rig.go_on(rest_s)
        rig.go_on(1.0, is_low=True)
        during = rig.events()[0].body["during"]
        assert during["motion"] == motion
        assert during["after_motion_start_s"] == (None if after_s is None else pytest.approx(after_s, abs=0.11))

    def test_a_dip_in_the_middle_of_a_motion_says_how_long_after_its_start(self, rig):
        rig.go_on(9.5)
        rig.motion = "home"
        rig.go_on(0.5)
        rig.go_on(1.0, is_low=True)
        assert rig.events()[0].body["during"] == {
            "state": "routing",
            "motion": "home",
            "after_motion_start_s": pytest.approx(0.5),
            "item": None,
        }

    @pytest.mark.parametrize(
        ("rest_s", "now", "expected"),
        [
            pytest.param(0.0, GLASS, GLASS, id="as its gate moves"),
            pytest.param(2.0, None, GLASS, id="of a motion that is over, and the item with it"),
            pytest.param(2.0, PAPER, GLASS, id="while the next one is in flight"),
            pytest.param(6.0, PAPER, PAPER, id="while it waits for no motion"),
            pytest.param(6.0, None, None, id="with none in flight"),
        ],
    )
    def test_a_dip_names_the_item_whose_motion_it_belongs_to_else_the_one_in_flight(self, rig, rest_s, now, expected):
        rig.go_on(10.0)
        rig.item = GLASS
        rig.move("recyclable", 2.0)
        rig.item = now
        rig.go_on(rest_s)
        rig.go_on(1.0, is_low=True)
        assert rig.events()[0].body["during"]["item"] == expected

    @given(st.integers(0, 100), st.integers(1, 50), st.integers(0, 100))
    def test_the_window_rule_for_any_motion(self, start, length, report):
        supply = Supply()
        start_s, end_s, report_s = start / 10, (start + length) / 10, report / 10
        for tick in range(report + 1):
            supply.watch(tick / 10, "ready", "bin" if start <= tick < start + length else None)
        supply.take(SupplyReading(None, True, None, WINDOW_S), report_s)
        overlaps = start_s <= report_s and end_s >= report_s - WINDOW_S - 1e-9
        assert supply.report()["coincided"] == overlaps

    def test_dips_that_come_with_the_motions_of_a_gate_that_seldom_moves_are_its_fault(self, rig):
        for _ in range(3):
            rig.go_on(57.0, is_low=False)
            rig.move("recyclable")
            rig.go_on(2.0, is_low=True)
        body = rig.supply.report()
        assert (body["coincided"], body["of"], body["advice"]) == (3, 3, GATE_ADVICE)

    def test_two_dips_prove_nothing(self, rig):
        for _ in range(2):
            rig.go_on(57.0, is_low=False)
            rig.move("recyclable")
            rig.go_on(2.0, is_low=True)
        assert rig.supply.report()["advice"] == SUPPLY_ADVICE

    def test_dips_at_a_gate_that_moves_half_the_time_prove_nothing_before_there_are_many(self, rig):
        advice = []
        for _ in range(10):
            rig.move("recyclable", 3.0)
            rig.go_on(2.0, is_low=True)
            rig.go_on(8.0, is_low=False)
            advice.append(rig.supply.report()["advice"])
        assert advice[3] == SUPPLY_ADVICE
        assert advice[-1] == GATE_ADVICE

    def test_dips_that_come_at_any_time_are_the_supplys_fault(self, rig):
        for number in range(12):
            rig.go_on(50.0, is_low=False)
            if number % 3 == 0:
                rig.move("recyclable")
            rig.go_on(2.0, is_low=True)
        body = rig.supply.report()
        assert (body["coincided"], body["of"], body["advice"]) == (4, 12, SUPPLY_ADVICE)

    def test_a_supply_that_was_mended_is_no_longer_blamed_on_the_gate_once_other_dips_outweigh_it(self, rig):
        for _ in range(5):
            rig.go_on(57.0, is_low=False)
            rig.move("recyclable")
            rig.go_on(2.0, is_low=True)
        for _ in range(20):
            rig.go_on(57.0, is_low=False)
            rig.go_on(2.0, is_low=True)
        assert rig.supply.report()["advice"] == SUPPLY_ADVICE
        assert rig.supply.report()["of"] == 20, "the memory is bounded"


def test_silence_is_told_once_ends_every_hold_and_ends_with_the_next_reading(rig):
    rig.go_on(5.0, is_low=True, temperature_c=90.0)
    for _ in range(100):
        rig.ms += 1000
        rig.supply.lose()
        rig.poll()
    assert rig.inputs() == [SupplyLevel(True), Heat(True), SupplyLevel(False), Heat(False)]
    told = [event.body for event in rig.events() if not event.body["is_answering"]]
    assert len(told) == 1
    assert told[0]["advice"] == BLIND_ADVICE
    rig.go_on(200.0, is_low=False, temperature_c=50.0)
    assert rig.events()[-1].body["is_answering"] is True
