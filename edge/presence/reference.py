"""What the empty tray looks like, and how a picture differs from it: local contrast as shares of the local light."""

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Plane", "Reference", "light_of"]

Plane = npt.NDArray[np.float32]
"""(60, 80) float32, grey levels."""

BLUR_CELLS = (13, 13)
NEIGHBOURS = np.ones((3, 3), np.uint8)
STRIP = np.ones((5, 5), np.uint8)
REACH = 1.0
"""How far a place may leave the middle of its neighbours' range, in ranges. Half a range is the range itself; a fine
line that falls into one cell after a knock, and into two before, goes beyond it."""
TEXTURE_CELLS = (9, 9)
TEXTURE_SHARE = 0.45
"""A mean over many places is so much surer than a single one."""
GHOST_LEVELS = 12.0
"""An item has more local contrast than so many grey levels; a tray's own texture has less."""
GHOST_SHARE = 0.35
"""What vanished leaves less than this share of the reference's local contrast."""
LINE_LEVELS = 8.0
"""A place of the stored picture with so much local contrast, in grey levels, is a line: a rim, a screw, a print."""
FEWEST_LINES = 100
"""So many of the 4800 places tell whether the camera still looks at the same place; fewer tell nothing."""
SAME_LINES = 0.4
"""Share of these lines that must stand where they stood, half as strong at least."""


class Reference:
    """What the empty tray looks like, as shares of the local light.

    `changes` asks two things of a place: does its contrast leave the range that its neighbours in the reference have
    (something is there), and has the texture around it gone (something plain lies on it)?
    """

    def __init__(self, thumb: Plane, light: Plane, contrast: Plane) -> None:
        self.thumb = thumb
        self._contrast = relative = contrast / light
        highest, lowest = cv2.dilate(relative, NEIGHBOURS), cv2.erode(relative, NEIGHBOURS)
        self._middle = np.asarray((highest + lowest) * 0.5, np.float32)
        self._reach = np.asarray((highest - lowest) * REACH, np.float32)
        # A single line, such as the tray's rim, is no texture: its strength changes with every small shift.
        self._texture = np.asarray(cv2.erode(_texture(relative), np.ones(TEXTURE_CELLS, np.uint8)), np.float32)

    def changes(self, light: Plane, contrast: Plane, bar: float) -> npt.NDArray[np.bool_]:
        """(60, 80) bool: the places that differ by more than `bar` grey levels."""
        excess = cv2.absdiff(contrast, self._middle * light) - self._reach * light
        missing = (self._texture * light - _texture(contrast) > bar * TEXTURE_SHARE).astype(np.uint8)
        # What a shift makes of a rim is a narrow strip; a sheet is broad.
        return np.asarray((excess > bar) | (cv2.erode(missing, STRIP) > 0), np.bool_)

    def lost_contrast(self, light: Plane, contrast: Plane, changed: npt.NDArray[np.bool_]) -> bool:
        """True if strong local contrast was where there is little now: something vanished."""
        left = float(np.abs(contrast[changed]).mean())
        gone = float(np.abs((self._middle * light)[changed]).mean())
        return gone > GHOST_LEVELS and left < GHOST_SHARE * gone

    def is_same_view(self, light: Plane, contrast: Plane) -> bool:
        """True if the lines of the reference stand where they stood; also if it has too few to tell."""
        levels, lines = self._lines(light)
        count = int(np.count_nonzero(lines))
        same = int(np.count_nonzero(contrast[lines] / levels[lines] > 0.5))
        return count < FEWEST_LINES or same >= SAME_LINES * count

    @property
    def can_tell_view(self) -> bool:
        """True if it has lines enough for `is_same_view` to tell, in the light that it was taken in."""
        return int(np.count_nonzero(self._lines(light_of(self.thumb))[1])) >= FEWEST_LINES

    def _lines(self, light: Plane) -> tuple[Plane, npt.NDArray[np.bool_]]:
        levels = self._contrast * light
        return levels, np.abs(levels) > LINE_LEVELS

    @classmethod
    def of(cls, thumb: Plane) -> "Reference":
        """The reference that a picture of the empty tray makes."""
        light = light_of(thumb)
        return cls(thumb, light, thumb - light)


def light_of(thumb: Plane) -> Plane:
    """The local light: what is left of a picture without its edges and texture, at least one grey level."""
    return np.asarray(np.maximum(cv2.blur(thumb, BLUR_CELLS), 1.0), np.float32)


def _texture(contrast: Plane) -> Plane:
    """Mean strength of the contrast around each place."""
    return np.asarray(cv2.blur(np.abs(contrast), TEXTURE_CELLS), np.float32)
