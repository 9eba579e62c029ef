"""What is printed on packaging: words, lines of text, bar codes, bands and shapes."""

from __future__ import annotations

import cv2
import numpy as np

from edge.render._canvas import Array, Colour, between, chance, pick, vivid

WORDS = (
    "COLA", "FRESH", "MILK", "ORANGE", "BIO", "NEWS", "TEA", "SODA", "LEMON", "DAILY", "CRISPS", "CHOCO",
    "PURE", "AQUA", "MAX", "CLEAN", "NUTS", "BEANS", "TOMATO", "SALT", "SPRING", "EXTRA", "MINT", "GOLD",
)  # fmt: skip
WEIGHTS = (0.11, 0.14, 0.18, 0.23)
"""Thickness of the strokes of a word, as a share of its height."""

# Strokes of the letters in a cell 4 wide and 6 high, y downwards. A font of our own looks the same with every OpenCV;
# the text engine of OpenCV 5 also keeps 9 MB for good once it has written a letter.
GLYPHS = {
    "A": ("06 20 46", "14 34"), "B": ("06 00 30 41 42 33 03", "33 44 45 36 06"), "C": ("41 30 10 01 05 16 36 45",),
    "D": ("00 20 42 44 26 06 00",), "E": ("40 00 06 46", "03 33"), "F": ("40 00 06", "03 33"),
    "G": ("41 30 10 01 05 16 36 45 43 23",), "H": ("00 06", "40 46", "03 43"), "I": ("20 26", "10 30", "16 36"),
    "J": ("40 45 36 16 05",), "K": ("00 06", "40 03 46"), "L": ("00 06 46",), "M": ("06 00 23 40 46",),
    "N": ("06 00 46 40",), "O": ("10 30 41 45 36 16 05 01 10",), "P": ("06 00 30 41 42 33 03",),
    "Q": ("10 30 41 45 36 16 05 01 10", "24 46"), "R": ("06 00 30 41 42 33 03", "23 46"),
    "S": ("41 30 10 01 02 13 33 44 45 36 16 05",), "T": ("00 40", "20 26"), "U": ("00 05 16 36 45 40",),
    "V": ("00 26 40",), "W": ("00 16 23 36 40",), "X": ("00 46", "40 06"), "Y": ("00 23 40", "23 26"),
    "Z": ("00 40 06 46",),
}  # fmt: skip
ADVANCE = 5.4
"""From one letter's left side to the next one's, in cells."""


def _to_u8(colour: Colour) -> tuple[int, int, int]:
    blue, green, red = (int(255 * min(max(part, 0.0), 1.0)) for part in colour)
    return blue, green, red


def word(rng: np.random.Generator, image: Array, x: int, y: int, width_px: int, colour: Colour) -> None:
    """Write one large word into a uint8 image, its left base at (x, y), about width_px wide."""
    text = WORDS[pick(rng, len(WORDS))]
    weight = WEIGHTS[pick(rng, len(WEIGHTS))]
    cell_px = width_px / (ADVANCE * len(text) - 1.4)
    strokes = [
        np.array(
            [(x + (index * ADVANCE + int(at[0])) * cell_px, y - (6 - int(at[1])) * cell_px) for at in path.split()]
        )
        for index, letter in enumerate(text)
        for path in GLYPHS[letter]
    ]
    thick = max(1, round(6 * cell_px * weight))
    # Sixteenths of a pixel: small print must not fall onto the pixel grid.
    fixed = [np.round(stroke * 16).astype(np.int32) for stroke in strokes]
    cv2.polylines(image, fixed, False, _to_u8(colour), thick, cv2.LINE_AA, shift=4)


def text_lines(
    rng: np.random.Generator, image: Array, x0: int, y0: int, x1: int, y1: int, pitch_px: int, colour: Colour
) -> None:
    """Fill a box of a uint8 image with lines of small print, as dashes of word length."""
    ink = _to_u8(colour)
    for y in range(y0 + pitch_px // 2, y1, pitch_px):
        end = x1 if chance(rng, 0.8) else x0 + int((x1 - x0) * between(rng, 0.3, 0.9))
        x = x0
        while x < end:
            run = int(between(rng, 1.0, 5.0) * pitch_px * 0.6) + 1
            stop = min(x + run, end)
            if pitch_px < 8:
                cv2.line(image, (x, y), (stop, y), ink, 1 if pitch_px < 7 else 2)
            else:
                for letter in range(x, stop, max(3, pitch_px // 2)):
                    top = y - int(pitch_px * between(rng, 0.12, 0.42))
                    cv2.line(image, (letter, y + pitch_px // 5), (letter + pick(rng, 3), top), ink, 1, cv2.LINE_AA)
                    cv2.line(image, (letter, y), (letter + pitch_px // 4, y), ink, 1, cv2.LINE_AA)
            x = stop + max(3, round(pitch_px * 0.6))


def barcode(rng: np.random.Generator, image: Array, x: int, y: int, width: int, height: int) -> None:
    """Draw a bar code on a white patch of a uint8 image."""
    cv2.rectangle(image, (x - 3, y - 3), (x + width + 3, y + height + 3), (245, 245, 245), -1)
    at = x
    while at < x + width:
        bar = 1 + pick(rng, 3)
        cv2.rectangle(image, (at, y), (min(at + bar - 1, x + width), y + height), (25, 25, 25), -1)
        at += bar + 1 + pick(rng, 3)


def shapes(rng: np.random.Generator, image: Array, count: int, inks: list[Colour]) -> None:
    """Scatter discs, bands, swooshes and wedges over a uint8 image."""
    height, width = image.shape[:2]
    for _ in range(count):
        colour = _to_u8(inks[pick(rng, len(inks))])
        form = pick(rng, 4)
        x, y = pick(rng, width), pick(rng, height)
        if form == 0:
            cv2.circle(image, (x, y), int(between(rng, 0.08, 0.35) * width), colour, -1, cv2.LINE_AA)
        elif form == 1:
            band = int(between(rng, 0.05, 0.25) * height)
            cv2.rectangle(image, (0, y), (width, y + band), colour, -1)
        elif form == 2:
            axes = (int(width * between(rng, 0.4, 0.9)), int(height * between(rng, 0.1, 0.35)))
            cv2.ellipse(image, (x, y), axes, between(rng, -40, 40), 0, 200, colour, 6 + pick(rng, 20), cv2.LINE_AA)
        else:
            wedge = rng.integers(0, [width, height], (3, 2)).astype(np.int32)
            cv2.fillPoly(image, [wedge], colour, cv2.LINE_AA)


def artwork(rng: np.random.Generator, height: int, width: int, base: Colour | None = None) -> Array:
    """The printed face of a package.

    Returns: (h, w, 3) uint8 BGR.
    """
    ground = vivid(rng) if base is None else base
    image = np.empty((height, width, 3), np.uint8)
    image[:] = _to_u8(ground)
    inks = [vivid(rng), vivid(rng), (0.95, 0.95, 0.95)]
    shapes(rng, image, 2 + pick(rng, 4), inks)
    contrast = (0.97, 0.97, 0.97) if sum(ground) < 1.7 else (0.1, 0.08, 0.08)
    for _ in range(1 + pick(rng, 2)):
        x, y = int(between(rng, -0.05, 0.3) * width), int(between(rng, 0.25, 0.85) * height)
        word(rng, image, x, y, int(between(rng, 0.45, 0.9) * width), contrast if chance(rng, 0.7) else inks[0])
    if chance(rng, 0.6):
        y0 = int(between(rng, 0.05, 0.6) * height)
        x0 = int(between(rng, 0.05, 0.5) * width)
        text_lines(rng, image, x0, y0, x0 + width // 3, y0 + height // 4, 4 + pick(rng, 3), contrast)
    if chance(rng, 0.4):
        code_w = max(20, int(width * 0.22))
        barcode(rng, image, pick(rng, max(1, width - code_w)), pick(rng, max(1, height - 40)), code_w, 30)
    return image
