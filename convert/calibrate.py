"""Temperature and first thresholds, from the int8 model's logits on the validation part."""

import logging
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
_log = logging.getLogger(__name__)
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
) -> tuple[Thresholds, dict[str, Any]]:
    """The lowest confidence at which 98 % of the confident routes are right; at least 0.60, at most 0.80.

    Where no step gets there the highest is taken, with a warning. With two routes the margin says the same as the
    confidence (2 c - 1); it is kept for bins with more.

    Returns: the thresholds, and what they do to the validation part, frame by frame: the share that is accepted as
        confident, the share of it that is routed right, and whether that is as much as was wanted.
    """
    columns = [place for place, label in enumerate(labels) if label in residue]
    mass = probabilities[:, columns].sum(axis=1)
    confidence = np.maximum(mass, 1 - mass)
    is_right = (mass > 0.5) == np.isin(targets, columns)
    reached = [step for step in CONFIDENCE_STEPS if _accuracy(is_right, confidence >= step) >= WANTED_ACCURACY]
    level = reached[0] if reached else CONFIDENCE_STEPS[-1]
    accepted = confidence >= level
    accuracy = _accuracy(is_right, accepted)
    if not reached:
        _log.warning(
            "no confidence up to %.2f makes %.0f %% of the confident routes right; at %.2f it is %.1f %% of the %d "
            "accepted; train longer or add photographs",
            level,
            100 * WANTED_ACCURACY,
            level,
            100 * accuracy,
            accepted.sum(),
        )
    effect = {
        "accepted": round(float(accepted.mean()), 4),
        "accepted_accuracy": round(accuracy, 4),
        "wanted_accuracy": WANTED_ACCURACY,
        "is_wanted_accuracy_reached": bool(reached),
    }
    return Thresholds(confidence=level, margin=round(2 * level - 1, 4)), effect


def _accuracy(is_right: npt.NDArray[np.bool_], accepted: npt.NDArray[np.bool_]) -> float:
    """Share of the accepted that is right; 0 where nothing is accepted."""
    return float(is_right[accepted].mean()) if accepted.any() else 0.0
