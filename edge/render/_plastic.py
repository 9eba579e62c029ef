"""Plastic: PET bottles, cups, detergent bottles, clear trays, tubs."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge.render._canvas import (
    Array,
    Canvas,
    Colour,
    between,
    blur,
    chance,
    cloud,
    facets,
    grid,
    hsv,
    pick,
    polygon,
    rounded,
    scaled,
    stroke,
    vivid,
)
from edge.render._print import artwork
from edge.render._solid import Solid, lathe, matte, reflections, transparent


def _cap(canvas: Canvas, solid: Solid, rng: np.random.Generator, stop: float, colour: Colour) -> None:
    """A ribbed screw cap over the upper end of a body."""
    ribs = 1 + 0.16 * np.sin(np.arcsin(solid.u) * between(rng, 22, 34))
    shade = (0.4 + 0.6 * solid.facing) * ribs
    canvas.over(solid.band(0.0, stop), colour, shade)
    canvas.shine(solid.band(0.0, stop) * solid.strip(between(rng, -0.5, 0.5), 0.15) * 0.35)
    canvas.over(solid.end(True), scaled(colour, 1.1, 0.04))
    canvas.shade(1 - 0.4 * np.exp(-(((solid.t - stop * solid.length_px) / 1.6) ** 2)) * solid.mask)


def _squash(canvas: Canvas, rng: np.random.Generator, amount_px: float) -> Canvas:
    """Bend and dent the layer's outline."""
    height, width = canvas.shape
    y, x = grid(height, width)
    bow = amount_px * np.sin(y / height * math.pi * between(rng, 0.8, 2.0) + between(rng, 0, 6))
    middle = np.clip(np.sin(y / height * math.pi), 0, 1)
    squeeze = 1 + amount_px / 60 * middle * (0.5 + 0.5 * np.sin(y / height * between(rng, 5, 12)))
    map_x = cloud(rng, height, width, 50)
    map_x *= amount_px * 0.5
    map_x += width / 2 + bow
    map_x += (x - width / 2) * squeeze
    map_y = cloud(rng, height, width, 60, 1)
    map_y *= amount_px * 0.5
    map_y += y
    canvas.bend(map_x, map_y)
    return canvas


def _film_folds(canvas: Canvas, rng: np.random.Generator, mask: Array, cells: int, power: float) -> None:
    """White and dark creases of thin clear plastic."""
    height, width = canvas.shape
    slope, ridge = facets(rng, height, width, cells)
    canvas.shine(np.clip(ridge * 1.2, 0, 1) * mask * power)
    canvas.shine(np.clip(slope - 0.45, 0, 1) * mask * power * 1.1)
    canvas.over(np.clip(-slope - 0.45, 0, 1) * mask * power * 0.6, (0.42, 0.38, 0.34))


def pet_bottle(rng: np.random.Generator) -> Canvas:
    """A drinks bottle in thin PET: cap, rings, petal foot, wrap label, dents."""
    radius, length = between(rng, 52, 66), between(rng, 300, 390)
    neck, shoulder = 0.1 * length, between(rng, 0.28, 0.36) * length
    profile = [
        (0.0, radius * 0.31),
        (neck * 0.6, radius * 0.31),
        (neck * 0.7, radius * 0.38),
        (neck * 0.8, radius * 0.28),
        (neck * 1.05, radius * 0.3),
        (shoulder * 0.75, radius * 0.82),
        (shoulder, radius),
        (length * 0.66, radius * between(rng, 0.88, 1.0)),
        (length - 16, radius),
        (length, radius * 0.72),
    ]
    solid = lathe(profile, between(rng, 0.04, 0.15), 4)
    canvas = Canvas(*solid.shape)
    roll = rng.random()
    tint: Colour = (0.93, 0.91, 0.88)
    if roll < 0.3:
        tint = (0.93, 0.8, 0.62)
    elif roll < 0.42:
        tint = (0.66, 0.86, 0.55)
    transparent(canvas, solid, rng, tint, between(rng, 0.25, 0.5))
    transparent(canvas, solid, rng, tint, 0.2)
    if chance(rng, 0.15):
        drink = hsv(between(rng, 0.02, 0.12), 0.85, between(rng, 0.25, 0.8))
        canvas.over(solid.band(between(rng, 0.4, 0.8), 1.0) * 0.85, drink)
    pitch = between(rng, 13, 24)
    rings = np.sin(solid.t * 2 * math.pi / pitch)
    body = solid.band(shoulder / length, 0.95)
    canvas.over(np.clip(-rings - 0.5, 0, 1) * body * 0.45, scaled(tint, 0.5))
    canvas.shine(np.clip(rings - 0.6, 0, 1) * body * between(rng, 0.4, 1.0))
    for side in (-1.0, 1.0):
        canvas.over(solid.strip(side * 0.985, 0.04) * 0.5, scaled(tint, 0.45))
    petals = np.abs(np.sin(np.arcsin(solid.u) * 2.5 + between(rng, 0, 2))) * solid.band(0.9, 1.0)
    canvas.over(petals * 0.3, scaled(tint, 0.5))
    _film_folds(canvas, rng, solid.mask, 14 + pick(rng, 24), between(rng, 0.3, 0.8))
    if chance(rng, 0.75):
        start = between(rng, 0.36, 0.46)
        stop = start + between(rng, 0.18, 0.34)
        art = artwork(rng, int((stop - start) * length) + 2, int(radius * 5.5))
        lit = 0.45 + 0.55 * solid.facing
        canvas.over(solid.band(start, stop) * 0.97, solid.wrap(art, start, stop, between(rng, 0, 1)), lit)
        slope, _ = facets(rng, *canvas.shape, 16)
        canvas.shade(1 + 0.16 * slope * solid.band(start, stop))
    reflections(canvas, solid, rng, between(rng, 0.4, 0.85), between(rng, 0.2, 0.8))
    if chance(rng, 0.85):
        colour = vivid(rng) if chance(rng, 0.6) else hsv(between(rng, 0.55, 0.65), 0.8, 0.8)
        _cap(canvas, solid, rng, 0.06, colour)
    if chance(rng, 0.55):
        _squash(canvas, rng, between(rng, 4, 20))
    return canvas


def cup(rng: np.random.Generator) -> Canvas:
    """A tapered cup, white, clear or coloured, ribbed, its mouth in view."""
    top, base, length = between(rng, 76, 104), between(rng, 48, 66), between(rng, 180, 260)
    solid = lathe([(0.0, top + 4), (5, top + 4), (8, top), (length, base)], between(rng, 0.2, 0.5), 0.8)
    canvas = Canvas(*solid.shape)
    ribs = np.sin(solid.t * 2 * math.pi / between(rng, 10, 22)) * solid.band(
        between(rng, 0.1, 0.4), between(rng, 0.6, 0.95)
    )
    if chance(rng, 0.4):
        tint = (0.92, 0.92, 0.9)
        canvas.over(solid.end(True) * 0.25, (0.85, 0.85, 0.85))
        transparent(canvas, solid, rng, tint, 0.35)
        canvas.over(np.clip(-ribs, 0, 1) * 0.3, (0.5, 0.5, 0.48))
        canvas.shine(np.clip(ribs - 0.3, 0, 1) * 0.8)
        _film_folds(canvas, rng, solid.mask, 14, between(rng, 0.2, 0.6))
        for side in (-1.0, 1.0):
            canvas.over(solid.strip(side * 0.985, 0.03) * 0.5, (0.45, 0.45, 0.43))
        rim = np.clip(solid.end(True) - solid.end(True, 0.95), 0, 1)
        canvas.over(rim * 0.55, (0.9, 0.9, 0.9))
        if chance(rng, 0.4):
            art = artwork(rng, 100, int(top * 5), vivid(rng))
            canvas.over(solid.band(0.3, 0.75) * 0.85, solid.wrap(art, 0.3, 0.75, between(rng, 0, 1)))
    else:
        colour = hsv(between(rng, 0, 1), between(rng, 0, 0.05), 0.95) if chance(rng, 0.45) else vivid(rng)
        canvas.over(solid.mask, colour, matte(solid, rng, 0.5))
        canvas.shade(1 + 0.1 * ribs)
        canvas.over(solid.end(True), scaled(colour, 1.06, 0.03))
        y, _ = grid(*canvas.shape)
        deep = 0.5 + 0.45 * np.clip((y - solid.top) / (solid.tilt * top) * 0.5 + 0.5, 0, 1)
        inside = (0.94, 0.94, 0.94) if chance(rng, 0.6) else colour
        canvas.ink(solid.end(True, 0.93), inside, np.broadcast_to(deep, canvas.shape))
    reflections(canvas, solid, rng, between(rng, 0.3, 0.7), 0.4)
    if chance(rng, 0.35):
        _squash(canvas, rng, between(rng, 4, 14))
    return canvas


def detergent_bottle(rng: np.random.Generator) -> Canvas:
    """An opaque bottle with a handle or a waist, coloured cap and a large printed label."""
    height, width = int(between(rng, 330, 395)), int(between(rng, 150, 195))
    canvas = Canvas(height, width)
    half, mid = width / 2 - 8, width / 2
    neck = half * between(rng, 0.28, 0.42)
    waist = between(rng, 0.75, 1.0)
    stations = [
        (0.13, neck),
        (0.2, neck),
        (0.3, half * 0.85),
        (0.4, half),
        (0.6, half * waist),
        (0.75, half),
        (0.97, half * 0.96),
    ]
    down = np.linspace(0.13, 0.985, 110)
    reach = np.interp(down, [s[0] for s in stations], [s[1] for s in stations])
    reach = np.convolve(np.pad(reach, 3, mode="edge"), np.full(7, 1 / 7), mode="valid")
    lean = between(rng, -0.25, 0.25) * half * np.clip((0.42 - down) / 0.3, 0, 1)
    right = np.stack([mid + lean + reach, down * height], axis=1)
    left = np.stack([mid + lean - reach, down * height], axis=1)[::-1]
    foot = between(rng, 16, 30)
    low = (down[-1] - down) * height
    inward = foot - np.sqrt(np.clip(foot**2 - np.clip(foot - low, 0, foot) ** 2, 0, None))
    right[:, 0] -= inward
    left[:, 0] += inward[::-1]
    body = polygon(height, width, np.vstack([right, left]))
    colour = vivid(rng)
    canvas.over(body, colour)
    dome = blur(body, 16) * body
    slope_x = np.asarray(cv2.Sobel(blur(body, 13), cv2.CV_32F, 1, 0, ksize=3))
    side = 1.0 if chance(rng, 0.5) else -1.0
    canvas.shade(np.clip(0.5 + 0.55 * dome + side * 3.2 * slope_x, 0.35, 1.35))
    if chance(rng, 0.5):
        hx, hy = mid + side * half * 0.42, height * 0.36
        grip = rounded(height, width, hx - half * 0.2, hy - 44, hx + half * 0.2, hy + 44, half * 0.19)
        canvas.shade(1 - 0.35 * blur(grip, 5))
        canvas.alpha = canvas.alpha * (1 - grip)
    y0, y1 = int(height * between(rng, 0.46, 0.52)), int(height * between(rng, 0.84, 0.93))
    wide = half * waist * between(rng, 0.72, 0.86)
    art = artwork(rng, y1 - y0, int(2 * wide))
    sheet = np.zeros((height, width, 3), np.uint8)
    x0 = int(mid - wide)
    sheet[y0:y1, x0 : x0 + art.shape[1]] = art
    label = rounded(height, width, mid - wide + 1, y0 + 1, mid + wide - 2, y1 - 2, between(rng, 6, 30))
    canvas.ink(label * (canvas.alpha > 0.5), sheet, 0.6 + 0.4 * dome)
    y, x = grid(height, width)
    gloss = np.exp(-(((x - mid - side * half * 0.5) / 7) ** 2)) * np.clip((y / height - 0.25) * 6, 0, 1)
    canvas.shine(gloss * between(rng, 0.25, 0.6) * body * np.clip(0.8 + cloud(rng, height, width, 60), 0, 1))
    cap = vivid(rng)
    top_lean = float(lean[0])
    lid = rounded(height, width, mid + top_lean - neck * 1.2, 8, mid + top_lean + neck * 1.2, height * 0.15, 7)
    across = (x - mid - top_lean) / (neck * 1.25)
    shade = (0.5 + 0.55 * np.sqrt(np.clip(1 - across**2, 0, 1))) * (1 + 0.08 * np.sin(x * 1.4))
    canvas.over(lid, cap, np.broadcast_to(shade, canvas.shape))
    return canvas


def clear_tray(rng: np.random.Generator) -> Canvas:
    """A fruit or salad tray in clear plastic: double rims, ribs, glints, sometimes a sticker."""
    height, width = int(between(rng, 190, 250)), int(between(rng, 250, 330))
    canvas = Canvas(height, width)
    corner = between(rng, 18, 46)
    outer = rounded(height, width, 5, 5, width - 5, height - 5, corner)
    canvas.over(outer * between(rng, 0.16, 0.34), (0.86, 0.86, 0.85))
    y, x = grid(height, width)
    step = between(rng, 9, 14)
    insets = [0.0, step, between(rng, 26, 36), between(rng, 42, 52)]
    for inset in insets:
        low = 5 + inset
        shape = rounded(height, width, low, low, width - low, height - low, max(corner - inset * 0.5, 8))
        edge = np.clip(np.abs(blur(shape, 0.9) - blur(shape, 2.2)) * 4.5, 0, 1)
        canvas.over(edge * between(rng, 0.3, 0.6), (0.4, 0.4, 0.4))
        canvas.shine(np.roll(edge, (2, 2), (0, 1)) * between(rng, 0.5, 1.0) * outer)
    wall = outer * (1 - rounded(height, width, 48, 48, width - 48, height - 48, 10))
    ribs = np.clip(np.sin((x if chance(rng, 0.5) else x + y) * 2 * math.pi / between(rng, 16, 26)) - 0.6, 0, 1)
    canvas.shine((ribs + 0 * y) * wall * 1.3)
    _film_folds(canvas, rng, outer, 16 + pick(rng, 18), between(rng, 0.35, 0.8))
    if chance(rng, 0.45):
        sw, sh = int(width * between(rng, 0.3, 0.45)), int(height * between(rng, 0.25, 0.4))
        sx, sy = int(between(rng, 40, width - sw - 40)), int(between(rng, 40, height - sh - 40))
        sheet = np.zeros((height, width, 3), np.uint8)
        sheet[sy : sy + sh, sx : sx + sw] = artwork(rng, sh, sw)
        canvas.over(rounded(height, width, sx + 1, sy + 1, sx + sw - 2, sy + sh - 2, between(rng, 5, sh / 2)), sheet)
    return canvas


def tub(rng: np.random.Generator) -> Canvas:
    """A yoghurt or margarine tub seen from above: glossy rim, inside, leftovers, pull-tab lid."""
    size = int(between(rng, 240, 300))
    solid = lathe(
        [(0.0, size / 2), (4, size / 2), (7, size / 2 - 6), (between(rng, 40, 90), size * 0.36)],
        between(rng, 0.6, 0.9),
        0.5,
    )
    canvas = Canvas(*solid.shape)
    colour = hsv(between(rng, 0, 1), between(rng, 0, 0.06), 0.96) if chance(rng, 0.6) else vivid(rng)
    art = artwork(rng, 80, int(size * 2.6), colour)
    canvas.over(solid.mask, solid.wrap(art, 0.1, 1.0, between(rng, 0, 1)), matte(solid, rng, 0.5))
    canvas.over(solid.end(True), scaled(colour, 1.03))
    edge = np.clip(solid.end(True, 0.97) - solid.end(True, 0.91), 0, 1)
    canvas.shade(1 - 0.22 * edge)
    y, x = grid(*canvas.shape)
    inside = solid.end(True, 0.9)
    lamp = between(rng, 0, 6.28)
    fall = ((x - solid.cx) * math.cos(lamp) + (y - solid.top) * math.sin(lamp)) / size
    canvas.ink(inside, colour, np.clip(0.8 + 0.45 * fall, 0.4, 1))
    floor = solid.end(True, between(rng, 0.6, 0.72))
    canvas.shade(1 - 0.16 * np.clip(blur(floor, 2.0), 0, 1))
    canvas.shade(1 - 0.25 * np.clip(np.abs(blur(floor, 1.0) - blur(floor, 3.0)) * 3, 0, 1))
    if chance(rng, 0.5):
        rest = hsv(between(rng, 0.9, 1.15), between(rng, 0.1, 0.5), 0.93)
        canvas.ink(np.clip(cloud(rng, *canvas.shape, 60, 3) * 2 - 0.3, 0, 0.9) * inside, rest)
    gloss = stroke(
        *canvas.shape, [(solid.cx - size * 0.2, solid.top - 20), (solid.cx - size * 0.05, solid.top - 50)], 9
    )
    canvas.shine(blur(gloss, 3) * between(rng, 0.3, 0.8) * inside)
    canvas.shine(edge * np.clip(cloud(rng, *canvas.shape, 70), 0, 1) * 0.8)
    return canvas
