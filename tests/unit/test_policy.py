"""From votes to a decision: tables of the rules, then what holds for any votes."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.policy import VotePolicy, decide, route_masses
from edge.records import Decision, DecisionKind, Prediction
from tests.rigs import BINS, DOUBTFUL, GLASS, LABELS, ROUTES, TRASH, policy, vote

CONFIDENT, UNCERTAIN, DEADLINE = DecisionKind.CONFIDENT, DecisionKind.UNCERTAIN, DecisionKind.DEADLINE
REJECTED = DecisionKind.REJECTED
DEFAULT = policy()
PAPER = vote(0.03, 0.95, 0.02)
SPLIT_LABELS = vote(0.34, 0.26, 0.40)
"""Trash is the most probable label, recyclable the most probable route."""


KNOWN, STRANGE = vote(0.95, 0.03, 0.02, energy=4.0), vote(0.95, 0.03, 0.02, energy=1.0)
"""Both sure to be glass; only the first looks like anything the model was made for."""
STRANGE_TRASH, STRANGE_DOUBT = vote(0.02, 0.03, 0.95, energy=1.0), vote(0.30, 0.25, 0.45, energy=1.0)
LIMITED = policy(min_energy=2.0)


@dataclass(frozen=True)
class Case:
    reason: str
    votes: list[Prediction]
    expected: tuple[DecisionKind, str, str] | None
    policy: VotePolicy = DEFAULT
    is_late: bool = False


CASES = [
    Case("no vote, time left: wait", [], None),
    Case("no vote in time: residue, without a label", [], (DEADLINE, "residue", ""), is_late=True),
    Case("fewer votes than must agree: wait", [GLASS] * 2, None),
    Case("min_frames agree: no need for the fourth and fifth", [GLASS] * 3, (CONFIDENT, "recyclable", "glass")),
    Case("residue can be confident too", [TRASH] * 3, (CONFIDENT, "residue", "trash")),
    Case("labels may differ where the route agrees", [GLASS, PAPER, PAPER], (CONFIDENT, "recyclable", "paper")),
    Case("two against one: three must agree", [GLASS, TRASH, GLASS], None),
    Case(
        "three of four agree, with enough confidence",
        [GLASS, TRASH, GLASS, GLASS],
        (CONFIDENT, "recyclable", "glass"),
        policy(min_confidence=0.6, min_margin=0.3),
    ),
    Case(
        "the share is met exactly: 3 of 5 are 60 %",
        [GLASS, TRASH, TRASH, GLASS, GLASS],
        (CONFIDENT, "recyclable", "glass"),
        policy(min_confidence=0.5, min_margin=0.1),
    ),
    Case(
        "three agree, but not the share that must",
        [GLASS, TRASH, GLASS, TRASH, GLASS],
        (UNCERTAIN, "residue", "glass"),
        policy(agreement=0.8, min_confidence=0.0, min_margin=0.0),
    ),
    Case(
        "confidence below its threshold, margin above",
        [vote(0.5, 0.15, 0.35)] * 3,
        None,
        policy(min_confidence=0.66, min_margin=0.1),
    ),
    Case(
        "confidence at its threshold counts",
        [vote(0.5, 0.25, 0.25)] * 3,
        (CONFIDENT, "recyclable", "glass"),
        policy(min_confidence=0.75, min_margin=0.1),
    ),
    Case(
        "margin below its threshold, confidence above",
        [vote(0.5, 0.15, 0.35)] * 3,
        None,
        policy(min_confidence=0.6, min_margin=0.35),
    ),
    Case(
        "margin at its threshold counts",
        [vote(0.5, 0.25, 0.25)] * 3,
        (CONFIDENT, "recyclable", "glass"),
        policy(min_confidence=0.6, min_margin=0.5),
    ),
    Case("one frame's doubt is outweighed by the mean", [DOUBTFUL, GLASS, GLASS], (CONFIDENT, "recyclable", "glass")),
    Case("two frames' doubt is not, yet", [DOUBTFUL, DOUBTFUL, GLASS], None),
    Case("it is by three clear ones", [DOUBTFUL, DOUBTFUL, *[GLASS] * 3], (CONFIDENT, "recyclable", "glass")),
    Case("all frames used and still in doubt", [DOUBTFUL] * 5, (UNCERTAIN, "residue", "glass")),
    Case("in doubt with a frame left: wait", [DOUBTFUL] * 4, None),
    Case("in doubt at the deadline", [DOUBTFUL] * 4, (DEADLINE, "residue", "glass"), is_late=True),
    Case("agreed at the deadline: still confident", [GLASS] * 3, (CONFIDENT, "recyclable", "glass"), is_late=True),
    Case("two clear votes at the deadline are not three", [GLASS] * 2, (DEADLINE, "residue", "glass"), is_late=True),
    Case(
        "all frames used at the deadline: the votes are the reason, not the time",
        [DOUBTFUL] * 5,
        (UNCERTAIN, "residue", "glass"),
        is_late=True,
    ),
    Case(
        "no further frame can bring four to agree",
        [GLASS, TRASH, GLASS, TRASH],
        (UNCERTAIN, "residue", "glass"),
        policy(min_frames=4, min_confidence=0.0, min_margin=0.0),
    ),
    Case(
        "no further frame can bring the share that must agree",
        [GLASS, TRASH],
        (UNCERTAIN, "residue", "glass"),
        policy(agreement=1.0, min_frames=2),
    ),
    Case("more frames than may vote are still decided", [DOUBTFUL] * 7, (UNCERTAIN, "residue", "glass")),
    Case(
        "the label belongs to the route that won, though trash is more probable by itself",
        [SPLIT_LABELS] * 3,
        (CONFIDENT, "recyclable", "glass"),
        policy(min_confidence=0.5, min_margin=0.1),
    ),
    Case(
        "an uncertain item goes where the config says, not where the votes lean",
        [vote(0.0, 0.45, 0.55)] * 5,
        (UNCERTAIN, "recyclable", "trash"),
        policy(uncertain_route="recyclable"),
    ),
    Case(
        "one frame decides where one may vote",
        [GLASS],
        (CONFIDENT, "recyclable", "glass"),
        policy(max_frames=1, min_frames=1),
    ),
    Case(
        "one doubtful frame is uncertain where one may vote",
        [DOUBTFUL],
        (UNCERTAIN, "residue", "glass"),
        policy(max_frames=1, min_frames=1),
    ),
    Case("nothing is rejected without a limit", [STRANGE] * 3, (CONFIDENT, "recyclable", "glass")),
    Case("known waste clears the limit", [KNOWN] * 3, (CONFIDENT, "recyclable", "glass"), LIMITED),
    Case("strange in three frames: two more could raise the mean", [STRANGE] * 3, None, LIMITED),
    Case("they did", [STRANGE, STRANGE, *[KNOWN] * 3], (CONFIDENT, "recyclable", "glass"), LIMITED),
    Case("strange to the last frame: residue, however sure", [STRANGE] * 5, (REJECTED, "residue", "glass"), LIMITED),
    Case(
        "a mean energy at the limit counts as waste",
        [STRANGE] * 3,
        (CONFIDENT, "recyclable", "glass"),
        policy(min_energy=1.0),
    ),
    Case(
        "one strange frame is outweighed by the mean",
        [STRANGE, KNOWN, KNOWN],
        (CONFIDENT, "recyclable", "glass"),
        LIMITED,
    ),
    Case(
        "strange and in doubt: that it is strange says more",
        [STRANGE_DOUBT] * 5,
        (REJECTED, "residue", "glass"),
        LIMITED,
    ),
    Case(
        "in doubt but known: uncertain",
        [vote(0.3, 0.25, 0.45, energy=3.0)] * 5,
        (UNCERTAIN, "residue", "glass"),
        LIMITED,
    ),
    Case(
        "strange and sure of residue: rejected all the same, for the uncertain route need not be residue",
        [STRANGE_TRASH] * 5,
        (REJECTED, "recyclable", "trash"),
        policy(min_energy=2.0, uncertain_route="recyclable"),
    ),
    Case(
        "strange at the deadline, in enough frames",
        [STRANGE] * 3,
        (REJECTED, "residue", "glass"),
        LIMITED,
        is_late=True,
    ),
    Case(
        "strange at the deadline, in too few frames to say so",
        [STRANGE] * 2,
        (DEADLINE, "residue", "glass"),
        LIMITED,
        is_late=True,
    ),
    Case("no vote at the deadline is not strange", [], (DEADLINE, "residue", ""), LIMITED, is_late=True),
    Case(
        "no further frame can bring agreement: rejected at once",
        [STRANGE, STRANGE_TRASH, STRANGE],
        (REJECTED, "residue", "glass"),
        policy(agreement=1.0, min_energy=2.0),
    ),
    Case(
        "the same in fewer frames than must agree: only uncertain",
        [STRANGE, STRANGE_TRASH],
        (UNCERTAIN, "residue", "glass"),
        policy(agreement=1.0, min_energy=2.0),
    ),
    Case(
        "one strange frame is rejected where one may vote, as `classify` does",
        [STRANGE],
        (REJECTED, "residue", "glass"),
        policy(max_frames=1, min_frames=1, min_energy=2.0),
        is_late=True,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reason)
def test_votes_become(case: Case):
    decision = decide(case.votes, case.policy, 7.0, is_late=case.is_late)
    assert (decision and (decision.kind, decision.route, decision.label)) == case.expected


@pytest.mark.parametrize("frames", [3, 5, 10, 25, 50])
def test_a_share_that_is_met_exactly_counts(frames: int):
    for agreeing in range(frames // 2 + 1, frames + 1):
        exact = policy(max_frames=frames, min_frames=1, agreement=agreeing / frames, min_confidence=0.0, min_margin=0.0)
        decision = decide([TRASH] * (frames - agreeing) + [GLASS] * agreeing, exact, 0.0, is_late=False)
        assert decision is not None
        assert decision.kind is CONFIDENT, f"{agreeing} of {frames}"


def test_a_decision_carries_the_means_and_the_counts():
    votes = [GLASS, DOUBTFUL, TRASH, GLASS, GLASS]
    decision = decide(votes, policy(), 7.5, is_late=False)
    assert decision is not None
    assert decision.t_s == 7.5
    assert decision.votes == {"recyclable": 4, "residue": 1}
    assert decision.frames == 5
    assert decision.confidence == pytest.approx((0.98 * 3 + 0.55 + 0.05) / 5)
    assert decision.margin == pytest.approx((0.98 * 3 + 0.55 + 0.05 - 0.02 * 3 - 0.45 - 0.95) / 5)
    assert decision.classify_s == pytest.approx(0.1)


def test_a_decision_without_votes_claims_nothing():
    decision = decide([], policy(), 3.0, is_late=True)
    assert decision == Decision(3.0, DEADLINE, "", "residue", 0.0, 0.0, {"recyclable": 0, "residue": 0}, 0, 0.0)


@pytest.mark.parametrize("bins", [("recyclable", "residue"), ("residue", "recyclable")], ids="-".join)
def test_a_tie_goes_to_the_bin_that_the_config_names_first(bins: tuple[str, str]):
    even = vote(0.25, 0.25, 0.5)
    loose = policy(bins=bins, max_frames=1, min_frames=1, min_confidence=0.5, min_margin=0.0)
    decision = decide([even], loose, 0.0, is_late=False)
    assert decision is not None
    assert (decision.kind, decision.route) == (CONFIDENT, bins[0])
    assert decision.votes[bins[0]] == 1


def test_of_bins_with_equally_many_votes_the_more_probable_leads():
    decision = decide([vote(0.6, 0.0, 0.4), vote(0.0, 0.0, 1.0)], policy(), 0.0, is_late=True)
    assert decision is not None
    assert decision.label == "trash"
    assert decision.confidence == pytest.approx(0.7)


THREE: dict[str, Any] = {
    "bins": ("glass", "paper", "residue"),
    "routes": {"glass": "glass", "paper": "paper", "trash": "residue"},
}


@pytest.mark.parametrize(
    ("votes", "kind", "route", "margin", "reason"),
    [
        ([PAPER] * 3, CONFIDENT, "paper", 0.92, "each label has its own bin"),
        ([GLASS, PAPER, TRASH, PAPER, GLASS], UNCERTAIN, "residue", 0.002, "two bins tie, none has three"),
        ([vote(0.5, 0.4, 0.1)] * 5, UNCERTAIN, "residue", 0.1, "the margin is to the next bin, not to all others"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_three_bins(votes: list[Prediction], kind: DecisionKind, route: str, margin: float, reason: str):
    decision = decide(votes, policy(**THREE), 0.0, is_late=False)
    assert decision is not None
    assert (decision.kind, decision.route) == (kind, route), reason
    assert decision.margin == pytest.approx(margin), reason


def test_one_bin_alone_has_no_runner_up():
    single = policy(bins=("all",), routes=dict.fromkeys(LABELS, "all"), uncertain_route="all")
    decision = decide([DOUBTFUL] * 3, single, 0.0, is_late=False)
    assert decision is not None
    assert (decision.kind, decision.label) == (CONFIDENT, "trash")
    assert decision.confidence == decision.margin == pytest.approx(1.0)


def test_a_bin_that_no_label_leads_to_gets_no_mass():
    masses = route_masses(GLASS, policy(bins=("spare", *BINS)))
    assert masses == pytest.approx({"spare": 0.0, "recyclable": 0.98, "residue": 0.02})


@st.composite
def distributions(draw: st.DrawFn) -> Prediction:
    weights = [draw(st.integers(0, 1000)) for _ in LABELS]
    weights[draw(st.integers(0, 2))] += 1
    energy = draw(st.sampled_from((math.inf, 0.5, 2.0, 4.0)))
    return vote(*(weight / sum(weights) for weight in weights), energy=energy)


@st.composite
def policies(draw: st.DrawFn) -> VotePolicy:
    most = draw(st.integers(1, 8))
    bins = draw(st.permutations(("recyclable", "residue", "paper")))
    return VotePolicy(
        routes={label: draw(st.sampled_from(bins)) for label in ROUTES},
        bins=tuple(bins),
        uncertain_route=draw(st.sampled_from(bins)),
        max_frames=most,
        min_frames=draw(st.integers(1, most)),
        agreement=draw(st.floats(0.51, 1.0)),
        min_confidence=draw(st.floats(0.0, 1.0)),
        min_margin=draw(st.floats(0.0, 1.0)),
        min_energy=draw(st.sampled_from((-math.inf, 1.0, 3.0))),
    )


@given(votes=st.lists(distributions(), max_size=10), rules=policies(), is_late=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_decision_is_sound(votes: list[Prediction], rules: VotePolicy, is_late: bool):
    decision = decide(votes, rules, 1.0, is_late=is_late)
    if decision is None:
        assert not is_late
        assert len(votes) < rules.max_frames
        return
    energy = sum(one.energy for one in votes) / len(votes) if votes else math.inf
    assert decision.route in rules.bins
    assert sum(decision.votes.values()) == decision.frames == len(votes)
    assert -1e-9 <= decision.margin <= decision.confidence + 1e-9 <= 1 + 2e-9 or decision.kind is not CONFIDENT
    assert decision.label in LABELS if votes else decision.label == ""
    if decision.kind is CONFIDENT:
        assert rules.routes[decision.label] == decision.route
        assert decision.votes[decision.route] == max(decision.votes.values()) >= rules.min_frames
        assert decision.confidence >= rules.min_confidence
        assert decision.margin >= rules.min_margin
        assert energy >= rules.min_energy
    else:
        assert decision.route == rules.uncertain_route
        assert is_late or decision.kind in (UNCERTAIN, REJECTED)
        is_strange = len(votes) >= rules.min_frames and energy < rules.min_energy
        assert (decision.kind is REJECTED) is is_strange


@given(votes=st.lists(distributions(), min_size=8, max_size=8), rules=policies())
@settings(max_examples=200, deadline=None)
def test_voting_frame_by_frame_ends_and_lateness_changes_no_decision(votes: list[Prediction], rules: VotePolicy):
    frames, decision = 0, None
    while decision is None:
        frames += 1
        decision = decide(votes[:frames], rules, 1.0, is_late=False)
    assert frames <= rules.max_frames
    assert decide(votes[:frames], rules, 1.0, is_late=True) == decision
    assert decide(tuple(votes[:frames]), rules, 1.0, is_late=False) == decision


@given(votes=st.lists(distributions(), min_size=1, max_size=7), rules=policies(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_an_early_uncertain_was_right_whatever_would_have_come(
    votes: list[Prediction], rules: VotePolicy, data: st.DataObject
):
    decision = decide(votes, rules, 1.0, is_late=False)
    if decision is None or decision.kind is CONFIDENT or len(votes) >= rules.max_frames:
        return
    missing = rules.max_frames - len(votes)
    more = data.draw(st.lists(distributions(), min_size=missing, max_size=missing))
    for frames in range(len(votes) + 1, rules.max_frames + 1):
        later = decide((votes + more)[:frames], rules, 1.0, is_late=False)
        assert later is None or later.kind is not CONFIDENT
