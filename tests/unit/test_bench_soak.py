"""A soak on fake time: its points, its slopes, what it remarks, and how it ends."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from edge.bench import soak as module
from edge.bench.soak import MOST_POINTS, soak
from edge.board.gauges import Gauges, Reading
from edge.errors import LedgerError, SourceError

MINUTE_S = 60.0


class Rig:
    """Time that only `step` moves on, and gauges that follow a script."""

    def __init__(
        self,
        state: Callable[[float], Reading] = lambda t_s: Reading(),
        figures: Callable[[float], Mapping[str, float]] = lambda t_s: {"label_us": 31_000.0},
        step_s: float = 1.0,
    ) -> None:
        self.now_s = 5000.0
        self.power_meter: str | None = None
        self.steps = 0
        self._start_s = self.now_s
        self._state, self._figures, self._step_s = state, figures, step_s

    def read(self) -> Reading:
        return self._state(self.now_s - self._start_s)

    def step(self) -> Mapping[str, float]:
        self.steps += 1
        self.now_s += self._step_s
        return self._figures(self.now_s - self._start_s)

    def run(self, duration_s: float, every_s: float = 10.0, step: Callable[[], Mapping[str, float]] | None = None):
        gauges: Any = self
        return soak(step or self.step, duration_s, every_s, gauges, clock=lambda: self.now_s)


def hot(t_s: float) -> Reading:
    """A Pi 4 that throttles from minute 12 on."""
    is_throttled = t_s >= 12 * MINUTE_S
    return Reading(
        temperature_c=min(45 + t_s / 20, 82.0),
        clock_mhz=1200.0 if is_throttled else 1500.0,
        throttled=0x60006 if is_throttled else 0,
        resident_mb=71.0,
    )


def test_points_hold_the_medians_between_them():
    values = iter([1.0, 2.0, 100.0, 4.0, 5.0, 6.0])
    found = Rig(figures=lambda t_s: {"label_us": next(values)}).run(6.0, every_s=3.0)
    assert found.t_s == (3.0, 6.0)
    assert found.columns == {"label_us": (2.0, 5.0)}
    assert found.duration_s == 6.0


def test_what_was_done_since_the_last_point_is_a_point_too():
    assert Rig().run(7.0, every_s=3.0).t_s == (3.0, 6.0, 7.0)


def test_a_column_that_is_not_told_is_left_out_and_one_that_is_told_at_times_has_gaps():
    found = Rig(state=lambda t_s: Reading(power_w=4.0 if t_s > 15 else None)).run(30.0)
    assert found.columns["power_w"] == (None, 4.0, 4.0)
    assert "temperature_c" not in found.columns
    assert "power_w" not in found.slopes_per_hour


def test_a_figure_that_is_no_number_is_not_counted():
    values = iter([float("nan"), 2.0, float("inf")])
    found = Rig(figures=lambda t_s: {"label_us": next(values)}).run(3.0, every_s=3.0)
    assert found.columns == {"label_us": (2.0,)}


def test_processor_time_becomes_a_share_of_a_core():
    found = Rig(state=lambda t_s: Reading(processor_s=7.0 + 0.5 * t_s)).run(30.0)
    assert found.columns["processor_share"] == (0.5, 0.5, 0.5)


def test_memory_is_bounded_and_merged_points_keep_the_mean():
    rig = Rig(state=lambda t_s: Reading(temperature_c=t_s / 3600), step_s=1.0)
    found = rig.run(20_000.0, every_s=1.0)
    assert MOST_POINTS // 2 <= len(found.t_s) <= MOST_POINTS
    assert list(found.t_s) == sorted(found.t_s)
    # A line stays a line, whatever is merged.
    told = found.columns["temperature_c"]
    assert told == pytest.approx([t_s / 3600 for t_s in found.t_s], rel=1e-4)
    assert found.slopes_per_hour["temperature_c"] == pytest.approx(1.0, rel=1e-3)


def test_a_flag_that_was_up_once_survives_merging():
    flags = Rig(state=lambda t_s: Reading(throttled=0x1 if 5000 <= t_s < 5002 else 0))
    found = flags.run(20_000.0, every_s=1.0)
    up = [t_s for t_s, value in zip(found.t_s, found.columns["is_undervolted"], strict=True) if value]
    assert len(up) == 1
    assert up[0] == pytest.approx(5000, abs=100)


def test_samples_between_two_points_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_SAMPLES", 8)
    samples = module._Samples()
    for value in range(10_001):
        samples.add(float(value))
    assert len(samples._values) < 8
    assert samples.median() == pytest.approx(5000, rel=0.3)


def test_slopes_are_per_hour_and_need_points():
    rig = Rig(state=lambda t_s: Reading(resident_mb=70 + 0.3 * t_s / 3600))
    assert rig.run(3600.0, every_s=60.0).slopes_per_hour["resident_mb"] == pytest.approx(0.3, rel=1e-3)
    assert Rig().run(30.0).slopes_per_hour == {}


def test_throttling_says_since_when_how_hot_and_what_it_cost():
    rig = Rig(hot, lambda t_s: {"label_us": 39_000.0 if t_s >= 12 * MINUTE_S else 31_000.0, "invoke_us": 30_000.0})
    remarks = rig.run(30 * MINUTE_S).remarks
    assert remarks[0] == (
        "throttled from minute 12: temperature 81 C, clock 1500 -> 1200 MHz; frame to label 31 -> 39 ms"
    )
    assert remarks[1].startswith("frequency capped from minute 12")


def test_a_spell_that_ended_says_how_much_of_the_time():
    rig = Rig(state=lambda t_s: Reading(throttled=0x4 if 300 <= t_s < 600 else 0))
    (remark, *_) = rig.run(1200.0).remarks
    assert remark == "throttled from minute 5, in 25% of the points"


@pytest.mark.parametrize(
    "state",
    [
        lambda t_s: Reading(is_undervolted=100 <= t_s < 105),
        # Too short to be seen: only the firmware remembers.
        lambda t_s: Reading(throttled=0x10000 if t_s >= 100 else 0),
        lambda t_s: Reading(throttled=0x10001 if 100 <= t_s < 105 else 0x10000 if t_s >= 105 else 0),
    ],
)
def test_undervoltage_is_seen_however_short(state):
    found = Rig(state=state).run(300.0)
    assert sum(found.columns["is_undervolted"]) == 1
    assert found.remarks[0].startswith("undervoltage occurred from minute 2, in 3% of the points")


def test_what_occurred_before_the_start_is_said_as_such():
    found = Rig(state=lambda t_s: Reading(throttled=0x10000)).run(300.0)
    assert sum(found.columns["is_undervolted"]) == 0
    assert found.remarks == ("before the start the firmware said: undervoltage: it occurred",)


def test_growing_memory_is_named_and_a_warm_up_is_not():
    leak = Rig(state=lambda t_s: Reading(resident_mb=71 + 0.3 * t_s / 3600)).run(2 * 3600.0, every_s=60.0)
    assert "resident memory grew by 0.3 MB an hour in the second half (71.3 -> 71.6 MB)" in leak.remarks
    steady = Rig(state=lambda t_s: Reading(resident_mb=71.0 if t_s < 600 else 75.0)).run(2 * 3600.0, every_s=60.0)
    assert steady.remarks == ("resident memory stayed at 75.0 MB in the second half",)


def test_descriptors_that_grow_are_named():
    found = Rig(state=lambda t_s: Reading(descriptors=7 + int(t_s / 100), threads=3)).run(1000.0)
    assert found.remarks == ("descriptors grew from 7 to 17",)


def test_a_slowing_without_any_flag_is_named_too():
    rig = Rig(lambda t_s: Reading(temperature_c=40 + t_s / 100), lambda t_s: {"label_us": 800.0 + t_s / 5})
    assert rig.run(1000.0).remarks == (
        "from the first to the last 100 s: frame to label 810 -> 990 us",
        "temperature 41 -> 50 C, never throttled as far as it is told",
    )


def test_a_change_of_governor_is_named():
    rig = Rig(state=lambda t_s: Reading(governor="ondemand" if t_s < 120 else "performance"))
    assert rig.run(300.0).remarks == ("the governor changed from ondemand to performance at minute 2",)


def test_power_names_its_meter():
    rig = Rig(state=lambda t_s: Reading(power_w=4.0))
    rig.power_meter = "ina219"
    assert rig.run(100.0).remarks == ("power 4.00 W on average, at most 4.00 W (ina219)",)


def failing_at(rig: Rig, steps: int, error: Exception) -> Callable[[], Mapping[str, float]]:
    def step() -> Mapping[str, float]:
        if rig.steps == steps:
            raise error
        return rig.step()

    return step


def test_an_error_of_a_step_ends_it_with_what_it_has():
    rig = Rig(step_s=60.0)
    error = LedgerError("no room for the event book; make some")
    found = rig.run(3600.0, every_s=120.0, step=failing_at(rig, 25, error))
    assert found.duration_s == 1500.0
    assert len(found.t_s) == 13
    assert found.remarks[0] == "ended after 25 minutes: no room for the event book; make some"
    assert not any("ended early" in remark for remark in found.remarks)


def test_an_error_of_the_first_step_leaves_a_remark_and_no_point():
    rig = Rig()
    found = rig.run(3600.0, step=failing_at(rig, 0, SourceError("the camera is lost")))
    assert found.t_s == ()
    assert found.remarks[0] == "ended after 0 s: the camera is lost"


def test_any_other_exception_is_a_fault_and_goes_up():
    rig = Rig()
    with pytest.raises(ZeroDivisionError):
        rig.run(3600.0, step=failing_at(rig, 25, ZeroDivisionError()))


def test_the_first_sigint_lets_the_step_end():
    former = signal.getsignal(signal.SIGINT)
    rig = Rig()
    ended = []

    def step() -> Mapping[str, float]:
        if rig.steps == 2:
            os.kill(os.getpid(), signal.SIGINT)
        figures = rig.step()
        ended.append(rig.steps)
        return figures

    found = rig.run(100.0, step=step)
    assert ended == [1, 2, 3]
    assert found.duration_s == 3.0
    assert len(found.t_s) == 1
    assert found.remarks[0] == "ended early, after 3 s of 100 s"
    assert signal.getsignal(signal.SIGINT) is former


def test_the_second_sigint_leaves_the_step_and_keeps_the_points():
    rig = Rig()

    def step() -> Mapping[str, float]:
        if rig.steps == 15:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return rig.step()

    found = rig.run(100.0, step=step)
    assert found.t_s == (10.0, 15.0)


def test_it_runs_in_another_thread():
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(Rig().run(30.0)))
    thread.start()
    thread.join(10.0)
    assert len(found[0].t_s) == 3


@pytest.mark.parametrize(("duration_s", "every_s"), [(0.0, 1.0), (1.0, 0.0)])
def test_times_must_be_above_zero(duration_s, every_s):
    with pytest.raises(ValueError, match="expected more than zero"):
        Rig().run(duration_s, every_s)


def test_real_gauges_and_real_time():
    found = soak(lambda: {"label_us": 1.0}, 0.05, 0.02, Gauges())
    assert found.duration_s >= 0.05
    assert {"label_us", "resident_mb", "processor_share", "descriptors"} <= found.columns.keys()
