"""Copies are recognized however they were changed; different things on the same ground are not."""

import itertools

import cv2
import numpy as np
import pytest

from convert.similar import ALIKE, Union, alike, find_pairs, looks_of
from edge.records import BgrImage
from tests.photo_rig import draw_object


def changed(image: BgrImage, how: str) -> BgrImage:
    height, width = image.shape[:2]
    if how == "recompressed":
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    if how == "smaller":
        return cv2.resize(image, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    if how == "mirrored":
        return np.ascontiguousarray(image[:, ::-1])
    if how == "quarter turn":
        return np.ascontiguousarray(np.rot90(image))
    if how == "darker":
        return (image * 0.7).astype(np.uint8)
    if how == "cropped":
        return np.ascontiguousarray(image[height // 50 :, : -(width // 50)])
    raise AssertionError(how)


@pytest.mark.parametrize("how", ["recompressed", "smaller", "mirrored", "quarter turn", "darker", "cropped"])
@pytest.mark.parametrize("seed", range(4))
def test_a_changed_copy_is_found(how: str, seed: int) -> None:
    image = draw_object(seed)
    pairs = find_pairs([looks_of(draw_object(50)), looks_of(image), looks_of(changed(image, how))])
    assert [(pair.first, pair.second, pair.is_identical) for pair in pairs] == [(1, 2, False)]


def test_different_things_are_not_taken_for_each_other() -> None:
    assert find_pairs([looks_of(draw_object(seed)) for seed in range(120)]) == []


def test_small_things_in_the_middle_of_one_ground_stay_apart() -> None:
    disc, ring, square = (np.full((240, 320, 3), 225, np.uint8) for _ in range(3))
    cv2.circle(disc, (160, 120), 24, (30, 30, 200), -1)
    cv2.circle(ring, (160, 120), 20, (30, 160, 30), 8)
    cv2.rectangle(square, (138, 98), (182, 142), (200, 60, 20), -1)
    looks = [looks_of(image) for image in (disc, ring, square)]
    assert find_pairs(looks) == []


def test_identical_files_are_found_without_comparing_looks() -> None:
    flat = looks_of(np.full((20, 30, 3), 225, np.uint8))
    assert [(pair.first, pair.second) for pair in find_pairs([flat, looks_of(draw_object(1)), flat, flat])] == [
        (0, 2),
        (0, 3),
    ]
    assert all(pair.is_identical for pair in find_pairs([flat, flat]))


def test_pictures_without_structure_resemble_nothing() -> None:
    rng = np.random.default_rng(1)
    blank = [(225 + rng.normal(0, 1.5, (64, 64, 3))).clip(0, 255).astype(np.uint8) for _ in range(5)]
    assert find_pairs([looks_of(image) for image in blank]) == []


def test_a_chain_connects_all_copies_with_one_pair_less_than_they_are() -> None:
    image = draw_object(2)
    looks = [looks_of(changed(image, how)) for how in ("recompressed", "smaller", "mirrored", "darker")]
    pairs = find_pairs(looks)
    sets = Union(4)
    assert all(sets.join(pair.first, pair.second) for pair in pairs)
    assert len(pairs) == 3


def test_colours_are_alike_wherever_the_object_lies() -> None:
    image = draw_object(3)
    assert alike(looks_of(image), looks_of(np.roll(image, (30, 50), (0, 1)))) > ALIKE
    others = [looks_of(draw_object(seed)) for seed in range(20)]
    assert max(alike(one, other) for one, other in itertools.combinations(others, 2)) < ALIKE


def test_nothing_and_one_photograph_have_no_pairs() -> None:
    assert find_pairs([]) == []
    assert find_pairs([looks_of(draw_object(1))]) == []
