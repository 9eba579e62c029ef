"""Pictures for tests: random ones, a synthetic tray with a detector before it, a small video."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.ports import PresenceDetector
from edge.records import BgrImage, Frame, Presence


def picture(seed: int = 0, width_px: int = 64, height_px: int = 48) -> BgrImage:
    """Random pixels: no two seeds give the same."""
    return np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


class SyntheticTray:
    """Pictures of a tray with a faint texture, on which blocks with a pattern can lie.

    Sizes and places are in shares of the frame, so that every frame size shows the same scene. Noise is drawn once
    and taken in turn: drawing it anew for every frame would take longer than looking at it.
    """

    def __init__(
        self, width_px: int = 640, height_px: int = 480, sigma: float = 2.0, seed: int = 0, texture: float = 6.0
    ) -> None:
        rng = np.random.default_rng(seed)
        coarse = rng.normal(0.0, 1.0, (24, 32)).astype(np.float32)
        relief = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
        self.surface = 150.0 + texture * relief
        self.surface[:, : width_px // 10] -= 40.0  # the tray's own wall
        self._size = (width_px, height_px)
        self._noise = [rng.normal(0.0, sigma, self.surface.shape).astype(np.float32) for _ in range(5)]
        self._pattern = (rng.random((12, 16)) > 0.5).astype(np.float32)
        self._index = 0

    def image(
        self,
        item: tuple[float, float] | None = None,
        *,
        size: float = 0.25,
        is_plain: bool = False,
        contrast: float | None = None,
        gain: float = 1.0,
        gradient: float = 0.0,
        shift_px: tuple[int, int] = (0, 0),
    ) -> BgrImage:
        """One picture.

        Args:
            item: centre of a block, in shares of the frame; None leaves the tray empty.
            size: of the block, a share of the frame's sides.
            is_plain: the block is of one dark grey, without a pattern.
            contrast: grey levels by which the block's pattern differs from the tray; None for a strong one.
            gain: of the light; `gradient`: how much brighter the right edge is than the middle.
            shift_px: how far the camera was knocked.
        """
        scene = self.surface.copy()
        width_px, height_px = self._size
        if item is not None:
            side = (round(width_px * size), round(height_px * size))
            block = 40.0 + 120.0 * cv2.resize(self._pattern, side, interpolation=cv2.INTER_NEAREST)
            if is_plain:
                block[:] = 50.0
            if contrast is not None:
                block = 150.0 + contrast * (2.0 * block - 200.0) / 120.0
            x_px, y_px = round(item[0] * width_px - side[0] / 2), round(item[1] * height_px - side[1] / 2)
            scene[y_px : y_px + side[1], x_px : x_px + side[0]] = block
        if shift_px != (0, 0):
            move = np.array([[1.0, 0.0, shift_px[0]], [0.0, 1.0, shift_px[1]]])
            scene = cv2.warpAffine(scene, move, self._size, borderMode=cv2.BORDER_REPLICATE)
        if gain != 1.0 or gradient:
            scene = scene * (gain * (1.0 + gradient * np.linspace(-1.0, 1.0, width_px, dtype=np.float32)))
        self._index += 1
        grey = np.clip(scene + self._noise[self._index % len(self._noise)], 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)


class PresenceRig:
    """A detector that looks at a synthetic tray 20 times a second, learning whenever it sees nothing, as in READY."""

    def __init__(self, detector: PresenceDetector, tray: SyntheticTray, fps: float = 20.0) -> None:
        self.detector = detector
        self.tray = tray
        self._fps = fps
        self._index = 0
        self.last: Presence | None = None

    def look(self, frames: int = 1, *, may_learn: bool | None = None, **scene: Any) -> list[Presence]:
        """What the detector says of the same scene over some frames."""
        seen = []
        for _ in range(frames):
            allowed = may_learn if may_learn is not None else not (self.last and self.last.is_occupied)
            frame = Frame(self._index, self._index / self._fps, self.tray.image(**scene))
            self.last = self.detector.observe(frame, may_learn=allowed)
            self._index += 1
            seen.append(self.last)
        return seen

    def skip(self, duration_s: float) -> None:
        """Let time pass without a frame."""
        self._index += round(duration_s * self._fps)


def grey_of(index: int) -> int:
    """Grey level of a frame of `write_video`."""
    return 20 + 17 * (index % 13)


def write_video(path: Path, *, frames: int = 12, fps: float = 10.0) -> Path:
    """A small MJPEG video of 64 x 48 px whose frames are plain greys."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened(), "OpenCV writes no MJPEG here"
    for index in range(frames):
        writer.write(np.full((48, 64, 3), grey_of(index), np.uint8))
    writer.release()
    return path
