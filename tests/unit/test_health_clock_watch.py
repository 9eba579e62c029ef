"""Steps of the wall clock are seen; nothing else is."""

import math

import pytest

from edge.health.clock_watch import ClockWatch

YEAR_S = 365 * 86400.0
NOW_S = 1_795_000_000.0


class Clocks:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self, wall_s: float = NOW_S) -> None:
        self.steady_s, self.wall_s = 1000.0, wall_s
        self.watch = ClockWatch(lambda: self.wall_s, lambda: self.steady_s)

    def go(self, duration_s: float, *, rate: float = 1.0) -> None:
        self.steady_s += duration_s
        self.wall_s += duration_s * rate


@pytest.mark.parametrize("step_s", [2.5, -2.5, 3600.0, 10 * YEAR_S, -NOW_S, -56 * YEAR_S, 200 * YEAR_S])
def test_a_step_is_told_once_with_both_times(step_s):
    clocks = Clocks()
    clocks.go(5.0)
    assert clocks.watch.poll(5.0) is None
    clocks.wall_s += step_s
    clocks.go(1.0)
    event = clocks.watch.poll(6.0)
    assert event is not None
    assert (event.type, event.t_s) == ("clock", 6.0)
    assert event.body["step_s"] == pytest.approx(step_s, abs=0.001)
    assert event.body["before_utc"].startswith("2026-11-")
    clocks.go(1.0)
    assert clocks.watch.poll(7.0) is None


def test_the_times_are_what_the_clock_would_have_shown_and_what_it_shows():
    clocks = Clocks(wall_s=0.0)
    clocks.go(60.0)
    clocks.wall_s = 86400.0
    event = clocks.watch.poll(60.0)
    assert event is not None
    assert event.body == {
        "step_s": 86340.0,
        "before_utc": "1970-01-01T00:01:00.000Z",
        "after_utc": "1970-01-02T00:00:00.000Z",
    }


@pytest.mark.parametrize("rate", [1.0, 1.0005, 0.9995])
def test_a_day_of_slewing_is_no_step(rate):
    clocks = Clocks()
    for second in range(0, 86400, 2):
        clocks.go(2.0, rate=rate)
        assert clocks.watch.poll(float(second)) is None


def test_a_small_correction_is_no_step():
    clocks = Clocks()
    clocks.go(1.0)
    clocks.wall_s += 1.9
    assert clocks.watch.poll(1.0) is None


def test_it_looks_at_most_once_a_second():
    clocks = Clocks()
    clocks.wall_s += 100.0
    clocks.go(0.9)
    assert clocks.watch.poll(0.9) is None
    clocks.go(0.1 + math.ulp(2000.0))
    assert clocks.watch.poll(1.0) is not None


def test_a_time_that_no_calendar_has_is_told_as_a_number():
    clocks = Clocks()
    clocks.go(1.0)
    clocks.wall_s = 1e12
    event = clocks.watch.poll(1.0)
    assert event is not None
    assert event.body["after_utc"] == "1000000000000 s since 1970"
