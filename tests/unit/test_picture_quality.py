"""Sharpness on real photographs: what a lens in focus gives, and what the same picture gives out of focus."""

import os
from pathlib import Path

import cv2
import pytest

from edge.picture_quality import SOFT, view_of
from edge.records import BgrImage

PHOTOS = Path(os.environ.get("SORTER_DATA") or Path(__file__).parents[2] / "../shared/data") / "trashnet"
EACH = 10
BLUR_PX = (9, 9)


def photographs() -> list[BgrImage]:
    """The first ten by name of each class."""
    files = [file for folder in sorted(PHOTOS.iterdir()) for file in sorted(folder.glob("*.jpg"))[:EACH]]
    return [image for image in (cv2.imread(str(file)) for file in files) if image is not None]


def sharpness(image: BgrImage) -> float:
    found = view_of([image, image]).sharpness
    assert found is not None, "a photograph has detail enough"
    return found


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs are not here; SORTER_DATA names their folder")
def test_the_bar_parts_sharp_photographs_from_blurred_ones():
    images = photographs()
    assert len(images) == 60
    sharp = [sharpness(image) for image in images]
    blurred = [sharpness(cv2.GaussianBlur(image, BLUR_PX, 0)) for image in images]
    print(f"sharp {min(sharp):.2f} to {max(sharp):.2f}, blurred {min(blurred):.2f} to {max(blurred):.2f}")
    assert min(sharp) > SOFT
    assert sum(figure < SOFT for figure in blurred) >= 58
