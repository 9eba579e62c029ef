"""Paper: printed sheets, newspaper, crumpled balls, envelopes, flyers."""

from __future__ import annotations

import math

import cv2
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
    cloud,
    facets,
    grain,
    grid,
    hsv,
    pick,
    polygon,
    ragged,
    stroke,
    vivid,
)
from edge.render._print import artwork, shapes, text_lines, word


def _white(rng: np.random.Generator) -> Colour:
    return hsv(between(rng, 0.08, 0.6), between(rng, 0.0, 0.05), between(rng, 0.9, 0.99))


def _blank(height: int, width: int, colour: Colour) -> Array:
    image = np.empty((height, width, 3), np.uint8)
    image[:] = [int(255 * part) for part in colour]
    return image


def _photo(rng: np.random.Generator, height: int, width: int, is_grey: bool) -> Array:
    """Something like a printed photograph, (h, w, 3) uint8."""
    tone = 0.5 + 0.5 * cloud(rng, height, width, max(8, height / 2), 4)
    low, high = np.asarray(vivid(rng), np.float32), np.asarray(vivid(rng), np.float32)
    if is_grey:
        low, high = np.full(3, 0.15, np.float32), np.full(3, 0.85, np.float32)
    photo = np.empty((height, width, 3), np.uint8)
    for rows in blocks(height):
        mix = low + (high - low) * np.clip(tone[rows], 0, 1)[..., None]
        photo[rows] = np.clip(mix * 255, 0, 255)
    return photo


def _lay(rng: np.random.Generator, page: Array, roughness: float, jitter_px: float) -> Canvas:
    """Lay a page (h, w, 3) uint8 on the tray: bent corners, folds, soft waves."""
    inner_h, inner_w = page.shape[:2]
    pad = 14
    height, width = inner_h + 2 * pad, inner_w + 2 * pad
    canvas = Canvas(height, width)
    sheet = np.asarray(cv2.copyMakeBorder(page, pad, pad, pad, pad, cv2.BORDER_REPLICATE))
    wobble = [between(rng, -9, 9) for _ in range(8)]
    corners = [
        (pad + wobble[0], pad + wobble[1]),
        (width - pad + wobble[2], pad + wobble[3]),
        (width - pad + wobble[4], height - pad + wobble[5]),
        (pad + wobble[6], height - pad + wobble[7]),
    ]
    canvas.over(polygon(height, width, ragged(rng, corners, 26, jitter_px)), sheet)
    y, x = grid(height, width)
    canvas.shade(1 + roughness * 0.5 * cloud(rng, height, width, 130, 2))
    if roughness > 0.12:
        slope, ridge = facets(rng, height, width, 8 + pick(rng, 16))
        slope *= roughness * 0.6
        slope += 0.15 * ridge
        slope += 1
        canvas.shade(slope)
        del slope, ridge
    for _ in range(pick(rng, 3) + (1 if roughness > 0.1 else 0)):
        turn = math.pi / 2 * pick(rng, 2) + between(rng, -0.1, 0.1)
        across = (x - width / 2) * math.cos(turn) + (y - height / 2) * math.sin(turn) - between(rng, -40, 40)
        canvas.shade(1 + between(rng, -0.09, 0.09) * np.tanh(across / 3))
        canvas.shade(1 - 0.12 * np.exp(-((across / 1.6) ** 2)))
    if chance(rng, 0.35):
        _dog_ear(rng, canvas, corners[2])
    canvas.shade(1 + 0.012 * grain(rng, height, width))
    return canvas


def _dog_ear(rng: np.random.Generator, canvas: Canvas, corner: tuple[float, float]) -> None:
    """Fold the lower right corner over, so that its back shows."""
    height, width = canvas.shape
    size = between(rng, 25, 60)
    a, b = (corner[0] - size, corner[1] + 4), (corner[0] + 4, corner[1] - size)
    cut = polygon(height, width, [a, b, (width + 60, b[1]), (width + 60, height + 60), (a[0], height + 60)])
    canvas.alpha = canvas.alpha * (1 - cut)
    tip = (corner[0] - size * 0.95, corner[1] - size * 0.95)
    canvas.over(polygon(height, width, [a, b, tip]), (0.86, 0.87, 0.88))
    canvas.ink(blur(stroke(height, width, [a, tip, b], 5), 2.5) * 0.35, (0.3, 0.3, 0.3))


def text_sheet(rng: np.random.Generator) -> Canvas:
    """An office page: heading, paragraphs, sometimes a chart or handwriting."""
    height, width = int(between(rng, 290, 340)), int(between(rng, 205, 245))
    page = _blank(height, width, _white(rng))
    ink = (0.18, 0.17, 0.17) if chance(rng, 0.8) else hsv(0.62, 0.8, 0.5)
    left, right, y = 22, width - 22, 24
    if chance(rng, 0.6):
        word(rng, page, left, y + 14, int(width * between(rng, 0.3, 0.6)), ink)
        y += 30
    pitch = 6 + pick(rng, 7)
    while y < height - 40:
        block = int(between(rng, 40, 110))
        if chance(rng, 0.18):
            photo = _photo(rng, 60, 90, chance(rng, 0.6))
            rows = min(60, height - 20 - y)
            page[y : y + rows, left : left + 90] = photo[:rows]
            y += 68
            continue
        if chance(rng, 0.88):
            text_lines(rng, page, left, y, right, min(y + block, height - 18), pitch, ink)
        y += block + 10
    return _lay(rng, page, between(rng, 0.04, 0.3), 0.3)


def newspaper(rng: np.random.Generator) -> Canvas:
    """A page of newsprint: grey-yellow stock, headlines, columns, photographs."""
    height, width = int(between(rng, 250, 330)), int(between(rng, 230, 320))
    page = _blank(height, width, hsv(between(rng, 0.09, 0.14), between(rng, 0.04, 0.12), between(rng, 0.78, 0.88)))
    ink = (0.2, 0.2, 0.2)
    word(rng, page, 12, 34, int(width * between(rng, 0.5, 0.9)), ink)
    cv2.line(page, (10, 42), (width - 10, 42), (60, 60, 60), 1)
    columns = 3 + pick(rng, 3)
    pitch = (width - 16) / columns
    for column in range(columns):
        x0, x1, y = int(8 + column * pitch + 3), int(8 + (column + 1) * pitch - 3), 50
        while y < height - 20:
            roll = rng.random()
            if roll < 0.22:
                rows = min(int(between(rng, 35, 80)), height - 10 - y)
                page[y : y + rows, x0:x1] = _photo(rng, rows, x1 - x0, chance(rng, 0.6))
                y += rows + 6
            elif roll < 0.36:
                word(rng, page, x0, y + 12, x1 - x0, ink)
                y += 20
            else:
                rows = int(between(rng, 40, 110))
                text_lines(rng, page, x0, y, x1, min(y + rows, height - 8), 4, (0.32, 0.32, 0.32))
                y += rows + 5
    return _lay(rng, page, between(rng, 0.1, 0.32), between(rng, 0.3, 1.4))


def crumpled_ball(rng: np.random.Generator) -> Canvas:
    """A sheet crushed into a ball; print peeps out of the folds."""
    size = int(between(rng, 230, 300))
    canvas = Canvas(size, size)
    paper = _white(rng) if chance(rng, 0.75) else hsv(between(rng, 0, 1), between(rng, 0.1, 0.35), 0.93)
    page = _blank(size, size, paper)
    if chance(rng, 0.6):
        text_lines(rng, page, 10, 10, size - 10, size - 10, 8 + pick(rng, 5), (0.3, 0.3, 0.3))
    slope, ridge = facets(rng, size, size, 34 + pick(rng, 30))
    fine, _ = facets(rng, size, size, 150)
    y, x = grid(size, size)
    shift = 14 * blur(slope, 1.5)
    warped = cv2.remap(page, x + shift, y + shift, cv2.INTER_LINEAR)
    outline = blob(rng, size / 2, size / 2, size * 0.4, size * 0.4, between(rng, 0.05, 0.13), 30)
    canvas.over(polygon(size, size, outline), np.asarray(warped))
    turn = between(rng, 0, 6.28)
    ball = ((x - size / 2) * math.cos(turn) + (y - size / 2) * math.sin(turn)) / size
    rim = np.hypot(x - size / 2, y - size / 2) / (size * 0.42)
    canvas.shade(np.clip(0.93 + 0.19 * slope + 0.07 * fine + 0.3 * ball - 0.22 * np.clip(rim, 0, 1.2) ** 4, 0.4, 1.1))
    canvas.ink(np.clip(ridge * 0.5, 0, 0.7), (0.98, 0.98, 0.98))
    canvas.shade(1 - 0.35 * np.clip(-ridge + blur(ridge, 3.0), 0, 1))
    return canvas


def envelope(rng: np.random.Generator) -> Canvas:
    """An envelope, front with window and stamp, or back with its flap."""
    height, width = int(between(rng, 165, 205)), int(between(rng, 290, 360))
    paper = _white(rng) if chance(rng, 0.7) else hsv(between(rng, 0.09, 0.12), between(rng, 0.2, 0.32), 0.86)
    page = _blank(height, width, paper)
    if chance(rng, 0.55):
        x0, y0 = int(width * between(rng, 0.08, 0.14)), int(height * between(rng, 0.42, 0.5))
        x1, y1 = x0 + int(width * 0.4), y0 + int(height * 0.34)
        if chance(rng, 0.6):
            cv2.rectangle(page, (x0, y0), (x1, y1), (222, 220, 214), -1)
            cv2.rectangle(page, (x0, y0), (x1, y1), (178, 178, 174), 1, cv2.LINE_AA)
        text_lines(rng, page, x0 + 10, y0 + 6, x1 - 12, y1 - 4, 12, (0.25, 0.22, 0.22))
        text_lines(rng, page, 14, 12, width // 3, 40, 7, (0.35, 0.3, 0.3))
        if chance(rng, 0.6):
            page[12:62, width - 60 : width - 18] = _photo(rng, 50, 42, False)
            for ring in (14, 19):
                cv2.circle(page, (width - 72, 40), ring, (70, 60, 60), 1, cv2.LINE_AA)
        return _lay(rng, page, between(rng, 0.04, 0.2), 0.2)
    canvas = _lay(rng, page, between(rng, 0.04, 0.16), 0.2)
    rows, cols = canvas.shape
    tip = (cols / 2 + between(rng, -8, 8), rows * between(rng, 0.5, 0.66))
    flap = np.array([(16, 16), tip, (cols - 16, 16)])
    shadow = blur(stroke(rows, cols, flap + 2, 5), 2.5) * (canvas.alpha > 0.5)
    canvas.shade(1 - 0.3 * shadow)
    canvas.ink(stroke(rows, cols, flap, 1) * 0.5 * (canvas.alpha > 0.5), (0.45, 0.45, 0.45))
    for x0 in (16, cols - 16):
        canvas.shade(1 - 0.16 * stroke(rows, cols, [(x0, rows - 16), (tip[0], tip[1] - 20)], 2))
    return canvas


def flyer(rng: np.random.Generator) -> Canvas:
    """A coloured leaflet: photograph, offers, fold down the middle."""
    height, width = int(between(rng, 260, 330)), int(between(rng, 180, 235))
    if chance(rng, 0.5):
        page = artwork(rng, height, width)
    else:
        page = _blank(height, width, _white(rng))
        shapes(rng, page, 2, [vivid(rng), vivid(rng)])
    rows = int(height * between(rng, 0.25, 0.4))
    top = pick(rng, height - rows - 10)
    page[top : top + rows, 12 : width - 12] = _photo(rng, rows, width - 24, False)
    ink = (0.1, 0.1, 0.1) if float(page.mean()) > 120 else (0.95, 0.95, 0.95)
    text_lines(rng, page, 14, min(top + rows + 10, height - 60), width - 14, height - 14, 6 + pick(rng, 3), ink)
    word(rng, page, 14, 36, int(width * 0.75), vivid(rng))
    return _lay(rng, page, between(rng, 0.05, 0.25), 0.3)
