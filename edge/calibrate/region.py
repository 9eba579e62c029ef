"""Where the tray is in the camera's picture, by a sheet that covers it. Pure."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from edge.errors import SourceError
from edge.picture_quality import View

__all__ = ["WHOLE", "Region", "Shares", "find_region"]

Shares = tuple[float, float, float, float]

SHEET_LEVELS = 12.0
"""A sheet that covers the tray changes a place by more than so many grey levels."""
SEPARATED = 0.45
"""Where sheet and surroundings are two things, the surroundings change by less than this share of the sheet's."""
LEAST_SHARE = 0.04
FILLED_SHARE = 0.6
"""A sheet that lies straight fills its bounding box; a hand, or a sheet laid aslant, fills less than this of it."""
WHOLE_SHARE = 0.95
WHOLE: Shares = (0.0, 0.0, 1.0, 1.0)
MARGIN = 0.02
"""Added on each side, as a share of the picture: an item may lean over the rim."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where a sheet covered the tray.

    Attributes:
        roi_xywh: bounding box and margin, as shares of the picture.
        is_whole: the sheet filled the picture.
        surround_levels: by how many grey levels the rest of the picture changed: the camera's automatic was at work.
    """

    roi_xywh: Shares
    is_whole: bool
    surround_levels: float


def find_region(empty: View, covered: View) -> Region:
    """Where a sheet lies that was not there before: the bounding box of what changed, with a margin.

    The bar between changed and unchanged places is Otsu's, so that a camera whose automatic answers the sheet does no
    harm; the largest connected area counts, so that a thing beside the tray does none either.

    Raises: SourceError if nothing, or nothing like a sheet, came.
    """
    if empty.mean.shape != covered.mean.shape:
        raise SourceError(f"pictures of shapes {empty.mean.shape} and {covered.mean.shape} cannot be compared")
    height, width = empty.mean.shape[:2]
    change = cv2.blur(np.abs(covered.mean - empty.mean).max(axis=2), (5, 5))
    levels = np.clip(change, 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    is_over = levels > otsu
    if not is_over.any() or float(change[is_over].mean()) < SHEET_LEVELS:
        raise SourceError("nothing came into the picture; lay a sheet that is brighter or darker than the tray over it")
    surround, sheet = float(change[~is_over].mean()), float(change[is_over].mean())
    if surround > SEPARATED * sheet:
        return Region(WHOLE, True, 0.0)
    mask = (levels > max(otsu, SHEET_LEVELS)).astype(np.uint8)
    side = max(3, round(0.01 * width) | 1)
    kernel = np.ones((side, side), np.uint8)
    mask = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    _, _, areas, _ = cv2.connectedComponentsWithStats(mask)
    if len(areas) < 2:
        raise SourceError("only specks changed in the picture; lay a sheet over the whole tray")
    left, top, box_width, box_height, area = (int(value) for value in max(areas[1:], key=lambda row: int(row[4])))
    if area < LEAST_SHARE * width * height:
        raise SourceError(
            f"what came covers {area / (width * height):.1%} of the picture; lay a sheet over the whole tray, or bring "
            "the camera nearer"
        )
    if area < FILLED_SHARE * box_width * box_height:
        raise SourceError(
            "what came has not the shape of a sheet; lay it straight, keep hands out of the picture, and cover the "
            "tray to its rims"
        )
    if box_width * box_height >= WHOLE_SHARE * width * height:
        return Region(WHOLE, True, 0.0)
    edges = (left / width, top / height, (left + box_width) / width, (top + box_height) / height)
    return Region(_with_margin(edges), False, surround)


def _with_margin(edges: Shares) -> Shares:
    """x, y, width, height in thousandths, rounded so that nothing is lost."""
    left, top = (math.floor(max(edge - MARGIN, 0.0) * 1000) for edge in edges[:2])
    right, bottom = (math.ceil(min(edge + MARGIN, 1.0) * 1000) for edge in edges[2:])
    return left / 1000, top / 1000, (right - left) / 1000, (bottom - top) / 1000
