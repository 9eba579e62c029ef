"""From votes to a decision: pure functions of the frames' predictions.

How many frames an item needs is found out while they come, by Wald's sequential probability ratio test ("Sequential
Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16, 1945; decision 18). What is tested is whether
the log-odds of the leading route, and the energy, of this item lie above their calibrated limits; what makes that
uncertain is how much frames of one item differ, which the bundle's calibration measured.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.records import Decision, DecisionKind, Prediction

__all__ = ["LEAST_MASS", "FrameNoise", "VotePolicy", "decide", "route_masses"]

ROUNDING = 1e-9
"""A share that is met exactly counts, though 0.56 * 25 is more than 14 in binary."""
LEAST_MASS = 1e-6
"""No frame is surer than this."""
MOST_SDS = 2.0
"""Deviations beyond a limit that a frame counts for at most: two frames decide, and one against one is open."""


@dataclass(frozen=True, slots=True)
class FrameNoise:
    """How much frames of one item at rest differ, and how often noise may decide.

    Attributes:
        log_odds_sd, energy_sd: standard deviation of a frame's log-odds of a route, and of its energy, around its
            item's own mean; widened for frames that follow one another and are alike.
        alpha: probability that an item whose mean lies a standard deviation below the limit passes for above it.
        beta: the same the other way round.
    """

    log_odds_sd: float
    energy_sd: float
    alpha: float
    beta: float

    def standing(self, excesses: Iterable[float], sd: float) -> int:
        """Of frames' excesses over a limit: 1 surely above it in the mean, -1 surely below, 0 open."""
        # The hypotheses lie one standard deviation above and below the limit: the log-likelihood ratio of frames with
        # normal noise is then twice their excesses, counted in standard deviations. A frame with a hand's shadow is no
        # noise of that kind: none counts for more than MOST_SDS, so that it is outweighed by the next one.
        ratio = 2.0 * sum(min(max(excess / sd, -MOST_SDS), MOST_SDS) for excess in excesses)
        if ratio >= math.log((1.0 - self.beta) / self.alpha):
            return 1
        return -1 if ratio <= math.log(self.beta / (1.0 - self.alpha)) else 0


@dataclass(frozen=True, slots=True)
class VotePolicy:
    """When votes suffice, and where an item goes.

    Attributes:
        routes: bin of each label.
        bins: every bin, in the order that ties are broken.
        uncertain_route: bin of an item that is not decided with confidence.
        max_frames, min_frames: frames that may vote; frames that must agree.
        agreement: share of the votes that must agree, 0..1.
        min_confidence, min_margin: least mean probability of the winning route, and least lead over the next.
        min_energy: least mean energy of what is taken for waste; minus infinity rejects nothing.
        noise: of the sequential test; None (a bundle that was not calibrated for it) takes the means as they are.
    """

    routes: Mapping[str, str]
    bins: tuple[str, ...]
    uncertain_route: str
    max_frames: int
    min_frames: int
    agreement: float
    min_confidence: float
    min_margin: float
    min_energy: float = -math.inf
    noise: FrameNoise | None = None


def route_masses(prediction: Prediction, policy: VotePolicy) -> dict[str, float]:
    """Probability of each bin: the sum over the labels that lead to it."""
    masses = dict.fromkeys(policy.bins, 0.0)
    for label, probability in zip(prediction.labels, prediction.probabilities, strict=True):
        masses[policy.routes[label]] += probability
    return masses


def decide(votes: Sequence[Prediction], policy: VotePolicy, now_s: float, *, is_late: bool) -> Decision | None:
    """The decision that the votes allow, or None while another frame could still change it.

    It is confident as soon as at least `min_frames` agree, the means clear the thresholds, and the sequential test says
    that they clear them not by chance; it is uncertain as soon as the test says that they do not, no further frames can
    bring agreement, or all are used. With the last frame, or with `is_late`, the means decide as they are: what is then
    missing makes it uncertain, or a `deadline`. A low energy is tested like a low confidence. What is decided without
    confidence is `rejected`, not `uncertain` or `deadline`, where at least `min_frames` votes have a mean energy below
    `min_energy`.

    Args:
        now_s: source time of the decision.
        is_late: the deadline has passed.
    """
    frames = len(votes)
    if frames == 0:
        return _blind(policy, now_s) if is_late else None
    remaining = policy.max_frames - frames
    needed = max(policy.min_frames, policy.agreement * policy.max_frames - ROUNDING)
    if frames < policy.min_frames and 1 + remaining >= needed and not is_late:
        # Too few to be sure, and enough to come: right after an inference every count saved is a cold cache spared.
        return None
    tally = _Tally.of(votes, policy)
    agreeing = tally.counts[tally.leader]
    is_final = remaining <= 0 or agreeing + remaining < needed
    standing = 0 if frames < policy.min_frames else _standing(votes, tally, policy)
    if (
        (standing > 0 or is_final or is_late)
        and agreeing >= policy.min_frames
        and agreeing >= policy.agreement * frames - ROUNDING
        and tally.confidence >= policy.min_confidence
        and tally.margin >= policy.min_margin
        and tally.energy >= policy.min_energy
    ):
        return _decided(votes, tally, policy, DecisionKind.CONFIDENT, now_s)
    is_settled = is_final or standing < 0
    if not (is_settled or is_late):
        return None
    if frames >= policy.min_frames and tally.energy < policy.min_energy:
        return _decided(votes, tally, policy, DecisionKind.REJECTED, now_s)
    kind = DecisionKind.UNCERTAIN if is_settled else DecisionKind.DEADLINE
    return _decided(votes, tally, policy, kind, now_s)


def _standing(votes: Sequence[Prediction], tally: "_Tally", policy: VotePolicy) -> int:
    """1: confidence and energy are surely high enough; -1: one of them surely is not; 0: more frames may tell.

    Without a calibrated noise nothing but the last frame ends the wait for higher means.
    """
    noise = policy.noise
    if noise is None:
        return 1
    limit = _log_odds(max(policy.min_confidence, (1.0 + policy.min_margin) / 2.0 if len(policy.bins) == 2 else 0.0))
    log_odds = (_log_odds(masses[tally.leader]) - limit for masses in tally.masses)
    confidence = noise.standing(log_odds, noise.log_odds_sd)
    if math.isinf(policy.min_energy) or math.isinf(tally.energy):
        return confidence
    return min(confidence, noise.standing((vote.energy - policy.min_energy for vote in votes), noise.energy_sd))


def _log_odds(mass: float) -> float:
    mass = min(max(mass, LEAST_MASS), 1.0 - LEAST_MASS)
    return math.log(mass / (1.0 - mass))


@dataclass(frozen=True, slots=True)
class _Tally:
    """What the votes come to, before it is known whether they suffice."""

    counts: dict[str, int]
    sums: dict[str, float]
    masses: list[dict[str, float]]
    leader: str
    frames: int
    energy: float

    @classmethod
    def of(cls, votes: Sequence[Prediction], policy: VotePolicy) -> "_Tally":
        counts = dict.fromkeys(policy.bins, 0)
        sums = dict.fromkeys(policy.bins, 0.0)
        shares = [route_masses(vote, policy) for vote in votes]
        for masses in shares:
            counts[max(masses, key=masses.__getitem__)] += 1
            for route, mass in masses.items():
                sums[route] += mass
        leader = max(policy.bins, key=lambda route: (counts[route], sums[route]))
        return cls(counts, sums, shares, leader, len(votes), sum(vote.energy for vote in votes) / len(votes))

    @property
    def confidence(self) -> float:
        """Mean probability of the leading route."""
        return self.sums[self.leader] / self.frames

    @property
    def margin(self) -> float:
        """Its lead over the next."""
        others = (mass for route, mass in self.sums.items() if route != self.leader)
        return (self.sums[self.leader] - max(others, default=0.0)) / self.frames


def _decided(
    votes: Sequence[Prediction], tally: _Tally, policy: VotePolicy, kind: DecisionKind, now_s: float
) -> Decision:
    return Decision(
        t_s=now_s,
        kind=kind,
        label=_best_label(votes, tally.leader, policy),
        route=tally.leader if kind is DecisionKind.CONFIDENT else policy.uncertain_route,
        confidence=tally.confidence,
        margin=tally.margin,
        votes=tally.counts,
        frames=tally.frames,
        classify_s=sum(vote.elapsed_s for vote in votes),
    )


def _best_label(votes: Sequence[Prediction], route: str, policy: VotePolicy) -> str:
    """The most probable label of the route that won, even where another label is more probable by itself."""
    labels = votes[0].labels
    totals = {
        label: sum(vote.probabilities[index] for vote in votes)
        for index, label in enumerate(labels)
        if policy.routes[label] == route
    }
    return max(totals, key=totals.__getitem__)


def _blind(policy: VotePolicy, now_s: float) -> Decision:
    """Not a single frame could be classified in time."""
    return Decision(
        t_s=now_s,
        kind=DecisionKind.DEADLINE,
        label="",
        route=policy.uncertain_route,
        confidence=0.0,
        margin=0.0,
        votes=dict.fromkeys(policy.bins, 0),
        frames=0,
        classify_s=0.0,
    )
