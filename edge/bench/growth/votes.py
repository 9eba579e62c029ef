"""Cost over the number of labels and of bins: the softmax, the decision, and the record of it."""

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from edge.bench.growth.plan import Plan
from edge.bench.growth.records import Axis, Curve, Place
from edge.bench.growth.rounds import cpu_us, interleave
from edge.classify.tflite import TfliteClassifier
from edge.ledger_format import encode_record
from edge.policy import VotePolicy, decide
from edge.records import Prediction

__all__ = ["measure_bins", "measure_labels"]

BATCH = 5
SURE = 0.97
"""Probability of the first label."""
MIDDLE_LABELS = 60
"""Labels while the number of bins grows."""
EXAMPLE_FRAMES = 3


def measure_labels(plan: Plan, classifier: TfliteClassifier, policy: VotePolicy) -> Axis:
    """The real classifier's last step on logits of that many labels, and `decide` on that many probabilities."""

    def softmax(labels: int) -> Callable[[], float]:
        logits = np.random.default_rng(1).integers(-128, 100, labels).tolist()
        logits[0] = 127
        return lambda: cpu_us(lambda: classifier.name(logits, 0.0, time.perf_counter()), plan.calls, BATCH)

    def decision(labels: int) -> Callable[[], float]:
        return _decision_task(policy, plan, labels, 2)

    return Axis(
        name="labels",
        title="Labels",
        x_title="labels",
        method="Made-up logits of so many labels through the classifier's own last step, the softmax; and the votes of "
        "one item through the policy, asked after each of them, as in the loop, until it decides. Two bins.",
        curves=(
            Curve.of("logits to prediction, a frame", "us", "cpu", _run(plan, plan.labels, softmax), "labels"),
            Curve.of("decision, an item", "us", "cpu", _run(plan, plan.labels, decision), "labels"),
        ),
    )


def measure_bins(plan: Plan, policy: VotePolicy) -> Axis:
    """`decide` with that many bins, and the item's record, which counts the votes of each."""
    labels = max(MIDDLE_LABELS, *plan.bins)

    def decision(bins: int) -> Callable[[], float]:
        return _decision_task(policy, plan, labels, bins)

    def record(bins: int) -> Callable[[], float]:
        votes = dict.fromkeys(_names(bins, "bin"), 0)
        body = {"label": "label0", "route": "bin0", "confidence": SURE, "votes": votes, "frames": EXAMPLE_FRAMES}
        return lambda: cpu_us(lambda: encode_record(body), plan.calls, BATCH)

    return Axis(
        name="bins",
        title="Routes and bins",
        x_title="bins",
        method=f"The votes of one item among {labels} labels through the policy, as above, with the labels dealt out "
        "to so many bins; and the line of JSON that counts the votes of every bin.",
        curves=(
            Curve.of("decision, an item", "us", "cpu", _run(plan, plan.bins, decision), "bins"),
            Curve.of("line of JSON, an item", "us", "cpu", _run(plan, plan.bins, record), "bins"),
        ),
    )


def _run(plan: Plan, numbers: tuple[int, ...], make: Callable[[int], Callable[[], float]]) -> dict[Place, list[float]]:
    tasks: dict[Place, Callable[[], float]] = {(float(number), f"{number}"): make(number) for number in numbers}
    for task in tasks.values():
        task()
    return interleave(tasks, plan.rounds)


def _decision_task(policy: VotePolicy, plan: Plan, labels: int, bins: int) -> Callable[[], float]:
    names, bin_names = _names(labels, "label"), _names(bins, "bin")
    wide = dataclasses.replace(
        policy,
        routes={name: bin_names[index % bins] for index, name in enumerate(names)},
        bins=tuple(bin_names),
        uncertain_route=bin_names[-1],
    )
    rest = (1.0 - SURE) / (labels - 1)
    vote = Prediction(0.0, tuple(names), (SURE, *[rest] * (labels - 1)), 0.005)
    votes = tuple([vote] * wide.max_frames)

    def decide_item() -> None:
        for frames in range(1, len(votes) + 1):
            if decide(votes[:frames], wide, 1.0, is_late=False) is not None:
                return

    return lambda: cpu_us(decide_item, plan.calls, BATCH)


def _names(count: int, word: str) -> list[str]:
    return [f"{word}{index}" for index in range(count)]
