"""The bound against published values, and that choosing by it keeps its promise."""

import math

import numpy as np
import pytest

from convert.risk import (
    BLIND_LEVEL,
    LEAST_KEPT,
    LEVELS,
    RiskTarget,
    allowed_levels,
    binomial_cdf,
    choose_level,
    describe,
    level_report,
    lower_limit,
    upper_limit,
)
from edge.errors import ConfigError


@pytest.mark.parametrize(("n", "p"), [(5, 0.3), (40, 0.02), (300, 0.9)])
def test_the_binomial_tail_is_the_sum_of_its_terms(n: int, p: float) -> None:
    terms = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    for hits in (0, 1, n // 2, n - 1, n):
        assert binomial_cdf(hits, n, p) == pytest.approx(sum(terms[: hits + 1]), rel=1e-9, abs=1e-300)


def test_the_binomial_tail_at_its_ends() -> None:
    assert (binomial_cdf(-1, 5, 0.5), binomial_cdf(5, 5, 0.5)) == (0.0, 1.0)
    assert (binomial_cdf(2, 5, 0.0), binomial_cdf(2, 5, 1.0)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("hits", "n", "confidence", "expected", "reason"),
    [
        (0, 149, 0.95, 1 - 0.05 ** (1 / 149), "no hit has a closed form"),
        (0, 10, 0.975, 0.3085, "two-sided 95 % of 0/10 in any table"),
        (1, 10, 0.975, 0.4450, "two-sided 95 % of 1/10"),
        (5, 10, 0.975, 0.8129, "two-sided 95 % of 5/10"),
        (9, 10, 0.975, 0.9975, "two-sided 95 % of 9/10"),
        (10, 10, 0.95, 1.0, "all of them"),
        (0, 0, 0.95, 1.0, "nothing seen, nothing known"),
    ],
)
def test_upper_limits_are_those_of_the_tables(
    hits: int, n: int, confidence: float, expected: float, reason: str
) -> None:
    assert upper_limit(hits, n, confidence) == pytest.approx(expected, abs=5e-5), reason


def test_the_lower_limit_mirrors_the_upper() -> None:
    assert lower_limit(10, 10, 0.975) == pytest.approx(0.6915, abs=5e-5)
    assert lower_limit(5, 10, 0.975) == pytest.approx(0.1871, abs=5e-5)


def by_confidence(recyclable: np.ndarray) -> dict[float, np.ndarray]:
    """What is sent where the confidence alone decides."""
    return {level: recyclable >= level for level in LEVELS}


def sample(*rows: tuple[float, int, int]) -> tuple[dict[float, np.ndarray], np.ndarray]:
    """Photographs as (probability of recyclable, recyclables, residue): what is sent, and the truth."""
    recyclable = np.concatenate([np.full(good + bad, level) for level, good, bad in rows])
    is_residue = np.concatenate([np.arange(good + bad) >= good for _, good, bad in rows])
    return by_confidence(recyclable), is_residue


def test_the_laxest_level_before_the_first_that_fails_is_taken() -> None:
    level, report = choose_level(*sample((0.995, 300, 0), (0.805, 50, 1), (0.605, 20, 9)), RiskTarget())
    assert level == 0.61
    assert (report["sent"], report["residue_sent"], report["recyclables_given_up"]) == (351, 1, 0.0541)
    assert report["target_met"]
    assert report["bound"] <= 0.02 < report["stopped_at"]["bound"]
    assert report["stopped_at"]["level"] == 0.6
    assert "1 are residue (0.28%; at most 1.35% by the limit of this level alone" in describe(report)


def test_a_later_level_that_would_pass_again_is_not_reached() -> None:
    _, report = choose_level(*sample((0.995, 100, 0), (0.55, 300, 1), (0.0, 0, 1)), RiskTarget())
    assert not report["target_met"], "0/100 shows no 2 %, though 1/401 would"
    assert report["stopped_at"]["level"] == 0.99


def test_a_strict_level_without_photographs_does_not_decide() -> None:
    """The second start has a risk of its own, the third as well; what passes hands its risk on."""
    level, report = choose_level(*sample((0.995, 100, 0), (0.95, 200, 0), (0.605, 20, 9)), RiskTarget())
    assert (level, report["target_met"]) == (0.61, True)
    assert (report["stopped_at"]["level"], report["stopped_at"]["sent"]) == (0.6, 329)
    late, truth = sample((0.995, 100, 0), (0.905, 130, 0), (0.0, 0, 9))
    assert allowed_levels([late], truth, RiskTarget())[:1] == [0.9]
    later, truth = sample((0.995, 100, 0), (0.89, 300, 0), (0.0, 0, 9))
    assert allowed_levels([later], truth, RiskTarget()) == []


def test_a_level_that_one_limit_allows_may_fail_all_together() -> None:
    """1 of 250 is shown to be below 2 % by itself, but not at the share of the risk that the level was dealt."""
    data = sample((0.995, 100, 0), (0.945, 149, 1), (0.0, 0, 9))
    assert level_report(*data, RiskTarget(), 0.94)["bound"] < 0.02
    assert 0.94 not in allowed_levels(data[:1], data[1], RiskTarget())


def test_a_level_must_pass_on_every_view() -> None:
    """The first fails at 0.9, the second from 0.7 on; what one lost by failing the other does not win back."""
    (good, truth), (bad, _) = sample((0.995, 300, 0), (0.705, 0, 20)), sample((0.995, 300, 0), (0.905, 0, 20))
    assert allowed_levels([good], truth, RiskTarget())[-1] == 0.71
    assert allowed_levels([good, bad], truth, RiskTarget()) == allowed_levels([bad, good], truth, RiskTarget())
    assert allowed_levels([good, bad], truth, RiskTarget()) == allowed_levels([bad], truth, RiskTarget())
    assert allowed_levels([bad], truth, RiskTarget())[-1] == 0.91


def test_only_levels_that_others_allow_are_chosen() -> None:
    data = sample((0.995, 300, 0), (0.805, 50, 1), (0.605, 20, 9))
    assert choose_level(*data, RiskTarget(), [0.97, 0.8])[0] == 0.8
    level, report = choose_level(*data, RiskTarget(), [0.55, 0.5])
    assert (level, report["target_met"]) == (0.5, False)


def test_a_target_that_is_missed_is_said_and_the_smallest_bound_is_taken() -> None:
    data = sample((0.995, 70, 0), (0.905, 20, 0), (0.705, 10, 5), (0.1, 0, 5))
    level, report = choose_level(*data, RiskTarget())
    assert level == 0.71, "90 clean ones bound best, and of levels that do the same the laxest is taken"
    assert 1 - report["recyclables_given_up"] >= LEAST_KEPT
    assert not report["target_met"]
    assert "**At most 2.00% at 95% confidence is not shown" in describe(report)


def test_a_level_that_gives_up_too_much_is_not_taken_for_its_bound() -> None:
    level, report = choose_level(*sample((0.995, 70, 0), (0.505, 30, 6)), RiskTarget(contamination=0.001))
    assert report["recyclables_given_up"] == 0.0
    assert level == 0.5


@pytest.mark.parametrize(("rows", "lack"), [((0.995, 400, 0), "residue"), ((0.1, 0, 400), "recyclables")])
def test_without_one_of_the_two_nothing_is_claimed(rows: tuple[float, int, int], lack: str) -> None:
    level, report = choose_level(*sample(rows), RiskTarget())
    assert (level, report["target_met"]) == (BLIND_LEVEL, False)
    assert report["bound_at_residue_share"] == {}
    assert f"show no {lack}" in describe(report)


def test_what_is_not_sent_for_another_reason_counts_as_given_up() -> None:
    sent, is_residue = sample((0.995, 300, 0), (0.995, 0, 20))
    for rows in sent.values():
        rows[:30] = False
        rows[-19:] = False
    _, report = choose_level(sent, is_residue, RiskTarget())
    assert (report["sent"], report["residue_sent"], report["recyclables_given_up"]) == (271, 1, 0.1)


def test_more_residue_in_the_field_means_a_larger_bound() -> None:
    _, report = choose_level(*sample((0.995, 300, 1), (0.1, 9, 19)), RiskTarget())
    shares = report["bound_at_residue_share"]
    assert list(shares) == ["0.05", "0.1", "0.2", "0.3"]
    passes, good = upper_limit(1, 20, 0.975), lower_limit(300, 309, 0.975)
    assert shares["0.2"] == pytest.approx(0.2 * passes / (0.2 * passes + 0.8 * good), abs=1e-4)
    assert list(shares.values()) == sorted(shares.values())


def test_the_promise_is_kept_over_many_draws() -> None:
    """Residue passes the more often the laxer the level; the truth is known, so every wrong choice can be counted."""
    rng = np.random.default_rng(7)
    target, wrong, met, draws = RiskTarget(0.05, 0.9), 0, 0, 400
    for _ in range(draws):
        is_residue = rng.random(250) < 0.15
        modest = np.where(rng.random(250) < 0.7, 1.0, 0.5 + 0.5 * rng.random(250))
        recyclable = np.where(is_residue, rng.random(250), modest)
        level, report = choose_level(by_confidence(recyclable), is_residue, target)
        residue_passes, recyclables_pass = 1 - level, 0.7 + 0.3 * (1 - level) / 0.5
        truth = 0.15 * residue_passes / (0.15 * residue_passes + 0.85 * recyclables_pass)
        met += report["target_met"]
        wrong += report["target_met"] and truth > target.contamination
    assert met > draws / 2, "the data are such that something can be promised"
    assert 0 < wrong / draws <= 0.1, "some draws mislead, and no more than was said"


@pytest.mark.parametrize(("fields", "option"), [((0.0, 0.95), "--contamination"), ((0.02, 1.0), "--risk-confidence")])
def test_a_share_out_of_range_names_its_option(fields: tuple[float, float], option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} is .*between 0 and 1"):
        RiskTarget(*fields)
