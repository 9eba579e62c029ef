"""Pictures of no waste: reproducible, of the camera's size, and never the same in training and measurement."""

from collections import Counter

import numpy as np
import pytest

from convert.outliers import HELD_OUT, KINDS, OFTEN, outlier_frame, outlier_plan


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_from_its_key_alone(kind: str) -> None:
    item, other = [item for item in outlier_plan(2 * len(KINDS), 1, "test") if item.kind == kind]
    frame = outlier_frame(item)
    assert frame.shape == (480, 640, 3)
    assert frame.dtype == np.uint8
    assert np.array_equal(frame, outlier_frame(item))
    assert not np.array_equal(frame, outlier_frame(other))
    assert frame.std() > 0


def test_the_kinds_come_in_turn() -> None:
    assert [item.kind for item in outlier_plan(len(KINDS) + 2, 1, "val")] == [*KINDS, *KINDS[:2]]
    assert outlier_plan(0, 1, "val") == []


def test_training_never_sees_the_kinds_that_are_held_out() -> None:
    kinds = {item.kind for item in outlier_plan(3 * len(KINDS), 1, "train/4")}
    assert kinds == set(KINDS) - HELD_OUT
    assert set(KINDS) > HELD_OUT


def test_streams_and_seeds_share_no_key() -> None:
    plans = [outlier_plan(20, seed, stream) for seed in (1, 2) for stream in ("train/0", "train/1", "val", "test")]
    keys = [item.key for plan in plans for item in plan]
    assert len(set(keys)) == len(keys)


def test_training_sees_most_of_the_kinds_that_vary_most() -> None:
    kinds = Counter(item.kind for item in outlier_plan(150, 1, "train/4"))
    assert {kind: kinds[kind] / kinds["tray"] for kind in kinds if kinds[kind] > kinds["tray"]} == dict(OFTEN)
