"""What lies before the camera: a rendered tray, empty or with one item on its way over it."""

import cv2
import numpy as np

from edge.records import BgrImage
from edge.render import Light, Placed, Sprite, Tray, render_item

__all__ = ["HEIGHT_PX", "WIDTH_PX", "RenderedTray"]

WIDTH_PX, HEIGHT_PX = 320, 240
"""Small, since the guest has one processor."""
DRAWN_PX = (640, 480)


class RenderedTray:
    """One tray, and at most one item on it. Each picture has noise of its own, as a sensor's has."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(5)
        self._tray = Tray(self._rng, *DRAWN_PX)
        self._sprite: Sprite | None = None

    def put(self, label: str, seed: int) -> None:
        self._sprite = render_item(label, np.random.default_rng(seed))

    def clear(self) -> None:
        self._sprite = None

    def picture(self, height: float = 0.5) -> BgrImage:
        """(240, 320, 3) uint8 BGR.

        Args:
            height: centre of the item, as a share of the frame's height from its upper edge.
        """
        width_px, height_px = DRAWN_PX
        placed = [] if self._sprite is None else [Placed(self._sprite, width_px / 2, height_px * height)]
        drawn = self._tray.compose(placed, Light(), self._rng, noise_sigma=4.0)
        return np.asarray(cv2.resize(drawn, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)
