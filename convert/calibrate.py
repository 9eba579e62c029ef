"""Temperature and first thresholds, from the int8 model's logits on the validation part."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.scores import softmax
from edge.bundle import Thresholds

__all__ = ["negative_log_likelihood", "route_thresholds", "temperature"]

CONFIDENCE_STEPS = (0.60, 0.65, 0.70, 0.75, 0.80)
WANTED_ACCURACY = 0.98
"""Of the routes that are called confident."""
_Logits = npt.NDArray[np.float64]


def negative_log_likelihood(logits: _Logits, targets: npt.NDArray[Any], at: float) -> float:
    """Mean surprise, in nats, of (N, labels) real logits at a temperature."""
    chosen = softmax(logits, at)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def temperature(logits: _Logits, targets: npt.NDArray[Any]) -> float:
    """The temperature, 0.25..4, at which the probabilities are least surprised (Guo et al. 2017).

    Args:
        logits: (N, labels) real logits, dequantized.
        targets: (N,) index of the true label.
    """
    low, high = np.log(0.25), np.log(4.0)
    for _ in range(4):
        steps = np.linspace(low, high, 25)
        losses = [negative_log_likelihood(logits, targets, float(np.exp(step))) for step in steps]
        best = int(np.argmin(losses))
        low, high = steps[max(0, best - 1)], steps[min(len(steps) - 1, best + 1)]
    return round(float(np.exp((low + high) / 2)), 4)


def route_thresholds(
    probabilities: npt.NDArray[np.float64],
    targets: npt.NDArray[Any],
    labels: Sequence[str],
    residue: Sequence[str],
) -> tuple[Thresholds, dict[str, float]]:
    """The lowest confidence at which 98 % of the confident routes are right; at least 0.60, at most 0.80.

    With two routes the margin says the same as the confidence (2 c - 1); it is kept for bins with more.

    Returns: the thresholds, and what they do to the validation part, frame by frame.
    """
    columns = [place for place, label in enumerate(labels) if label in residue]
    mass = probabilities[:, columns].sum(axis=1)
    confidence = np.maximum(mass, 1 - mass)
    is_right = (mass > 0.5) == np.isin(targets, columns)
    level = CONFIDENCE_STEPS[-1]
    for step in CONFIDENCE_STEPS:
        accepted = confidence >= step
        if accepted.any() and is_right[accepted].mean() >= WANTED_ACCURACY:
            level = step
            break
    accepted = confidence >= level
    effect = {
        "accepted": round(float(accepted.mean()), 4),
        "accepted_accuracy": round(float(is_right[accepted].mean()), 4) if accepted.any() else 0.0,
    }
    return Thresholds(confidence=level, margin=round(2 * level - 1, 4)), effect
