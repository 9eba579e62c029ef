"""Cardboard: cartons, torn pieces, egg boxes, open boxes, rolls."""

from __future__ import annotations

import math

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
    ellipse,
    fibre,
    grain,
    grid,
    hsv,
    pick,
    polygon,
    ragged,
    scaled,
    stroke,
)
from edge.render._print import barcode, text_lines, word
from edge.render._solid import lathe, matte


def kraft(rng: np.random.Generator) -> Colour:
    """A brown of unbleached board, from sandy to dark."""
    return hsv(between(rng, 0.065, 0.1), between(rng, 0.3, 0.52), between(rng, 0.55, 0.82))


def board(rng: np.random.Generator, height: int, width: int, base: Colour, is_fluted: bool = True) -> Array:
    """A sheet of board: fibres, flutes that show through, stains. (h, w, 3) uint8."""
    y, x = grid(height, width)
    tone = cloud(rng, height, width, 90, 3)
    tone *= 0.05
    tone += 1.0
    for rows in blocks(height):
        tone[rows] += 0.014 * grain(rng, rows.stop - rows.start, width)
    strands = fibre(rng, height, width, 9, chance(rng, 0.5))
    strands *= 0.018
    tone += strands
    if is_fluted:
        pitch = between(rng, 6.0, 11.0)
        axis = x if chance(rng, 0.5) else y
        waves = cloud(rng, height, width, 70, 1)
        waves *= 1.5
        waves += axis
        waves *= 2 * math.pi / pitch
        np.sin(waves, out=waves)
        waves *= between(rng, 0.012, 0.05)
        tone += waves
    sheet = np.empty((height, width, 3), np.uint8)
    ink = 255 * np.asarray(base, np.float32)
    for rows in blocks(height):
        sheet[rows] = np.clip(np.rint(ink * tone[rows, :, None]), 0, 255)
    return sheet


def _printed(rng: np.random.Generator, sheet: Array) -> Array:
    """Stamp shipping marks on a sheet, in one dark ink that soaks in."""
    height, width = sheet.shape[:2]
    image = np.full((height, width, 3), 255, np.uint8)
    ink = (0.12, 0.1, 0.1) if chance(rng, 0.7) else hsv(between(rng, 0, 1), 0.7, 0.4)
    if chance(rng, 0.7):
        x, y = int(width * between(rng, 0.1, 0.4)), int(height * between(rng, 0.25, 0.8))
        word(rng, image, x, y, int(width * between(rng, 0.3, 0.6)), ink)
    if chance(rng, 0.5):
        barcode(
            rng,
            image,
            int(width * between(rng, 0.1, 0.6)),
            int(height * between(rng, 0.1, 0.7)),
            width // 5,
            26,
        )
    if chance(rng, 0.5):
        x, y = int(width * between(rng, 0.1, 0.5)), int(height * between(rng, 0.1, 0.7))
        text_lines(rng, image, x, y, x + width // 3, y + 40, 9, ink)
    for rows in blocks(height):
        image[rows] = np.rint(sheet[rows] * (0.12 + image[rows] * np.float32(0.88 / 255)))
    return image


def _tape(rng: np.random.Generator, canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Stick a strip of tape, brown, clear or blue, from point to point."""
    height, width = canvas.shape
    broad = int(between(rng, 18, 34))
    strip = stroke(height, width, [start, end], broad) * (canvas.alpha > 0.5)
    roll = pick(rng, 4)
    if roll == 0:
        canvas.ink(strip * 0.9, hsv(between(rng, 0.55, 0.6), 0.8, 0.75))
    elif roll == 1:
        canvas.ink(strip * 0.6, hsv(0.09, 0.5, 0.5))
    else:
        canvas.ink(strip * 0.35, hsv(0.11, 0.2, 0.92))
    strip *= np.clip(cloud(rng, height, width, 30), 0, 1)
    canvas.ink(strip * 0.35, (0.95, 0.97, 1.0))


def _edge_lines(canvas: Canvas, points: Array, base: Colour, rng: np.random.Generator) -> None:
    """Show the cut edge of corrugated board: a pale rim with the dark holes of the flutes."""
    height, width = canvas.shape
    closed = np.vstack([points, points[:1]])
    start = pick(rng, len(points))
    some = np.take(closed, range(start, start + max(2, len(points) // 3)), axis=0, mode="wrap")
    rim = stroke(height, width, some, 6)
    y, x = grid(height, width)
    holes = 0.5 + 0.5 * np.sin((x + y) * 0.9)
    pale = scaled(base, 1.18)
    canvas.ink(rim, pale, 1.0 - 0.5 * holes * rim)


def piece(rng: np.random.Generator) -> Canvas:
    """A torn or cut flat piece of corrugated board, with folds and marks."""
    height, width = int(between(rng, 190, 320)), int(between(rng, 250, 380))
    base = kraft(rng)
    canvas = Canvas(height, width)
    inset = 0.22
    corners = [
        (width * between(rng, 0.02, inset), height * between(rng, 0.03, inset)),
        (width * between(rng, 1 - inset, 0.97), height * between(rng, 0.03, inset)),
        (width * between(rng, 1 - inset, 0.97), height * between(rng, 1 - inset, 0.97)),
        (width * between(rng, 0.02, inset), height * between(rng, 1 - inset, 0.97)),
    ]
    if chance(rng, 0.5):
        corners.insert(pick(rng, 4), (width * between(rng, 0.3, 0.7), height * between(rng, 0.05, 0.3)))
        middle = np.mean(corners, axis=0)
        corners.sort(key=lambda p: math.atan2(p[1] - middle[1], p[0] - middle[0]))
    outline = ragged(rng, corners, between(rng, 8, 20), between(rng, 0.3, 3.0))
    sheet = board(rng, height, width, base)
    canvas.over(polygon(height, width, outline), _printed(rng, sheet) if chance(rng, 0.55) else sheet)
    y, x = grid(height, width)
    for _ in range(1 + pick(rng, 3)):
        turn = between(rng, 0, math.pi) if chance(rng, 0.3) else math.pi / 2 * pick(rng, 2)
        offset = between(rng, -0.25, 0.25) * min(height, width)
        across = (x - width / 2) * math.cos(turn) + (y - height / 2) * math.sin(turn) - offset
        canvas.shade(1.0 + between(rng, -0.14, 0.14) * np.tanh(across / 4))
        canvas.shade(1.0 - between(rng, 0.1, 0.3) * np.exp(-((across / 2.0) ** 2)))
    _edge_lines(canvas, outline, base, rng)
    if chance(rng, 0.35):
        _tape(rng, canvas, (-9, height * between(rng, 0.2, 0.8)), (width + 9, height * between(rng, 0.2, 0.8)))
    return canvas


def carton(rng: np.random.Generator) -> Canvas:
    """A closed box seen from above at a slant: top with its seam, two sides in shade."""
    size = 390
    canvas = Canvas(size, size)
    base = kraft(rng)
    wide, deep, high = between(rng, 200, 290), between(rng, 150, 240), between(rng, 30, 95)
    lean = between(rng, -0.5, 0.5) * high
    x0, y0 = (size - wide) / 2 - lean / 2, 15.0
    back_l, back_r = (x0, y0), (x0 + wide, y0)
    front_r, front_l = (x0 + wide, y0 + deep), (x0, y0 + deep)
    low_l, low_r = (x0 + lean, y0 + deep + high), (x0 + wide + lean, y0 + deep + high)
    side_x = (front_r, back_r) if lean > 0 else (front_l, back_l)
    foot = (side_x[1][0] + lean, side_x[1][1] + high)
    faces = [
        ([side_x[0], side_x[1], foot, low_r if lean > 0 else low_l], between(rng, 0.5, 0.7)),
        ([front_l, front_r, low_r, low_l], between(rng, 0.68, 0.88)),
        ([back_l, back_r, front_r, front_l], 1.0),
    ]
    plain = board(rng, size, size, base, chance(rng, 0.4))
    for corners, light in faces:
        sheet = plain if light == 1.0 else plain[::-1]
        if light > 0.66 and chance(rng, 0.65):
            sheet = _printed(rng, sheet)
        canvas.over(polygon(size, size, ragged(rng, corners, 30, 0.6)), sheet, light)
    seam = y0 + deep * between(rng, 0.45, 0.55)
    canvas.ink(stroke(size, size, [(x0, seam), (x0 + wide, seam)], 2) * 0.65, scaled(base, 0.35))
    if chance(rng, 0.7):
        _tape(rng, canvas, (x0, seam), (x0 + wide, seam))
    rim = np.array([front_l, front_r])
    canvas.ink(stroke(size, size, rim, 2) * 0.5, scaled(base, 1.25))
    canvas.shade(1.0 + 0.1 * cloud(rng, size, size, 250, 1))
    return canvas


def egg_box(rng: np.random.Generator) -> Canvas:
    """A tray of moulded pulp with its cups."""
    rows, cols = 2 + pick(rng, 2), 3 + pick(rng, 3)
    pitch = min(380 / cols, between(rng, 66, 84))
    height, width = int(rows * pitch + 24), int(cols * pitch + 24)
    canvas = Canvas(height, width)
    base = hsv(between(rng, 0.07, 0.12), between(rng, 0.12, 0.36), between(rng, 0.55, 0.72))
    points = [(6.0, 6.0), (width - 6.0, 6.0), (width - 6.0, height - 6.0), (6.0, height - 6.0)]
    canvas.over(polygon(height, width, ragged(rng, points, 14, 1.2)), base)
    y, x = grid(height, width)
    relief = np.zeros((height, width), np.float32)
    for row in range(rows):
        for col in range(cols):
            cx, cy = 12 + (col + 0.5) * pitch, 12 + (row + 0.5) * pitch
            distance = np.hypot(x - cx, y - cy) / (pitch * 0.46)
            relief -= np.clip(1.0 - distance**4, 0, 1)
    for row in range(rows - 1):
        for col in range(cols - 1):
            cx, cy = 12 + (col + 1) * pitch, 12 + (row + 1) * pitch
            relief += 1.3 * np.exp(-((np.hypot(x - cx, y - cy) / (pitch * 0.17)) ** 2))
    relief = blur(relief, 3.0)
    slope_y, slope_x = np.gradient(relief)
    turn = between(rng, 0, 2 * math.pi)
    canvas.shade(np.clip(1 + 5.0 * (slope_x * math.cos(turn) + slope_y * math.sin(turn)), 0.45, 1.35))
    canvas.shade(np.clip(1.0 + 0.28 * np.minimum(relief, 0.4), 0.4, 1.2))
    canvas.shade(1 + 0.035 * grain(rng, height, width) + 0.06 * cloud(rng, height, width, 12, 3))
    return canvas


def open_box(rng: np.random.Generator) -> Canvas:
    """An open box seen from above: dark inside, four flaps folded out."""
    size = 400
    canvas = Canvas(size, size)
    base = kraft(rng)
    half_w, half_h = between(rng, 75, 110), between(rng, 65, 100)
    mid = size / 2
    left, right, upper, lower = mid - half_w, mid + half_w, mid - half_h, mid + half_h
    rim = [(left, upper), (right, upper), (right, lower), (left, lower)]
    sides = [(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)]
    fluted, smooth = board(rng, size, size, base), board(rng, size, size, base, False)
    for index, away in enumerate(sides):
        start, end = rim[index], rim[(index + 1) % 4]
        reach, pinch = between(rng, 45, 84), between(rng, -8, 14)
        a, b = np.asarray(start, float), np.asarray(end, float)
        run = (b - a) / np.linalg.norm(b - a)
        out = np.asarray(away, float) * reach
        quad = [tuple(a), tuple(b), tuple(b + out - run * pinch), tuple(a + out + run * pinch)]
        light = between(rng, 0.72, 1.08)
        sheet = fluted if index % 2 == 0 else fluted.swapaxes(0, 1)
        canvas.over(polygon(size, size, ragged(rng, quad, 25, 0.8)), sheet, light)
        canvas.ink(stroke(size, size, [start, end], 2) * 0.6, scaled(base, 0.5))
    depth = between(rng, 0.55, 0.8)
    skew = (between(rng, -14, 14), between(rng, -14, 14))
    floor = [
        (mid + skew[0] - half_w * depth, mid + skew[1] - half_h * depth),
        (mid + skew[0] + half_w * depth, mid + skew[1] - half_h * depth),
        (mid + skew[0] + half_w * depth, mid + skew[1] + half_h * depth),
        (mid + skew[0] - half_w * depth, mid + skew[1] + half_h * depth),
    ]
    for index in range(4):
        after = (index + 1) % 4
        wall = [rim[index], rim[after], floor[after], floor[index]]
        canvas.over(polygon(size, size, wall), smooth, between(rng, 0.35, 0.75))
    canvas.over(polygon(size, size, floor), smooth[::-1], between(rng, 0.4, 0.62))
    canvas.ink(stroke(size, size, [floor[0], floor[2]], 2) * 0.15, (0.1, 0.1, 0.1))
    return canvas


def roll(rng: np.random.Generator) -> Canvas:
    """The core of a kitchen or toilet roll, its hollow end in view."""
    radius, length = between(rng, 38, 62), between(rng, 180, 320)
    solid = lathe([(0, radius), (length, radius)], tilt=between(rng, 0.15, 0.5), smooth_px=0)
    height, width = solid.shape
    canvas = Canvas(height, width)
    base = kraft(rng)
    canvas.over(solid.mask, board(rng, height, width, base, False))
    canvas.shade(matte(solid, rng, 0.6))
    pitch = between(rng, 90, 150)
    spiral = np.mod(solid.t + np.arcsin(solid.u) * radius * 0.6, pitch)
    canvas.shade(1.0 - 0.35 * np.exp(-((spiral - 10) ** 2) / 4.0) * solid.mask)
    canvas.over(solid.end(True), scaled(base, 1.12))
    canvas.ink(solid.end(True, 0.93), scaled(base, between(rng, 0.25, 0.4)))
    lit = ellipse(height, width, solid.cx, solid.top + radius * solid.tilt * 0.7, radius * 0.85, radius * solid.tilt)
    canvas.ink(solid.end(True, 0.93) * lit * 0.6, scaled(base, 0.75))
    return canvas
