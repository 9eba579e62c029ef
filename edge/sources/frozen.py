"""Finds out a camera that shows the same picture for ever."""

import zlib

import cv2

from edge.records import BgrImage, Grey

__all__ = ["FrozenCheck"]


class FrozenCheck:
    """Notices pictures that repeat bit for bit: by their thumbnails, and where these are alike by every 16th row.

    Args:
        frozen_s: how long they may repeat.
        dark_level: mean grey level below which a picture that repeats is darkness.
    """

    def __init__(self, frozen_s: float, dark_level: float) -> None:
        self._frozen_s = frozen_s
        self._dark_level = dark_level
        self._thumb: Grey | None = None
        self._checksum: int | None = None
        self._since_s = 0.0

    def is_frozen(self, image: BgrImage, thumb: Grey, t_s: float) -> bool:
        """Whether this picture repeats what was seen `frozen_s` ago and ever since.

        Args:
            image: (H, W, 3) uint8 BGR.
            thumb: its thumbnail.
            t_s: when it was taken.
        """
        if self._thumb is None or (thumb != self._thumb).any() or cv2.mean(thumb)[0] < self._dark_level:
            self._thumb, self._checksum, self._since_s = thumb, None, t_s
            return False
        checksum = zlib.crc32(image[::16].tobytes())
        if self._checksum is None:
            # The picture before it was not summed up, since hardly any repeats: time counts from it all the same.
            self._checksum = checksum
        elif checksum != self._checksum:
            self._checksum, self._since_s = checksum, t_s
        return t_s - self._since_s >= self._frozen_s
