"""What a bench may claim: medians with intervals, histograms, and whether a difference stands out of the noise.

Rounds are the units of evidence: samples within one round share its luck (a neighbour's load, a warm cache), those of
different rounds much less so. Every interval and every test here therefore counts rounds, never samples.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "BIN_GROWTH",
    "Difference",
    "Median",
    "compare_rounds",
    "histogram",
    "holm",
    "least_shown",
    "median_interval",
    "percentiles",
    "slope",
]

BIN_GROWTH = 1.02
"""A histogram's bins are two per cent wide, whatever the size of the value."""
PERCENTILES = (50.0, 90.0, 95.0, 99.0)
BOOTSTRAPS = 4000
EXACT_LIMIT = 200_000
"""So many ways to deal the rounds out are tried one by one; of more, so many are drawn."""
SLOPE_POINTS = 1000


class Median(NamedTuple):
    """A median of rounds, and the interval between two of them.

    Attributes:
        coverage: probability that the interval holds the true median, from the binomial distribution of ranks
            (David & Nagaraja, Order Statistics, 2003, 7.1); nothing is assumed of the noise but that rounds are
            independent. Fewer than six rounds cannot reach 0.95: their interval is from the least to the most.
    """

    median: float
    low: float
    high: float
    coverage: float


def median_interval(rounds: Sequence[float], wanted: float = 0.95) -> Median:
    """The median and the narrowest symmetric interval of ranks that covers it with probability `wanted`.

    Raises: ValueError without a round.
    """
    values = sorted(rounds)
    n = len(values)
    if n == 0:
        raise ValueError("no round to take a median of")
    outside = [math.comb(n, below) / 2.0**n for below in range(n // 2 + 1)]
    rank, coverage = 0, 1.0 - 2.0 * outside[0]
    for candidate in range(1, n // 2):
        covered = 1.0 - 2.0 * sum(outside[: candidate + 1])
        if covered < wanted:
            break
        rank, coverage = candidate, covered
    return Median(float(np.median(values)), values[rank], values[n - 1 - rank], max(coverage, 0.0))


def percentiles(samples: Sequence[float] | npt.NDArray[Any]) -> dict[str, float]:
    """`min`, `p50`, `p90`, `p95`, `p99`, `max` and `mean` of the samples; a percentile is a sample that occurred.

    Raises: ValueError without a sample.
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no sample to describe")
    found = np.percentile(values, PERCENTILES, method="inverted_cdf")
    names = {f"p{percent:g}": float(value) for percent, value in zip(PERCENTILES, found, strict=True)}
    return {"min": float(values.min()), **names, "max": float(values.max()), "mean": float(values.mean())}


def histogram(samples: Sequence[float] | npt.NDArray[Any]) -> tuple[tuple[float, int], ...]:
    """Lower edge and count of each bin that is not empty, in rising order; values below a nanounit count as one.

    A value is restored from its bin to within two per cent (as in HdrHistogram, but with one width for all).
    """
    values = np.maximum(np.asarray(samples, dtype=np.float64), 1e-9)
    places, counts = np.unique(np.floor(np.log(values) / math.log(BIN_GROWTH)).astype(np.int64), return_counts=True)
    return tuple(
        (float(f"{BIN_GROWTH**place:.6g}"), int(count))
        for place, count in zip(places.tolist(), counts.tolist(), strict=True)
    )


class Difference(NamedTuple):
    """One figure of two reports.

    Attributes:
        ratio: median of B over median of A.
        low, high: 95 % bootstrap interval of that ratio, over rounds.
        p: two-sided, of the exact permutation test of the difference of means of the logarithms.
    """

    ratio: float
    low: float
    high: float
    p: float


def compare_rounds(a: Sequence[float], b: Sequence[float]) -> Difference:
    """How B stands to A.

    Raises: ValueError if one has no round or a figure that is not above zero.
    """
    first, second = _positive(a, b)
    rng = np.random.default_rng(1)
    of_a = np.median(rng.choice(first, (BOOTSTRAPS, first.size)), axis=1)
    of_b = np.median(rng.choice(second, (BOOTSTRAPS, second.size)), axis=1)
    low, high = np.percentile(of_b / of_a, (2.5, 97.5))
    ratio = float(np.median(second) / np.median(first))
    return Difference(ratio, float(low), float(high), _permutation_p(np.log(first), np.log(second)))


def least_shown(a: Sequence[float], b: Sequence[float], level: float) -> float:
    """The least ratio above one at which rounds that scatter as these do would have given a p of at most `level`.

    Returns: infinity where so few rounds can never give such a p.
    Raises: ValueError as `compare_rounds`.
    """
    first, second = _positive(a, b)
    of_a, of_b = np.log(first), np.log(second)
    pooled = np.concatenate([of_a - of_a.mean(), of_b - of_b.mean()])
    size, n = first.size, first.size + second.size
    deals, is_exact = _deals(n, size)
    sums, shifted = pooled[deals].sum(axis=1), np.count_nonzero(deals >= size, axis=1)

    def is_shown(shift: float) -> bool:
        dealt = sums + shift * shifted
        return _share_beyond(np.abs(dealt / size - (shift * (n - size) - dealt) / (n - size)), shift, is_exact) <= level

    most = float(np.ptp(pooled)) * 2.0 + 1e-6
    if not is_shown(most):
        return math.inf
    least = 0.0
    for _ in range(40):
        middle = (least + most) / 2.0
        least, most = (least, middle) if is_shown(middle) else (middle, most)
    return math.exp(most)


def _positive(a: Sequence[float], b: Sequence[float]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.size == 0 or second.size == 0 or first.min() <= 0 or second.min() <= 0:
        raise ValueError("rounds must be there, and above zero")
    return first, second


@functools.lru_cache(maxsize=2)
def _deals(n: int, size: int) -> tuple[npt.NDArray[np.int64], bool]:
    """Ways to deal n rounds out to a group of `size`: all of them, or as many as are drawn; and whether it is all."""
    if math.comb(n, size) <= EXACT_LIMIT:
        every = itertools.chain.from_iterable(itertools.combinations(range(n), size))
        return np.fromiter(every, dtype=np.int64).reshape(-1, size), True
    rng = np.random.default_rng(2)
    return rng.random((EXACT_LIMIT // 20, n)).argsort(axis=1)[:, :size], False


def _share_beyond(differences: npt.NDArray[np.float64], found: float, is_exact: bool) -> float:
    beyond = int(np.count_nonzero(differences >= found - 1e-12))
    return beyond / differences.size if is_exact else (1 + beyond) / (1 + differences.size)


def _permutation_p(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    pooled = np.concatenate([first, second])
    size, n, total = first.size, first.size + second.size, float(pooled.sum())
    deals, is_exact = _deals(n, size)
    dealt = pooled[deals].sum(axis=1)
    differences = np.abs(dealt / size - (total - dealt) / (n - size))
    return _share_beyond(differences, abs(float(first.mean() - second.mean())), is_exact)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that may be read side by side (Holm, Scandinavian Journal of Statistics 6, 1979), in the given order."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Theil-Sen slope: the median slope between all pairs of points, which a single outlier does not move.

    Of more than a thousand points every k-th is taken: a long soak has millions of pairs, and no more to tell.

    Raises: ValueError with fewer than two different x.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} places and {len(y)} values")
    step = max(1, math.ceil(len(x) / SLOPE_POINTS))
    places, values = np.asarray(x[::step], dtype=np.float64), np.asarray(y[::step], dtype=np.float64)
    one, other = np.triu_indices(places.size, 1)
    runs, rises = places[other] - places[one], values[other] - values[one]
    if not runs.any():
        raise ValueError("a slope needs two different places")
    return float(np.median(rises[runs != 0] / runs[runs != 0]))
