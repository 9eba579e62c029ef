"""Figures of merit from true and predicted labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import Thresholds

__all__ = [
    "Rates",
    "binary_scores",
    "confusion",
    "device_routes",
    "device_scores",
    "label_scores",
    "macro_f1",
    "negative_log_likelihood",
    "rates",
    "ratio",
    "residue_mass",
    "softmax",
]

_Float = npt.NDArray[np.float64]


def softmax(logits: _Float, temperature: float) -> _Float:
    """(N, labels) logits to probabilities."""
    scaled = logits / temperature
    weight = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)


def negative_log_likelihood(logits: _Float, targets: npt.NDArray[Any], at: float) -> float:
    """Log loss: mean surprise, in nats, of (N, labels) real logits at a temperature."""
    chosen = softmax(logits, at)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def confusion(truth: npt.NDArray[Any], guess: npt.NDArray[Any], labels: int) -> npt.NDArray[np.int64]:
    """(labels, labels) counts, a row a true label, a column a predicted one."""
    flat = np.bincount(np.asarray(truth) * labels + np.asarray(guess), minlength=labels * labels)
    return np.asarray(flat.reshape(labels, labels), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one or many confusion tables say.

    Attributes:
        accuracy, macro_f1: (...); the mean F1 is over the labels that occur, NaN where none does.
        precision, recall, f1: (..., labels); 0 where a label is never predicted, or does not occur.
    """

    accuracy: _Float
    macro_f1: _Float
    precision: _Float
    recall: _Float
    f1: _Float


def rates(tables: npt.NDArray[Any]) -> Rates:
    """Accuracy, precision, recall and F1 of (..., labels, labels) counts or weights, true rows."""
    tables = np.asarray(tables, dtype=np.float64)
    hits = np.diagonal(tables, axis1=-2, axis2=-1)
    present, predicted = tables.sum(axis=-1), tables.sum(axis=-2)
    f1 = ratio(2 * hits, present + predicted)
    labels = (present > 0).sum(axis=-1)
    mean = np.where(labels > 0, ratio((f1 * (present > 0)).sum(axis=-1), labels), math.nan)
    return Rates(ratio(hits.sum(axis=-1), present.sum(axis=-1)), mean, ratio(hits, predicted), ratio(hits, present), f1)


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> _Float:
    """`part / whole`, 0 where the whole is 0."""
    whole = np.asarray(whole, dtype=np.float64)
    return np.asarray(np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0), dtype=np.float64)


def macro_f1(table: npt.NDArray[np.int64]) -> float:
    """Mean F1 over the labels that occur."""
    return float(rates(table).macro_f1)


def label_scores(truth: npt.NDArray[Any], guess: npt.NDArray[Any], labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-F1, and precision, recall and number of every label; the confusion table with true rows."""
    table = confusion(truth, guess, len(labels))
    found = rates(table)
    return {
        "n": int(table.sum()),
        "accuracy": _rounded(found.accuracy),
        "macro_f1": _rounded(found.macro_f1),
        "labels": {
            label: {
                "n": int(table[place].sum()),
                "precision": _rounded(found.precision[place]),
                "recall": _rounded(found.recall[place]),
                "f1": _rounded(found.f1[place]),
            }
            for place, label in enumerate(labels)
        },
        "confusion": table.tolist(),
    }


def residue_mass(probabilities: _Float, labels: Sequence[str], residue: Sequence[str]) -> _Float:
    """(N,) probability that a picture shows residue: the sum over the labels that are."""
    columns = [place for place, label in enumerate(labels) if label in residue]
    return np.asarray(probabilities[:, columns].sum(axis=1), dtype=np.float64)


def binary_scores(
    truth: npt.NDArray[Any],
    probabilities: _Float,
    labels: Sequence[str],
    residue: Sequence[str],
    *,
    is_by_label: bool = False,
) -> dict[str, Any]:
    """Recyclable against residue, decided by the probability mass of each route, as the device decides.

    Args:
        truth: (N,) index of the true label.
        probabilities: (N, labels).
        is_by_label: take the route of the likeliest label instead.
    Returns: empty where no label is residue.
    """
    columns = [place for place, label in enumerate(labels) if label in residue]
    if not columns:
        return {}
    is_residue = np.isin(truth, columns)
    by_mass = residue_mass(probabilities, labels, residue) > 0.5
    guess = np.isin(probabilities.argmax(axis=1), columns) if is_by_label else by_mass
    table = confusion(is_residue.astype(np.int64), guess.astype(np.int64), 2)
    found = rates(table)
    return {
        "accuracy": _rounded(found.accuracy),
        "macro_f1": _rounded(found.macro_f1),
        "residue_n": int(table[1].sum()),
        "residue_precision": _rounded(found.precision[1]),
        "residue_recall": _rounded(found.recall[1]),
        "confusion": table.tolist(),
    }


def device_routes(
    mass: _Float, thresholds: Thresholds, energy: _Float | None = None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """What the device sends to residue, and what it is sure of; of single pictures.

    Args:
        mass: (N,) probability of residue.
        energy: (N,) of the logits; None, or thresholds without a limit: nothing is taken for no waste.
    """
    is_sure = (np.maximum(mass, 1 - mass) >= thresholds.confidence) & (np.abs(2 * mass - 1) >= thresholds.margin)
    if energy is not None and thresholds.energy is not None:
        is_sure &= energy >= thresholds.energy
    return (mass > 0.5) | ~is_sure, is_sure


def device_scores(
    truth: npt.NDArray[Any],
    probabilities: _Float,
    labels: Sequence[str],
    residue: Sequence[str],
    thresholds: Thresholds,
    energy: _Float | None = None,
) -> dict[str, Any]:
    """Routes of single pictures as the device takes them: what it is not sure of goes to residue.

    Args:
        energy: (N,), see `device_routes`.
    Returns: share routed right, of the residue that reaches its bin, of the recyclables that are lost to residue,
        of the pictures below the thresholds, and of residue in the recyclable bin (contamination); empty where no
        label is residue.
    """
    columns = [place for place, label in enumerate(labels) if label in residue]
    if not columns:
        return {}
    is_residue = np.isin(truth, columns)
    to_residue, is_sure = device_routes(residue_mass(probabilities, labels, residue), thresholds, energy)
    return {
        "accuracy": _rounded((to_residue == is_residue).mean()),
        "residue_recall": _rounded(to_residue[is_residue].mean()) if is_residue.any() else 0.0,
        "recyclables_lost": _rounded(to_residue[~is_residue].mean()) if not is_residue.all() else 0.0,
        "uncertain": _rounded(1 - is_sure.mean()),
        "contamination": _rounded(is_residue[~to_residue].mean()) if not to_residue.all() else 0.0,
    }


def _rounded(value: Any) -> float:
    return round(float(value), 4)
