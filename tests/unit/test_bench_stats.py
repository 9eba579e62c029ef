"""What a bench may claim: intervals that cover, a test that keeps its error rate, and what stays of many samples."""

import itertools
import math

import numpy as np
import pytest

from edge.bench.stats import (
    BIN_GROWTH,
    compare_rounds,
    histogram,
    holm,
    least_shown,
    median_interval,
    percentiles,
    slope,
)

SIMULATIONS = 300
ROUNDS = 8
SCATTER = 0.02


@pytest.mark.parametrize("n", range(1, 13))
def test_the_interval_of_a_median_covers_as_it_says(n):
    """Each round falls below the true median or above it, all 2^n ways alike: it is covered if the ranks enclose it."""
    found = median_interval(list(range(n)))
    rank = int(found.low)
    assert found.high == n - 1 - rank
    below = [sum(sides) for sides in itertools.product((0, 1), repeat=n)]
    covered = sum(rank < count < n - rank for count in below) / len(below)
    assert found.coverage == pytest.approx(covered, abs=1e-12)
    if n >= 6:
        assert found.coverage >= 0.95
        narrower = sum(rank + 1 < count < n - rank - 1 for count in below) / len(below)
        assert narrower < 0.95


def test_a_median_is_between_the_middle_rounds_whatever_their_order():
    assert median_interval([4.0, 1.0, 3.0, 2.0])[:3] == (2.5, 1.0, 4.0)


def test_one_round_covers_nothing():
    assert median_interval([7.0]) == (7.0, 7.0, 7.0, 0.0)


def test_no_round_has_no_median():
    with pytest.raises(ValueError, match="no round"):
        median_interval([])


def simulated(shift: float) -> float:
    """Share of simulated pairs of reports in which a difference would be claimed at five per cent."""
    rng = np.random.default_rng(7)
    shown = 0
    for _ in range(SIMULATIONS):
        a, b = rng.lognormal(0.0, SCATTER, ROUNDS), rng.lognormal(math.log1p(shift), SCATTER, ROUNDS)
        shown += compare_rounds(a.tolist(), b.tolist()).p <= 0.05
    return shown / SIMULATIONS


def test_without_a_shift_one_in_twenty_is_claimed():
    # Three standard errors over five per cent.
    assert simulated(0.0) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / SIMULATIONS)


def test_a_shift_of_five_per_cent_is_found():
    assert simulated(0.05) > 0.95


def test_the_ratio_and_its_interval_are_of_the_second_over_the_first():
    rng = np.random.default_rng(3)
    a, b = rng.lognormal(0.0, 0.01, 15).tolist(), rng.lognormal(math.log(1.2), 0.01, 15).tolist()
    found = compare_rounds(a, b)
    assert found.low < found.ratio < found.high
    assert found.low == pytest.approx(1.2, rel=0.02)
    assert found.p < 1e-3


def test_the_exact_p_is_that_of_every_deal():
    found = compare_rounds([1.0, 1.1, 1.2], [2.0, 2.1, 2.2])
    # Of the 20 ways to deal six rounds out, this one and its mirror image are the most extreme.
    assert found.p == pytest.approx(2 / 20)


def test_many_rounds_are_dealt_at_random_and_p_is_never_zero():
    rng = np.random.default_rng(5)
    found = compare_rounds(rng.lognormal(0.0, 0.01, 40).tolist(), rng.lognormal(1.0, 0.01, 40).tolist())
    assert 0 < found.p < 1e-3


@pytest.mark.parametrize("bad", [[], [1.0, 0.0], [1.0, -1.0]], ids=str)
def test_what_has_no_logarithm_is_refused(bad):
    for a, b in ((bad, [1.0]), ([1.0], bad)):
        with pytest.raises(ValueError, match="above zero"):
            compare_rounds(a, b)
        with pytest.raises(ValueError, match="above zero"):
            least_shown(a, b, 0.05)


def test_the_least_that_is_shown_is_shown_and_less_is_not():
    rng = np.random.default_rng(11)
    a, b = rng.lognormal(0.0, 0.02, 9), rng.lognormal(0.0, 0.02, 9)
    level = 0.05 / 12
    least = least_shown(a.tolist(), b.tolist(), level)
    level_b = b * np.exp(np.log(a).mean() - np.log(b).mean())
    assert compare_rounds(a.tolist(), (level_b * least * 1.0001).tolist()).p <= level
    assert compare_rounds(a.tolist(), (level_b * (1 + (least - 1) * 0.98)).tolist()).p > level


def test_too_few_rounds_never_show_anything():
    assert least_shown([1.0, 1.1, 1.2], [1.0, 1.1, 1.2], 0.05) == math.inf


def test_equal_rounds_show_any_difference():
    assert least_shown([2.0] * 6, [2.0] * 6, 0.05) == pytest.approx(1.0, abs=1e-5)


def test_holm_is_in_the_given_order_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_histogram_keeps_every_sample_to_within_a_bin():
    rng = np.random.default_rng(2)
    samples = np.concatenate([rng.lognormal(3.0, 2.0, 5000), [0.0, 1e9]])
    found = histogram(samples)
    assert sum(count for _, count in found) == samples.size
    assert [edge for edge, _ in found] == sorted({edge for edge, _ in found})
    restored = np.repeat([edge for edge, _ in found], [count for _, count in found])
    real = np.maximum(np.sort(samples), 1e-9)
    assert np.all(real / restored >= 1 - 1e-5)
    assert np.all(real / restored <= BIN_GROWTH + 1e-5)


def test_percentiles_are_samples_that_occurred():
    found = percentiles([1.0, 2.0, 3.0, 100.0])
    assert found == {"min": 1.0, "p50": 2.0, "p90": 100.0, "p95": 100.0, "p99": 100.0, "max": 100.0, "mean": 26.5}
    with pytest.raises(ValueError, match="no sample"):
        percentiles([])


def test_an_outlier_does_not_move_a_slope():
    x = [float(place) for place in range(21)]
    y = [3.0 + 0.5 * place for place in x]
    y[4] = 1e6
    assert slope(x, y) == pytest.approx(0.5)


def test_a_long_soak_has_a_slope_too():
    x = [float(place) for place in range(20_000)]
    assert slope(x, [2.0 * place for place in x]) == pytest.approx(2.0)


@pytest.mark.parametrize("x", [[], [1.0], [2.0, 2.0]], ids=str)
def test_a_slope_needs_two_places(x):
    with pytest.raises(ValueError, match="two different places"):
        slope(x, x)


def test_a_slope_needs_a_value_for_each_place():
    with pytest.raises(ValueError, match="2 places and 1 values"):
        slope([1.0, 2.0], [1.0])
