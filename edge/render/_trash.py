"""Residue: wrappers, crisp bags, used tissues, coffee pods, foam, nappies, pens, tubes."""

from __future__ import annotations

import math

import numpy as np

from edge.render._canvas import (
    Array,
    Canvas,
    Colour,
    between,
    blob,
    blocks,
    blur,
    chance,
    chrome,
    cloud,
    ellipse,
    facets,
    grain,
    grid,
    hsv,
    pick,
    polygon,
    ragged,
    rounded,
    stroke,
    vivid,
)
from edge.render._print import artwork
from edge.render._solid import lathe, matte, reflections


def _zigzag(x0: float, x1: float, y: float, tooth_px: float) -> list[tuple[float, float]]:
    """A saw-tooth cut from (x0, y) to (x1, y)."""
    count = max(4, int(abs(x1 - x0) / tooth_px))
    return [(x0 + (x1 - x0) * i / count, y + (tooth_px * 0.5 if i % 2 else 0.0)) for i in range(count + 1)]


def _film(canvas: Canvas, rng: np.random.Generator, cells: int, gloss: float) -> None:
    """Crumple what is on the layer like printed, metallized film."""
    height, width = canvas.shape
    slope, ridge = facets(rng, height, width, cells)
    fine, fine_ridge = facets(rng, height, width, cells * 3)
    mixed = slope * 0.8
    mixed += fine * 0.3
    np.clip(mixed, -1, 1, out=mixed)
    del slope, fine
    canvas.shade(np.clip(1 + 0.42 * mixed, 0.3, 1.5))
    glint = chrome(rng, mixed, 13, 1.4)
    del mixed
    for rows in blocks(height):
        bright = np.clip(glint[rows] - 0.8, 0, 1) * (2.2 * gloss)
        bright += (ridge[rows] + 0.4 * fine_ridge[rows]) * (0.5 * gloss)
        np.clip(bright, 0, 0.85, out=glint[rows])
    canvas.ink(glint, (0.97, 0.98, 1.0))


def wrapper(rng: np.random.Generator) -> Canvas:
    """A sweet or bar wrapper: narrow, crimped serrated ends, often twisted or torn open to a silver inside."""
    height, width = int(between(rng, 290, 385)), int(between(rng, 95, 160))
    canvas = Canvas(height, width)
    pad = 10.0
    waist = between(rng, 0.5, 1.0) if chance(rng, 0.6) else between(rng, 0.28, 0.45)
    down = np.linspace(0.12, 0.88, 40)
    swell = np.interp(down, [0.12, 0.2, 0.5, 0.8, 0.88], [waist, 0.86, 0.9, 0.86, waist]) * (width / 2 - pad)
    bow = between(rng, -14, 14) * np.sin(down * math.pi)
    edge = rng.normal(0, 1.6, (2, 40))
    mid = width / 2
    right = np.stack([mid + bow + swell + edge[0], down * height], axis=1)
    left = np.stack([mid + bow - swell + edge[1], down * height], axis=1)[::-1]
    crimp = (width / 2 - pad) * between(rng, 0.8, 1.0)
    upper = _zigzag(mid - crimp, mid + crimp, pad, 7)
    lower = _zigzag(mid + crimp, mid - crimp, height - pad, 7)
    outline = np.vstack([np.asarray(upper), right, np.asarray(lower), left])
    art = artwork(rng, width, height)
    canvas.over(polygon(height, width, outline), np.ascontiguousarray(np.rot90(art)))
    y, x = grid(height, width)
    ends = np.clip(1 - np.minimum(y, height - y) / (height * 0.11), 0, 1) > 0
    canvas.shade(1 + 0.22 * np.sin(x * 1.3) * ends)
    if chance(rng, 0.55):
        torn = ragged(
            rng,
            [
                (0, 0),
                (width, 0),
                (width, height * between(rng, 0.15, 0.4)),
                (0, height * between(rng, 0.15, 0.4)),
            ],
            9,
            4,
        )
        canvas.ink(polygon(height, width, torn), (0.78, 0.79, 0.8))
    across = (x - mid) / (width / 2)
    canvas.shade(np.clip(1.08 - 0.3 * across**2, 0.5, 1.1))
    _film(canvas, rng, 22 + pick(rng, 24), between(rng, 0.5, 1.0))
    return canvas


def crisp_bag(rng: np.random.Generator) -> Canvas:
    """An empty crisp bag: loud print, serrated seals, metallized creases, often open."""
    height, width = int(between(rng, 280, 350)), int(between(rng, 215, 270))
    canvas = Canvas(height, width)
    upper = _zigzag(12, width - 12, 10, 8)
    lower = _zigzag(width - 12, 12, height - 10, 8)
    sag = between(rng, -16, 10)
    right = [
        (width - 12 + sag * math.sin(s * math.pi) + float(rng.normal()) * 2, height * s)
        for s in np.linspace(0.06, 0.94, 24)
    ]
    left = [
        (12 - sag * math.sin(s * math.pi) + float(rng.normal()) * 2, height * s) for s in np.linspace(0.94, 0.06, 24)
    ]
    canvas.over(polygon(height, width, [*upper, *right, *lower, *left]), artwork(rng, height, width))
    y, x = grid(height, width)
    if chance(rng, 0.5):
        cut = height * between(rng, 0.1, 0.25)
        torn = ragged(rng, [(0, 0), (width, 0), (width, cut), (0, cut * between(rng, 0.6, 1.3))], 12, 5)
        canvas.ink(polygon(height, width, torn), (0.75, 0.76, 0.77))
    seals = (np.minimum(y, height - y) < 30) * np.float32(1.0)
    canvas.shade(1 + 0.14 * np.sin(y * 1.5) * seals)
    canvas.shade(1.05 - 0.35 * (np.abs(x - width / 2) / (width / 2)) ** 3)
    _film(canvas, rng, 20 + pick(rng, 24), between(rng, 0.5, 1.0))
    return canvas


def tissue(rng: np.random.Generator) -> Canvas:
    """A used tissue: soft limp folds, ragged thin edge, stains."""
    height, width = int(between(rng, 230, 310)), int(between(rng, 240, 330))
    canvas = Canvas(height, width)
    outline = blob(rng, width / 2, height / 2, width * 0.39, height * 0.39, between(rng, 0.12, 0.24), 60)
    white = hsv(between(rng, 0.05, 0.15), between(rng, 0.0, 0.06), between(rng, 0.9, 0.97))
    canvas.over(polygon(height, width, outline), white)
    fringe = np.clip(blur(canvas.alpha, 5) * 2 - 0.62, 0, 1)
    canvas.alpha = canvas.alpha * np.clip(0.45 + fringe, 0, 1)
    folds = np.abs(cloud(rng, height, width, 75, 3)) + 0.5 * np.abs(cloud(rng, height, width, 40, 2))
    slope = np.asarray(np.gradient(blur(folds, 1.5))[pick(rng, 2)])
    canvas.shade(np.clip(1 - 0.3 * np.exp(-folds * 9) + 5.5 * slope, 0.6, 1.08))
    canvas.shade(1 + 0.02 * grain(rng, height, width))
    for _ in range(1 + pick(rng, 4)):
        colour = hsv(between(rng, 0.0, 0.16), between(rng, 0.4, 0.8), between(rng, 0.3, 0.8))
        cx, cy = width * between(rng, 0.3, 0.7), height * between(rng, 0.3, 0.7)
        spot = polygon(height, width, blob(rng, cx, cy, between(rng, 10, 48), between(rng, 10, 40), 0.2, 30))
        soaked = blur(spot, between(rng, 2, 7))
        canvas.ink(np.clip(soaked * (0.55 + 0.4 * cloud(rng, height, width, 14)), 0, 0.85), colour)
    return canvas


def coffee_pod(rng: np.random.Generator) -> Canvas:
    """Used coffee pods, one to three, foil lid pierced, grounds spilt about."""
    size = 330
    canvas = Canvas(size, size)
    for _ in range(70 + pick(rng, 120)):
        cx, cy = float(rng.normal(size / 2, size * 0.17)), float(rng.normal(size / 2, size * 0.17))
        if 8 < cx < size - 8 and 8 < cy < size - 8:
            x0, y0, edge = int(cx) - 6, int(cy) - 6, between(rng, 1.0, 3.6)
            patch = ellipse(13, 13, 6, 6, edge, edge * between(rng, 0.5, 1))
            full = canvas.alpha[y0 : y0 + 13, x0 : x0 + 13]
            tone = np.asarray(hsv(0.06, 0.6, between(rng, 0.08, 0.25)), np.float32)
            region = canvas.bgr[y0 : y0 + 13, x0 : x0 + 13]
            region += (tone - region) * patch[..., None]
            np.maximum(full, patch, out=full)
    count = 1 + pick(rng, 3)
    for index in range(count):
        radius = between(rng, 82, 105) if count == 1 else between(rng, 58, 72)
        turn = index * 2 * math.pi / count + between(rng, 0, 0.8)
        away = 0.0 if count == 1 else radius * 1.12
        cx, cy = size / 2 + away * math.cos(turn), size / 2 + away * math.sin(turn)
        body = vivid(rng)
        y, x = grid(size, size)
        lamp = between(rng, 0, 6.28)
        fall = ((x - cx) * math.cos(lamp) + (y - cy) * math.sin(lamp)) / radius
        ring = ellipse(size, size, cx, cy, radius, radius)
        canvas.over(ring, body, np.clip(0.85 + 0.3 * fall, 0.3, 1.2))
        face = ellipse(size, size, cx, cy, radius * 0.83, radius * 0.83)
        if chance(rng, 0.6):
            canvas.ink(face, hsv(0.1, between(rng, 0, 0.3), 0.8))
            slope, ridge = facets(rng, size, size, 60)
            canvas.shade(1 + face * (np.clip(1 + 0.4 * slope + 0.5 * ridge, 0.3, 1.6) - 1))
            hole = polygon(size, size, blob(rng, cx, cy, radius * 0.3, radius * 0.3, 0.25, 16))
        else:
            hole = face
        ground = hsv(0.06, 0.55, between(rng, 0.1, 0.22))
        mottle = 1 + 0.35 * cloud(rng, size, size, 7, 2) + 0.2 * grain(rng, size, size)
        canvas.ink(hole, ground, mottle)
    return canvas


def foam(rng: np.random.Generator) -> Canvas:
    """A broken piece of expanded polystyrene: beads, crumbling edge, thick side."""
    height, width = int(between(rng, 200, 270)), int(between(rng, 230, 310))
    canvas = Canvas(height, width)
    outline = blob(rng, width / 2, height / 2 - 8, width * 0.38, height * 0.36, between(rng, 0.12, 0.22), 9)
    edge = ragged(rng, [(float(px), float(py)) for px, py in outline], 7, 2.2)
    canvas.over(
        polygon(height, width, edge + np.array([between(rng, -9, 9), between(rng, 12, 20)])), (0.68, 0.68, 0.68)
    )
    canvas.over(polygon(height, width, edge), (0.96, 0.96, 0.95))
    beads, _ = facets(rng, height, width, int(height * width / between(rng, 45, 90)))
    bumps = np.asarray(np.gradient(blur(beads, 1.0))[pick(rng, 2)])
    canvas.shade(np.clip(0.97 + 0.07 * beads + 0.3 * bumps, 0.6, 1.06))
    if chance(rng, 0.5):
        cx, cy = width * between(rng, 0.35, 0.65), height * between(rng, 0.35, 0.6)
        dent = rounded(height, width, cx - 45, cy - 28, cx + 45, cy + 28, 10)
        canvas.shade(1 - 0.16 * dent - 0.14 * np.clip(dent - np.roll(dent, (6, 6), (0, 1)), 0, 1))
    if chance(rng, 0.4):
        stain = np.clip(cloud(rng, height, width, 60, 3) - 0.2, 0, 0.5)
        canvas.ink(stain, hsv(between(rng, 0.03, 0.15), 0.5, 0.6))
    return canvas


def nappy(rng: np.random.Generator) -> Canvas:
    """A rolled used nappy: padded white bundle, elastic gathers, tape, printed front band."""
    height, width = int(between(rng, 190, 250)), int(between(rng, 270, 340))
    canvas = Canvas(height, width)
    outline = blob(rng, width / 2, height / 2, width * 0.43, height * 0.4, 0.06, 40)
    body = polygon(height, width, outline)
    canvas.over(body, (0.94, 0.95, 0.95))
    dome = blur(body, 22) * body
    y, x = grid(height, width)
    canvas.shade(np.clip(0.42 + 0.62 * dome, 0.4, 1.05))
    gather = np.sin(x * between(rng, 0.3, 0.5) + 3 * cloud(rng, height, width, 50)) * np.clip(
        np.abs(y / height - 0.5) * 4 - 0.9, 0, 1
    )
    canvas.shade(1 + 0.13 * gather)
    folds = np.abs(cloud(rng, height, width, 80, 2))
    canvas.shade(1 - 0.2 * np.exp(-folds * 14))
    band = rounded(height, width, width * 0.2, height * 0.42, width * 0.8, height * 0.6, 8) * body
    tone: Colour = hsv(between(rng, 0, 1), between(rng, 0.25, 0.5), 0.9)
    dots = (np.sin(x * 0.35) * np.sin(y * 0.35) > 0.45) * np.float32(1.0)
    canvas.ink(band * (0.35 + 0.5 * dots), tone)
    for side in (0.22, 0.7):
        tab = rounded(height, width, width * side, height * 0.45, width * (side + 0.1), height * 0.57, 5)
        canvas.ink(tab * body * 0.8, hsv(between(rng, 0.4, 0.65), 0.3, 0.95))
    stain = np.clip(blur(polygon(height, width, blob(rng, width * 0.5, height * 0.75, 60, 24, 0.2, 20)), 9), 0, 1)
    canvas.ink(stain * between(rng, 0.2, 0.6) * body, hsv(between(rng, 0.1, 0.16), 0.6, 0.7))
    canvas.shade(1 + 0.018 * grain(rng, height, width))
    return canvas


def pen(rng: np.random.Generator) -> Canvas:
    """A worn-out pen, marker or toothbrush-like stick, sometimes snapped, sometimes two with a straw."""
    height, width = 390, 150
    canvas = Canvas(height, width)
    y, x = grid(height, width)
    count = 1 + pick(rng, 3)
    for index in range(count):
        cx = width / 2 + (index - (count - 1) / 2) * 44
        half, top, bottom = between(rng, 8, 15), between(rng, 8, 60), between(rng, 300, 380)
        lean = between(rng, -0.1, 0.1)
        middle = cx + lean * (y - height / 2) + between(rng, -8, 8) * np.sin(y / height * 3)
        across = (x - middle) / half
        sharp = np.clip((bottom - y) / 30, 0.12, 1) if chance(rng, 0.7) else 1.0
        cover = (
            np.clip((1 - np.abs(across / sharp)) * half + 0.5, 0, 1)
            * np.clip(y - top, 0, 1)
            * np.clip(bottom - y, 0, 1)
        )
        shade = 0.4 + 0.65 * np.sqrt(np.clip(1 - across**2, 0, 1))
        first, second = np.asarray(vivid(rng), np.float32), np.asarray(vivid(rng), np.float32)
        split = between(rng, 0.25, 0.5) * height
        colour = np.where((y < split)[..., None], first, second)
        if chance(rng, 0.35):
            stripes = (np.mod(y + across * 10, 34) < 17)[..., None]
            colour = np.where(stripes, first, np.float32(0.95))
        canvas.over(cover, np.broadcast_to(colour, (height, width, 3)), shade)
        canvas.shine(np.exp(-(((across + 0.3) / 0.16) ** 2)) * cover * 0.65)
        canvas.shade(1 - 0.5 * np.exp(-(((y - split) / 1.6) ** 2)) * cover)
        clip = stroke(height, width, [(cx + 3, top + 14), (cx + 3, split - 18)], 4)
        canvas.ink(clip * cover, second * 0.6)
    return canvas


def tube(rng: np.random.Generator) -> Canvas:
    """A squeezed-out toothpaste or cream tube: crimped flat end, rolled creases, screw cap."""
    length, end, neck = between(rng, 300, 380), between(rng, 44, 60), between(rng, 16, 24)
    profile = [
        (0.0, neck),
        (44.0, neck * 1.1),
        (46.0, neck * 0.7),
        (54, neck * 0.8),
        (80, end * 0.75),
        (length - 16, end),
        (length, end),
    ]
    solid = lathe(profile, 0.0, 2.0)
    height, width = solid.shape
    canvas = Canvas(height, width)
    base = hsv(0, 0, 0.95) if chance(rng, 0.6) else vivid(rng)
    art: Array = np.ascontiguousarray(np.rot90(artwork(rng, int(end * 4), int(length), base)))
    canvas.over(solid.mask, solid.wrap(art, 0.12, 1.0, 0.5))
    canvas.shade(matte(solid, rng, 0.35))
    slope, ridge = facets(rng, height, width, 12 + pick(rng, 12))
    canvas.shade(np.clip(1 + 0.3 * slope, 0.5, 1.4))
    canvas.ink(np.clip(ridge * 0.5, 0, 0.6) * solid.mask, (0.97, 0.97, 0.97))
    crimp = solid.band(1 - 18 / length, 1.0)
    canvas.shade(1 + 0.15 * np.sin(solid.t * 2.2) * crimp)
    reflections(canvas, solid, rng, 0.4, 0.5)
    cap = vivid(rng)
    ribs = 1 + 0.15 * np.sin(np.arcsin(solid.u) * 18)
    shade = (0.45 + 0.6 * solid.facing) * ribs
    canvas.over(solid.band(0, 44 / length), cap, shade)
    return canvas
