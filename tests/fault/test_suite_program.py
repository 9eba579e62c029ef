"""Short version of the fault suite: signals in a stroke, clocks that are set, hostile files, and long runs."""

import signal

import pytest

from tests.fault.suite import fuzz
from tests.fault.suite.clocks import STEPS_S, build_clock, step_clock
from tests.fault.suite.long_run import growth_of, run_long, slope
from tests.fault.suite.signals import strike

PHASES_MS = [0, 5, 150, 700, 1400, 1700]


def test_sigterm_in_a_stroke_brings_the_gate_home_and_loses_no_event():
    told = strike(signal.SIGTERM, PHASES_MS)
    assert told.failures == []
    assert len(told.unpowered_s) == len(PHASES_MS)


def test_sigkill_in_a_stroke_leaves_an_item_that_is_known_as_unknown():
    killed = strike(signal.SIGKILL, PHASES_MS)
    assert killed.failures == []
    assert killed.interrupted >= 3


def test_a_gate_that_moves_before_it_is_written_down_is_found_out():
    assert any("does not know" in failure for failure in strike(signal.SIGKILL, [150, 700], "no-intent").failures)


def test_a_gate_that_is_not_brought_home_is_found_out():
    failures = strike(signal.SIGTERM, [150, 700], "stay-open").failures
    assert any("last pulse" in failure for failure in failures)


@pytest.mark.skipif(build_clock() is None, reason="no C compiler")
def test_a_clock_set_to_1970_in_mid_item_changes_no_duration_and_is_told():
    outcome = step_clock(STEPS_S["to 1970"], items=2)
    assert outcome.problems == []
    assert outcome.longest_gate_s < 3.0


def test_no_configuration_makes_a_traceback_or_a_motion():
    found = fuzz.fuzz_configs(250)
    assert found.failures == []
    assert found.outcomes["accepted"] > 5
    assert found.outcomes["refused"] > 100


def test_a_configuration_that_makes_a_traceback_is_found_out(monkeypatch):
    load = fuzz.load_config

    def load_carelessly(path):
        config = load(path)
        raise KeyError("settle")
        return config

    monkeypatch.setattr(fuzz, "load_config", load_carelessly)
    assert fuzz.fuzz_configs(60).failures


def test_no_bundle_makes_a_traceback_or_kills_the_process():
    found = fuzz.fuzz_bundles(24)
    assert found.failures == []
    assert sum(count for name, count in found.outcomes.items() if name.endswith("refused")) > 12


def test_with_a_bad_configuration_or_bundle_the_last_good_one_sorts_and_without_one_nothing_moves():
    started = fuzz.start_with_bad(8)
    assert started.failures == []
    assert started.outcomes["refused"] == 4
    assert started.outcomes["sorted"] >= 2


def test_hours_of_sorting_lose_no_event():
    held = run_long(4000)
    assert held.problems == []
    assert held.items > 30
    assert held.pictures > 0


def test_what_grows_is_found_out():
    held = run_long(16_000, spoiler="leak")
    assert max(held.descriptors) > held.descriptors[0] + 20


def test_a_slope_is_known_to_within_its_interval():
    frames = list(range(0, 1_000_000, 5000))
    noise = [((n * 7919) % 101 - 50) / 50 for n in range(len(frames))]
    growth, half = slope(frames, [100 + 3e-6 * frame + wobble for frame, wobble in zip(frames, noise, strict=True)])
    assert abs(growth - 3.0) < half < 1.0


@pytest.mark.parametrize(
    ("tenths", "least", "most"),
    [
        pytest.param([1.0] * 10, 1.0, 1.0, id="the same all the time"),
        pytest.param([1.0 + number / 9 for number in range(10)], 1.99, 2.01, id="twice as much in the end"),
        pytest.param([1.0 + number / 18 for number in range(10)], 1.49, 1.51, id="half as much again"),
        pytest.param([0.7, *[1.0] * 8, 1.4], 0.99, 1.01, id="a neighbour in the first and the last"),
        pytest.param([0.9, 1.0 + 1 / 9, 1.2, *[1.0 + number / 9 for number in range(3, 10)]], 1.9, 2.2, id="both"),
    ],
)
def test_growth_is_that_of_the_line_and_not_of_two_minutes(tenths, least, most):
    assert least <= growth_of(tenths) <= most
