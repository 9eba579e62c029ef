"""What is printed on packaging: words, lines of text, bar codes, bands and shapes."""

from __future__ import annotations

import cv2
import numpy as np

from edge.render._canvas import Array, Colour, between, chance, pick, vivid

WORDS = (
    "COLA", "FRESH", "MILK", "ORANGE", "BIO", "NEWS", "TEA", "SODA", "LEMON", "DAILY", "CRISPS", "CHOCO",
    "PURE", "AQUA", "MAX", "CLEAN", "NUTS", "BEANS", "TOMATO", "SALT", "SPRING", "EXTRA", "MINT", "GOLD",
)  # fmt: skip
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
)


def _to_u8(colour: Colour) -> tuple[int, int, int]:
    blue, green, red = (int(255 * min(max(part, 0.0), 1.0)) for part in colour)
    return blue, green, red


def word(rng: np.random.Generator, image: Array, x: int, y: int, width_px: int, colour: Colour) -> None:
    """Write one large word into a uint8 image, its left base at (x, y), about width_px wide."""
    text = WORDS[pick(rng, len(WORDS))]
    font = FONTS[pick(rng, len(FONTS))]
    (natural, _), _ = cv2.getTextSize(text, font, 1.0, 2)
    size = max(0.3, width_px / max(natural, 1))
    cv2.putText(image, text, (x, y), font, size, _to_u8(colour), max(1, round(size * 2.6)), cv2.LINE_AA)


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
