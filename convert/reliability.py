"""Whether probabilities mean what they say: expected calibration error, log loss and Brier score.

ECE over 15 bins of the top label's probability: of equal width as Guo et al. (ICML 2017) have it, and of equal mass,
which leaves no bin with a handful of pictures. With a few hundred pictures either is too large by some hundredths,
for chance adds to it on average: `error_by_chance` says how much.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from convert.scores import ratio

__all__ = [
    "BINS",
    "bin_errors",
    "brier",
    "equal_mass",
    "equal_width",
    "error_by_chance",
    "expected_error",
    "log_loss",
    "reliability",
]

BINS = 15
CHANCE_DRAWS = 1000
_Float = npt.NDArray[np.float64]


def equal_width(confidence: _Float) -> npt.NDArray[np.int64]:
    """(N,) confidences 0..1 to bins of the same width."""
    return np.asarray(np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1), dtype=np.int64)


def equal_mass(confidence: _Float) -> npt.NDArray[np.int64]:
    """(N,) confidences to bins of about as many pictures each; equal confidences share a bin."""
    edges = np.quantile(confidence, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, confidence, side="left"), dtype=np.int64)


def bin_errors(confidence: _Float, is_right: npt.NDArray[np.bool_], bins: npt.NDArray[np.int64]) -> _Float:
    """(N, BINS): how much each picture pulls its bin's accuracy over its mean confidence."""
    table = np.zeros((len(bins), BINS))
    table[np.arange(len(bins)), bins] = is_right - confidence
    return table


def expected_error(weights: npt.NDArray[Any], errors: _Float) -> _Float:
    """ECE of (B, N) weighted pictures: (B,)."""
    return ratio(np.abs(weights @ errors).sum(axis=-1), weights.sum(axis=-1))


def error_by_chance(confidence: _Float, bins: npt.NDArray[np.int64], seed: int) -> float:
    """The ECE that as many pictures show on average where every confidence is true (Bröcker & Smith 2007).

    Each picture is taken for itself; where several show one object, chance does more.
    """
    rng = np.random.default_rng([seed, len(confidence)])
    found = [
        expected_error(np.ones((1, len(confidence))), bin_errors(confidence, drawn < confidence, bins))[0]
        for drawn in rng.random((CHANCE_DRAWS, len(confidence)))
    ]
    return float(np.mean(found))


def log_loss(probabilities: _Float, truth: npt.NDArray[Any]) -> _Float:
    """(N,) surprise at the true label, in nats."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.maximum(chosen, 1e-12)), dtype=np.float64)


def brier(probabilities: _Float, truth: npt.NDArray[Any]) -> _Float:
    """(N,) squared distance from the true label, summed over the labels: 0..2 (Brier 1950)."""
    return np.asarray(((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1), dtype=np.float64)


def reliability(confidence: _Float, is_right: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The bars of a reliability diagram: every bin of equal width that holds a picture."""
    bins = equal_width(confidence)
    return [
        {
            "from": round(place / BINS, 4),
            "to": round((place + 1) / BINS, 4),
            "n": int((bins == place).sum()),
            "confidence": round(float(confidence[bins == place].mean()), 4),
            "accuracy": round(float(is_right[bins == place].mean()), 4),
        }
        for place in np.unique(bins)
    ]
