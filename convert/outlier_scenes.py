"""Places without waste, drawn from random numbers: an empty tray, a wall, a room, a camera that sees nothing.

Every picture is (480, 640, 3) uint8 BGR; the same state of the Generator gives the same one.
"""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import BgrImage
from edge.render import Light, Tray, render_thing

__all__ = [
    "HEIGHT_PX",
    "WIDTH_PX",
    "Colour",
    "Layer",
    "Point",
    "Rng",
    "any_colour",
    "as_image",
    "clutter",
    "flat",
    "furniture",
    "light",
    "noise",
    "pattern",
    "shaded",
    "sign",
    "tray",
    "wall",
]

WIDTH_PX, HEIGHT_PX = 640, 480
Rng = np.random.Generator
Colour = tuple[float, float, float]
Point = tuple[float, float]
Layer = npt.NDArray[Any]


def tray(rng: Rng) -> BgrImage:
    """The empty tray, from dusk to glare."""
    return Tray(rng, WIDTH_PX, HEIGHT_PX).compose([], light(rng, 0.3, 1.5), rng, float(rng.uniform(0.5, 5)))


def flat(rng: Rng) -> BgrImage:
    """One colour, or one that runs into another: a lens cap, a cloth over the camera, the sky."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    along = (x / WIDTH_PX - 0.5) * math.cos(angle) + (y / HEIGHT_PX - 0.5) * math.sin(angle)
    if rng.random() < 0.3:
        along = np.hypot(x / WIDTH_PX - rng.random(), y / HEIGHT_PX - rng.random()) - 0.5
    share = np.clip(along * rng.uniform(0, 1.6) + 0.5, 0, 1)[..., None]
    first, second = (np.array(any_colour(rng), np.float32) for _ in range(2))
    return as_image(first * (1 - share) + second * share)


def noise(rng: Rng) -> BgrImage:
    """A broken cable: grains of one size or of several, grey or coloured."""
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), rng.uniform(60, 200), np.float32)
    channels = 1 if rng.random() < 0.4 else 3
    for grain_px in rng.choice([1, 2, 4, 8, 16, 40, 90], int(rng.integers(1, 4)), replace=False):
        size = (HEIGHT_PX // int(grain_px) + 1, WIDTH_PX // int(grain_px) + 1, channels)
        coarse = rng.standard_normal(size, dtype=np.float32) * np.float32(rng.uniform(15, 70))
        how = cv2.INTER_CUBIC if rng.random() < 0.6 else cv2.INTER_NEAREST
        picture += cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=how).reshape(HEIGHT_PX, WIDTH_PX, channels)
    return as_image(picture)


def pattern(rng: Rng) -> BgrImage:
    """Chequers, stripes, dots, rings or bricks, turned by any angle: tiles, curtains, floors."""
    angle, pitch = rng.uniform(0, math.pi), rng.uniform(14, 110)
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    across = (x * math.cos(angle) + y * math.sin(angle)) / pitch + rng.random()
    down = (y * math.cos(angle) - x * math.sin(angle)) / (pitch * rng.uniform(0.5, 1.5)) + rng.random()
    form = int(rng.integers(5))
    if form == 0:
        ink = np.floor(across) + np.floor(down)
    elif form == 1:
        ink = np.floor(across + 0.3 * np.sin(down) * (rng.random() < 0.4))
    elif form == 2:
        ink = (np.hypot(across % 1 - 0.5, down % 1 - 0.5) < rng.uniform(0.2, 0.42)).astype(np.float32)
    elif form == 3:
        ink = np.floor(np.hypot(x - rng.uniform(0, WIDTH_PX), y - rng.uniform(0, HEIGHT_PX)) / pitch * 2)
    else:
        ink = ((down % 1 < 0.1) | ((across / 2 + 0.5 * np.floor(down)) % 1 < 0.05)).astype(np.float32)
    share = np.mod(ink, 2)[..., None]
    return as_image(np.array(any_colour(rng), np.float32) * (1 - share) + np.array(any_colour(rng), np.float32) * share)


def sign(rng: Rng) -> BgrImage:
    """A few large letters on a plate or a screen."""
    picture = wall(rng)
    dark, pale = sorted((any_colour(rng), any_colour(rng)), key=sum)
    ink, plate = (dark, pale) if rng.random() < 0.4 else (pale, dark)
    half = (rng.uniform(0.3, 0.5) * WIDTH_PX, rng.uniform(0.2, 0.45) * HEIGHT_PX)
    _box(picture, (WIDTH_PX / 2, HEIGHT_PX / 2), half, plate, rng)
    for row in range(int(rng.integers(1, 4))):
        text = "".join(chr(int(code)) for code in rng.choice([*range(65, 91), *range(48, 58)], int(rng.integers(2, 6))))
        at = (int(WIDTH_PX / 2 - half[0] * 0.8), int(HEIGHT_PX / 2 - half[1] * 0.2 + row * 95))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        cv2.putText(picture, text, at, font, float(rng.uniform(2, 4)), ink, int(rng.integers(3, 10)), cv2.LINE_AA)
    return picture


def furniture(rng: Rng) -> BgrImage:
    """A room that the camera was turned towards: wall, floor, cupboards, tables, a window."""
    picture = wall(rng)
    floor_y = float(rng.uniform(0.55, 0.85)) * HEIGHT_PX
    cv2.rectangle(picture, (0, int(floor_y)), (WIDTH_PX, HEIGHT_PX), any_colour(rng), -1)
    for _ in range(int(rng.integers(2, 6))):
        wide, tall = rng.uniform(35, 130), rng.uniform(35, 170)
        x, foot = rng.uniform(0, WIDTH_PX), floor_y + rng.uniform(-10, 70)
        colour = any_colour(rng)
        if rng.random() < 0.5:
            _box(picture, (x, foot - tall), (wide, tall), colour, rng)
            for shelf in np.linspace(foot - 2 * tall, foot, int(rng.integers(2, 6)))[1:]:
                start, end = (int(x - wide), int(shelf)), (int(x + wide), int(shelf))
                cv2.line(picture, start, end, shaded(colour, 0.5), 3, cv2.LINE_AA)
        else:
            for side in (-0.9, 0.9):
                _box(picture, (x + side * wide, foot - tall / 2), (7, tall / 2), shaded(colour, 0.7), rng)
            _box(picture, (x, foot - tall), (wide * 1.1, 10), colour, rng)
    if rng.random() < 0.5:
        _box(picture, (rng.uniform(100, 540), 110), (rng.uniform(40, 90), 75), (250, 245, 235), rng)
    return picture


def clutter(rng: Rng) -> BgrImage:
    """Things upon things, from border to border: a drawer, a shelf, a workshop, a garden.

    Dead leaves, whose statistics are those of photographs (Lee, Mumford & Huang, "Occlusion models for natural
    images", International Journal of Computer Vision 41, 2001).
    """
    picture = wall(rng)
    sprites = [_premultiplied(render_thing(rng).bgra) for _ in range(3 + int(rng.integers(3)))]
    for _ in range(int(rng.integers(8, 30))):
        sprite = sprites[int(rng.integers(len(sprites)))]
        size = float(np.exp(rng.uniform(math.log(60), math.log(500)))) / max(sprite.shape[:2])
        half = np.array(sprite.shape[1::-1]) / 2
        turn = cv2.getRotationMatrix2D((float(half[0]), float(half[1])), float(rng.uniform(0, 360)), size)
        turn[:, 2] += rng.uniform(0, 1, 2) * (WIDTH_PX, HEIGHT_PX) - half
        laid = cv2.warpAffine(sprite, turn, (WIDTH_PX, HEIGHT_PX))
        passed = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(laid, 3)), cv2.COLOR_GRAY2BGR)
        below = cv2.multiply(picture, passed, scale=1 / 255)
        picture = cv2.scaleAdd(cv2.cvtColor(laid, cv2.COLOR_BGRA2BGR), float(rng.uniform(0.6, 1.0)), below)
    return np.asarray(picture, dtype=np.uint8)


def _premultiplied(bgra: Layer) -> Layer:
    share = bgra[..., 3:].astype(np.float32) / 255
    return np.dstack([np.rint(bgra[..., :3] * share).astype(np.uint8), bgra[..., 3]])


def light(rng: Rng, least: float, most: float) -> Light:
    """Light of a strength between the two, a little coloured, and stronger on one side."""
    blue, red = (float(factor) for factor in rng.uniform(0.88, 1.12, 2))
    return Light(float(rng.uniform(least, most)), (blue, 1.0, red), float(rng.uniform(-0.4, 0.4)))


def wall(rng: Rng) -> BgrImage:
    """One colour with stains."""
    coarse = rng.standard_normal((24, 32, 1), dtype=np.float32) * np.float32(rng.uniform(0, 9))
    stains = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return as_image(np.array(any_colour(rng), np.float32) + stains[..., None])


def any_colour(rng: Rng) -> Colour:
    """Any brightness, from grey to vivid."""
    tone = np.uint8([[[rng.integers(180), 255 * rng.random() ** 2, rng.integers(20, 256)]]])
    blue, green, red = (float(part) for part in cv2.cvtColor(tone, cv2.COLOR_HSV2BGR)[0, 0])
    return blue, green, red


def shaded(colour: Colour, factor: float) -> Colour:
    """A colour made darker or lighter."""
    blue, green, red = (min(255.0, part * factor) for part in colour)
    return blue, green, red


def _box(picture: Layer, middle: Point, half: Point, colour: Colour, rng: Rng) -> None:
    """A board, a little out of the straight."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + middle + rng.uniform(-5, 5, (4, 2))
    cv2.fillPoly(picture, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA)
    cv2.polylines(picture, [np.round(corners).astype(np.int32)], True, shaded(colour, 0.6), 2, cv2.LINE_AA)


def as_image(picture: Layer) -> BgrImage:
    """Rounded down and clipped to 0..255."""
    return np.clip(picture, 0, 255).astype(np.uint8)
