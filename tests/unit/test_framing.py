"""Turning and cutting a picture: what is told of the turned picture ends up at the right place of the camera's own."""

import numpy as np
import pytest

from edge.sources.framing import before_turning, pixels, sensor_crop, size_for, turned_into
from tests.scenes import picture

ROTATIONS = (0, 90, 180, 270)
TURNED = {0: lambda image: image, 90: lambda image: np.rot90(image, -1), 180: lambda image: image[::-1, ::-1]}
TURNED[270] = np.rot90


@pytest.mark.parametrize("rotation_deg", ROTATIONS)
def test_a_picture_is_turned_clockwise_into_the_memory_that_is_given(rotation_deg: int):
    image = picture(1, 10, 6)
    expected = TURNED[rotation_deg](image)
    out = np.zeros(expected.shape, np.uint8)
    assert turned_into(image, rotation_deg, out) is out
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("rotation_deg", ROTATIONS)
def test_memory_of_another_shape_is_left_alone(rotation_deg: int):
    image, out = picture(1, 10, 6), np.zeros((5, 5, 3), np.uint8)
    turned = turned_into(image, rotation_deg, out)
    assert np.array_equal(turned, TURNED[rotation_deg](image))
    assert not np.shares_memory(turned, image)
    assert not out.any()


@pytest.mark.parametrize("rotation_deg", ROTATIONS)
def test_rows_that_lie_apart_are_read_as_they_lie(rotation_deg: int):
    wide = picture(1, 16, 6)
    assert np.array_equal(turned_into(wide[:, :10], rotation_deg, None), TURNED[rotation_deg](wide[:, :10]))


@pytest.mark.parametrize("rotation_deg", ROTATIONS)
@pytest.mark.parametrize(
    "roi", [(0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 0.5, 0.25), (0.7, 0.5, 0.3, 0.5), (0.0, 0.0, 1.0, 1.0)]
)
def test_a_region_that_is_cut_before_turning_is_the_one_that_is_seen_after_it(rotation_deg: int, roi):
    image = picture(1, 80, 40)
    whole = TURNED[rotation_deg](image)
    x, y, width, height = pixels(roi, whole.shape[1], whole.shape[0])
    seen = whole[y : y + height, x : x + width]
    x, y, width, height = pixels(before_turning(roi, rotation_deg), 80, 40)
    assert np.array_equal(TURNED[rotation_deg](image[y : y + height, x : x + width]), seen)


@pytest.mark.parametrize(
    ("roi", "expected"),
    [
        pytest.param((0.25, 0.5, 0.5, 0.5), (160, 240, 320, 240), id="whole pixels"),
        pytest.param((0.0, 0.0, 1.0, 1.0), (0, 0, 640, 480), id="all of it"),
        pytest.param((0.333, 0.333, 0.333, 0.333), (213, 160, 213, 160), id="rounded to the nearest"),
        pytest.param((0.95, 0.95, 0.0500005, 0.0500005), (608, 456, 32, 24), id="a hair beyond the edge"),
        pytest.param((1.0, 1.0, 0.0, 0.0), (639, 479, 1, 1), id="never nothing, never outside"),
        pytest.param((-1e-9, -1e-9, 0.5, 0.5), (0, 0, 320, 240), id="a hair before the edge"),
    ],
)
def test_shares_become_pixels_inside_of_the_picture(roi, expected):
    assert pixels(roi, 640, 480) == expected


@pytest.mark.parametrize(
    ("roi", "expected"),
    [
        pytest.param((0.1, 0.1, 1.0, 1.0), (640, 480), id="all of it"),
        pytest.param((0.1, 0.1, 0.5, 0.5), (640, 480), id="the same shape is scaled to the full size"),
        pytest.param((0.1, 0.1, 0.5, 0.25), (640, 240), id="a wide one fills the width"),
        pytest.param((0.1, 0.1, 0.2, 0.8), (160, 480), id="a high one fills the height"),
        pytest.param((0.1, 0.1, 0.333, 0.5), (426, 480), id="both sides even"),
    ],
)
def test_a_region_is_scaled_until_it_fills_one_side_and_keeps_its_shape(roi, expected):
    assert size_for(roi, 640, 480) == expected


@pytest.mark.parametrize(
    ("full", "size", "roi", "expected"),
    [
        pytest.param((0, 0, 3280, 2464), (640, 480), (0, 0, 1, 1), (0, 2, 3280, 2460), id="4:3 of a sensor of 4:3"),
        pytest.param((0, 0, 4608, 2592), (640, 480), (0, 0, 1, 1), (576, 0, 3456, 2592), id="4:3 out of 16:9"),
        pytest.param((0, 0, 3280, 2464), (640, 360), (0, 0, 1, 1), (0, 309, 3280, 1845), id="16:9 out of 4:3"),
        pytest.param((16, 8, 3200, 2400), (640, 480), (0.5, 0.25, 0.5, 0.5), (1616, 608, 1600, 1200), id="a region"),
    ],
)
def test_a_region_in_the_sensors_own_pixels(full, size, roi, expected):
    assert sensor_crop(full, *size, roi) == expected
