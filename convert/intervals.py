"""95 % intervals by the bootstrap, of figures whose pictures are not independent.

Neighbouring photographs show one object, so what is drawn again is a group (block) of them, not a picture. Groups are
drawn within each label, as the split was made within each label; of a label's g groups g - 1 are drawn and weighed by
g / (g - 1), which mends the variance of few groups (Rao and Wu, JASA 83, 1988). A label with one or two groups still
tells too little about the spread between groups; pictures are therefore drawn by themselves as well, and the wider
limits of the two (percentiles; Efron and Tibshirani 1993, chapter 13) are given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LEVEL", "RESAMPLES", "Figure", "Figures", "Resamples", "draw", "intervals"]

RESAMPLES = 2000
LEVEL = 0.95
_Array = npt.NDArray[np.float64]
_TAIL = (1 - LEVEL) / 2
_NOTHING = 1e-6
"""Where no resample differs, as with one picture a label, the limits say nothing and are left out."""


@dataclass(frozen=True, slots=True)
class Resamples:
    """How often each picture counts in each resample; a row sums to about the number of pictures.

    Attributes:
        by_group: (B, N) float32, groups drawn as wholes.
        by_picture: (B, N) float32, every picture drawn by itself.
    """

    by_group: npt.NDArray[np.float32]
    by_picture: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in many resamples.

    Attributes:
        values: (B,); NaN in a resample that does not define it.
        of: number of pictures if the figure is a share of them, else None.
        is_centred: resampling shifts it (binned errors only grow), so the limits are laid around the estimate.
        least, most: bounds of what it can be.
    """

    values: _Array
    of: int | None = None
    is_centred: bool = False
    least: float = 0.0
    most: float = 1.0


Path = tuple[str, ...]
Figures = Callable[[npt.NDArray[np.float32]], dict[Path, Figure]]
"""(B, N) weights of the pictures to every figure, by its path."""


def draw(groups: Sequence[str], strata: npt.NDArray[np.int64], seed: int, number: int = RESAMPLES) -> Resamples:
    """Draw the resamples.

    Args:
        groups: N names; pictures of the same name are drawn together.
        strata: (N,) index of the true label.
        seed: the same seed gives the same resamples.
        number: B.
    """
    rng = np.random.default_rng([seed, 11])
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    first = np.array([int(np.flatnonzero(member == place)[0]) for place in range(len(names))])
    pictures = np.arange(len(member))
    return Resamples(
        _weights(rng, strata[first], number)[:, member],
        _weights(rng, strata[pictures], number),
    )


def _weights(rng: np.random.Generator, strata: npt.NDArray[np.int64], number: int) -> npt.NDArray[np.float32]:
    """(B, units) weights, drawn within each stratum; a stratum of a single unit counts as it is."""
    weights = np.ones((number, len(strata)), np.float32)
    for stratum in np.unique(strata):
        units = np.flatnonzero(strata == stratum)
        drawn = len(units) - 1
        if drawn:
            counts = rng.multinomial(drawn, np.full(len(units), 1 / len(units)), size=number)
            weights[:, units] = counts * (len(units) / drawn)
    return weights


def intervals(figures: Figures, resamples: Resamples) -> dict[Path, tuple[float, float, float]]:
    """Estimate, lower and upper limit of every figure; NaN for limits that cannot be told.

    Args:
        figures: computes them; called with all-one weights for the estimate, and with each kind of resample.
    """
    ones = np.ones((1, resamples.by_group.shape[1]), np.float32)
    estimates, grouped, single = figures(ones), figures(resamples.by_group), figures(resamples.by_picture)
    found: dict[Path, tuple[float, float, float]] = {}
    for path, figure in estimates.items():
        estimate = float(figure.values[0])
        limits = [_limits(rows[path].values, estimate, figure.is_centred) for rows in (grouped, single)]
        low, high = np.fmin(limits[0][0], limits[1][0]), np.fmax(limits[0][1], limits[1][1])
        if figure.of and estimate in (0.0, 1.0):
            low, high = _exact(estimate, figure.of)
        elif high - low < _NOTHING:
            low = high = np.nan
        low, high = np.clip((low, high), figure.least, figure.most)
        found[path] = (estimate, float(low), float(high))
    return found


def _limits(values: _Array, estimate: float, is_centred: bool) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values) or np.isnan(estimate):
        return np.nan, np.nan
    low, middle, high = np.quantile(values, [_TAIL, 0.5, 1 - _TAIL])
    shift = estimate - middle if is_centred else 0.0
    return float(low + shift), float(high + shift)


def _exact(estimate: float, of: int) -> tuple[float, float]:
    """Clopper and Pearson's limits of 0 or all of `of` pictures, where every resample says the same."""
    reach = _TAIL ** (1 / of)
    return (reach, 1.0) if estimate == 1.0 else (0.0, 1 - reach)
