"""What a picture says of its exposure and its focus."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from edge.doctor.findings import Finding, note, ok, warning
from edge.records import BgrImage

__all__ = ["Look", "judge", "look_at_picture"]

BRIGHT_LEVEL = 245.0
SATURATED_LEVEL = 250
SATURATED_SHARE = 0.20
BLUNT = 12.0
"""Variance of the Laplacian below which there is no edge in sight: sensor noise alone gives about as much."""


class Look(NamedTuple):
    """A picture in numbers.

    Attributes:
        mean_level: mean grey level, 0..255.
        saturated_share: share of the pixels that are white beyond telling.
        sharpness: variance of the Laplacian of the grey picture, in grey levels squared.
    """

    mean_level: float
    saturated_share: float
    sharpness: float


def look_at_picture(image: BgrImage) -> Look:
    """Args: image: (H, W, 3) uint8 BGR."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return Look(
        mean_level=float(grey.mean()),
        saturated_share=float(np.count_nonzero(grey >= SATURATED_LEVEL) / grey.size),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
    )


def judge(look: Look, dark_level: float) -> Iterator[Finding]:
    """Args: dark_level: mean grey level below which the sorter says nothing."""
    found = f"mean grey level {look.mean_level:.0f} of 255, {look.saturated_share:.0%} of the picture saturated"
    if look.mean_level < dark_level:
        yield warning(
            "camera.exposure",
            f"{found}: too dark, nothing is sorted below {dark_level:g}",
            "take the lens cap off, light the tray, or raise source.camera.exposure_us",
        )
    elif look.mean_level > BRIGHT_LEVEL or look.saturated_share > SATURATED_SHARE:
        yield warning(
            "camera.exposure",
            f"{found}: too bright",
            "shade the tray, or lower source.camera.exposure_us and gain (edge-sorter calibrate)",
        )
    else:
        yield ok("camera.exposure", found)
    if look.sharpness < BLUNT and look.mean_level >= dark_level:
        yield note(
            "camera.focus",
            f"hardly an edge is to be seen (sharpness {look.sharpness:.0f})",
            "put something with print on it on the tray; if it looks blurred, set the focus, and clean the lens",
        )
