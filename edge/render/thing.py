"""Something that is no waste and no thing in particular: bodies, limbs, petals and blocks with a skin and a light.

What a bin is offered besides waste cannot be listed: fruit, toys, tools, plants, animals. A network that has seen
many things of no kind learns what waste has of its own, instead of taking for waste whatever lies on a tray.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from edge.render._canvas import (
    Array,
    Canvas,
    Colour,
    between,
    blob,
    blur,
    chance,
    cloud,
    ellipse,
    fibre,
    finish,
    grain,
    grid,
    hsv,
    pick,
    polygon,
    stroke,
)
from edge.render.items import Sprite

__all__ = ["render_thing"]

_SIDE_PX = 400
_MIDDLE_PX = _SIDE_PX / 2
_Rng = np.random.Generator


def render_thing(rng: _Rng) -> Sprite:
    """Draw one thing of one to four parts, turned at random.

    Args:
        rng: source of every choice; the same state gives the same pixels.
    Returns: label "thing", kind "thing", (h, w, 4) uint8 BGRA, straight alpha, longest side 200..420 px.
    """
    canvas = Canvas(_SIDE_PX, _SIDE_PX)
    colours = [_tone(rng) for _ in range(1 + pick(rng, 3))]
    sun = between(rng, 0.0, 2 * math.pi)
    for _ in range(1 + pick(rng, 4) * int(chance(rng, 0.6))):
        mask = _FORMS[pick(rng, len(_FORMS))](rng)
        rng.shuffle(colours)
        canvas.over(mask, _skin(rng, colours), _relief(rng, mask, sun))
        if chance(rng, 0.3):
            canvas.shine(_gloss(rng, mask, sun))
    if chance(rng, 0.35):
        _features(rng, canvas)
    bgra = finish(canvas, rng)
    bgra.flags.writeable = False
    return Sprite(label="thing", kind="thing", bgra=bgra)


def _body(rng: _Rng) -> Array:
    """A round outline, smooth or knobbly: fruit, stones, trunks of animals."""
    longest, share = between(rng, 60, 165), between(rng, 0.4, 1.0)
    x, y = _place(rng, 60)
    return polygon(_SIDE_PX, _SIDE_PX, blob(rng, x, y, longest, longest * share, between(rng, 0.0, 0.3), 90))


def _limbs(rng: _Rng) -> Array:
    """Strands that wander from one root and grow thin: legs, tails, twigs, cables."""
    mask: Array = np.zeros((_SIDE_PX, _SIDE_PX), np.float32)
    root = _place(rng, 70)
    for _ in range(1 + pick(rng, 7)):
        angle, thick = between(rng, 0, 2 * math.pi), between(rng, 4, 40)
        bend, steps = between(rng, -0.3, 0.3), 4 + pick(rng, 9)
        points = [root]
        for _ in range(steps):
            x, y = points[-1]
            points.append((x + 22 * math.cos(angle), y + 22 * math.sin(angle)))
            angle += bend + between(rng, -0.3, 0.3)
        for place in range(steps):
            width = max(2, round(thick * (1 - 0.8 * place / steps)))
            np.maximum(mask, stroke(_SIDE_PX, _SIDE_PX, points[place : place + 2], width), out=mask)
    return mask


def _petals(rng: _Rng) -> Array:
    """Lobes round a middle: blossoms, leaves, paws, stars."""
    lobes, radius = 3 + pick(rng, 12), between(rng, 70, 170)
    depth, sharp = between(rng, 0.15, 0.9), between(rng, 0.5, 3.0)
    angles = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    wave = np.abs(np.cos(angles * lobes / 2)) ** sharp
    reach = radius * (1 - depth + depth * wave) * (1 + 0.05 * rng.normal() * np.cos(angles + rng.uniform(0, 6)))
    x, y = _place(rng, 40)
    squash = between(rng, 0.5, 1.0)
    return polygon(_SIDE_PX, _SIDE_PX, np.stack([x + reach * np.cos(angles), y + squash * reach * np.sin(angles)], 1))


def _bunch(rng: _Rng) -> Array:
    """Many round parts close together: grapes, fur, foliage, coins."""
    mask: Array = np.zeros((_SIDE_PX, _SIDE_PX), np.float32)
    x, y = _place(rng, 40)
    spread_x, spread_y, size = between(rng, 15, 75), between(rng, 15, 75), between(rng, 6, 40)
    for _ in range(6 + pick(rng, 40)):
        one = size * between(rng, 0.6, 1.3)
        where = (x + spread_x * rng.normal(), y + spread_y * rng.normal())
        cv2.circle(mask, (round(where[0]), round(where[1])), round(one), 1.0, -1, cv2.LINE_AA)
    return mask


def _block(rng: _Rng) -> Array:
    """A few straight sides: tools, toys, houses, vehicles."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, 3 + pick(rng, 5)))
    x, y = _place(rng, 70)
    wide, tall = between(rng, 20, 170), between(rng, 20, 170)
    points = np.stack([x + wide * np.cos(angles), y + tall * np.sin(angles)], axis=1)
    return polygon(_SIDE_PX, _SIDE_PX, points)


def _ring(rng: _Rng) -> Array:
    """Round with a hole: handles, wheels, rings."""
    x, y = _place(rng, 70)
    wide, tall, hole = between(rng, 40, 150), between(rng, 40, 150), between(rng, 0.3, 0.85)
    outer, inner = (ellipse(_SIDE_PX, _SIDE_PX, x, y, wide * share, tall * share) for share in (1.0, hole))
    return np.asarray(outer * (1 - inner))


_FORMS: tuple[Callable[[_Rng], Array], ...] = (_body, _body, _limbs, _petals, _bunch, _block, _ring)


def _skin(rng: _Rng, colours: list[Colour]) -> Array:
    """(h, w, 3) float32: up to three colours, run into one another, in patches, bands, spots, rays or hairs."""
    height = width = _SIDE_PX
    first, *others = (np.asarray(colour, np.float32) for colour in colours)
    skin: Array = np.broadcast_to(first, (height, width, 3)).copy()
    for other in others:
        share = _mixture(rng, height, width)[..., None]
        skin *= 1 - share
        skin += other * share
    # As in photographs, structure of every size, less of it the smaller it is.
    rough, cell_px = between(rng, 0.0, 0.22), 90.0
    while cell_px >= 1.5:
        skin *= 1 + rough * cloud(rng, height, width, cell_px, 1)[..., None] * np.float32(min(1.0, cell_px / 25) ** 0.4)
        cell_px /= 2.3
    if chance(rng, 0.35):
        strands = fibre(rng, height, width, 9 + pick(rng, 25), chance(rng, 0.5))
        skin *= 1 + np.float32(between(rng, 0.03, 0.16)) * blur(strands, 0.7)[..., None]
    skin += np.float32(between(rng, 0, 0.03)) * grain(rng, height, width)[..., None]
    return np.clip(skin, 0, 1, out=skin)


def _mixture(rng: _Rng, height: int, width: int) -> Array:
    """Where the second colour shows, (h, w) float32 0..1."""
    y, x = grid(height, width)
    form = pick(rng, 5)
    wander = cloud(rng, height, width, between(rng, 12, 120), 3)
    if form == 0:
        found = wander * between(rng, 0.5, 6.0)
    elif form == 1:
        angle = between(rng, 0, math.pi)
        along = x * math.cos(angle) + y * math.sin(angle)
        found = 3 * np.sin(along / between(rng, 4, 40) + wander * between(rng, 0, 3))
    elif form == 2:
        pitch = between(rng, 10, 45)
        dots = np.hypot((x + 9 * wander) % pitch - pitch / 2, (y + 9 * wander) % pitch - pitch / 2)
        found = pitch * between(rng, 0.15, 0.4) - dots
    elif form == 3:
        turn = np.arctan2(y - _MIDDLE_PX, x - _MIDDLE_PX)
        found = 3 * np.sin(turn * (2 + pick(rng, 14)) + wander)
    else:
        far = np.hypot(x - between(rng, 100, 300), y - between(rng, 100, 300)) / between(rng, 30, 120)
        found = 2 * (far - 1) + wander
    return np.clip(0.5 + found, 0, 1).astype(np.float32)


def _relief(rng: _Rng, mask: Array, sun: float) -> Array:
    """Light on a body that swells from its outline, (h, w) float32 round 1."""
    solid = (mask > 0.5).astype(np.uint8)
    inside = np.asarray(cv2.distanceTransform(solid, cv2.DIST_L2, 3), np.float32)
    deep = between(rng, 8, 90)
    height = blur(np.sqrt(np.minimum(inside, deep) * np.float32(deep)), between(rng, 1.0, 5.0))
    height += np.float32(between(rng, 0, 5)) * cloud(rng, _SIDE_PX, _SIDE_PX, between(rng, 8, 60), 2)
    slope = np.float32(math.cos(sun)) * np.asarray(cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8))
    slope += np.float32(math.sin(sun)) * np.asarray(cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8))
    light = 1 - between(rng, 0.1, 0.6) * slope / np.sqrt(1 + slope * slope)
    # The outline turns away from the camera and what lies near it.
    light *= 1 - between(rng, 0, 0.35) * np.exp(-inside / np.float32(between(rng, 3, 20)))
    return np.asarray(np.clip(light, 0.15, 1.7), np.float32)


def _gloss(rng: _Rng, mask: Array, sun: float) -> Array:
    """A highlight on the lit side, (h, w) float32 0..1."""
    y, x = np.nonzero(mask > 0.5)
    if not len(x):
        return np.zeros_like(mask)
    reach = between(rng, 0.15, 0.5)
    at_x = x.mean() - reach * math.cos(sun) * 2 * x.std()
    at_y = y.mean() - reach * math.sin(sun) * 2 * y.std()
    spot = ellipse(_SIDE_PX, _SIDE_PX, at_x, at_y, between(rng, 5, 35), between(rng, 4, 22))
    return np.asarray(blur(spot, between(rng, 1.5, 9.0)) * mask * between(rng, 0.2, 0.9))


def _features(rng: _Rng, canvas: Canvas) -> None:
    """A few small dark or pale spots and lines: eyes, seeds, screws, mouths, seams."""
    for _ in range(1 + pick(rng, 5)):
        x, y = _place(rng, 80)
        tone = hsv(between(rng, 0, 1), between(rng, 0, 0.7), between(rng, 0.02, 0.3) if chance(rng, 0.7) else 0.95)
        if chance(rng, 0.6):
            size = between(rng, 3, 16)
            for at in (x, 2 * _MIDDLE_PX - x) if chance(rng, 0.5) else (x,):
                canvas.ink(ellipse(_SIDE_PX, _SIDE_PX, at, y, size, size * between(rng, 0.5, 1.0)), tone)
        else:
            turn, length = between(rng, 0, math.pi), between(rng, 15, 90)
            points = [(x + s * length * math.cos(turn), y + s * length * math.sin(turn)) for s in (-0.5, 0.5)]
            canvas.ink(stroke(_SIDE_PX, _SIDE_PX, points, 1 + pick(rng, 5)), tone)


def _tone(rng: _Rng) -> Colour:
    """A colour of any kind, more often a muted one, as nature's are."""
    return hsv(between(rng, 0, 1), between(rng, 0, 1) ** 1.3, between(rng, 0.08, 1.0))


def _place(rng: _Rng, reach_px: float) -> tuple[float, float]:
    return _MIDDLE_PX + between(rng, -reach_px, reach_px), _MIDDLE_PX + between(rng, -reach_px, reach_px)
