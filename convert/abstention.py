"""What is gained by not answering: risk against coverage (Geifman and El-Yaniv, NeurIPS 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["COVERAGES", "Curve", "abstention", "risk_coverage"]

COVERAGES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.5)
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """What a threshold on the confidence does, from the strictest to the laxest of M distinct ones.

    Attributes:
        threshold: (M,) least confidence that is answered, falling.
        coverage: (M,) share of the pictures answered.
        accuracy: (M,) share of the answers that is right.
        contamination: (M,) share of residue among what is answered and sent to recyclable; 0 where nothing is.
        aurc: area under the risk-coverage curve, the mean over the pictures of the share of wrong answers when all
            that are as sure are answered; smaller is better.
    """

    threshold: _Float
    coverage: _Float
    accuracy: _Float
    contamination: _Float
    aurc: float


def risk_coverage(confidence: _Float, is_right: _Bool, is_residue: _Bool, to_recyclable: _Bool) -> Curve:
    """Answer the surest first.

    Args:
        confidence: (N,).
        is_right: (N,) the answer is right.
        is_residue: (N,) the truth.
        to_recyclable: (N,) where an answer sends the picture.
    """
    order = np.argsort(-confidence, kind="stable")
    level = confidence[order]
    answered = np.arange(1, len(order) + 1)
    ends = np.flatnonzero(np.append(level[1:] != level[:-1], True))
    sold = np.cumsum(to_recyclable[order])
    spoilt = np.cumsum((to_recyclable & is_residue)[order])
    accuracy = np.cumsum(is_right[order]) / answered
    steps = np.diff(answered[ends], prepend=0)
    return Curve(
        threshold=level[ends],
        coverage=answered[ends] / len(order),
        accuracy=accuracy[ends],
        contamination=(spoilt / np.maximum(sold, 1))[ends],
        aurc=float(((1 - accuracy[ends]) * steps).sum() / len(order)),
    )


def abstention(curve: Curve, coverages: Sequence[float] = COVERAGES) -> dict[str, Any]:
    """The curve for a table: the strictest threshold that answers at least so much."""
    places = [int(np.argmax(curve.coverage >= wanted - 1e-9)) for wanted in coverages]
    return {
        "aurc": round(curve.aurc, 4),
        "at": [
            {
                "coverage": round(float(curve.coverage[place]), 4),
                "threshold": round(float(curve.threshold[place]), 4),
                "accuracy": round(float(curve.accuracy[place]), 4),
                "contamination": round(float(curve.contamination[place]), 4),
            }
            for place in dict.fromkeys(places)
        ],
    }
