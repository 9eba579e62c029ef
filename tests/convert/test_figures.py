"""Calibration errors, abstention and the whole of an evaluation's figures, against numbers worked out by hand."""

import json

import numpy as np
import pytest

from convert.abstention import abstention, risk_coverage
from convert.figures import Answers, figures
from convert.reliability import (
    bin_errors,
    brier,
    equal_mass,
    equal_width,
    error_by_chance,
    expected_error,
    log_loss,
    reliability,
)
from edge.bundle import Thresholds

LABELS = ("glass", "paper", "trash")
THRESHOLDS = Thresholds(confidence=0.8, margin=0.6)


def answers(logits: list[list[float]], truth: list[int], thresholds: Thresholds | None = THRESHOLDS) -> Answers:
    groups = [f"group{place // 2}" for place in range(len(truth))]
    return Answers.of(np.array(truth), np.array(logits), groups, LABELS, ("trash",), 1.0, thresholds)


@pytest.fixture
def mixed() -> Answers:
    """Sixty pictures of three labels, two a group, seven of ten right."""
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2], 20)
    guess = np.where(rng.random(60) < 0.7, truth, (truth + 1) % 3)
    return answers((3 * np.eye(3)[guess] + rng.normal(0, 0.3, (60, 3))).tolist(), truth.tolist())


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.9, 0.9, 0.62, 0.62])
    is_right = np.array([True, False, True, True])
    errors = bin_errors(confidence, is_right, equal_width(confidence))
    assert expected_error(np.ones((1, 4)), errors)[0] == pytest.approx(0.5 * 0.4 + 0.5 * 0.38)
    assert expected_error(np.array([[1, 0, 1, 1]]), errors)[0] == pytest.approx((0.1 + 2 * 0.38) / 3)
    assert [(row["n"], row["accuracy"]) for row in reliability(confidence, is_right)] == [(2, 1.0), (2, 0.5)]


def test_the_bins_hold_both_ends() -> None:
    assert equal_width(np.array([0.0, 1 / 15, 0.07, 1.0])).tolist() == [0, 0, 1, 14]
    assert np.bincount(equal_mass(np.linspace(0.3, 1, 150))).tolist() == [10] * 15


def test_chance_alone_makes_an_error() -> None:
    """One bin of n pictures at probability a half: the mean of |binomial - n/2| / n."""
    confidence = np.full(4, 0.5)
    expected = (2 * 1 * 2 + 2 * 4 * 1) / 16 / 4
    assert error_by_chance(confidence, equal_width(confidence), 1) == pytest.approx(expected, abs=0.01)
    assert error_by_chance(np.ones(9), equal_width(np.ones(9)), 1) == 0.0
    few, many = np.linspace(0.3, 1, 100), np.linspace(0.3, 1, 10_000)
    assert error_by_chance(many, equal_width(many), 1) < 0.2 * error_by_chance(few, equal_width(few), 1)


def test_log_loss_and_brier_by_hand() -> None:
    p, truth = np.array([[0.5, 0.25, 0.25]]), np.array([0])
    assert log_loss(p, truth)[0] == pytest.approx(np.log(2))
    assert brier(p, truth)[0] == pytest.approx(0.25 + 2 * 0.0625)


def test_risk_is_measured_from_the_surest_on() -> None:
    curve = risk_coverage(
        np.array([0.6, 0.9, 0.8, 0.7]),
        np.array([False, True, True, False]),
        np.array([True, False, False, True]),
        np.array([True, True, False, True]),
    )
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.accuracy == pytest.approx([1, 1, 2 / 3, 0.5])
    assert curve.contamination == pytest.approx([0, 0, 0.5, 2 / 3])
    assert curve.aurc == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)


def test_equal_confidences_are_answered_together() -> None:
    truths = np.zeros(4, np.bool_)
    curve = risk_coverage(np.array([0.9, 0.5, 0.5, 0.5]), np.array([True, False, True, True]), truths, ~truths)
    assert curve.coverage.tolist() == [0.25, 1.0]
    assert curve.aurc == pytest.approx(0.75 * 0.25)
    found = abstention(curve, (1.0, 0.5, 0.2))
    assert [row["coverage"] for row in found["at"]] == [1.0, 0.25]


def test_every_figure_lies_in_its_interval_and_is_json(mixed: Answers) -> None:
    found = figures(mixed, 1)
    limits = found["ci95"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for tree, of in ((limits, found), (limits["binary"], found["binary"]), (limits["device"], found["device"])):
        for name, low_high in tree.items():
            if isinstance(low_high, list):
                assert low_high[0] <= of[name] <= low_high[1], name
    for label in LABELS:
        assert set(limits["labels"][label]) == {"precision", "recall", "f1"}
    assert (found["groups"], found["labels"]["trash"]["groups"]) == (30, 10)
    assert limits["accuracy"][1] - limits["accuracy"][0] > 0.15


def test_the_routes_of_labels_and_of_mass_are_told_apart() -> None:
    torn = answers([[1.0, 1.0, 1.2], [0.0, 0.0, 4.0], [4.0, 0.0, 0.0]], [0, 2, 0])
    found = figures(torn, 1)
    assert found["binary"]["accuracy"] == 1.0
    assert found["binary_by_label"]["accuracy"] == pytest.approx(2 / 3, abs=1e-4)


def test_low_energy_is_sent_to_residue() -> None:
    logits = [[9.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 9.0]]
    limit = Thresholds(confidence=0.8, margin=0.6, energy=6.0)
    assert figures(answers(logits, [0, 0, 2]), 1)["device"]["recyclables_lost"] == 0.0
    assert figures(answers(logits, [0, 0, 2], limit), 1)["device"]["recyclables_lost"] == 0.5


def test_without_residue_or_calibration_there_are_no_routes(mixed: Answers) -> None:
    plain = Answers.of(mixed.truth, np.log(mixed.probabilities), mixed.groups, LABELS, (), 1.0, None)
    found = figures(plain, 1)
    assert found["binary"] == found["binary_by_label"] == {}
    assert "device" not in found
    assert set(found["abstention"]) == {"label"}
