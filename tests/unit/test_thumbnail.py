"""The small grey picture: of one size, whatever the camera's, and true to what it shows."""

import numpy as np
import pytest

from edge.thumbnail import THUMB_HEIGHT, THUMB_WIDTH, thumbnail

SIZES = [(640, 480), (1280, 720), (1920, 1080), (320, 240), (80, 60), (64, 64), (641, 479), (480, 640), (4096, 64)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_picture_becomes_one_of_80_by_60(size: tuple[int, int]):
    found = thumbnail(np.full((size[1], size[0], 3), 77, np.uint8))
    assert found.shape == (THUMB_HEIGHT, THUMB_WIDTH)
    assert found.dtype == np.uint8
    assert (found == 77).all()


@pytest.mark.parametrize("size", SIZES[:4], ids=str)
def test_a_bright_corner_is_where_it_is(size: tuple[int, int]):
    width_px, height_px = size
    image = np.zeros((height_px, width_px, 3), np.uint8)
    image[height_px // 2 :, : width_px // 4] = 200
    found = thumbnail(image)
    expected = np.zeros((THUMB_HEIGHT, THUMB_WIDTH), np.uint8)
    expected[THUMB_HEIGHT // 2 :, : THUMB_WIDTH // 4] = 200
    assert np.count_nonzero(found != expected) <= THUMB_HEIGHT + THUMB_WIDTH, "but for the places on its border"


def test_noise_is_halved():
    noisy = np.clip(120 + np.random.default_rng(1).normal(0, 8, (480, 640, 3)), 0, 255).astype(np.uint8)
    assert thumbnail(noisy).std() == pytest.approx(4.0, rel=0.1)


def test_the_picture_is_not_written_to_and_the_thumbnail_is_nobody_elses():
    image = np.full((480, 640, 3), 9, np.uint8)
    image.flags.writeable = False
    found = thumbnail(image)
    found[:] = 0
    assert (image == 9).all()
