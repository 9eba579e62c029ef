"""What a corruption does to a picture."""

import cv2
import numpy as np
import pytest

from convert.corruptions import KINDS, SEVERITIES, corrupt
from edge.errors import ConfigError


@pytest.fixture(scope="module")
def picture():
    """Something with edges, colour and light and dark places."""
    rng = np.random.default_rng(3)
    image = np.full((384, 512, 3), (190, 200, 205), np.uint8)
    for _ in range(30):
        x, y = (int(value) for value in rng.integers(60, 320, 2))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.rectangle(image, (x, y), (x + 60, y + 30), colour, -1)
    return image


def distance(one, other):
    return float(np.abs(one.astype(np.float64) - other).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_severity_tells_how_far_a_picture_is_from_the_original(kind, picture):
    far = [distance(corrupt(picture, kind, severity, np.random.default_rng(1)), picture) for severity in (0.5, 2, 5)]
    assert 0 < far[0] < far[-1]
    assert far[1] > far[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [0.1, 0.3, *SEVERITIES])
def test_shape_and_type_stay_and_the_original_is_left_alone(kind, severity, picture):
    before = picture.copy()
    found = corrupt(picture, kind, severity, np.random.default_rng(1))
    assert (found.shape, found.dtype) == (picture.shape, np.uint8)
    assert (picture == before).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_picture(kind, picture):
    one, other = (corrupt(picture, kind, 3, np.random.default_rng(7)) for _ in range(2))
    assert (one == other).all()


def test_dark_and_bright_are_what_they_say(picture):
    rng = np.random.default_rng(1)
    assert corrupt(picture, "dark", 5, rng).mean() < picture.mean() / 3
    assert corrupt(picture, "bright", 5, rng).mean() > picture.mean() * 1.15


def test_a_distant_picture_shows_all_of_it_once(picture):
    """The item is smaller, and the ground around it has no copy of it."""
    marked = np.full_like(picture, 200)
    cv2.circle(marked, (256, 192), 60, (0, 0, 255), -1)
    far = corrupt(marked, "distance", 5, np.random.default_rng(1))
    red = ((far[..., 2] > 150) & (far[..., 1] < 100)).astype(np.uint8)
    pieces, _, stats, _ = cv2.connectedComponentsWithStats(red)
    assert pieces == 2
    assert stats[1, cv2.CC_STAT_AREA] == pytest.approx(np.pi * (60 * 0.4) ** 2, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "severity", "sentence"),
    [("fog", 3, "no corruption 'fog'"), ("dark", 0, "severity 0"), ("dark", 5.1, "severity 5.1")],
)
def test_what_is_unknown_is_refused(kind, severity, sentence, picture):
    with pytest.raises(ConfigError, match=sentence):
        corrupt(picture, kind, severity, np.random.default_rng(1))
