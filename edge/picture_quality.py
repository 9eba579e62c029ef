"""What pictures of a scene at rest say of light, noise and focus: one rule for calibration and doctor. Pure."""

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import SourceError
from edge.records import BgrImage

__all__ = ["Remark", "View", "remarks", "view_of"]

Subject = Literal["exposure", "noise", "flicker", "focus", "motion"]
DARK, BRIGHT = 40.0, 210.0
"""Mean grey levels outside of which a picture is too dark or too bright to tell materials apart."""
SATURATED_LEVEL = 250
SATURATED_SHARE = 0.05
NOISE_LEVELS = 8.0
FLICKER_SHARE = 0.06
SOFT = 0.5
"""Sharpness below which a lens is out of focus. Of 60 photographs of TrashNet none is below it, and 58 are after a blur
of 9 x 9 pixels (tests/unit/test_picture_quality.py)."""
COARSE_LEVELS = 1.5
"""A picture with less detail than so many grey levels tells nothing of focus."""
MOVED_LEVELS = 12.0
MOVED_SHARE = 0.005


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
class Remark:
    """Something that is wrong with the light or the camera, and what to do."""

    subject: Subject
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.found}: {self.remedy}"


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


def remarks(view: View) -> Iterator[Remark]:
    """What is wrong, the light first."""
    if view.brightness < DARK:
        found = f"the picture is dark (mean {view.brightness:.0f} of 255)"
        yield Remark("exposure", found, "add light, or a longer exposure")
    if view.brightness > BRIGHT:
        found = f"the picture is bright (mean {view.brightness:.0f} of 255)"
        yield Remark("exposure", found, "less light, or a shorter exposure")
    if view.saturated_share > SATURATED_SHARE:
        yield Remark(
            "exposure",
            f"{view.saturated_share:.0%} of the picture are at the end of the scale, where nothing can be told",
            "turn the lamp away, or take a shorter exposure",
        )
    if view.noise > NOISE_LEVELS:
        found = f"the picture is noisy ({view.noise:.1f} grey levels)"
        yield Remark("noise", found, "add light, so that the camera needs less gain")
    if view.flicker_share > FLICKER_SHARE:
        yield Remark(
            "flicker",
            f"the light flickers by {view.flicker_share:.0%}",
            "take a lamp without flicker, or an exposure of whole periods of its light (10 ms at 50 Hz mains, 8.33 ms "
            "at 60 Hz)",
        )
    if view.sharpness is not None and view.sharpness < SOFT:
        found = f"the picture is not sharp ({view.sharpness:.2f}, {SOFT:g} at least)"
        yield Remark("focus", found, "turn the lens, or set its focus")
    if view.moved_share > MOVED_SHARE:
        found = f"something moved in {view.moved_share:.0%} of the picture"
        yield Remark("motion", found, "keep hands out, and take it again")
