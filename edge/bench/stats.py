"""What a bench may claim: medians with intervals, histograms, and whether a difference stands out of the noise.

Rounds are the units of evidence: samples within one round share its luck (a neighbour's load, a warm cache), those of
different rounds much less so. Every interval and every test here therefore counts rounds, never samples.
"""

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
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.size == 0 or second.size == 0 or first.min() <= 0 or second.min() <= 0:
        raise ValueError("rounds must be there, and above zero")
    rng = np.random.default_rng(1)
    of_a = np.median(rng.choice(first, (BOOTSTRAPS, first.size)), axis=1)
    of_b = np.median(rng.choice(second, (BOOTSTRAPS, second.size)), axis=1)
    low, high = np.percentile(of_b / of_a, (2.5, 97.5))
    ratio = float(np.median(second) / np.median(first))
    return Difference(ratio, float(low), float(high), _permutation_p(np.log(first), np.log(second)))


def _permutation_p(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    pooled = np.concatenate([first, second])
    size, total = first.size, float(pooled.sum())
    n = pooled.size

    def differences(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.abs(sums / size - (total - sums) / (n - size))

    found = abs(float(first.mean() - second.mean())) - 1e-12
    if math.comb(n, size) <= EXACT_LIMIT:
        deals = np.fromiter(
            itertools.chain.from_iterable(itertools.combinations(range(n), size)), dtype=np.int64
        ).reshape(-1, size)
        return float(np.mean(differences(pooled[deals].sum(axis=1)) >= found))
    rng = np.random.default_rng(2)
    drawn = np.array([rng.permutation(pooled)[:size].sum() for _ in range(EXACT_LIMIT // 20)])
    return float((1 + np.count_nonzero(differences(drawn) >= found)) / (1 + drawn.size))


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

    Raises: ValueError with fewer than two different x.
    """
    slopes = [
        (y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(zip(x, y, strict=True), 2) if x1 != x2
    ]
    if not slopes:
        raise ValueError("a slope needs two different places")
    return float(np.median(slopes))
