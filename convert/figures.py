"""All figures of one model on one set of pictures, with intervals: what stands in `metrics.json`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.abstention import Curve, abstention, risk_coverage
from convert.calibrate import energies
from convert.intervals import Figure, Path, draw, intervals
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
from convert.scores import (
    binary_scores,
    device_routes,
    device_scores,
    label_scores,
    rates,
    ratio,
    residue_mass,
    softmax,
)
from edge.bundle import Thresholds

__all__ = ["Answers", "curves", "figures", "nested"]

_Weights = npt.NDArray[np.float32]
_Float = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model said to a set of pictures.

    Attributes:
        truth: (N,) index of the true label.
        probabilities: (N, labels), at the temperature of the calibration.
        energy: (N,) of the logits, at the same temperature.
        groups: N names; pictures of a group show neighbours.
        labels: in the order of the columns.
        residue: the labels that are not recyclable.
        thresholds: of the device, or None where there is no calibration.
    """

    truth: npt.NDArray[np.int64]
    probabilities: _Float
    energy: _Float
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    residue: tuple[str, ...]
    thresholds: Thresholds | None

    @classmethod
    def of(
        cls,
        truth: npt.NDArray[np.int64],
        logits: _Float,
        groups: Iterable[str],
        labels: Iterable[str],
        residue: Iterable[str],
        temperature: float,
        thresholds: Thresholds | None,
    ) -> "Answers":
        """From (N, labels) real logits."""
        return cls(
            truth,
            softmax(logits, temperature),
            energies(logits, temperature),
            tuple(groups),
            tuple(labels),
            tuple(residue),
            thresholds,
        )

    def some(self, chosen: npt.NDArray[np.bool_]) -> "Answers":
        """Only those of (N,) chosen pictures."""
        groups = tuple(group for group, is_chosen in zip(self.groups, chosen, strict=True) if is_chosen)
        kept = (self.truth[chosen], self.probabilities[chosen], self.energy[chosen])
        return Answers(*kept, groups, self.labels, self.residue, self.thresholds)

    @property
    def guess(self) -> npt.NDArray[np.int64]:
        """(N,) the likeliest label."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def confidence(self) -> _Float:
        """(N,) its probability."""
        return np.asarray(self.probabilities.max(axis=1), dtype=np.float64)

    @property
    def mass(self) -> _Float:
        """(N,) probability of residue."""
        return residue_mass(self.probabilities, self.labels, self.residue)

    @property
    def has_routes(self) -> bool:
        """True if a label is residue."""
        return any(label in self.residue for label in self.labels)

    @property
    def is_residue(self) -> npt.NDArray[np.bool_]:
        """(N,) the truth."""
        return np.isin(self.truth, [place for place, label in enumerate(self.labels) if label in self.residue])


def figures(answers: Answers, seed: int) -> dict[str, Any]:
    """Every figure, ready for JSON; `ci95` holds the same tree with [lower, upper] in place of each figure.

    Args:
        seed: of the bootstrap.
    """
    truth, p, labels = answers.truth, answers.probabilities, answers.labels
    found = intervals(lambda weights: _weighted(answers, weights), draw(answers.groups, truth, seed))
    scores = label_scores(truth, answers.guess, labels)
    scores["groups"] = len(set(answers.groups))
    for place, label in enumerate(labels):
        scores["labels"][label]["groups"] = len(
            {group for group, true in zip(answers.groups, truth, strict=True) if true == place}
        )
    for name in ("macro_precision", "macro_recall", "ece", "ece_equal_mass", "nll", "brier"):
        scores[name] = round(found[(name,)][0], 4)
    scores["ece_by_chance"] = round(error_by_chance(answers.confidence, equal_width(answers.confidence), seed), 4)
    scores["binary"] = binary_scores(truth, p, labels, answers.residue)
    scores["binary_by_label"] = binary_scores(truth, p, labels, answers.residue, is_by_label=True)
    if answers.thresholds is not None:
        scores["device"] = device_scores(truth, p, labels, answers.residue, answers.thresholds, answers.energy)
    scores["reliability"] = reliability(answers.confidence, answers.guess == truth)
    scores["abstention"] = {name: abstention(curve) for name, curve in curves(answers).items()}
    scores["ci95"] = nested({path: (low, high) for path, (_, low, high) in found.items()})
    return scores


def curves(answers: Answers) -> dict[str, Curve]:
    """Risk against coverage: of the labels by the top probability, of the routes by the likelier route's."""
    mass = answers.mass
    found = {
        "label": risk_coverage(answers.confidence, answers.guess == answers.truth, answers.is_residue, mass <= 0.5)
    }
    if answers.has_routes:
        is_right = (mass > 0.5) == answers.is_residue
        found["route"] = risk_coverage(np.maximum(mass, 1 - mass), is_right, answers.is_residue, mass <= 0.5)
    return found


def nested(limits: dict[Path, tuple[float, float]]) -> dict[str, Any]:
    """Paths to a tree of [lower, upper], rounded; what is not defined is left out."""
    tree: dict[str, Any] = {}
    for path, (low, high) in limits.items():
        if np.isnan(low) or np.isnan(high):
            continue
        place = tree
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = [round(low, 4), round(high, 4)]
    return tree


def _weighted(answers: Answers, weights: _Weights) -> dict[Path, Figure]:
    """Every figure in every resample, of (B, N) weights."""
    truth, p, guess = answers.truth, answers.probabilities, answers.guess
    count, total = len(truth), weights.sum(axis=1)
    table = _tables(truth, guess, len(answers.labels), weights)
    plain = rates(table)
    occur = table.sum(axis=-1) > 0
    predicted = np.bincount(guess, minlength=len(answers.labels))
    present = np.bincount(truth, minlength=len(answers.labels))
    found: dict[Path, Figure] = {
        ("accuracy",): Figure(plain.accuracy, count),
        ("macro_f1",): Figure(plain.macro_f1),
        ("macro_precision",): Figure(ratio((plain.precision * occur).sum(axis=1), occur.sum(axis=1))),
        ("macro_recall",): Figure(ratio((plain.recall * occur).sum(axis=1), occur.sum(axis=1))),
        ("nll",): Figure(ratio(weights @ log_loss(p, truth), total), most=np.inf),
        ("brier",): Figure(ratio(weights @ brier(p, truth), total), most=2.0),
    }
    for name, binning in (("ece", equal_width), ("ece_equal_mass", equal_mass)):
        errors = bin_errors(answers.confidence, guess == truth, binning(answers.confidence))
        found[(name,)] = Figure(expected_error(weights, errors), is_centred=True)
    for place, label in enumerate(answers.labels):
        if not present[place]:
            continue
        found["labels", label, "precision"] = Figure(plain.precision[:, place], int(predicted[place]))
        found["labels", label, "recall"] = Figure(plain.recall[:, place], int(present[place]))
        found["labels", label, "f1"] = Figure(plain.f1[:, place])
    if answers.has_routes:
        columns = [place for place, label in enumerate(answers.labels) if label in answers.residue]
        found |= _routes("binary", answers.is_residue, answers.mass > 0.5, weights)
        found |= _routes("binary_by_label", answers.is_residue, np.isin(guess, columns), weights)
        if answers.thresholds is not None:
            found |= _device(answers, answers.thresholds, weights)
    return found


def _tables(
    truth: npt.NDArray[Any], guess: npt.NDArray[Any], labels: int, weights: _Weights
) -> npt.NDArray[np.float64]:
    """(B, labels, labels) weighted confusion tables."""
    cells = np.zeros((len(truth), labels * labels), np.float32)
    cells[np.arange(len(truth)), truth * labels + guess] = 1
    return np.asarray((weights @ cells).reshape(-1, labels, labels), dtype=np.float64)


def _routes(
    name: str, is_residue: npt.NDArray[np.bool_], guess: npt.NDArray[np.bool_], weights: _Weights
) -> dict[Path, Figure]:
    found = rates(_tables(is_residue.astype(np.int64), guess.astype(np.int64), 2, weights))
    figures: dict[Path, Figure] = {
        (name, "accuracy"): Figure(found.accuracy, len(guess)),
        (name, "macro_f1"): Figure(found.macro_f1),
    }
    if is_residue.any():
        figures[name, "residue_precision"] = Figure(found.precision[:, 1], int(guess.sum()))
        figures[name, "residue_recall"] = Figure(found.recall[:, 1], int(is_residue.sum()))
    return figures


def _device(answers: Answers, thresholds: Thresholds, weights: _Weights) -> dict[Path, Figure]:
    is_residue = answers.is_residue
    to_residue, is_sure = device_routes(answers.mass, thresholds, answers.energy)

    def share(part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> Figure:
        values = ratio(weights @ (part & whole).astype(np.float32), weights @ whole.astype(np.float32))
        return Figure(values, int(whole.sum()))

    everything = np.ones_like(is_residue)
    found = {
        "accuracy": share(to_residue == is_residue, everything),
        "residue_recall": share(to_residue, is_residue),
        "recyclables_lost": share(to_residue, ~is_residue),
        "uncertain": share(~is_sure, everything),
        "contamination": share(is_residue, ~to_residue),
    }
    return {("device", name): figure for name, figure in found.items() if figure.of}
