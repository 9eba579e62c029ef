"""The simulated tray: an empty surface, things placed on it, their shadows, the light and the sensor's noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.render._canvas import Array, between, blocks, blur, cloud, fibre, grain, grid, hsv, pick, rounded
from edge.render.items import Sprite

_LAYER_PAD_PX = 26
_NOISE_SLACK_PX = 64
_NOISE_ROWS = 120
_NOISE_UNIT = 24.0
_SLOPE_ROWS = 60


@dataclass(frozen=True)
class Light:
    """The light of one frame: drift and flicker enter here.

    Attributes:
        gain: brightness as a factor, 0 or more; 1 leaves the picture as drawn.
        cast_bgr: factors of the blue, green and red channels, each 0 or more.
        gradient: -1..1, how far the right side is brighter than the left: columns run from
            1 - gradient / 2 to 1 + gradient / 2.
    """

    gain: float = 1.0
    cast_bgr: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gradient: float = 0.0

    def __post_init__(self) -> None:
        factors = (self.gain, *self.cast_bgr)
        if len(self.cast_bgr) != 3 or not all(math.isfinite(part) and part >= 0.0 for part in factors):
            raise ValueError(f"gain {self.gain}, cast_bgr {self.cast_bgr}, expected finite factors of 0 or more")
        if not -1.0 <= self.gradient <= 1.0:
            raise ValueError(f"gradient {self.gradient}, expected -1..1")


@dataclass(frozen=True)
class Placed:
    """A sprite at a place in the frame.

    Attributes:
        sprite: what is drawn.
        x_px, y_px: position of its centre, from the frame's upper left corner, fractions included; any
            place is allowed, also outside the frame.
        blur_px: length of the vertical motion blur; below 2 there is none.
    """

    sprite: Sprite
    x_px: float
    y_px: float
    blur_px: float = 0.0


class Tray:
    """An empty tray of one random material that draws what is placed on it.

    The last composition without light and noise is kept, so a resting scene costs only light and noise; so are
    the layers of its sprites, and of no others.
    One thread at a time may call `compose`.
    """

    def __init__(self, rng: np.random.Generator, width: int = 640, height: int = 480) -> None:
        """Draw the empty surface and the noise field, both from rng.

        Raises: ValueError if the size is below 16 x 16.
        """
        if width < 16 or height < 16:
            raise ValueError(f"tray of {width}x{height} px, expected at least 16x16")
        self.width, self.height = width, height
        self._surface = _surface(rng, height, width)
        self._shadow_px = (between(rng, -7.0, 7.0), between(rng, 2.0, 9.0))
        self._shadow_depth = between(rng, 0.35, 0.6)
        self._noise_codes = _noise_codes(rng, _NOISE_ROWS + _NOISE_SLACK_PX, width + _NOISE_SLACK_PX)
        self._noise: tuple[float, Array, Array] | None = None
        self._layers: dict[Sprite, Array] = {}
        self._scene: tuple[tuple[Placed, ...], Array] | None = None
        self._slope: tuple[float, Array] | None = None

    def compose(
        self, placed: Sequence[Placed], light: Light, rng: np.random.Generator, noise_sigma: float = 2.0
    ) -> NDArray[np.uint8]:
        """Draw one frame.

        Args:
            placed: from the lowest to the topmost; none gives the empty tray.
            light: of this frame.
            rng: moves the noise; nothing is drawn from it where noise_sigma is 0.
            noise_sigma: deviation of the sensor's noise in grey levels of 0..255.
        Returns: (height, width, 3) uint8 BGR, a new array that nothing else refers to.
        Raises: ValueError if noise_sigma is negative or a place is not finite.
        """
        if not 0.0 <= noise_sigma <= 64.0:
            raise ValueError(f"noise_sigma {noise_sigma}, expected 0..64")
        frame = self._lit(self._composed(tuple(placed)), light)
        return self._add_noise(frame, rng, noise_sigma) if noise_sigma > 0.0 else frame

    def _composed(self, placed: tuple[Placed, ...]) -> Array:
        """The scene in neutral light without noise; callers must not write into it."""
        if self._scene is not None and self._scene[0] == placed:
            return self._scene[1]
        present = {one.sprite for one in placed}
        self._layers = {sprite: layer for sprite, layer in self._layers.items() if sprite in present}
        kept, self._scene = self._scene, None
        if not placed:
            return self._surface
        image = np.empty_like(self._surface) if kept is None else kept[1]
        image[:] = self._surface
        for one in placed:
            self._draw(image, one)
        self._scene = (placed, image)
        return image

    def _layer(self, sprite: Sprite) -> Array:
        """Sprite and shadow as one premultiplied BGRA layer, padded on all sides."""
        layer = self._layers.get(sprite)
        if layer is None:
            pad = _LAYER_PAD_PX
            layer = np.asarray(cv2.copyMakeBorder(sprite.bgra, pad, pad, pad, pad, cv2.BORDER_CONSTANT))
            alpha = layer[..., 3].copy()
            shift = np.array([[1.0, 0.0, self._shadow_px[0]], [0.0, 1.0, self._shadow_px[1]]])
            far = blur(np.asarray(cv2.warpAffine(alpha, shift, (alpha.shape[1], alpha.shape[0]))), 5.5)
            near = blur(alpha, 2.5)
            for rows in blocks(len(layer)):
                share = alpha[rows] * np.float32(1 / 255)
                shadow = far[rows] * np.float32(0.65 * self._shadow_depth)
                shadow += near[rows] * np.float32(0.35 * self._shadow_depth)
                layer[rows, :, :3] = np.rint(layer[rows, :, :3] * share[..., None])
                layer[rows, :, 3] = np.rint(255.0 * share + shadow * (1.0 - share))
            self._layers[sprite] = layer
        return layer

    def _draw(self, image: Array, placed: Placed) -> None:
        """Blend one placed sprite into the image, only where it touches the frame."""
        if not (math.isfinite(placed.x_px) and math.isfinite(placed.y_px) and math.isfinite(placed.blur_px)):
            raise ValueError(f"sprite placed at ({placed.x_px}, {placed.y_px}), expected finite numbers")
        layer = self._layer(placed.sprite)
        rows, cols = layer.shape[:2]
        left, upper = placed.x_px - cols / 2, placed.y_px - rows / 2
        half = int(placed.blur_px) // 2
        x0, x1 = max(0, math.floor(left)), min(self.width, math.ceil(left) + cols)
        y0, y1 = max(0, math.floor(upper) - half), min(self.height, math.ceil(upper) + rows + half)
        if x0 >= x1 or y0 >= y1:
            return
        top = y0 - half
        shift = np.array([[1.0, 0.0, left - x0], [0.0, 1.0, upper - top]])
        moved = cv2.warpAffine(layer, shift, (x1 - x0, y1 - y0 + 2 * half), flags=cv2.INTER_LINEAR)
        if half > 0:
            moved = cv2.blur(moved, (1, 2 * half + 1), borderType=cv2.BORDER_CONSTANT)[half : half + y1 - y0]
        passed = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(moved, 3)), cv2.COLOR_GRAY2BGR)
        target = image[y0:y1, x0:x1]
        below = cv2.multiply(target, passed, scale=1.0 / 255.0)
        target[:] = cv2.add(below, cv2.cvtColor(moved, cv2.COLOR_BGRA2BGR))

    def _lit(self, scene: Array, light: Light) -> NDArray[np.uint8]:
        """A new frame with the light's gain, cast and gradient."""
        factors = np.asarray(light.cast_bgr, np.float64) * light.gain
        levels = np.arange(256, dtype=np.float64)[:, None] * factors
        table = np.clip(np.round(levels), 0, 255).astype(np.uint8).reshape(256, 1, 3)
        frame = np.asarray(cv2.LUT(scene, table))
        if light.gradient != 0.0:
            if self._slope is None or self._slope[0] != light.gradient:
                columns = 1.0 + light.gradient * np.linspace(-0.5, 0.5, self.width)
                field = np.round(columns * 160.0).astype(np.uint8)[None, :, None]
                self._slope = (light.gradient, np.repeat(np.repeat(field, 3, axis=2), _SLOPE_ROWS, axis=0))
            for rows in blocks(self.height, _SLOPE_ROWS):
                part = frame[rows]
                cv2.multiply(part, self._slope[1][: len(part)], dst=part, scale=1.0 / 160.0)
        return frame.astype(np.uint8, copy=False)

    def _add_noise(self, frame: NDArray[np.uint8], rng: np.random.Generator, sigma: float) -> NDArray[np.uint8]:
        """Add noise to the frame, in place: to every band of rows a random window of the noise field."""
        if self._noise is None or self._noise[0] != sigma:
            steps = np.round((np.arange(256, dtype=np.float64) - 128.0) * (sigma / _NOISE_UNIT))
            above, below = (np.clip(side, 0, 255).astype(np.uint8) for side in (steps, -steps))
            plus, minus = cv2.LUT(self._noise_codes, above), cv2.LUT(self._noise_codes, below)
            self._noise = (sigma, np.asarray(plus), np.asarray(minus))
        _, plus, minus = self._noise
        bands = list(blocks(self.height, _NOISE_ROWS))
        for rows, (y, x) in zip(bands, rng.integers(0, _NOISE_SLACK_PX, (len(bands), 2)).tolist(), strict=True):
            part = frame[rows]
            window = (slice(y, y + len(part)), slice(x, x + self.width))
            cv2.add(part, plus[window], dst=part)
            cv2.subtract(part, minus[window], dst=part)
        return frame


def _noise_codes(rng: np.random.Generator, height: int, width: int) -> Array:
    """Sensor noise, (h, w, 3) uint8: 128 is none, _NOISE_UNIT codes a deviation; channels partly move together."""
    codes = np.empty((height, width, 3), np.uint8)
    for rows in blocks(height):
        count = rows.stop - rows.start
        common = rng.standard_normal((count, width, 1), dtype=np.float32)
        mixed = rng.standard_normal((count, width, 3), dtype=np.float32)
        mixed *= 0.6 * _NOISE_UNIT
        common *= 0.8 * _NOISE_UNIT
        common += 128.0
        mixed += common
        codes[rows] = np.clip(np.rint(mixed, out=mixed), 0, 255, out=mixed)
    return codes


def _surface(rng: np.random.Generator, height: int, width: int) -> Array:
    """The empty tray, (h, w, 3) uint8: its material, wear, rim and the fall of light towards the corners."""
    material = pick(rng, 4)
    tone: Array = np.ones((height, width), np.float32)
    if material == 0:
        base = hsv(between(rng, 0.55, 0.65), between(rng, 0.0, 0.06), between(rng, 0.6, 0.82))
        tone += 0.012 * cloud(rng, height, width, 5, 2)
    elif material == 1:
        base = hsv(between(rng, 0.08, 0.13), between(rng, 0.06, 0.16), between(rng, 0.72, 0.9))
        tone += 0.01 * cloud(rng, height, width, 7, 2)
    elif material == 2:
        base = hsv(between(rng, 0.1, 0.6), between(rng, 0.0, 0.04), between(rng, 0.62, 0.8))
        tone += 0.016 * fibre(rng, height, width, 61, False) + 0.03 * cloud(rng, height, width, 190, 1)
    else:
        base = hsv(between(rng, 0.0, 1.0), between(rng, 0.0, 0.03), between(rng, 0.82, 0.91))
        tone += 0.006 * grain(rng, height, width)
    tone += 0.03 * cloud(rng, height, width, 220, 2)
    _wear(rng, tone)
    y, x = grid(height, width)
    off_x, off_y = between(rng, -0.15, 0.15), between(rng, -0.15, 0.15)
    far_x, far_y = (x / width - 0.5 - off_x) ** 2, (y / height - 0.5 - off_y) ** 2
    fall = between(rng, 0.12, 0.4)
    for rows in blocks(height):
        tone[rows] *= 1.0 - fall * (far_x + far_y[rows])
    glint: Array | None = None
    if rng.random() < 0.6:
        glint = _rim(rng, tone)
    image = np.empty((height, width, 3), np.uint8)
    for rows in blocks(height):
        part = np.asarray(base, np.float32) * tone[rows, :, None]
        if glint is not None:
            part += glint[rows, :, None]
        part *= 255.0
        image[rows] = np.clip(np.rint(part, out=part), 0, 255, out=part)
    return image


def _rim(rng: np.random.Generator, tone: Array) -> Array:
    """Darken a surface's tone beyond its rim and along it, in place.

    Returns: the light that the rim's edge adds, (h, w) float32.
    """
    height, width = tone.shape
    inset = between(rng, 6, 20)
    floor = rounded(height, width, inset, inset, width - inset, height - inset, between(rng, 14, 50))
    beyond = between(rng, 0.08, 0.25)
    line = blur(floor, 1.0)
    wide = blur(floor, 4.0)
    depth = between(rng, 0.1, 0.35)
    for rows in blocks(height):
        part = line[rows]
        part -= wide[rows]
        np.abs(part, out=part)
        part *= 2.5
        np.clip(part, 0, 1, out=part)
        tone[rows] *= (1.0 - beyond + beyond * floor[rows]) * (1.0 - depth * part)
    del floor, wide
    line *= 0.06
    return np.roll(line, (-3, -3), (0, 1))


def _wear(rng: np.random.Generator, tone: Array) -> None:
    """Scratch and stain a surface faintly, in place."""
    height, width = tone.shape
    marks = np.zeros((height, width), np.uint8)
    for _ in range(pick(rng, 12)):
        x, y = pick(rng, width), pick(rng, height)
        to = (int(x + rng.normal(0, width / 8)), int(y + rng.normal(0, height / 8)))
        cv2.line(marks, (x, y), to, 60 + pick(rng, 120), 1, cv2.LINE_AA)
    for _ in range(pick(rng, 5)):
        at = (pick(rng, width), pick(rng, height))
        cv2.circle(marks, at, 1 + pick(rng, 3), 60 + pick(rng, 160), -1, cv2.LINE_AA)
    depth = between(rng, -0.12, 0.08) / 255.0
    tone *= 1.0 + depth * blur(marks.astype(np.float32), 0.7)
