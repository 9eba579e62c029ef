"""How much a camera's frames of one and the same item differ, for the sequential test of the votes.

Each validation photograph is shown several times, as a camera at rest would: the light flickers, the sensor is noisy.
The standard deviations are those of frames around their own photograph's mean, pooled over all photographs.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from convert.risk import RiskTarget
from edge.bundle import Frames
from edge.policy import LEAST_MASS
from edge.records import BgrImage

__all__ = ["FLICKER_SD", "NOISE_SD", "SHOWN", "frame_noise", "log_odds_of", "shown_again"]

SHOWN = 6
"""Frames of each photograph."""
FLICKER_SD = 0.02
"""Of the light, relative: a lamp on the mains."""
NOISE_SD = 4.0
"""Of the sensor in grey levels: a small one in the light of a room, the most that rendered items are trained with."""
ALIKE = 0.3
"""Correlation of one frame with the next. Light does not change its mind thirty times a second: 0.28 in the mean of 48
items at rest in two tray videos."""
LEAST_PHOTOGRAPHS = 20
LEAST_SD = 1e-3
"""A model whose answer does not move at all is tested with this, so that nothing is divided by zero."""


def shown_again(image: BgrImage, rng: np.random.Generator, times: int = SHOWN) -> Iterator[BgrImage]:
    """Frames of one still scene: `image`, (H, W, 3) uint8 BGR, in flickering light before a noisy sensor."""
    for _ in range(times):
        gain = np.float32(1.0 + FLICKER_SD * rng.standard_normal())
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(NOISE_SD)
        yield np.clip(image * gain + noise + np.float32(0.5), 0, 255).astype(np.uint8)


def frame_noise(
    log_odds: npt.NDArray[np.float64], energy: npt.NDArray[np.float64], target: RiskTarget
) -> Frames | None:
    """The pooled deviations, widened as the mean of alike frames is by its correlation (1 + r) / (1 - r).

    Either error may happen as often as the calibration allows residue in the recyclable bin.

    Args:
        log_odds: (N, frames) of one route, of each photograph's frames.
        energy: (N, frames).
    Returns: None where too few photographs leave the model any doubt.
    """
    if log_odds.size == 0:
        return None
    widened = math.sqrt((1 + ALIKE) / (1 - ALIKE))
    # Where the model is as sure as a frame may be, no noise shows: that says nothing of frames near a threshold.
    is_open = (np.abs(log_odds) < math.log((1 - LEAST_MASS) / LEAST_MASS) - 1e-6).all(axis=1)
    if np.count_nonzero(is_open) < LEAST_PHOTOGRAPHS:
        return None
    log_odds_sd, energy_sd = (
        max(LEAST_SD, round(widened * _pooled_sd(found), 4)) for found in (log_odds[is_open], energy)
    )
    risk = min(0.49, target.contamination)
    return Frames(log_odds_sd=log_odds_sd, energy_sd=energy_sd, alpha=risk, beta=risk)


def _pooled_sd(found: npt.NDArray[np.float64]) -> float:
    return math.sqrt(float(found.var(axis=1, ddof=1).mean()))


def log_odds_of(mass: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log-odds of probabilities, none surer than the device lets a frame be."""
    clipped = np.clip(mass, LEAST_MASS, 1.0 - LEAST_MASS)
    return np.asarray(np.log(clipped / (1.0 - clipped)), dtype=np.float64)
