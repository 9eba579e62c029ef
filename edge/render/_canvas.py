"""Drawing surface of the renderer: float layers, masks, noise, folds, and the way to a finished sprite.

Colours are BGR, float, 0..1. Every random choice comes from the Generator that is handed in.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Colour = tuple[float, float, float]

SPRITE_MIN_PX = 200
SPRITE_MAX_PX = 420

_BLOCK_ROWS = 48


def blocks(height: int, step: int = _BLOCK_ROWS) -> Iterator[slice]:
    """The rows 0..height-1 in blocks: what is worked on block by block needs little memory at a time."""
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


class Canvas:
    """A float layer with straight alpha; colour outside the alpha is undefined.

    A colour is (3,) or (h, w, 3), float 0..1 or uint8 0..255; light, where given, is a factor on
    it, (h, w) or one number. Both change in place, so that a canvas made of views draws into their array.

    Attributes:
        bgr: (h, w, 3) float32, 0..1.
        alpha: (h, w) float32, 0..1.
    """

    def __init__(self, height: int, width: int) -> None:
        self.bgr: Array = np.zeros((height, width, 3), np.float32)
        self.alpha: Array = np.zeros((height, width), np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.alpha.shape[0], self.alpha.shape[1]

    def over(self, mask: Array, colour: Array | Colour, light: Array | float | None = None) -> None:
        """Lay a colour over the layer with (h, w) coverage 0..1: alpha grows."""
        for rows in blocks(self.shape[0]):
            self._cover(rows, mask[rows].astype(np.float32, copy=False), _paint(colour, light, rows))

    def ink(self, mask: Array, colour: Array | Colour, light: Array | float | None = None) -> None:
        """Print a colour on what is there already: alpha stays."""
        for rows in blocks(self.shape[0]):
            part = self.bgr[rows]
            step = _paint(colour, light, rows) - part
            step *= mask[rows].astype(np.float32, copy=False)[..., None]
            part += step

    def shade(self, factor: Array) -> None:
        """Multiply the colour by an (h, w) factor; 1 leaves it."""
        factor = np.broadcast_to(factor, self.shape)
        for rows in blocks(self.shape[0]):
            self.bgr[rows] *= factor[rows].astype(np.float32, copy=False)[..., None]

    def shine(self, amount: Array, colour: Colour = (1.0, 1.0, 1.0)) -> None:
        """Add a reflection of (h, w) strength 0..1; a reflection also hides what lies behind a clear item."""
        paint = np.asarray(colour, np.float32)
        for rows in blocks(self.shape[0]):
            cover = np.clip(amount[rows], 0.0, 1.0).astype(np.float32, copy=False)
            cover *= self.alpha[rows] > 0
            self._cover(rows, cover, paint)

    def bend(self, map_x: Array, map_y: Array) -> None:
        """Fetch every pixel from a place of its own, (h, w) float32 each."""
        for rows in blocks(self.shape[0]):
            self.bgr[rows] *= self.alpha[rows][..., None]
        self.alpha = np.asarray(cv2.remap(self.alpha, map_x, map_y, cv2.INTER_LINEAR))
        self.bgr = np.asarray(cv2.remap(self.bgr, map_x, map_y, cv2.INTER_LINEAR))
        for rows in blocks(self.shape[0]):
            self.bgr[rows] /= np.maximum(self.alpha[rows], 1e-4)[..., None]

    def _cover(self, rows: slice, cover: Array, paint: Array) -> None:
        below = self.alpha[rows] * (1.0 - cover)
        alpha = cover + below
        whole = 1.0 / np.maximum(alpha, 1e-6)
        part = self.bgr[rows]
        part *= (below * whole)[..., None]
        part += paint * (cover * whole)[..., None]
        self.alpha[rows] = alpha


def _paint(colour: Array | Colour, light: Array | float | None, rows: slice) -> Array:
    """Some rows of a colour under a light, (3,) or (rows, w, 3) float32."""
    part = np.asarray(colour)
    if part.ndim == 3:
        part = part[rows]
    part = part * np.float32(1 / 255) if part.dtype == np.uint8 else part.astype(np.float32, copy=False)
    if light is None:
        return part
    lit: Array = part * (np.float32(light) if isinstance(light, float) else light[rows][..., None])
    return np.clip(lit, 0.0, 1.0, out=lit)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """BGR colour of a hue (0..1, wraps), saturation and value (clipped to 0..1)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return blue, green, red


def scaled(colour: Sequence[float], factor: float, offset: float = 0.0) -> Colour:
    """A colour made darker or lighter, part * factor + offset, clipped to 0..1."""
    blue, green, red = (min(max(part * factor + offset, 0.0), 1.0) for part in colour)
    return blue, green, red


def pick(rng: np.random.Generator, count: int) -> int:
    """An index in 0..count-1."""
    return int(rng.integers(count))


def chance(rng: np.random.Generator, share: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < share)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A float of [low, high)."""
    return float(rng.uniform(low, high))


def grid(height: int, width: int) -> tuple[Array, Array]:
    """Pixel coordinates y (h, 1) and x (1, w), float32, that broadcast to (h, w)."""
    return np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]


def blur(field: Array, sigma_px: float) -> Array:
    """Gaussian blur of a float field."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_px))


def cloud(rng: np.random.Generator, height: int, width: int, cell_px: float, octaves: int = 2) -> Array:
    """Smooth noise, (h, w) float32, about -1..1, mean about 0."""
    total: Array = np.zeros((height, width), np.float32)
    weight = 1.0 / 1.3
    for _ in range(octaves):
        rows, cols = max(2, round(height / cell_px) + 1), max(2, round(width / cell_px) + 1)
        coarse = weight * rng.uniform(-1.0, 1.0, (rows, cols)).astype(np.float32)
        total += np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
        weight *= 0.5
        cell_px = max(cell_px / 2.0, 1.0)
    return total


def grain(rng: np.random.Generator, height: int, width: int) -> Array:
    """White noise, (h, w) float32, mean 0, deviation 1."""
    return rng.standard_normal((height, width), dtype=np.float32)


def fibre(rng: np.random.Generator, height: int, width: int, length_px: int, is_vertical: bool) -> Array:
    """Noise drawn out into strands, (h, w) float32, mean 0, deviation about 1."""
    size = (1, length_px) if is_vertical else (length_px, 1)
    field = grain(rng, height, width)
    field *= math.sqrt(length_px)
    return np.asarray(cv2.blur(field, size))


def polygon(height: int, width: int, points: Array | Sequence[tuple[float, float]]) -> Array:
    """Anti-aliased coverage, (h, w) float32 0..1, of a polygon of (x, y) points in pixels."""
    mask = np.zeros((height, width), np.uint8)
    fixed = np.round(np.asarray(points, np.float64) * 16.0).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    return mask * np.float32(1 / 255)


def stroke(height: int, width: int, points: Array | Sequence[tuple[float, float]], thickness_px: int) -> Array:
    """Anti-aliased coverage of an open line through (x, y) points."""
    mask = np.zeros((height, width), np.uint8)
    fixed = np.round(np.asarray(points, np.float64) * 16.0).astype(np.int32)
    cv2.polylines(mask, [fixed], False, 255, max(1, thickness_px), cv2.LINE_AA, 4)
    return mask * np.float32(1 / 255)


def ellipse(height: int, width: int, cx: float, cy: float, rx: float, ry: float) -> Array:
    """Anti-aliased coverage of an axis-parallel ellipse."""
    y, x = grid(height, width)
    cover: Array = ((x - cx) / max(rx, 0.5)) ** 2 + ((y - cy) / max(ry, 0.5)) ** 2
    np.sqrt(cover, out=cover)
    cover *= -max(min(rx, ry), 0.5)
    cover += max(min(rx, ry), 0.5) + 0.5
    return np.clip(cover, 0.0, 1.0, out=cover)


def rounded(height: int, width: int, x0: float, y0: float, x1: float, y1: float, radius: float) -> Array:
    """Anti-aliased coverage of a rectangle with round corners."""
    y, x = grid(height, width)
    dx = np.abs(x - (x0 + x1) / 2) - ((x1 - x0) / 2 - radius)
    dy = np.abs(y - (y0 + y1) / 2) - ((y1 - y0) / 2 - radius)
    cover: Array = np.empty((height, width), np.float32)
    for rows in blocks(height):
        outside = np.hypot(np.maximum(dx, 0), np.maximum(dy[rows], 0)) + np.minimum(np.maximum(dx, dy[rows]), 0)
        np.clip(radius + 0.5 - outside, 0.0, 1.0, out=cover[rows])
    return cover


def ragged(rng: np.random.Generator, points: Sequence[tuple[float, float]], step_px: float, jitter_px: float) -> Array:
    """A closed polygon with its sides cut into steps and pushed about: torn or worn edges. (n, 2) float64."""
    out: list[tuple[float, float]] = []
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
        length = math.hypot(bx - ax, by - ay)
        count = max(1, int(length / step_px))
        normal = ((ay - by) / max(length, 1e-6), (bx - ax) / max(length, 1e-6))
        for i in range(count):
            share = i / count
            push = 0.0 if i == 0 else float(rng.normal()) * jitter_px
            out.append((ax + (bx - ax) * share + normal[0] * push, ay + (by - ay) * share + normal[1] * push))
    return np.asarray(out)


def blob(rng: np.random.Generator, cx: float, cy: float, rx: float, ry: float, roughness: float, count: int) -> Array:
    """A closed outline round a centre whose radius wanders by the given share. (count, 2) float64."""
    angles = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    radius = np.ones(count)
    for order in range(2, 7):
        radius += roughness / order * 2 * rng.normal() * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    radius += rng.normal(0.0, roughness * 0.2, count)
    radius = np.clip(radius, 0.5, 1.3)
    return np.stack([cx + rx * radius * np.cos(angles), cy + ry * radius * np.sin(angles)], axis=1)


def facets(rng: np.random.Generator, height: int, width: int, count: int) -> tuple[Array, Array]:
    """Folds of a crumpled sheet.

    Returns: slope towards the light and ridge strength, both (h, w) float32; slope about -1..1, ridge 0..1.
    """
    holes = np.full((height, width), 255, np.uint8)
    holes[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    distance, cells = cv2.distanceTransformWithLabels(holes, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    del holes, distance
    table = rng.uniform(-1.0, 1.0, int(cells.max()) + 1).astype(np.float32)
    lean = rng.normal(0.0, 1.0, (2, table.size)).astype(np.float32)
    lean *= 1.4 / math.sqrt(height * width / count)
    table *= 0.75
    y, x = grid(height, width)
    sharp: Array = np.empty((height, width), np.float32)
    for rows in blocks(height):
        own = cells[rows]
        drift = lean[0][own] * x
        drift += lean[1][own] * y[rows]
        np.sin(drift, out=drift)
        drift *= 0.35
        np.add(drift, table[own], out=sharp[rows])
    del cells, own, drift
    wave_y = cloud(rng, height, width, 40, 1)
    wave_y *= 9
    wave_y += y
    wave_x = cloud(rng, height, width, 40, 1)
    wave_x *= 9
    wave_x += x
    sharp = np.asarray(cv2.remap(sharp, wave_x, wave_y, cv2.INTER_LINEAR))
    del wave_x, wave_y
    soft = blur(sharp, 1.2)
    ridge = np.asarray(cv2.Laplacian(soft, cv2.CV_32F, dst=sharp, ksize=3, scale=-0.9))
    return soft, np.clip(ridge, 0.0, 1.0, out=ridge)


def chrome(rng: np.random.Generator, coordinate: Array, bands: int, contrast: float) -> Array:
    """A random mirrored room along a coordinate of -1..1: brightness, same shape, about 0.1..1.1."""
    stops = np.linspace(-1.0, 1.0, bands)
    values = np.clip(0.55 + contrast * rng.uniform(-0.5, 0.5, bands), 0.08, 1.1)
    values[pick(rng, max(bands - 2, 1)) + 1] = 1.1
    knots = np.linspace(-1.0, 1.0, 97)
    smooth = np.interp(knots, stops, values)
    room: Array = np.empty(coordinate.shape, np.float32)
    for rows in blocks(len(coordinate)):
        room[rows] = np.interp(coordinate[rows], knots, smooth)
    return room


def vivid(rng: np.random.Generator) -> Colour:
    """A colour of packaging: strong, sometimes black, white or pastel."""
    roll = rng.random()
    if roll < 0.12:
        return hsv(0.0, 0.0, between(rng, 0.06, 0.2))
    if roll < 0.26:
        return hsv(between(rng, 0, 1), between(rng, 0, 0.08), between(rng, 0.85, 0.98))
    return hsv(between(rng, 0, 1), between(rng, 0.45, 0.95), between(rng, 0.35, 0.95))


def finish(canvas: Canvas, rng: np.random.Generator, angle_deg: float | None = None) -> NDArray[np.uint8]:
    """Turn, fit to the sprite size, trim and quantize a layer.

    The layer is used up: it is empty afterwards.

    Args:
        angle_deg: turn; random over the full circle where None.
    Returns: (h, w, 4) uint8 BGRA, straight alpha, longest side SPRITE_MIN_PX..SPRITE_MAX_PX.
    """
    angle = between(rng, 0.0, 360.0) if angle_deg is None else angle_deg
    exposure = between(rng, 0.88, 1.1)
    tint = np.asarray([between(rng, 0.96, 1.03), 1.0, between(rng, 0.96, 1.03)], np.float32) * np.float32(exposure)
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    low, span = _extent(canvas.alpha, cos, sin)
    layer: Array = np.empty((*canvas.shape, 4), np.float32)
    for rows in blocks(len(layer)):
        np.clip(canvas.bgr[rows] * tint, 0.0, 1.0, out=layer[rows, :, :3])
        layer[rows, :, :3] *= canvas.alpha[rows, :, None]
        layer[rows, :, 3] = canvas.alpha[rows]
    canvas.bgr, canvas.alpha = canvas.bgr[:0].copy(), canvas.alpha[:0].copy()

    longest = max(span)
    scale = min(max(1.0, (SPRITE_MIN_PX + 6) / longest), (SPRITE_MAX_PX - 8) / longest)
    margin = 2
    out_w, out_h = (math.ceil(side * scale) + 2 * margin for side in span)
    matrix = np.array(
        [
            [cos * scale, sin * scale, margin - low[0] * scale],
            [-sin * scale, cos * scale, margin - low[1] * scale],
        ]
    )
    if scale < 0.75:
        cv2.GaussianBlur(layer, (0, 0), 0.5 / scale, dst=layer)
    turned: Array = np.asarray(cv2.warpAffine(layer, matrix, (out_w, out_h), flags=cv2.INTER_LINEAR))
    del layer
    cv2.GaussianBlur(turned, (0, 0), between(rng, 0.45, 0.8), dst=turned)
    bgra = np.empty(turned.shape, np.uint8)
    for rows in blocks(out_h):
        part: Array = turned[rows]
        np.clip(part[..., 3], 0.0, 1.0, out=part[..., 3])
        part[..., :3] /= np.maximum(part[..., 3:], 1e-4)
        np.clip(part, 0.0, 1.0, out=part)
        part *= 255.0
        bgra[rows] = np.rint(part, out=part)
    return bgra


def _extent(alpha: Array, cos: float, sin: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The upper left corner and the size of what is on a layer after a turn, from the ends of its rows."""
    seen = alpha > 0.02
    y = np.nonzero(seen.any(axis=1))[0]
    seen = seen[y]
    first, last = seen.argmax(axis=1), seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    x, y = np.concatenate([first, last]), np.concatenate([y, y])
    turned_x, turned_y = x * cos + y * sin, y * cos - x * sin
    low = (float(turned_x.min()), float(turned_y.min()))
    return low, (float(turned_x.max()) - low[0] + 1, float(turned_y.max()) - low[1] + 1)
