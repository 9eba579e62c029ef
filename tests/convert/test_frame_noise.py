"""How much frames of one item differ: what is drawn, what is pooled, and what the bundle is told."""

import math

import numpy as np
import pytest

from convert.calibrate import Evidence, calibrate
from convert.frame_noise import ALIKE, LEAST_SD, frame_noise, log_odds_of, shown_again
from convert.risk import RiskTarget
from edge.policy import LEAST_MASS

LABELS = ("glass", "paper", "trash")
WIDENED = math.sqrt((1 + ALIKE) / (1 - ALIKE))


def test_the_deviation_is_that_of_frames_around_their_own_photograph() -> None:
    rng = np.random.default_rng(1)
    own = rng.normal(0, 5, (4000, 1))
    log_odds, energy = own + rng.normal(0, 0.2, (4000, 6)), 3 + rng.normal(0, 0.05, (4000, 6))
    found = frame_noise(log_odds, energy, RiskTarget(contamination=0.03))
    assert found is not None
    assert found.log_odds_sd == pytest.approx(0.2 * WIDENED, rel=0.03), "how far photographs lie apart does not count"
    assert found.energy_sd == pytest.approx(0.05 * WIDENED, rel=0.03)
    assert (found.alpha, found.beta) == (0.03, 0.03)


def test_a_model_that_always_says_the_same_still_has_a_deviation_to_divide_by() -> None:
    found = frame_noise(np.zeros((30, 6)), np.ones((30, 6)), RiskTarget())
    assert found is not None
    assert found.log_odds_sd == found.energy_sd == LEAST_SD


def test_photographs_of_which_the_model_is_as_sure_as_can_be_do_not_hide_the_noise_of_others() -> None:
    log_odds = np.random.default_rng(3).normal(2.0, 0.2, (500, 6))
    found = frame_noise(np.concatenate([log_odds, log_odds_of(np.ones((500, 6)))]), np.ones((1000, 6)), RiskTarget())
    assert found is not None
    assert found.log_odds_sd == pytest.approx(0.2 * WIDENED, rel=0.05)


def test_a_model_that_is_as_sure_as_can_be_of_nearly_everything_tells_nothing_of_thresholds() -> None:
    log_odds = np.concatenate([log_odds_of(np.ones((300, 6))), np.random.default_rng(3).normal(2.0, 0.2, (19, 6))])
    assert frame_noise(log_odds, np.ones((319, 6)), RiskTarget()) is None


def test_without_photographs_nothing_is_known() -> None:
    assert frame_noise(np.zeros((0, 6)), np.zeros((0, 6)), RiskTarget()) is None


def test_a_still_scene_is_shown_in_other_light_and_noise_every_time() -> None:
    image = np.full((48, 64, 3), 120, np.uint8)
    image[:, :32] = 0
    frames = list(shown_again(image, np.random.default_rng(2), 5))
    assert len(frames) == 5
    assert all(frame.shape == image.shape and frame.dtype == np.uint8 for frame in frames)
    assert len({frame.tobytes() for frame in frames}) == 5
    bright = [float(frame[:, 32:].mean()) for frame in frames]
    assert np.std(bright) > 0.2, "the light flickers"
    assert min(bright) > 100 and max(bright) < 140
    again = shown_again(image, np.random.default_rng(2), 5)
    assert all(np.array_equal(one, other) for one, other in zip(frames, again, strict=True))


def test_log_odds_are_no_surer_than_on_the_device() -> None:
    found = log_odds_of(np.array([0.0, 0.5, 1.0]))
    most = math.log((1 - LEAST_MASS) / LEAST_MASS)
    assert found == pytest.approx([-most, 0.0, most])


def test_calibration_puts_it_into_the_thresholds_at_the_temperature_that_it_found() -> None:
    rng = np.random.default_rng(4)
    targets = np.array([0] * 200 + [2] * 20)
    photographs = rng.normal(0, 0.3, (220, 3))
    photographs[np.arange(220), targets] += 2
    frames = photographs[:, None, :] + rng.normal(0, 0.1, (220, 6, 3))
    at, thresholds, _ = calibrate(Evidence(photographs, targets, {}, {}, frames), LABELS, ("trash",), RiskTarget())
    assert thresholds.frames is not None
    # The log-odds of trash are a difference of two logits, for the most part, over the temperature.
    assert thresholds.frames.log_odds_sd == pytest.approx(0.1 * math.sqrt(2) / at * WIDENED, rel=0.2)
    assert calibrate(Evidence(photographs, targets, {}, {}), LABELS, ("trash",), RiskTarget())[1].frames is None
