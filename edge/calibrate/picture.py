"""What a calibration sees in the camera's pictures: light, noise, focus, and where the tray is. Pure."""

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import SourceError
from edge.records import BgrImage

__all__ = ["Region", "View", "find_region", "remarks", "view_of"]

Shares = tuple[float, float, float, float]

DARK, BRIGHT = 40.0, 210.0
"""Mean grey levels outside of which a picture is too dark or too bright to tell materials apart."""
SATURATED_LEVEL = 250
SATURATED_SHARE = 0.05
NOISE_LEVELS = 8.0
FLICKER_SHARE = 0.06
SOFT = 0.5
"""Sharpness below which a lens is out of focus. 60 photographs of TrashNet had 0.76 to 1.57, and 0.30 to 0.69 (in the
median 0.34) after a Gaussian blur of 9 x 9 pixels."""
COARSE_LEVELS = 1.5
"""A picture with less detail than so many grey levels tells nothing of focus."""
MOVED_LEVELS = 12.0
MOVED_SHARE = 0.005

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
class View:
    """What some pictures of a scene at rest have in common.

    Attributes:
        mean: (H, W, 3) float32, BGR: their mean.
        frames: how many they were.
        brightness: mean grey level, 0..255.
        saturated_share: of the places with a colour at its end.
        noise: standard deviation of a place's grey from frame to frame, in grey levels.
        flicker_share: how far the frames' brightness goes apart, as a share of it.
        sharpness: fine detail over twice as coarse detail; `SOFT` and more in focus. None if there is too little.
        moved_share: of the places that are not what they were at the beginning.
    """

    mean: npt.NDArray[np.float32]
    frames: int
    brightness: float
    saturated_share: float
    noise: float
    flicker_share: float
    sharpness: float | None
    moved_share: float


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


def view_of(images: Iterable[BgrImage]) -> View:
    """Look at the pictures of one scene, one after the other; each is needed only until the next one comes.

    Raises: SourceError if they are fewer than two, or of several sizes.
    """
    total: npt.NDArray[np.float32] | None = None
    head: npt.NDArray[np.float32] | None = None
    former: npt.NDArray[np.float32] | None = None
    brightness: list[float] = []
    noise: list[float] = []
    for image in images:
        if total is None:
            total = np.zeros(image.shape, np.float32)
        elif image.shape != total.shape:
            raise SourceError(f"picture of shape {image.shape}, expected {total.shape}; check the source")
        cv2.accumulate(image, total)
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
        brightness.append(float(grey.mean()))
        if former is not None:
            noise.append(float((grey - former).std()) / math.sqrt(2))
        former = grey
        head = grey if head is None else head
    count = len(brightness)
    if total is None or head is None or former is None or count < 2:
        raise SourceError("the source gave fewer than two pictures; it is lost, or its recording is at its end")
    mean = total / np.float32(count)
    level = statistics.fmean(brightness)
    sigma = statistics.median(noise)
    change = cv2.blur(former - head, (5, 5))
    # The light itself may change; what moved is what differs from that.
    change -= np.median(change)
    return View(
        mean=mean,
        frames=count,
        brightness=level,
        saturated_share=float((mean.max(axis=2) >= SATURATED_LEVEL).mean()),
        noise=sigma,
        flicker_share=(max(brightness) - min(brightness)) / max(level, 1.0),
        sharpness=_sharpness(mean, sigma, count),
        moved_share=float((np.abs(change) > max(MOVED_LEVELS, 3 * sigma)).mean()),
    )


def _sharpness(mean: npt.NDArray[np.float32], noise: float, count: int) -> float | None:
    grey = cv2.cvtColor(mean, cv2.COLOR_BGR2GRAY)
    halved = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    # The noise that is left in the mean has detail of its own: the sum of the kernel's squares is 20.
    left = 20.0 * noise**2 / count
    fine, coarse = (
        math.sqrt(max(float(cv2.Laplacian(plane, cv2.CV_32F).var()) - own, 0.0))
        for plane, own in ((grey, left), (halved, left / 4))
    )
    return fine / coarse if coarse >= COARSE_LEVELS else None


def remarks(view: View) -> Iterator[str]:
    """What is wrong with the light and the camera, and what to do: a sentence each."""
    if view.brightness < DARK:
        yield f"the picture is dark (mean {view.brightness:.0f} of 255): add light, or a longer exposure"
    if view.brightness > BRIGHT:
        yield f"the picture is bright (mean {view.brightness:.0f} of 255): less light, or a shorter exposure"
    if view.saturated_share > SATURATED_SHARE:
        yield (
            f"{view.saturated_share:.0%} of the picture are at the end of the scale, where nothing can be told: "
            "turn the lamp away, or take a shorter exposure"
        )
    if view.noise > NOISE_LEVELS:
        yield f"the picture is noisy ({view.noise:.1f} grey levels): add light, so that the camera needs less gain"
    if view.flicker_share > FLICKER_SHARE:
        yield (
            f"the light flickers by {view.flicker_share:.0%}: take a lamp without flicker, or an exposure of whole "
            "periods of its light (10 ms at 50 Hz mains, 8.33 ms at 60 Hz)"
        )
    if view.sharpness is not None and view.sharpness < SOFT:
        yield f"the picture is not sharp ({view.sharpness:.2f}, {SOFT:g} at least): turn the lens, or set its focus"
    if view.moved_share > MOVED_SHARE:
        yield f"something moved in {view.moved_share:.0%} of the picture: keep hands out, and take it again"


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
