"""From votes to a decision: pure functions of the frames' predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.records import Decision, DecisionKind, Prediction

__all__ = ["VotePolicy", "decide", "route_masses"]

ROUNDING = 1e-9
"""A share that is met exactly counts, though 0.56 * 25 is more than 14 in binary."""


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
    """

    routes: Mapping[str, str]
    bins: tuple[str, ...]
    uncertain_route: str
    max_frames: int
    min_frames: int
    agreement: float
    min_confidence: float
    min_margin: float


def route_masses(prediction: Prediction, policy: VotePolicy) -> dict[str, float]:
    """Probability of each bin: the sum over the labels that lead to it."""
    masses = dict.fromkeys(policy.bins, 0.0)
    for label, probability in zip(prediction.labels, prediction.probabilities, strict=True):
        masses[policy.routes[label]] += probability
    return masses


def decide(votes: Sequence[Prediction], policy: VotePolicy, now_s: float, *, is_late: bool) -> Decision | None:
    """The decision that the votes allow, or None while another frame could still change it.

    It is confident as soon as enough frames agree and the means clear the thresholds; it is uncertain as soon as no
    further frame can bring that about, or when all frames are used; with `is_late`, whatever is missing makes it a
    `deadline`.

    Args:
        now_s: source time of the decision.
        is_late: the deadline has passed.
    """
    frames = len(votes)
    if frames == 0:
        return _unsure(DecisionKind.DEADLINE, policy, now_s, _Tally.empty(policy)) if is_late else None
    tally = _Tally.of(votes, policy)
    agreeing = tally.counts[tally.leader]
    if (
        agreeing >= policy.min_frames
        and agreeing >= policy.agreement * frames - ROUNDING
        and tally.confidence >= policy.min_confidence
        and tally.margin >= policy.min_margin
    ):
        return tally.decision(DecisionKind.CONFIDENT, tally.leader, now_s)
    remaining = policy.max_frames - frames
    needed = max(policy.min_frames, policy.agreement * policy.max_frames - ROUNDING)
    if remaining <= 0 or agreeing + remaining < needed:
        return _unsure(DecisionKind.UNCERTAIN, policy, now_s, tally)
    return _unsure(DecisionKind.DEADLINE, policy, now_s, tally) if is_late else None


@dataclass(frozen=True, slots=True)
class _Tally:
    counts: Mapping[str, int]
    leader: str
    label: str
    confidence: float
    margin: float
    frames: int
    classify_s: float

    @classmethod
    def empty(cls, policy: VotePolicy) -> "_Tally":
        return cls(dict.fromkeys(policy.bins, 0), policy.uncertain_route, "", 0.0, 0.0, 0, 0.0)

    @classmethod
    def of(cls, votes: Sequence[Prediction], policy: VotePolicy) -> "_Tally":
        counts = dict.fromkeys(policy.bins, 0)
        sums = dict.fromkeys(policy.bins, 0.0)
        for vote in votes:
            masses = route_masses(vote, policy)
            counts[max(masses, key=masses.__getitem__)] += 1
            for route, mass in masses.items():
                sums[route] += mass
        leader = max(policy.bins, key=lambda route: (counts[route], sums[route]))
        runner_up = max((mass for route, mass in sums.items() if route != leader), default=0.0)
        labels = votes[0].labels
        totals = [sum(vote.probabilities[index] for vote in votes) for index in range(len(labels))]
        # The label must belong to the route that won, even where another label is more probable by itself.
        candidates = [index for index, label in enumerate(labels) if policy.routes[label] == leader]
        best = max(candidates, key=totals.__getitem__)
        frames = len(votes)
        return cls(
            counts=counts,
            leader=leader,
            label=labels[best],
            confidence=sums[leader] / frames,
            margin=(sums[leader] - runner_up) / frames,
            frames=frames,
            classify_s=sum(vote.elapsed_s for vote in votes),
        )

    def decision(self, kind: DecisionKind, route: str, now_s: float) -> Decision:
        return Decision(
            t_s=now_s,
            kind=kind,
            label=self.label,
            route=route,
            confidence=self.confidence,
            margin=self.margin,
            votes=self.counts,
            frames=self.frames,
            classify_s=self.classify_s,
        )


def _unsure(kind: DecisionKind, policy: VotePolicy, now_s: float, tally: _Tally) -> Decision:
    return tally.decision(kind, policy.uncertain_route, now_s)
