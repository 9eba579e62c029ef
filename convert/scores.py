"""Figures of merit from true and predicted labels."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import Thresholds

__all__ = ["binary_scores", "confusion", "device_scores", "label_scores", "macro_f1", "softmax"]


def softmax(logits: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    """(N, labels) logits to probabilities."""
    scaled = logits / temperature
    weight = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)


def confusion(truth: npt.NDArray[Any], guess: npt.NDArray[Any], labels: int) -> npt.NDArray[np.int64]:
    """(labels, labels) counts, a row a true label, a column a predicted one."""
    flat = np.bincount(np.asarray(truth) * labels + np.asarray(guess), minlength=labels * labels)
    return np.asarray(flat.reshape(labels, labels), dtype=np.int64)


def _precision_recall(table: npt.NDArray[np.int64], place: int) -> tuple[float, float, float]:
    hits = float(table[place, place])
    predicted, present = float(table[:, place].sum()), float(table[place].sum())
    precision = hits / predicted if predicted else 0.0
    recall = hits / present if present else 0.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0


def macro_f1(table: npt.NDArray[np.int64]) -> float:
    """Mean F1 over the labels that occur."""
    present = [place for place in range(len(table)) if table[place].sum()]
    return sum(_precision_recall(table, place)[2] for place in present) / len(present) if present else math.nan


def label_scores(truth: npt.NDArray[Any], guess: npt.NDArray[Any], labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-F1, and precision, recall and number of every label; the confusion table with true rows."""
    table = confusion(truth, guess, len(labels))
    per_label = {}
    for place, label in enumerate(labels):
        precision, recall, f1 = _precision_recall(table, place)
        per_label[label] = {
            "n": int(table[place].sum()),
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "f1": round(f1, 4),
        }
    return {
        "n": int(table.sum()),
        "accuracy": round(float(np.trace(table) / table.sum()), 4),
        "macro_f1": round(macro_f1(table), 4),
        "labels": per_label,
        "confusion": table.tolist(),
    }


def binary_scores(
    truth: npt.NDArray[Any],
    probabilities: npt.NDArray[np.float64],
    labels: Sequence[str],
    residue: Sequence[str],
) -> dict[str, Any]:
    """Recyclable against residue, decided by the probability mass of each route, as the device decides."""
    columns = [place for place, label in enumerate(labels) if label in residue]
    if not columns:
        return {}
    is_residue = np.isin(truth, columns)
    found = probabilities[:, columns].sum(axis=1) > 0.5
    table = confusion(is_residue.astype(np.int64), found.astype(np.int64), 2)
    precision, recall, _ = _precision_recall(table, 1)
    return {
        "accuracy": round(float(np.trace(table) / table.sum()), 4),
        "macro_f1": round(macro_f1(table), 4),
        "residue_n": int(table[1].sum()),
        "residue_precision": round(precision, 4),
        "residue_recall": round(recall, 4),
        "confusion": table.tolist(),
    }


def device_scores(
    truth: npt.NDArray[Any],
    probabilities: npt.NDArray[np.float64],
    labels: Sequence[str],
    residue: Sequence[str],
    thresholds: Thresholds,
) -> dict[str, Any]:
    """Routes of single pictures as the device takes them: what is not confident goes to residue.

    Returns: share routed right, of the residue that reaches its bin, of the recyclables that are lost to residue,
        and of the pictures below the thresholds; empty where no label is residue.
    """
    columns = [place for place, label in enumerate(labels) if label in residue]
    if not columns:
        return {}
    is_residue = np.isin(truth, columns)
    mass = probabilities[:, columns].sum(axis=1)
    is_confident = (np.maximum(mass, 1 - mass) >= thresholds.confidence) & (np.abs(2 * mass - 1) >= thresholds.margin)
    to_residue = (mass > 0.5) | ~is_confident
    return {
        "accuracy": round(float((to_residue == is_residue).mean()), 4),
        "residue_recall": round(float(to_residue[is_residue].mean()), 4) if is_residue.any() else 0.0,
        "recyclables_lost": round(float(to_residue[~is_residue].mean()), 4) if not is_residue.all() else 0.0,
        "uncertain": round(float(1 - is_confident.mean()), 4),
    }
