"""Temperature, energy and thresholds on logits of which the answer is known."""

import math

import numpy as np
import pytest

from convert.calibrate import (
    BENT,
    REJECTED_SHARE,
    Evidence,
    _energy_limits,
    auroc,
    calibrate,
    describe,
    energies,
    energy_limit,
    shares_sold,
    temperature,
)
from convert.risk import LEVELS, RiskTarget
from convert.scores import negative_log_likelihood, softmax
from edge.bundle import Thresholds

LABELS = ("glass", "paper", "trash")


def test_temperature_cools_overconfident_logits() -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 4000)
    logits = rng.normal(0, 1, (4000, 3))
    logits[np.arange(4000), targets] += 1.5
    true_logits = logits * 1.5  # log-odds of two unit normals 1.5 apart
    found = temperature(true_logits * 2, targets)
    assert found == pytest.approx(2.0, rel=0.08)
    losses = [negative_log_likelihood(true_logits * 2, targets, at) for at in (1.0, found)]
    assert losses[1] < losses[0]


def test_energy_is_the_log_sum_exp_above_the_mean() -> None:
    logits = np.array([[1.0, 2.0, -0.5], [900.0, 0.0, 0.0]])
    found = energies(logits, 0.5)
    assert found[0] == pytest.approx(0.5 * math.log(math.exp(2) + math.exp(4) + math.exp(-1)) - 2.5 / 3)
    assert found[1] == pytest.approx(600.0)
    assert energies(logits + 7.0, 0.5) == pytest.approx(found), "what is added to all logits says nothing"


def test_the_energy_limit_rejects_at_most_two_percent_of_every_set() -> None:
    rng = np.random.default_rng(3)
    sets = [rng.normal(5, 1, 400), rng.normal(4, 2, 1000), rng.normal(9, 1, 49)]
    limit = energy_limit(sets)
    shares = [(found < limit).mean() for found in sets]
    assert max(shares) <= 0.02
    assert shares[1] >= 0.018, "the set with the least energy decides, and its whole allowance is used"


@pytest.mark.parametrize("n", [1, 10, 49])
def test_a_few_pictures_are_all_kept(n: int) -> None:
    found = np.arange(n, dtype=np.float64) + 0.33337
    assert energy_limit([found]) == 0.3333, "rounded down, so that the smallest is not below it"


def test_auroc_counts_pairs_and_ties_half() -> None:
    assert auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auroc(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == pytest.approx((0.5 + 1) / 4)


def evidence(residue: int = 10) -> Evidence:
    """200 clear recyclables, some clear residue, ten outliers that look like weak glass."""
    rng = np.random.default_rng(4)
    targets = np.array([0] * 200 + [2] * residue)
    photographs = rng.normal(0, 0.3, (len(targets), 3))
    photographs[np.arange(len(targets)), targets] += 6
    strange = np.tile([1.5, -3.0, -3.0], (10, 1))
    return Evidence(photographs, targets, {BENT: 0.97 * photographs}, {"wall": strange, "sky": strange[:0]})


def test_outliers_are_rejected_though_they_look_sure() -> None:
    at, thresholds, report = calibrate(evidence(), LABELS, ("trash",), RiskTarget())
    wall = report["energy"]["outliers"]["wall"]
    assert wall == {"n": 10, "auroc": 1.0, "rejected": 1.0, "sold_without_limit": 1.0, "sold": 0.0}
    assert list(report["energy"]["outliers"]) == ["all", "wall"]
    rejected = report["energy"]["rejected"]
    assert rejected["photographs"] <= 0.02
    assert rejected["photographs"] + rejected[BENT] <= 0.04, "2 % of both together"
    assert report["risk"]["target_met"]
    assert thresholds.margin == pytest.approx(2 * thresholds.confidence - 1)
    assert 0.25 <= at < 1, "these logits are too modest"
    text = describe(report)
    assert "100.0% of 10 drawn pictures of no waste (AUROC 1.000)" in text
    assert "0.0% of them still count as recyclable, 100.0% without it" in text


def test_what_goes_to_residue_anyway_does_not_let_strangers_through() -> None:
    """40 of 340 recyclables are too vague to be sent; strangers have more energy than these, less than the others."""
    targets = np.array([0] * 340 + [2] * 40)
    photographs = np.tile([6.0, 0.0, 0.0], (380, 1))
    photographs[:300] += np.random.default_rng(5).normal(0, 0.02, (300, 3))
    photographs[300:340] = [1.0, 0.0, 1.0]
    photographs[340:] = [0.0, 0.0, 6.0]
    photographs[370:] = [1.1, 0.0, 1.0]  # residue as vague, which only a level above it keeps out
    strangers = np.tile([2.5, 0.0, -1.0], (30, 1))
    _, _, report = calibrate(
        Evidence(photographs, targets, {}, {"animal": strangers}), LABELS, ("trash",), RiskTarget()
    )
    energy = report["energy"]
    assert report["risk"]["target_met"]
    assert energy["outliers"]["animal"]["rejected"] == 1.0
    assert energy["outliers"]["animal"]["sold_without_limit"] == 1.0, "the confidence alone would have sold them"
    assert energy["undecided"]["photographs"] <= REJECTED_SHARE < energy["rejected"]["photographs"]
    assert energy["undecided"]["residue among the photographs"] == 0.0
    assert report["risk"]["sent"] == 300 - round(energy["undecided"]["photographs"] * 380)


def test_a_laxer_level_has_no_stricter_energy_limit() -> None:
    logits = np.random.default_rng(6).normal(0, 2, (500, 3))
    limits = list(_energy_limits([logits, logits[:100]], 1.0, [2]).values())
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > limits[-1]


def test_a_level_too_strict_to_decide_anything_takes_nothing_from_the_others() -> None:
    sure, vague = np.tile([4.2, 0.0, 0.0], (300, 1)), np.tile([1.0, 0.6, 0.8], (40, 1))
    limits = _energy_limits([np.concatenate([sure, vague])], 1.0, [2])
    of_sure = energies(sure[:1], 1.0)[0]
    assert softmax(sure[:1], 1.0)[0, 2] > 0.01, "no picture reaches the strictest level"
    assert limits[LEVELS[0]] == limits[LEVELS[2]] == pytest.approx(of_sure, abs=1e-4)
    assert limits[LEVELS[-1]] < of_sure
    assert set(_energy_limits([np.zeros((9, 4))], 1.0, [2, 3]).values()) == {
        energy_limit([energies(np.zeros((9, 4)), 1.0)])
    }


def test_what_is_sold_is_what_the_device_would_send_to_the_recyclable_bin() -> None:
    logits = np.log([[0.83, 0.17], [0.4, 0.6], [0.98, 0.02]])
    by_margin = Thresholds(confidence=0.6, margin=0.8)
    assert shares_sold(logits, 1.0, [1], by_margin) == {"rejected": 0.0, "sold_without_limit": 0.3333, "sold": 0.3333}
    by_nothing = Thresholds(confidence=0.0, margin=0.0)
    assert shares_sold(logits, 1.0, [1], by_nothing)["sold"] == 0.6667
    assert shares_sold(logits, 1.0, [0], by_nothing)["sold"] == 0.3333
    high = Thresholds(confidence=0.0, margin=0.0, energy=float(energies(logits[2:], 1.0)[0]))
    assert shares_sold(logits, 1.0, [1], high) == {"rejected": 0.6667, "sold_without_limit": 0.6667, "sold": 0.3333}


def test_without_outliers_nothing_is_said_of_them() -> None:
    known = evidence()
    _, thresholds, report = calibrate(
        Evidence(known.photographs, known.targets, {}, {}), LABELS, ("trash",), RiskTarget()
    )
    assert thresholds.energy is not None
    assert "no waste" not in describe(report)


def test_what_the_energy_rejects_is_not_sent_to_the_recyclable_bin() -> None:
    known = evidence()
    logits = np.concatenate([known.photographs, [[1.0, 1.0, -2.0]]])
    targets = np.append(known.targets, 2)
    _, thresholds, report = calibrate(Evidence(logits, targets, {}, {}), LABELS, ("trash",), RiskTarget())
    assert report["risk"]["residue_sent"] == 0
    assert energies(logits[-1:], 1.0)[0] < (thresholds.energy or 0.0)


BETWEEN = [2.0, 0.0, 1.9]
"""Recyclable rather than residue, but hardly."""


def waste_of(sure: int, vague: int, leaks: int, leak: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets: recyclables, sure and vague ones, and 20 pieces of residue, of which some are `leak`."""
    rows = [[6.0, 0.0, 0.0]] * sure + [BETWEEN] * vague + [leak] * leaks + [[0.0, 0.0, 6.0]] * (20 - leaks)
    return np.array(rows), np.array([0] * (sure + vague) + [2] * 20)


def test_the_thresholds_hold_for_bent_photographs_too() -> None:
    plainly, targets = waste_of(300, 40, 0, BETWEEN)
    bent, _ = waste_of(300, 40, 9, BETWEEN)
    lax = calibrate(Evidence(plainly, targets, {}, {}), LABELS, ("trash",), RiskTarget())
    _, thresholds, report = calibrate(Evidence(plainly, targets, {BENT: bent}, {}), LABELS, ("trash",), RiskTarget())
    assert lax[1].confidence == 0.5
    assert lax[2]["risk"]["sent"] == 340
    assert thresholds.confidence > 0.5
    assert report["risk"]["target_met"] and report["risk"]["bent"]["target_met"]
    assert report["risk"]["residue_sent"] == report["risk"]["bent"]["residue_sent"] == 0
    assert report["risk"]["bent"]["level"] == report["risk"]["level"] == thresholds.confidence
    assert "bent 300 are sent, 0 of them residue, and 11.8% of the recyclables given up. At most 2.00%" in describe(
        report
    )
    assert "5.6% of them residue, as they are and bent." in describe(report)


def test_the_temperature_is_that_of_photographs_as_they_are_and_bent() -> None:
    plainly, targets = waste_of(300, 0, 0, BETWEEN)
    bent, _ = waste_of(300, 0, 9, [6.0, 0.0, 0.0])
    sure, _, _ = calibrate(Evidence(plainly, targets, {}, {}), LABELS, ("trash",), RiskTarget())
    at, _, report = calibrate(Evidence(plainly, targets, {BENT: bent}, {}), LABELS, ("trash",), RiskTarget())
    assert sure < 1.0 < at
    assert at == temperature(np.concatenate([plainly, bent]), np.concatenate([targets, targets]))
    assert report["nll_after"] < report["nll_before"]


def test_bent_photographs_that_cannot_show_it_are_told_of() -> None:
    plainly, targets = waste_of(300, 0, 0, BETWEEN)
    bent, _ = waste_of(300, 0, 9, [6.0, 0.0, 0.0])
    _, thresholds, report = calibrate(Evidence(plainly, targets, {BENT: bent}, {}), LABELS, ("trash",), RiskTarget())
    assert report["risk"]["target_met"] and not report["risk"]["bent"]["target_met"]
    assert 0.5 <= thresholds.confidence <= 0.99
    assert "is shown by the photographs as they are, but not by the same photographs bent.**" in describe(report)
