"""Clocks: what is read never goes back, and waiting is exact, without a second of the wall being spent here."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import clock as clocks
from edge.clock import MonotonicClock, ReplayClock, utc_now


class Wall:
    """`time`, as `edge.clock` uses it: sleeping moves it, and it remembers how long was slept."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept_s: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        assert duration_s > 0
        self.slept_s.append(duration_s)
        self.now_s += duration_s


@pytest.fixture
def wall(monkeypatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(clocks, "time", wall)
    return wall


def test_the_monotonic_clock_counts_from_its_making(wall):
    clock = MonotonicClock()
    assert clock.now_s() == 0.0
    wall.now_s += 2.5
    assert clock.now_s() == 2.5


@pytest.mark.parametrize(
    ("until_s", "slept_s", "reason"),
    [
        (3.0, [2.0], "sleeps for what is left"),
        (1.0, [], "now is no wait"),
        (0.5, [], "the past is no wait"),
        (-7.0, [], "before the start is no wait"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_waiting_on_the_monotonic_clock(wall, until_s: float, slept_s: list[float], reason: str):
    clock = MonotonicClock()
    wall.now_s += 1.0
    clock.wait_until(until_s)
    assert wall.slept_s == slept_s, reason
    assert clock.now_s() >= until_s


def test_a_fast_replay_never_sleeps(wall):
    clock = ReplayClock(is_paced=False)
    for t_s in (0.5, 3600.0, 1e6):
        clock.wait_until(t_s)
        assert clock.now_s() == t_s
    assert wall.slept_s == []


def test_a_paced_replay_lasts_as_long_as_the_recording(wall):
    clock = ReplayClock(is_paced=True)
    for t_s in (0.0, 0.5, 2.0):
        clock.wait_until(t_s)
        assert clock.now_s() == t_s
    assert wall.now_s == pytest.approx(1002.0)


def test_a_paced_replay_waits_only_for_what_the_work_between_frames_left(wall):
    clock = ReplayClock(is_paced=True)
    clock.wait_until(1.0)
    wall.now_s += 0.75
    clock.wait_until(2.0)
    assert wall.slept_s == pytest.approx([1.0, 0.25])


def test_a_paced_replay_that_is_late_does_not_wait_and_reads_the_frames_time(wall):
    clock = ReplayClock(is_paced=True)
    clock.wait_until(1.0)
    wall.now_s += 30.0
    clock.wait_until(2.0)
    assert clock.now_s() == 2.0
    assert wall.slept_s == pytest.approx([1.0])


def test_a_paced_replay_starts_with_its_first_wait_not_with_its_making(wall):
    clock = ReplayClock(is_paced=True)
    wall.now_s += 60.0
    clock.wait_until(1.0)
    assert wall.slept_s == pytest.approx([1.0])


@given(moments=st.lists(st.floats(-10, 1e6), max_size=30), is_paced=st.booleans())
def test_a_replay_clock_reads_the_latest_moment_at_either_pace(moments: list[float], is_paced: bool):
    with pytest.MonkeyPatch.context() as patch:
        wall = Wall()
        patch.setattr(clocks, "time", wall)
        clock, latest_s = ReplayClock(is_paced=is_paced), 0.0
        for moment_s in moments:
            clock.wait_until(moment_s)
            latest_s = max(latest_s, moment_s)
            assert clock.now_s() == latest_s
        assert wall.now_s - 1000.0 == pytest.approx(latest_s if is_paced else 0.0)


def test_wall_clock_time_is_written_in_utc_to_the_millisecond():
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", utc_now())
