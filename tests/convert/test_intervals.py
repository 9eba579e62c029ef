"""Intervals: they cover, they widen where pictures of a group agree, and they say something of a perfect score."""

import numpy as np
import pytest

from convert.intervals import Figure, Figures, draw, intervals


def share_of(hits: np.ndarray) -> Figures:
    def figures(weights: np.ndarray) -> dict[tuple[str, ...], Figure]:
        return {("share",): Figure(weights @ hits.astype(np.float64) / weights.sum(axis=1), len(hits))}

    return figures


def width(hits: np.ndarray, groups: list[str]) -> float:
    strata = np.zeros(len(hits), np.int64)
    _, low, high = intervals(share_of(hits), draw(groups, strata, 1))["share",]
    return high - low


def test_independent_pictures_have_the_width_of_a_binomial() -> None:
    hits = np.arange(400) % 4 != 0
    assert width(hits, [str(place) for place in range(400)]) == pytest.approx(
        2 * 1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.1
    )


def test_pictures_that_agree_within_their_group_are_less_evidence() -> None:
    hits = np.repeat(np.arange(40) % 4 != 0, 10)
    groups = [str(place // 10) for place in range(400)]
    alone = [str(place) for place in range(400)]
    assert width(hits, groups) == pytest.approx(np.sqrt(10) * width(hits, alone), rel=0.15)


def test_groups_that_are_alike_do_not_narrow_an_interval_below_that_of_single_pictures() -> None:
    hits = np.tile([True, True, True, False], 5)
    groups = ["first"] * 12 + ["second"] * 8
    assert width(hits, groups) >= 0.9 * width(hits, [str(place) for place in range(20)])


@pytest.mark.parametrize(("all_right", "low", "high"), [(True, 0.8316, 1.0), (False, 0.0, 0.1684)])
def test_all_or_none_of_twenty_has_the_exact_limits(all_right: bool, low: float, high: float) -> None:
    hits = np.full(20, all_right)
    found = intervals(share_of(hits), draw(["a"] * 10 + ["b"] * 10, np.zeros(20, np.int64), 1))
    assert found["share",] == pytest.approx((float(all_right), low, high), abs=1e-4)


def test_the_seed_decides_and_every_label_keeps_its_share() -> None:
    groups = ["a", "a", "b", "b", "c", "d"]
    strata = np.array([0, 0, 0, 0, 1, 1])
    first, again, other = (draw(groups, strata, seed) for seed in (3, 3, 4))
    assert (first.by_group == again.by_group).all()
    assert (first.by_picture == again.by_picture).all()
    assert (first.by_group != other.by_group).any()
    assert np.unique(first.by_group[:, 4:].sum(axis=1)).tolist() == [2.0]
    assert (first.by_group[:, 0] == first.by_group[:, 1]).all()


def test_a_figure_that_no_resample_defines_has_no_limits() -> None:
    def figures(weights: np.ndarray) -> dict[tuple[str, ...], Figure]:
        return {("never",): Figure(np.full(len(weights), np.nan))}

    assert np.isnan(intervals(figures, draw(["a", "b"], np.zeros(2, np.int64), 1))["never",]).all()


def test_one_picture_a_label_leaves_the_limits_open() -> None:
    hits = np.array([True, False])
    found = intervals(share_of(hits), draw(["a", "b"], np.array([0, 1]), 1))["share",]
    assert found[0] == 0.5
    assert np.isnan(found[1:]).all()
