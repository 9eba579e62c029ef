"""Made photographs: a bright ground with objects whose shape and colours the seed decides."""

from pathlib import Path

import cv2
import numpy as np

from edge.records import BgrImage


def draw_object(seed: int, width: int = 320, height: int = 240) -> BgrImage:
    """(height, width, 3) uint8 BGR; two seeds give things that nobody takes for each other."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 225, np.uint8)
    for _ in range(6):
        corners = rng.uniform(0.1, 0.9, (5, 2)) * (width, height)
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.fillPoly(image, [cv2.convexHull(corners.astype(np.int32))], colour)
    return cv2.GaussianBlur(image, (0, 0), 1).astype(np.uint8)


def save_photo(path: Path, image: BgrImage, quality: int = 90) -> None:
    """Write JPEG or PNG by the suffix, whatever letters the name has; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    done, content = cv2.imencode(path.suffix, image, options)
    assert done
    path.write_bytes(content.tobytes())
