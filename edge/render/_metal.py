"""Metal: drinks cans, food tins, crushed cans, foil trays, foil balls, lids."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge.render._canvas import (
    Array,
    Canvas,
    between,
    blob,
    blocks,
    blur,
    chance,
    chrome,
    cloud,
    ellipse,
    facets,
    fibre,
    grain,
    grid,
    hsv,
    pick,
    polygon,
    rounded,
    vivid,
)
from edge.render._print import artwork
from edge.render._solid import Solid, lathe


def _bare(rng: np.random.Generator) -> Array:
    """The colour of bare metal: aluminium, tin plate, seldom gold lacquer. (3,) float32."""
    if chance(rng, 0.12):
        return np.asarray(hsv(0.12, between(rng, 0.3, 0.5), 0.85), np.float32)
    return np.asarray(hsv(between(rng, 0.08, 0.62), between(rng, 0.0, 0.06), between(rng, 0.8, 0.95)), np.float32)


def _mirror(rng: np.random.Generator, solid: Solid) -> Array:
    """The room mirrored in a cylinder, brushed round it, (h, w)."""
    bent = cloud(rng, *solid.shape, 60, 2)
    bent *= 0.05
    bent += solid.u
    np.clip(bent, -1, 1, out=bent)
    room = chrome(rng, bent, 9 + pick(rng, 6), between(rng, 0.8, 1.3))
    brushed = fibre(rng, *solid.shape, 15, False)
    for rows in blocks(len(room)):
        room[rows] *= (1 + 0.03 * brushed[rows]) * (0.35 + 0.65 * np.sqrt(solid.facing[rows]))
    return room


def _disc_sheen(rng: np.random.Generator, solid: Solid, is_top: bool) -> Array:
    """The fan of light on a turned metal disc, (h, w), about 0.4..1."""
    y, x = grid(*solid.shape)
    middle = solid.top + (0.0 if is_top else solid.length_px)
    turn = between(rng, 0, math.pi)
    sheen: Array = np.empty(solid.shape, np.float32)
    for rows in blocks(len(sheen)):
        angle = np.arctan2((y[rows] - middle) / max(solid.tilt, 0.05), x - solid.cx)
        fan = np.abs(np.cos(2 * (angle - turn)))
        sheen[rows] = 0.68 + 0.24 * fan**3 + 0.05 * np.cos(5 * angle)
    return sheen


def _can_lid(canvas: Canvas, solid: Solid, rng: np.random.Generator, metal: Array) -> None:
    """A drinks can's end with rim, panel, tab and mouth."""
    height, width = canvas.shape
    sheen = _disc_sheen(rng, solid, True)
    canvas.over(solid.end(True), metal * 1.15, sheen)
    canvas.ink(solid.end(True, 0.92) * 0.75, metal * 0.35)
    canvas.ink(solid.end(True, 0.86), metal, sheen)
    flat = solid.tilt * solid.top_radius_px
    if flat < 9:
        return
    turn = between(rng, -0.4, 0.4)
    cx = solid.cx + solid.top_radius_px * 0.3 * math.sin(turn)
    hole = ellipse(height, width, cx, solid.top + flat * 0.42, solid.top_radius_px * 0.33, flat * 0.28)
    canvas.ink(hole, (0.06, 0.06, 0.07) if chance(rng, 0.7) else metal * 0.5)
    tab = ellipse(height, width, solid.cx, solid.top - flat * 0.18, solid.top_radius_px * 0.2, flat * 0.42)
    canvas.ink(tab, np.clip(metal * 1.05, 0, 1))
    slot = ellipse(height, width, solid.cx, solid.top - flat * 0.35, solid.top_radius_px * 0.1, flat * 0.16)
    canvas.ink(np.clip(slot, 0, 1), metal * 0.4)


def _can(rng: np.random.Generator) -> tuple[Canvas, Array]:
    slim = between(rng, 0.78, 1.0)
    radius, length = 74 * slim, between(rng, 215, 285)
    profile = [
        (0.0, radius * 0.84),
        (6.0, radius * 0.86),
        (24.0, radius),
        (length - 20, radius),
        (length - 4, radius * 0.8),
        (length, radius * 0.76),
    ]
    solid = lathe(profile, between(rng, 0.1, 0.42), 2.5)
    canvas = Canvas(*solid.shape)
    metal = _bare(rng)
    room = _mirror(rng, solid)
    canvas.over(solid.mask, metal, room)
    art = artwork(rng, int(length), int(radius * 5.5), None if chance(rng, 0.8) else (0.75, 0.76, 0.77))
    print_mask = solid.band(9 / length, 1 - 16 / length)
    lacquer = solid.wrap(art, 0.05, 0.95, between(rng, 0, 1))
    canvas.ink(print_mask * between(rng, 0.86, 0.97), lacquer, 0.25 + 0.85 * np.clip(room, 0, 1.1))
    for _ in range(2):
        canvas.shine(solid.strip(between(rng, -0.8, 0.8), between(rng, 0.03, 0.1)) * between(rng, 0.35, 0.8))
    _can_lid(canvas, solid, rng, metal)
    return canvas, metal


def drinks_can(rng: np.random.Generator) -> Canvas:
    """A whole drinks can, printed, its lid in view."""
    return _can(rng)[0]


def crushed_can(rng: np.random.Generator) -> Canvas:
    """A drinks can squeezed flat: dents, sharp folds, bent outline."""
    canvas, metal = _can(rng)
    pad = ((20, 20), (50, 50))
    canvas.alpha = np.pad(canvas.alpha, pad)
    canvas.bgr = np.pad(canvas.bgr, (*pad, (0, 0)))
    height, width = canvas.shape
    slope, ridge = facets(rng, height, width, 14 + pick(rng, 14))
    canvas.shade(np.clip(1 + 0.75 * blur(slope, 2.0), 0.25, 1.7))
    glint = np.clip(slope - 0.55, 0, 1) * 1.6
    canvas.ink(np.clip(glint, 0, 0.8) * (canvas.alpha > 0.5), np.clip(metal * 1.1, 0, 1))
    canvas.ink(np.clip(ridge * 0.8, 0, 1), metal)
    y, x = grid(height, width)
    kink = between(rng, 8, 22)
    push = kink * np.sin(y / height * math.pi * between(rng, 1.0, 2.2) + between(rng, 0, 6))
    squeeze = 1.0 + between(rng, 0.1, 0.4) * np.cos(y / height * 2 * math.pi * between(rng, 0.7, 1.6))
    wild = 7 * cloud(rng, height, width, 45, 2)
    map_x = wild
    map_x += width / 2 + push
    map_x += (x - width / 2) * squeeze
    stretch = between(rng, 1.0, 1.25)
    map_y = cloud(rng, height, width, 60, 1)
    map_y *= 10
    map_y += height / 2 + (y - height / 2) * stretch
    canvas.bend(map_x, map_y)
    return canvas


def food_tin(rng: np.random.Generator) -> Canvas:
    """A food tin: ribbed bare wall or a paper label, a ringed lid or an open end."""
    radius, length = between(rng, 78, 105), between(rng, 120, 230)
    solid = lathe([(0.0, radius), (length, radius)], between(rng, 0.22, 0.55), 0)
    height, width = solid.shape
    canvas = Canvas(height, width)
    metal = _bare(rng)
    room = _mirror(rng, solid)
    canvas.over(solid.mask, metal, room)
    pitch = between(rng, 9, 15)
    ribs = np.sin(solid.t * 2 * math.pi / pitch) * solid.band(0.2, 0.8)
    canvas.shade(np.clip(1 + 0.22 * ribs, 0, 2))
    if chance(rng, 0.6):
        art = artwork(rng, int(length), int(radius * 5.5))
        label = solid.wrap(art, 0.06, 0.94, between(rng, 0, 1))
        canvas.ink(solid.band(0.06, 0.94), label, 0.4 + 0.6 * solid.facing)
        canvas.shine(solid.strip(between(rng, -0.6, 0.6), 0.12) * 0.3)
    else:
        canvas.shine(solid.strip(between(rng, -0.7, 0.7), 0.06) * 0.6)
    for at in (0.02, 0.98):
        seam = np.exp(-(((solid.t - at * length) / 2.5) ** 2)) * solid.mask
        canvas.ink(seam * 0.8, metal, 0.5 + 0.7 * room)
    sheen = _disc_sheen(rng, solid, True)
    canvas.over(solid.end(True), metal * 1.2, sheen)
    if chance(rng, 0.45):
        canvas.ink(solid.end(True, 0.94), metal * 0.35, sheen)
        y, _ = grid(height, width)
        deep = np.clip((y - solid.top) / (solid.tilt * radius) * 0.5 + 0.4, 0, 1)
        canvas.ink(solid.end(True, 0.94) * deep * 0.8, metal * 0.9, room)
    else:
        for ring in (0.93, 0.82, 0.7, 0.45):
            canvas.ink((solid.end(True, ring) - solid.end(True, ring - 0.035)) * 0.55, metal * 0.4)
            canvas.shine((solid.end(True, ring - 0.035) - solid.end(True, ring - 0.06)) * 0.4)
    return canvas


def _foil(canvas: Canvas, rng: np.random.Generator, cells: int, metal: Array) -> None:
    """Turn what is on the layer into creased foil: mirror facets with hard glints."""
    height, width = canvas.shape
    slope, ridge = facets(rng, height, width, cells)
    fine, fine_ridge = facets(rng, height, width, cells * 3)
    room = chrome(rng, np.clip(slope * 0.9, -1, 1), 6, 1.3)
    room *= 0.7
    room += 0.28
    room += 0.2 * slope
    room += 0.14 * fine
    del slope, fine
    canvas.ink(np.ones((height, width), np.float32), metal, room)
    canvas.ink(np.clip(0.7 * ridge + 0.35 * fine_ridge, 0, 0.9), (0.98, 0.98, 0.98))
    canvas.shade(1 + 0.02 * grain(rng, height, width))


def foil_tray(rng: np.random.Generator) -> Canvas:
    """A ready-meal tray in thin aluminium: rolled rim, fluted wall, flat stamped floor."""
    height, width = int(between(rng, 180, 250)), int(between(rng, 250, 340))
    canvas = Canvas(height, width)
    metal = np.asarray((0.9, 0.9, 0.89), np.float32)
    corner, rim, wall = between(rng, 24, 60), between(rng, 10, 17), between(rng, 26, 44)
    canvas.over(rounded(height, width, 4, 4, width - 4, height - 4, corner), metal)
    _foil(canvas, rng, 18 + pick(rng, 20), metal)
    inner = rounded(height, width, 4 + rim, 4 + rim, width - 4 - rim, height - 4 - rim, corner * 0.85)
    deep = rim + wall
    floor = rounded(height, width, 4 + deep, 4 + deep, width - 4 - deep, height - 4 - deep, max(corner - wall, 9) * 0.9)
    side = np.clip(inner - floor, 0, 1)
    y, x = grid(height, width)
    angle = np.arctan2((y - height / 2) * width / height, x - width / 2)
    flutes = np.sin(angle * (50 + pick(rng, 40)))
    lamp = np.cos(angle - between(rng, 0, 6.28))
    canvas.ink(side * 0.85, metal, 0.55 + 0.22 * flutes + 0.22 * lamp)
    canvas.ink(floor * 0.72, metal * between(rng, 0.6, 0.85))
    edge = blur(np.abs(np.asarray(cv2.Laplacian(blur(inner + floor, 1.0), cv2.CV_32F))), 0.8)
    canvas.ink(np.clip(edge * 2.0, 0, 0.8), (0.98, 0.98, 0.98))
    outer = rounded(height, width, 8, 8, width - 8, height - 8, corner)
    canvas.shade(0.72 + 0.28 * outer)
    if chance(rng, 0.4):
        stain = np.clip(cloud(rng, height, width, 50, 3) - 0.3, 0, 1) * floor
        canvas.ink(np.clip(stain * 1.3, 0, 0.8), hsv(between(rng, 0.02, 0.12), 0.7, 0.45))
    return canvas


def foil_ball(rng: np.random.Generator) -> Canvas:
    """A crumpled sheet of kitchen or chocolate foil."""
    height, width = int(between(rng, 170, 270)), int(between(rng, 210, 300))
    canvas = Canvas(height, width)
    outline = blob(rng, width / 2, height / 2, width * 0.38, height * 0.38, between(rng, 0.1, 0.22), 36)
    metal = _bare(rng)
    if chance(rng, 0.2):
        metal = np.asarray(vivid(rng), np.float32) * 0.5 + 0.45
    canvas.over(polygon(height, width, outline), metal)
    _foil(canvas, rng, 30 + pick(rng, 50), metal)
    y, x = grid(height, width)
    rim = np.hypot((x - width / 2) / width, (y - height / 2) / height) * 2
    canvas.shade(np.clip(1.12 - 0.45 * rim**3, 0.4, 1.2))
    return canvas


def lid(rng: np.random.Generator) -> Canvas:
    """The screw lid of a jar or a tin's torn-off lid, flat on the tray."""
    size = int(between(rng, 215, 260))
    solid = lathe([(0.0, size / 2), (between(rng, 4, 12), size / 2)], between(rng, 0.86, 0.98), 0)
    height, width = solid.shape
    canvas = Canvas(height, width)
    metal = _bare(rng)
    room = _mirror(rng, solid)
    canvas.over(solid.mask, metal * 0.8, room)
    is_painted = chance(rng, 0.35)
    face = np.asarray(vivid(rng), np.float32) if is_painted else metal
    canvas.over(solid.end(True), face * 1.15, _disc_sheen(rng, solid, True))
    for ring in sorted((between(rng, 0.25, 0.96) for _ in range(3 + pick(rng, 3))), reverse=True):
        canvas.ink((solid.end(True, ring) - solid.end(True, ring - 0.02)) * 0.6, face * 0.4)
        canvas.shine((solid.end(True, ring - 0.02) - solid.end(True, ring - 0.04)) * 0.6)
    canvas.shade(1 + 0.02 * fibre(rng, height, width, 21, False))
    return canvas
