"""Bodies of revolution lying on the tray: bottles, cans, jars, cups, rolls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.render._canvas import Array, Canvas, between, blocks, blur, cloud, grid, pick


@dataclass(frozen=True, eq=False)
class Solid:
    """Surface coordinates of a turned body, its axis upright in the picture.

    Attributes:
        u: (h, w) float32, -1..1 across the body.
        facing: (h, w) float32, 0..1, the normal's share towards the viewer.
        t: (h, w) float32, pixels along the axis from the upper end.
        mask: (h, w) float32, coverage of the side wall, 0..1.
        cx, top: pixel position of the axis and of t = 0.
        tilt: height of the end ellipses as a share of their width.
        length_px, top_radius_px, base_radius_px: sizes.
    """

    u: Array
    facing: Array
    t: Array
    mask: Array
    cx: float
    top: float
    tilt: float
    length_px: float
    top_radius_px: float
    base_radius_px: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.u.shape[0], self.u.shape[1]

    def band(self, start: float, stop: float) -> Array:
        """Coverage, (h, w) 0..1, of the wall between two shares of the length."""
        low, high = start * self.length_px, stop * self.length_px
        cover: Array = np.empty(self.shape, np.float32)
        for rows in blocks(self.shape[0]):
            t = self.t[rows]
            np.multiply(np.clip(t - (low - 0.5), 0, 1), np.clip(high + 0.5 - t, 0, 1), out=cover[rows])
            cover[rows] *= self.mask[rows]
        return cover

    def strip(self, at: float, width: float) -> Array:
        """A soft strip of light along the body at u = at, (h, w) 0..1."""
        light = self.u - at
        light /= width
        np.square(light, out=light)
        np.negative(light, out=light)
        np.exp(light, out=light)
        light *= self.mask
        return light

    def end(self, is_top: bool, share: float = 1.0) -> Array:
        """Coverage of the end's ellipse, its radii times share."""
        y, x = grid(*self.shape)
        radius = (self.top_radius_px if is_top else self.base_radius_px) * share
        middle = self.top + (0.0 if is_top else self.length_px)
        flat = max(radius * self.tilt, 0.6)
        cover: Array = ((x - self.cx) / radius) ** 2 + ((y - middle) / flat) ** 2
        np.sqrt(cover, out=cover)
        cover *= -flat
        cover += flat + 0.5
        return np.clip(cover, 0.0, 1.0, out=cover)

    def wrap(self, art: Array, start: float, stop: float, turn: float) -> Array:
        """Lay artwork (h, w, 3) uint8 round the body between two shares of its length; turn is 0..1 of its width."""
        rows, cols = art.shape[:2]
        map_x = np.arcsin(self.u)
        map_x /= 2 * np.pi
        map_x += turn
        map_x *= cols
        np.mod(map_x, cols - 1, out=map_x)
        map_y = self.t / self.length_px
        map_y -= start
        map_y *= (rows - 1) / max(stop - start, 1e-6)
        np.clip(map_y, 0, rows - 1, out=map_y)
        return np.asarray(cv2.remap(art, map_x, map_y, cv2.INTER_LINEAR))


def lathe(profile: Sequence[tuple[float, float]], tilt: float = 0.0, smooth_px: float = 3.0) -> Solid:
    """Turn a profile of (distance along the axis, radius) pixels, distances rising from 0, into a body."""
    pad = 8
    length = float(profile[-1][0])
    stations = np.arange(int(length) + 2, dtype=np.float32)
    table = np.interp(stations, [p[0] for p in profile], [p[1] for p in profile]).astype(np.float32)
    if smooth_px > 0:
        table = _smooth(table, smooth_px)
    widest = float(table.max())
    height = int(length + 2 * tilt * widest + 2 * pad)
    width = int(2 * widest + 2 * pad)
    cx, top = width / 2, pad + tilt * float(table[0])
    y, x = grid(height, width)
    across = x - cx
    planes: Array = np.empty((4, height, width), np.float32)
    for rows in blocks(height):
        down = np.broadcast_to(y[rows] - top, (rows.stop - rows.start, width))
        t = down
        for _ in range(3 if tilt > 0 else 1):
            radius = table[np.clip(np.round(t), 0, len(table) - 1).astype(np.intp)]
            u = np.clip(across / radius, -1.2, 1.2)
            facing = np.sqrt(np.maximum(1.0 - u * u, 0.0))
            t = down - tilt * radius * facing
        radius = np.interp(t, stations, table).astype(np.float32)
        u = np.clip(across / radius, -1.2, 1.2)
        mask = np.clip((1.0 - np.abs(u)) * radius + 0.5, 0, 1)
        mask *= np.clip(t + 0.5, 0, 1) * np.clip(length - t + 0.5, 0, 1)
        facing = np.sqrt(np.maximum(1.0 - u * u, 0.0))
        planes[:, rows] = np.clip(u, -1, 1), facing, t, mask
    return Solid(
        u=planes[0],
        facing=planes[1],
        t=planes[2],
        mask=planes[3],
        cx=cx,
        top=top,
        tilt=tilt,
        length_px=length,
        top_radius_px=float(table[0]),
        base_radius_px=float(table[-1]),
    )


def _smooth(table: Array, sigma_px: float) -> Array:
    reach = int(3 * sigma_px)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    padded = np.pad(table, reach, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def matte(solid: Solid, rng: np.random.Generator, depth: float = 0.55) -> Array:
    """Brightness of a dull cylinder under a lamp from a random side, (h, w), about 0.4..1.1."""
    side = between(rng, -0.6, 0.6)
    lit = solid.u * side
    lit += solid.facing * math.sqrt(1 - side * side)
    np.clip(lit, 0, 1, out=lit)
    lit *= depth
    lit += 1.08 - depth
    return lit


def transparent(
    canvas: Canvas, solid: Solid, rng: np.random.Generator, transmit: tuple[float, float, float], wall: float
) -> None:
    """Lay a see-through wall over the layer.

    Args:
        transmit: share of blue, green and red light that passes straight through the middle.
        wall: how much the path grows towards the edges; thick glass about 1, thin PET about 0.3.
    """
    cover: Array = np.empty(solid.shape, np.float32)
    colour: Array = np.empty((*solid.shape, 3), np.float32)
    rates = np.log(np.maximum(np.asarray(transmit, np.float32), 1e-3))
    for rows in blocks(solid.shape[0]):
        path = 1.0 + wall * (1.0 / np.maximum(solid.facing[rows], 0.22) - 1.0)
        passed = np.exp(rates * path[..., None])
        least = passed.min(axis=2)
        alpha = 1.0 - least
        passed -= least[..., None]
        passed *= (0.78 / np.maximum(alpha, 1e-3))[..., None]
        np.clip(passed, 0, 1, out=colour[rows])
        np.multiply(np.clip(alpha, 0, 1), solid.mask[rows], out=cover[rows])
    canvas.over(cover, colour)


def reflections(canvas: Canvas, solid: Solid, rng: np.random.Generator, strength: float, sharp: float) -> None:
    """Add broken strips of lamp light along a shiny body; sharp 0..1 makes them narrow."""
    height, width = canvas.shape
    breaks = cloud(rng, height, width, 60)
    breaks *= 0.8
    breaks += 0.75
    np.clip(breaks, 0, 1, out=breaks)
    first = between(rng, -0.75, 0.75)
    for index in range(2 + pick(rng, 2)):
        at = first if index == 0 else between(rng, -0.88, 0.88)
        broad = between(rng, 0.05, 0.16) * (1.4 - sharp)
        power = strength * (1.0 if index == 0 else between(rng, 0.25, 0.7))
        light = solid.strip(at, broad)
        light *= breaks
        light *= power
        canvas.shine(light)
    canvas.shine(blur(solid.strip(-first * 0.9, 0.3), 4) * strength * 0.18)
