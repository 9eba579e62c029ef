"""Votes end by a sequential test: soon where it is clear, late where it is close, and wrong as rarely as promised."""

import math

import numpy as np
import pytest

from edge.policy import FrameNoise, VotePolicy, decide
from edge.records import Decision, DecisionKind, Prediction
from tests.rigs import policy, vote

NOISE = FrameNoise(log_odds_sd=0.3, energy_sd=0.1, alpha=0.02, beta=0.02)
LIMIT = math.log(0.9 / 0.1)
RULES = policy(max_frames=50, min_frames=2, min_confidence=0.9, min_margin=0.8, noise=NOISE)


def seen(log_odds: float, energy: float = math.inf) -> Prediction:
    """A vote that gives the recyclable bin these log-odds."""
    mass = 1.0 / (1.0 + math.exp(-log_odds))
    return vote(mass, 0.0, 1.0 - mass, energy=energy)


def run(log_odds: list[float], rules: VotePolicy = RULES, energy: float = math.inf) -> Decision | None:
    """Frame by frame, as the machine does; None while it is open after the last."""
    for frames in range(1, len(log_odds) + 1):
        votes = [seen(value, energy) for value in log_odds[:frames]]
        decision = decide(votes, rules, 0.0, is_late=False)
        if decision is not None:
            return decision
    return None


@pytest.mark.parametrize(
    ("log_odds", "kind", "route", "frames"),
    [
        pytest.param([7.0] * 9, DecisionKind.CONFIDENT, "recyclable", 2, id="surely recyclable: two frames"),
        pytest.param([-7.0] * 9, DecisionKind.CONFIDENT, "residue", 2, id="surely residue: two frames"),
        pytest.param([0.5] * 9, DecisionKind.UNCERTAIN, "residue", 2, id="far below the limit: no use in waiting"),
        pytest.param([LIMIT + 0.1] * 9, DecisionKind.CONFIDENT, "recyclable", 6, id="just above it: more frames"),
        pytest.param([LIMIT - 0.1] * 9, DecisionKind.UNCERTAIN, "residue", 6, id="just below it: the same"),
    ],
)
def test_how_many_frames_an_item_needs_is_how_close_it_is(
    log_odds: list[float], kind: DecisionKind, route: str, frames: int
):
    decision = run(log_odds)
    assert decision is not None
    assert (decision.kind, decision.route, decision.frames) == (kind, route, frames)


def test_an_item_at_the_limit_is_waited_for_up_to_the_deadline():
    votes = [seen(LIMIT + 0.01)] * 20
    assert run([LIMIT + 0.01] * 20) is None
    late = decide(votes, RULES, 0.0, is_late=True)
    assert late is not None
    assert (late.kind, late.route) == (DecisionKind.CONFIDENT, "recyclable"), "in the end the mean decides"
    too_low = decide([seen(LIMIT - 0.01)] * 20, RULES, 0.0, is_late=True)
    assert too_low is not None
    assert (too_low.kind, too_low.route) == (DecisionKind.DEADLINE, "residue")


def test_a_single_frame_never_decides_however_sure_it_is():
    assert run([13.0]) is None


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("odd", [-1.0, -3.0, -5.0, -8.0, -13.0])
@pytest.mark.parametrize(("confidence", "sure"), [(0.9, 8.0), (0.9, 4.0), (0.99, 6.0)])
def test_one_odd_frame_costs_frames_and_not_the_decision(confidence: float, sure: float, odd: float, place: int):
    rules = policy(max_frames=200, min_frames=2, min_confidence=confidence, min_margin=2 * confidence - 1, noise=NOISE)
    frames = [sure] * 180
    frames[place] = odd
    decision = run(frames, rules)
    assert decision is not None
    assert (decision.kind, decision.route) == (DecisionKind.CONFIDENT, "recyclable")
    assert (decision.frames > 2) is (place < 2)


def test_two_frames_against_each_other_are_open_and_the_third_does_not_decide_alone():
    assert run([8.0, -8.0]) is None
    assert run([-8.0, 8.0, -8.0]) is None


@pytest.mark.parametrize(
    ("energy", "kind"),
    [(2.5, DecisionKind.CONFIDENT), (1.5, DecisionKind.REJECTED)],
)
def test_the_energy_is_tested_in_the_same_way(energy: float, kind: DecisionKind):
    rules = policy(max_frames=50, min_frames=2, min_confidence=0.9, min_margin=0.8, min_energy=2.0, noise=NOISE)
    decision = run([7.0] * 9, rules, energy)
    assert decision is not None
    assert (decision.kind, decision.frames) == (kind, 2)
    assert run([7.0] * 9, rules, 2.001) is None, "too close to the limit to tell"


def test_a_margin_that_asks_for_more_than_the_confidence_is_what_is_tested():
    rules = policy(max_frames=50, min_frames=2, min_confidence=0.5, min_margin=0.8, noise=NOISE)
    assert run([LIMIT + 0.01] * 4, rules) is None


def test_without_a_measured_noise_the_means_decide_as_they_are():
    rules = policy(max_frames=50, min_frames=2, min_confidence=0.9, min_margin=0.8)
    decision = run([LIMIT + 0.01] * 4, rules)
    assert decision is not None
    assert decision.frames == 2
    assert run([LIMIT - 0.01] * 20, rules) is None, "later frames may raise the mean"


def test_items_on_the_wrong_side_pass_as_rarely_as_promised_and_clear_ones_take_two_frames():
    """Frames with just the noise that the test assumes, of items whose mean lies a deviation from the limit."""
    rng = np.random.default_rng(7)
    n, sd = 600, NOISE.log_odds_sd

    def decided(mean: float) -> tuple[float, float]:
        found = [run(rng.normal(mean, sd, 50).tolist()) for _ in range(n)]
        assert all(found), "fifty frames are always enough at such a distance"
        kinds = [decision.kind is DecisionKind.CONFIDENT for decision in found if decision]
        return float(np.mean(kinds)), float(np.mean([decision.frames for decision in found if decision]))

    passed, frames = decided(LIMIT - sd)
    assert passed <= NOISE.alpha + 3 * math.sqrt(NOISE.alpha / n)
    kept, _ = decided(LIMIT + sd)
    assert 1 - kept <= NOISE.beta + 3 * math.sqrt(NOISE.beta / n)
    sure, quick = decided(LIMIT + 8 * sd)
    assert (sure, quick) == (1.0, pytest.approx(2.0, abs=0.05))
    assert frames > 2.0


def test_more_noise_means_more_frames():
    loud = FrameNoise(log_odds_sd=1.5, energy_sd=0.1, alpha=0.02, beta=0.02)
    rules = policy(max_frames=50, min_frames=2, min_confidence=0.9, min_margin=0.8, noise=loud)
    item = [LIMIT + 0.8] * 30
    quiet, noisy = run(item), run(item, rules)
    assert quiet is not None and noisy is not None
    assert quiet.frames < noisy.frames
