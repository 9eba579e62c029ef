"""The small grey picture that presence looks at, and by which a camera's shell tells a frozen picture."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import BgrImage, Grey

__all__ = ["THUMB_HEIGHT", "THUMB_WIDTH", "thumbnail"]

THUMB_WIDTH, THUMB_HEIGHT = 80, 60


def thumbnail(image: BgrImage) -> Grey:
    """Grey thumbnail from the green plane of every few pixels: the cheapest grey there is.

    Args:
        image: (H, W, 3) uint8 BGR.
    Returns: (60, 80) uint8.
    """
    height, width = image.shape[:2]
    down, across = max(1, height // (2 * THUMB_HEIGHT)), max(1, width // (2 * THUMB_WIDTH))
    green: npt.NDArray[np.uint8] = np.ascontiguousarray(image[down // 2 :: down, across // 2 :: across, 1])
    # Most cameras' sizes are left twice the thumbnail's now: halving both sides is OpenCV's fastest average, and takes
    # half of the noise away.
    return np.asarray(cv2.resize(green, (THUMB_WIDTH, THUMB_HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
