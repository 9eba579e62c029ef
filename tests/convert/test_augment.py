"""Training pictures: the right shape, the same for the same seed, and still showing the item."""

import cv2
import numpy as np
import pytest

from convert.augment import DEFAULT, NEAR, Strength, camera_frame, degrade
from convert.pictures import chunks, rendered_examples
from convert.rendered import rendered_frame, rendered_plan

STILL = Strength(
    scale=(1.0, 1.0),
    free_rotation=0.0,
    small_turn_deg=0.0,
    shift=0.0,
    gain=(1.0, 1.0),
    gamma=(1.0, 1.0),
    contrast=(1.0, 1.0),
    cast=0.0,
    shading=0.0,
    noise_sigma=(0.0, 0.0),
    blur_share=0.0,
    jpeg_share=0.0,
)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A red disc on white, (384, 512, 3) uint8 BGR."""
    image = np.full((384, 512, 3), 235, np.uint8)
    cv2.circle(image, (256, 192), 90, (30, 30, 200), -1)
    return image


@pytest.mark.parametrize("strength", [DEFAULT, NEAR])
@pytest.mark.parametrize("shape", [(384, 512), (640, 200), (40, 60)])
def test_frames_have_camera_size_whatever_the_photograph(strength: Strength, shape: tuple[int, int]) -> None:
    grey = np.full((*shape, 3), 128, np.uint8)
    frame = camera_frame(grey, np.random.default_rng(1), strength)
    assert frame.shape == (480, 640, 3)
    assert frame.dtype == np.uint8


def test_the_same_seed_gives_the_same_frame(photo: np.ndarray) -> None:
    frames = [camera_frame(photo, np.random.default_rng(seed)) for seed in (5, 5, 6)]
    assert np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])


def test_the_photograph_is_not_written_to(photo: np.ndarray) -> None:
    before = photo.copy()
    photo.flags.writeable = False
    for seed in range(8):
        camera_frame(photo, np.random.default_rng(seed))
    assert np.array_equal(photo, before)


def test_the_item_stays_in_view(photo: np.ndarray) -> None:
    for seed in range(30):
        frame = camera_frame(photo, np.random.default_rng(seed)).astype(int)
        is_red = frame[..., 2] - frame[..., 1] > 60
        assert is_red.mean() > 0.02, f"seed {seed}"


def test_no_strength_changes_nothing_but_the_place(photo: np.ndarray) -> None:
    assert np.abs(degrade(photo, np.random.default_rng(1), STILL).astype(int) - photo).max() <= 1


def test_streams_of_rendered_items_share_no_picture() -> None:
    labels = ("glass", "paper")
    train = rendered_plan(labels, 6, 1, "train/0")
    val = rendered_plan(labels, 6, 1, "val")
    assert [item.label for item in train] == ["glass", "paper"] * 3
    assert not {item.key for item in train} & {item.key for item in val}
    first, again = (rendered_frame(train[0], is_degraded=False) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, rendered_frame(val[0], is_degraded=False))


def test_labels_that_the_renderer_does_not_know_are_left_out() -> None:
    assert {item.label for item in rendered_plan(("glass", "uranium"), 4, 1, "val")} == {"glass"}
    assert rendered_plan(("uranium",), 4, 1, "val") == []


def test_pictures_come_in_order_and_at_input_size() -> None:
    examples = rendered_examples(("glass", "trash"), 5, 1, "val", is_degraded=True)
    together = np.concatenate(list(chunks(examples, 96)))
    again = np.concatenate([batch for example in examples for batch in chunks([example], 96)])
    assert together.shape == (5, 96, 96, 3)
    assert np.array_equal(together, again)
