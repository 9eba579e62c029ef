"""A hand that reaches over the tray: what must never be taken for an item at rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from edge.render._canvas import (
    Array,
    Canvas,
    Colour,
    between,
    blocks,
    blur,
    chance,
    cloud,
    grain,
    grid,
    hsv,
    pick,
    scaled,
    vivid,
)
from edge.render.items import Sprite

BORDERS = ("top", "right", "bottom", "left")

_WIDTH_PX = 460
_LENGTH_PX = 980
_BAND_PX = 70


def render_hand(rng: np.random.Generator, border: str = "top") -> Sprite:
    """Draw a forearm and hand that enter from a border of a 640x480 frame.

    The finger tips lie at the middle of the side away from the border and the arm runs off the opposite
    side. The sprite is about 980 px long, so that the arm's end stays outside while the tips are anywhere
    in the frame. To reach with the tips to y from the top border, place the centre at
    y - h / 2, h being the sprite's height; from the bottom border at y + h / 2.

    Args:
        rng: source of every choice; the same state gives the same pixels.
        border: one of BORDERS, where the arm comes from.
    Returns: label "hand", kind "hand", (h, w, 4) uint8 BGRA, straight alpha.
    Raises: ValueError if the border is unknown.
    """
    if border not in BORDERS:
        raise ValueError(f"border {border!r}, expected one of {', '.join(BORDERS)}")
    layer = _draw_arm(rng)
    alpha = blur(layer[..., 3].copy(), 0.8)
    alpha[-2:] = 0
    cv2.GaussianBlur(layer, (0, 0), 0.6, dst=layer)
    layer[..., 3] = alpha
    del alpha
    turns = {"top": 0, "left": 1, "bottom": 2, "right": 3}[border]
    bgra = np.ascontiguousarray(np.rot90(layer, turns))
    bgra.flags.writeable = False
    return Sprite(label="hand", kind="hand", bgra=bgra)


@contextmanager
def _window(layer: Array, x0: float, y0: float, x1: float, y1: float) -> Iterator[tuple[Canvas, Array, Array]]:
    """A float canvas of a part of the layer, cut at the border, with its pixels' y (h, 1) and x (1, w).

    What is drawn on the canvas is rounded back into the layer in the end.
    """
    rows, cols = layer.shape[:2]
    left, right = max(0, int(x0)), min(cols, int(x1) + 1)
    upper, lower = max(0, int(y0)), min(rows, int(y1) + 1)
    part = layer[upper:lower, left:right]
    canvas = Canvas(0, 0)
    canvas.bgr, canvas.alpha = part[..., :3] * np.float32(1 / 255), part[..., 3] * np.float32(1 / 255)
    y, x = grid(lower - upper, right - left)
    y += upper
    x += left
    yield canvas, y, x
    for away, drawn in ((part[..., :3], canvas.bgr), (part[..., 3], canvas.alpha)):
        drawn *= 255.0
        away[:] = np.clip(np.rint(drawn, out=drawn), 0, 255, out=drawn)


def _bands(upper: float, lower: float) -> Iterator[tuple[int, int]]:
    """Bands of rows that cover upper..lower within the layer."""
    for band in blocks(_LENGTH_PX, _BAND_PX):
        if band.stop > upper and band.start <= lower:
            yield band.start, band.stop - 1


def _draw_arm(rng: np.random.Generator) -> Array:
    """Forearm, palm and fingers, tips down, lit from one side. (h, w, 4) uint8 BGRA."""
    layer = np.zeros((_LENGTH_PX, _WIDTH_PX, 4), np.uint8)
    skin = _skin(rng)
    mirror = -1.0 if chance(rng, 0.5) else 1.0
    scale = between(rng, 0.85, 1.05)
    cx = _WIDTH_PX / 2
    knuckles_y = _LENGTH_PX - 12 - 128 * scale
    wrist_y = knuckles_y - 118 * scale
    lean = between(rng, -0.09, 0.09)
    lamp = (between(rng, -0.7, 0.7), between(rng, -0.4, 0.4))

    def limb(ax: float, ay: float, bx: float, by: float, thick_a: float, thick_b: float) -> None:
        _capsule(layer, skin, lamp, (ax, ay), (bx, by), thick_a, thick_b)

    arm_top = -40.0
    limb(cx + lean * (arm_top - wrist_y), arm_top, cx, wrist_y + 30, 76 * scale, 43 * scale)
    limb(
        cx - mirror * 30 * scale,
        wrist_y + 34,
        cx - mirror * 92 * scale,
        knuckles_y - 16,
        30 * scale,
        20 * scale,
    )
    limb(cx, wrist_y + 18, cx, knuckles_y - 34 * scale, 46 * scale, 64 * scale)
    bend = between(rng, -0.12, 0.12)
    limb(
        cx - mirror * 90 * scale,
        knuckles_y - 18,
        cx - mirror * between(rng, 84, 106) * scale,
        knuckles_y + between(rng, 30, 52) * scale,
        20 * scale,
        14 * scale,
    )
    _nail(layer, cx - mirror * 95 * scale, knuckles_y + 34 * scale, 9 * scale, skin)
    spread = between(rng, 0.8, 1.25)
    for index, (across, reach) in enumerate(((-46, 100), (-16, 122), (15, 114), (44, 88))):
        root_x = cx + mirror * across * scale
        curl = between(rng, 0.82, 1.0)
        tip_x = root_x + mirror * across * 0.24 * spread * scale + bend * reach * scale
        tip_y = min(knuckles_y + reach * scale * curl, _LENGTH_PX - 24.0)
        joint = (
            root_x + (tip_x - root_x) * 0.5 + between(rng, -2, 2),
            knuckles_y + (tip_y - knuckles_y) * 0.5,
        )
        thick = (17.5, 18.0, 17.5, 14.5)[index] * scale
        limb(root_x, knuckles_y - 44 * scale, joint[0], joint[1], thick * 1.12, thick * 0.98)
        limb(joint[0], joint[1], tip_x, tip_y, thick * 0.98, thick * 0.78)
        _crease(layer, joint[0], joint[1], thick)
        _nail(layer, tip_x, tip_y - 2, thick * 0.5, skin)
    mottle = cloud(rng, _LENGTH_PX, _WIDTH_PX, 60, 3)
    for upper, lower in _bands(0, _LENGTH_PX):
        with _window(layer, 0, upper, _WIDTH_PX, lower) as (canvas, _, _):
            rows, cols = canvas.shape
            canvas.shade(1 + 0.05 * mottle[upper : lower + 1] + 0.012 * grain(rng, rows, cols))
    del mottle
    if chance(rng, 0.65):
        _sleeve(layer, rng, wrist_y - between(rng, 60, 210))
    return layer


def _skin(rng: np.random.Generator) -> Colour:
    """A skin colour, from very pale to very dark."""
    depth = float(rng.random())
    return hsv(between(rng, 0.03, 0.075), 0.3 + 0.3 * depth + between(rng, -0.04, 0.06), 0.93 - 0.62 * depth)


def _capsule(
    layer: Array,
    skin: Colour,
    lamp: tuple[float, float],
    start: tuple[float, float],
    end: tuple[float, float],
    thick_a: float,
    thick_b: float,
) -> None:
    """One tapered round limb from start to end, its radii thick_a and thick_b, drawn in its own window."""
    reach = max(thick_a, thick_b) + 4
    left, right = min(start[0], end[0]) - reach, max(start[0], end[0]) + reach
    first, last = min(start[1], end[1]) - reach, max(start[1], end[1]) + reach
    dx, dy = end[0] - start[0], end[1] - start[1]
    for upper, lower in _bands(first, last):
        with _window(layer, left, max(first, upper), right, min(last, lower)) as (canvas, y, x):
            px, py = x - start[0], y - start[1]
            along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1)
            off_x, off_y = px - along * dx, py - along * dy
            radius = thick_a + (thick_b - thick_a) * along
            distance = np.hypot(off_x, off_y) / radius
            cover = np.clip((1 - distance) * radius * 0.5 + 0.5, 0, 1)
            facing = np.sqrt(np.clip(1 - distance * distance, 0, 1))
            lit = 0.62 + 0.36 * facing + 0.2 * (off_x * lamp[0] + off_y * lamp[1]) / radius
            warm = np.exp(np.log(np.asarray([0.9, 0.96, 1.0], np.float32)) * (1.5 * (1 - facing))[..., None])
            warm *= np.asarray(skin, np.float32)
            canvas.over(cover * _fade_in(along, thick_a, math.hypot(dx, dy), canvas.alpha), warm, lit)


def _fade_in(along: Array, thick: float, length: float, below: Array) -> Array:
    """Let a limb grow softly out of what it starts on."""
    ramp = np.clip(along * length / max(thick * 1.3, 1.0), 0, 1)
    return np.asarray(ramp * below + (1 - below))


def _crease(layer: Array, cx: float, cy: float, thick: float) -> None:
    """Wrinkles over a finger joint."""
    side = thick * 2
    with _window(layer, cx - side, cy - 14, cx + side, cy + 14) as (window, y, x):
        near = np.exp(-(((x - cx) / (thick * 0.6)) ** 2))
        for step in (-4.0, 0.0, 4.0):
            window.shade(1 - 0.14 * near * np.exp(-(((y - cy - step) / 1.2) ** 2)))


def _nail(layer: Array, cx: float, cy: float, half: float, skin: Colour) -> None:
    """A finger nail."""
    side, reach = half * 1.5 + 2, half * 2 + 2
    with _window(layer, cx - side, cy - reach, cx + side, cy + reach) as (window, y, x):
        distance = np.hypot((x - cx) / half, (y - cy) / (half * 1.35))
        cover = np.clip((1 - distance) * half + 0.5, 0, 1)
        window.ink(cover * 0.55, scaled(skin, 1.1, 0.08))
        window.shade(1 - 0.18 * np.exp(-(((distance - 1.0) / 0.14) ** 2)))


def _sleeve(layer: Array, rng: np.random.Generator, hem_y: float) -> None:
    """A sleeve over the upper part of the arm, knitted, striped or plain."""
    alpha = layer[..., 3].copy()
    wide, soft = blur(alpha, 5.0), blur(alpha, 18.0)
    del alpha
    phase = between(rng, 0, 6)
    cloth = np.asarray(vivid(rng), np.float32)
    folds = cloud(rng, _LENGTH_PX, _WIDTH_PX, 70, 3)
    is_striped = pick(rng, 3) == 0
    for upper, lower in _bands(0, hem_y + 40):
        with _window(layer, 0, upper, _WIDTH_PX, lower) as (canvas, y, x):
            rows = slice(upper, lower + 1)
            edge = hem_y + 5 * np.sin(x / 37.0 + phase)
            cover = np.clip(wide[rows] * np.float32(6 / 255), 0, 1) * np.clip(edge - y + 0.5, 0, 1)
            weave = 1 + 0.05 * np.sin(x * 1.3) * np.sin(y * 1.3) + 0.16 * folds[rows]
            if is_striped:
                weave *= np.where(np.mod(y, 46) < 20, np.float32(0.72), np.float32(1.0))
            weave *= soft[rows] * np.float32(0.65 / 255) + np.float32(0.4)
            canvas.over(cover, cloth, weave)
            canvas.shade(1 - 0.35 * np.exp(-(((y - edge - 4) / 5) ** 2)) * (y > edge))
