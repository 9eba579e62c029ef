"""Glass: bottles in three colours, jars, tumblers."""

from __future__ import annotations

import math

import numpy as np

from edge.render._canvas import Array, Canvas, between, blur, chance, cloud, hsv, pick, scaled, vivid
from edge.render._print import artwork
from edge.render._solid import Solid, lathe, reflections, transparent

Light = tuple[float, float, float]


def _clear(rng: np.random.Generator) -> Light:
    haze = between(rng, 0.0, 0.06)
    green = between(rng, 0.0, 0.035)
    return 0.955 - haze - green * between(rng, 0.2, 1.0), 0.97 - haze, 0.955 - haze - green


def _ring(solid: Solid, at: float, thick_px: float) -> Array:
    """A ring round the body at a share of its length, (h, w) 0..1."""
    return np.exp(-(((solid.t - at * solid.length_px) / thick_px) ** 2)) * solid.mask


def _thick_walls(canvas: Canvas, solid: Solid, rng: np.random.Generator, dark: float) -> None:
    """The inner wall: dark lines near the edges with a bright line beside them, and what the wall bends."""
    inner = between(rng, 0.8, 0.9)
    for side in (-1.0, 1.0):
        canvas.over(solid.strip(side * 0.985, 0.05) * dark, (0.1, 0.13, 0.1))
        canvas.over(solid.strip(side * inner, 0.03) * dark * 0.6, (0.15, 0.2, 0.15))
        canvas.shine(solid.strip(side * (inner + 0.07), 0.03) * between(rng, 0.2, 0.6))
    height, width = canvas.shape
    streak = cloud(rng, height, width, 26, 2) * np.clip(1 - np.abs(solid.u), 0, 1)
    canvas.over(np.clip(streak - 0.25, 0, 1) * 0.4 * dark * solid.mask, (0.2, 0.25, 0.2))
    canvas.shine(np.clip(-streak - 0.2, 0, 1) * 0.5 * solid.mask)


def _base(canvas: Canvas, solid: Solid, rng: np.random.Generator, dark: float) -> None:
    """The heavy bottom: dark and bright arcs, and the light it gathers."""
    for back in (0.0, between(rng, 7, 12), between(rng, 14, 24)):
        at = 1.0 - (back + 3) / solid.length_px
        canvas.over(_ring(solid, at, between(rng, 1.5, 3.5)) * dark * between(rng, 0.4, 0.9), (0.1, 0.14, 0.1))
        canvas.shine(_ring(solid, at - 5 / solid.length_px, 1.6) * between(rng, 0.15, 0.6))


def _mouth(canvas: Canvas, solid: Solid, rng: np.random.Generator, tint: Light) -> None:
    """The finish of a neck: a bead, a rim and the hole."""
    canvas.over(_ring(solid, 10 / solid.length_px, 3.0) * 0.45, scaled(tint, 0.35))
    canvas.shine(_ring(solid, 6 / solid.length_px, 2.0) * 0.5)
    canvas.over(solid.end(True), scaled(tint, 0.5, 0.3))
    canvas.ink(solid.end(True, 0.68), scaled(tint, 0.3))


def _paper_label(canvas: Canvas, solid: Solid, rng: np.random.Generator, start: float, stop: float) -> None:
    """A glued paper label round the front."""
    base = hsv(0.11, between(rng, 0.02, 0.25), 0.93) if chance(rng, 0.6) else vivid(rng)
    art = artwork(rng, int((stop - start) * solid.length_px) + 2, int(6.0 * solid.base_radius_px), base)
    turn = between(rng, 0.1, 0.9)
    front = np.clip((between(rng, 0.8, 1.0) - np.abs(solid.u)) * 30, 0, 1)
    canvas.over(
        solid.band(start, stop) * front,
        solid.wrap(art, start, stop, turn),
        0.5 + 0.45 * solid.facing,
    )


def _bottle_profile(rng: np.random.Generator) -> tuple[list[tuple[float, float]], float]:
    radius, length = between(rng, 46, 62), between(rng, 320, 398)
    neck, shoulder = between(rng, 0.17, 0.3) * length, between(rng, 0.38, 0.5) * length
    throat = between(rng, 0.24, 0.34) * radius + 4
    belly = between(rng, 0.6, 0.8) * radius if chance(rng, 0.5) else radius * 0.92
    mid = neck + (shoulder - neck) * (0.55 if belly < radius * 0.85 else 0.4)
    profile = [
        (0.0, throat + 3.5),
        (11.0, throat + 3.5),
        (15.0, throat),
        (neck, throat + 3),
        (mid, belly),
        (shoulder, radius),
        (length - 9, radius),
        (length, radius * 0.86),
    ]
    return profile, shoulder / length


def _bottle(rng: np.random.Generator, tint: Light, wall: float, dark: float) -> Canvas:
    profile, shoulder = _bottle_profile(rng)
    solid = lathe(profile, between(rng, 0.04, 0.2), between(rng, 4, 8))
    canvas = Canvas(*solid.shape)
    transparent(canvas, solid, rng, tint, wall)
    back: Light = (math.sqrt(tint[0]), math.sqrt(tint[1]), math.sqrt(tint[2]))
    transparent(canvas, solid, rng, back, wall * 0.5)
    _thick_walls(canvas, solid, rng, dark)
    glow = np.clip(cloud(rng, *solid.shape, 70, 2), 0, 1) * solid.mask * np.clip(solid.facing, 0, 1) ** 2
    bright = scaled(tint, 0.9, 0.12)
    canvas.ink(glow * 0.55, bright)
    _base(canvas, solid, rng, dark)
    if chance(rng, 0.6):
        _paper_label(canvas, solid, rng, shoulder + 0.06, between(rng, 0.78, 0.92))
    if chance(rng, 0.25):
        art = artwork(rng, 60, 200)
        canvas.over(
            solid.band(0.12, shoulder * 0.62),
            solid.wrap(art, 0.12, shoulder * 0.62, 0.4),
            np.full(solid.shape, 0.9, np.float32),
        )
    reflections(canvas, solid, rng, between(rng, 0.6, 1.0), between(rng, 0.6, 1.1))
    _mouth(canvas, solid, rng, tint)
    if chance(rng, 0.3):
        cap = vivid(rng)
        canvas.over(solid.band(0.0, 0.055), cap, 0.45 + 0.6 * solid.facing)
        canvas.over(solid.end(True), scaled(cap, 1.15))
    return canvas


def bottle_green(rng: np.random.Generator) -> Canvas:
    """A wine or beer bottle in green glass."""
    depth = between(rng, 0.3, 1.25)
    stop_red = between(rng, 1.15, 2.3)
    tint = (0.5 ** (between(rng, 2.2, 3.6) * depth), 0.5 ** (1.05 * depth), 0.5 ** (stop_red * depth))
    return _bottle(rng, tint, between(rng, 0.45, 0.8), 0.7)


def bottle_brown(rng: np.random.Generator) -> Canvas:
    """A beer or medicine bottle in amber glass."""
    depth = between(rng, 0.55, 1.35)
    tint = (0.5 ** (4.5 * depth), 0.5 ** (2.5 * depth), 0.5 ** (1.1 * depth))
    return _bottle(rng, tint, between(rng, 0.4, 0.7), 0.7)


def bottle_clear(rng: np.random.Generator) -> Canvas:
    """A bottle in colourless glass with a breath of green."""
    return _bottle(rng, _clear(rng), between(rng, 0.7, 1.2), between(rng, 0.6, 0.85))


def jar(rng: np.random.Generator) -> Canvas:
    """A preserving jar: thread, broad mouth, sometimes a label or a metal lid."""
    radius, length = between(rng, 72, 100), between(rng, 210, 290)
    mouth = radius * between(rng, 0.74, 0.88)
    profile = [
        (0.0, mouth),
        (30.0, mouth),
        (48.0, radius * 0.97),
        (62.0, radius),
        (length - 14, radius),
        (length, radius * 0.85),
    ]
    solid = lathe(profile, between(rng, 0.15, 0.4), 4)
    canvas = Canvas(*solid.shape)
    tint = _clear(rng)
    canvas.over(solid.end(True) * 0.3, (0.7, 0.75, 0.7))
    transparent(canvas, solid, rng, tint, between(rng, 0.7, 1.1))
    transparent(canvas, solid, rng, tint, 0.6)
    dark = between(rng, 0.55, 0.85)
    _thick_walls(canvas, solid, rng, dark)
    _base(canvas, solid, rng, dark)
    if chance(rng, 0.45):
        _paper_label(canvas, solid, rng, 0.34, between(rng, 0.7, 0.85))
    if chance(rng, 0.3):
        lid = hsv(between(rng, 0, 1), between(rng, 0.0, 0.8), between(rng, 0.5, 0.9))
        cover = solid.band(0.0, 30 / length)
        canvas.over(cover, lid, 0.4 + 0.6 * solid.facing)
        canvas.over(solid.end(True), scaled(lid, 1.05, 0.05))
        canvas.ink((solid.end(True, 0.86) - solid.end(True, 0.8)) * 0.4, scaled(lid, 0.5))
    else:
        for line in (8, 16, 24):
            canvas.over(_ring(solid, line / length, 1.6) * dark * 0.7, (0.2, 0.24, 0.2))
            canvas.shine(_ring(solid, (line + 3.5) / length, 1.5) * 0.55)
        rim = np.clip(solid.end(True) - solid.end(True, 0.9), 0, 1)
        canvas.over(rim * 0.75, (0.62, 0.68, 0.62))
        canvas.over(np.clip(solid.end(True, 0.9) - solid.end(True, 0.85), 0, 1) * dark, (0.2, 0.24, 0.2))
        canvas.shine(rim * np.clip(cloud(rng, *solid.shape, 40), 0, 1))
    reflections(canvas, solid, rng, between(rng, 0.6, 1.0), between(rng, 0.6, 1.1))
    return canvas


def tumbler(rng: np.random.Generator) -> Canvas:
    """A drinking glass, open end in view, sometimes with facets cut round it."""
    top, base, length = between(rng, 72, 98), between(rng, 52, 72), between(rng, 180, 270)
    solid = lathe([(0.0, top), (length, base)], between(rng, 0.25, 0.5), 0)
    canvas = Canvas(*solid.shape)
    tint = _clear(rng) if chance(rng, 0.8) else hsv(between(rng, 0, 1), 0.12, 0.95)
    dark = between(rng, 0.6, 0.85)
    canvas.over(solid.end(True) * 0.22, (0.7, 0.74, 0.7))
    transparent(canvas, solid, rng, tint, between(rng, 0.8, 1.2))
    transparent(canvas, solid, rng, tint, 0.6)
    _thick_walls(canvas, solid, rng, dark)
    if chance(rng, 0.5):
        count = 5 + pick(rng, 6)
        cut = np.abs(np.sin(np.arcsin(solid.u) * count)) < 0.16
        ribs = blur(cut.astype(np.float32), 1.0) * solid.band(between(rng, 0.1, 0.5), 0.96)
        canvas.over(ribs * 0.4 * dark, (0.2, 0.24, 0.2))
        canvas.shine(np.roll(ribs, 3, axis=1) * 0.5)
    heel = solid.band(between(rng, 0.86, 0.92), 1.0)
    canvas.over(heel * 0.25, (0.5, 0.56, 0.5))
    canvas.shine(heel * np.clip(cloud(rng, *solid.shape, 18), 0, 1) * 0.9)
    _base(canvas, solid, rng, dark)
    rim = np.clip(solid.end(True) - solid.end(True, 0.94), 0, 1)
    canvas.over(rim * 0.6, (0.55, 0.6, 0.55))
    canvas.over(np.clip(solid.end(True, 0.94) - solid.end(True, 0.91), 0, 1) * dark, (0.2, 0.24, 0.2))
    canvas.shine(rim * np.clip(0.3 + cloud(rng, *solid.shape, 40), 0, 1))
    reflections(canvas, solid, rng, between(rng, 0.6, 1.0), between(rng, 0.6, 1.1))
    return canvas
