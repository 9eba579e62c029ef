"""Two classifiers on the same pictures: what differs, and whether that can be chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.intervals import Figure, draw, intervals
from convert.scores import rates

__all__ = ["Pair", "exact_mcnemar", "flips", "paired_figures", "time_ratio"]

_Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """True classes and the guesses of two classifiers for N pictures.

    Attributes:
        truth, first, second: (N,) int, index of the class.
        classes: how many there are.
    """

    truth: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    classes: int


def flips(pair: Pair) -> tuple[int, int]:
    """How many pictures went from right to wrong, and how many from wrong to right."""
    was, is_now = pair.first == pair.truth, pair.second == pair.truth
    return int((was & ~is_now).sum()), int((~was & is_now).sum())


def exact_mcnemar(right_to_wrong: int, wrong_to_right: int) -> float:
    """Two-sided exact p of McNemar's test: flips are as likely one way as the other.

    The numbers are the discordant pairs; given their sum, the smaller is binomial with probability 1/2, and p is twice
    its lower tail, at most 1. 1.0 where nothing flipped. It takes pictures as independent, which neighbours in a block
    are not: p is then too small, and the interval of the difference by blocks is to be read beside it.

    Source: McNemar, Psychometrika 12, 1947; the exact form as in Fagerland, Lydersen and Laake, BMC Medical Research
    Methodology 13, 2013.
    """
    discordant, fewer = right_to_wrong + wrong_to_right, min(right_to_wrong, wrong_to_right)
    tail = sum(math.comb(discordant, number) for number in range(fewer + 1))
    return min(1.0, 2 * tail / 2**discordant)


def paired_figures(
    labels: Pair | None, routes: Pair, groups: Sequence[str], strata: npt.NDArray[np.int64], seed: int
) -> dict[str, dict[str, float | None]]:
    """Figures of both classifiers and their difference with a 95 % interval.

    The same resamples serve both classifiers, so that what is hard for both cancels in the difference; see
    `convert.intervals` for how they are drawn by groups.

    Args:
        labels: None leaves out the figures by label.
        routes: class 1 is residue.
        groups, strata: of every picture, as in `intervals.draw`.
    Returns: {figure: {a, b, difference, low, high}}; the difference is b - a. None where a figure is not
            defined, and for limits where all resamples say the same.
    """

    def figures(weights: _Weights) -> dict[tuple[str, ...], Figure]:
        found: dict[tuple[str, ...], Figure] = {}
        for which in ("a", "b"):
            for name, values in _values(labels, routes, which, weights).items():
                found[name, which] = Figure(values)
        for name, _ in list(found)[: len(found) // 2]:
            difference = found[name, "b"].values - found[name, "a"].values
            found[name, "difference"] = Figure(difference, least=-1.0)
        return found

    result: dict[str, dict[str, float | None]] = {}
    for (name, which), (estimate, low, high) in intervals(figures, draw(groups, strata, seed)).items():
        row = result.setdefault(name, {})
        row[which] = _rounded(estimate)
        if which == "difference":
            row["low"], row["high"] = _rounded(low), _rounded(high)
    return result


def _values(labels: Pair | None, routes: Pair, which: str, weights: _Weights) -> dict[str, npt.NDArray[np.float64]]:
    """{figure: (B,)} of one classifier under (B, N) weights."""
    values: dict[str, npt.NDArray[np.float64]] = {}
    if labels is not None:
        of_labels = rates(_tables(labels, which, weights))
        values["accuracy"], values["macro_f1"] = of_labels.accuracy, of_labels.macro_f1
    tables = _tables(routes, which, weights)
    of_routes = rates(tables)
    values["route_accuracy"], values["route_macro_f1"] = of_routes.accuracy, of_routes.macro_f1
    has_residue = tables[:, 1].sum(axis=-1) > 0
    values["residue_recall"] = np.where(has_residue, of_routes.recall[:, 1], math.nan)
    return values


def _tables(pair: Pair, which: str, weights: _Weights) -> npt.NDArray[np.float64]:
    """(B, classes, classes) weighted counts, true rows."""
    cell = pair.truth * pair.classes + (pair.first if which == "a" else pair.second)
    hot = np.eye(pair.classes**2, dtype=np.float32)[cell]
    return np.asarray((weights @ hot).reshape(-1, pair.classes, pair.classes), dtype=np.float64)


def time_ratio(first_s: npt.NDArray[np.float64], second_s: npt.NDArray[np.float64]) -> dict[str, float]:
    """How much longer the second of two classifiers takes that took turns on the same pictures.

    The median of the ratios of every picture, with the 95 % interval between two of the sorted ratios that needs no
    distribution (Hollander and Wolfe, Nonparametric Statistical Methods, 1999, chapter 3); a mean would measure
    whatever else the processor did now and then.

    Args:
        first_s, second_s: (N,) seconds a picture, N at least 1.
    Returns: {a_ms, b_ms, ratio, low, high}: medians; a ratio below 1 means that the second is faster.
    """
    ratios = np.sort(second_s / first_s)
    reach = 1.96 * math.sqrt(len(ratios)) / 2
    low, high = math.floor(len(ratios) / 2 - reach), math.ceil(len(ratios) / 2 + reach)
    return {
        "a_ms": round(float(np.median(first_s)) * 1e3, 3),
        "b_ms": round(float(np.median(second_s)) * 1e3, 3),
        "ratio": round(float(np.median(ratios)), 3),
        "low": round(float(ratios[max(0, low)]), 3),
        "high": round(float(ratios[min(len(ratios) - 1, high)]), 3),
    }


def _rounded(value: Any) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)
