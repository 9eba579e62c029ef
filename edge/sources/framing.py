"""How a camera's picture is cut and turned. The region of interest is told in the turned picture, as a user sees it.

Shares are fractions 0 to 1 of a picture's sides; turns are clockwise.
"""

from typing import Literal

import cv2
import numpy as np

from edge.records import BgrImage

__all__ = ["Rotation", "before_turning", "pixels", "sensor_crop", "size_for", "turned_into"]

Rotation = Literal[0, 90, 180, 270]
Shares = tuple[float, float, float, float]
Pixels = tuple[int, int, int, int]
_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def before_turning(roi_xywh: Shares, rotation_deg: Rotation) -> Shares:
    """A region of the turned picture as x, y, width, height in the camera's own picture; shares both."""
    x, y, width, height = roi_xywh
    match rotation_deg:
        case 0:
            return roi_xywh
        case 90:
            return y, 1.0 - x - width, height, width
        case 180:
            return 1.0 - x - width, 1.0 - y - height, width, height
        case 270:
            return 1.0 - y - height, x, height, width


def pixels(shares_xywh: Shares, width_px: int, height_px: int) -> Pixels:
    """The region as whole pixels of a picture of that size; at least one pixel, and inside of it."""
    x, y, width, height = shares_xywh
    left, top = (min(round(side * size), size - 1) for side, size in ((x, width_px), (y, height_px)))
    right, bottom = (round(end * size) for end, size in ((x + width, width_px), (y + height, height_px)))
    left, top = max(left, 0), max(top, 0)
    return left, top, max(min(right, width_px) - left, 1), max(min(bottom, height_px) - top, 1)


def size_for(roi_xywh: Shares, width_px: int, height_px: int) -> tuple[int, int]:
    """Size in pixels, both even, of a region that is scaled up until it fills one side of the whole picture's size.

    Args:
        roi_xywh: in the camera's own picture.
        width_px, height_px: of the whole picture.
    """
    _, _, width, height = roi_xywh
    scale = 1.0 / max(width, height)
    even_width_px, even_height_px = (
        2 * max(round(share * scale * side / 2), 1) for share, side in ((width, width_px), (height, height_px))
    )
    return even_width_px, even_height_px


def sensor_crop(full_xywh: Pixels, width_px: int, height_px: int, roi_xywh: Shares) -> Pixels:
    """What the sensor has to give for a region of the picture, in the sensor's own pixels.

    A picture that is wider or narrower than the sensor shows the largest part of that shape from the sensor's middle.

    Args:
        full_xywh: all that the sensor gives.
        width_px, height_px: of the whole picture.
        roi_xywh: in the camera's own picture, shares of it.
    """
    full_x, full_y, full_width, full_height = full_xywh
    scale = min(full_width / width_px, full_height / height_px)
    shown_width, shown_height = round(width_px * scale), round(height_px * scale)
    x, y, width, height = pixels(roi_xywh, shown_width, shown_height)
    return (
        full_x + (full_width - shown_width) // 2 + x,
        full_y + (full_height - shown_height) // 2 + y,
        width,
        height,
    )


def turned_into(image: BgrImage, rotation_deg: Rotation, out: BgrImage | None) -> BgrImage:
    """Copy a picture, turned clockwise.

    Args:
        image: (H, W, 3) uint8; its rows may lie apart, as in a camera's buffer.
        out: written to if it has the turned picture's shape.
    Returns: `out`, or a new array; never the memory of `image`.
    """
    height_px, width_px = image.shape[:2]
    shape = (width_px, height_px, 3) if rotation_deg in (90, 270) else (height_px, width_px, 3)
    if out is None or out.shape != shape:
        out = np.empty(shape, np.uint8)
    if rotation_deg == 0:
        np.copyto(out, image)
    else:
        cv2.rotate(image, _TURNS[rotation_deg], dst=out)
    return out
