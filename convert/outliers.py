"""What is no waste, drawn from random numbers: a bare tray, a hand, a face, a cat, a wall, a camera that sees nothing.

For outlier exposure in training (Hendrycks, Mazeika & Dietterich, "Deep Anomaly Detection with Outlier Exposure",
ICLR 2019: such pictures get a uniform target) and to measure what the energy score catches. Two kinds are never drawn
for training, so that the measurement also says what a kind that was never shown costs. A page full of print is not
among them: that is paper.
"""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from convert.augment import Strength, degrade
from edge.records import BgrImage
from edge.render import Light, Placed, Tray, render_hand

__all__ = ["HELD_OUT", "KINDS", "OutlierItem", "outlier_frame", "outlier_plan"]

WIDTH_PX, HEIGHT_PX = 640, 480
CAMERA = Strength(gain=(0.75, 1.2), gamma=(0.8, 1.25), contrast=(0.8, 1.3), shading=0.25, blur_share=0.3)
"""As far as photographs are bent, so that the bending itself gives no outlier away."""
HELD_OUT = frozenset({"animal", "sign"})
"""Kinds that no `train/…` stream draws."""
_Rng = np.random.Generator
_Colour = tuple[float, float, float]
_Point = tuple[float, float]
_Layer = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class OutlierItem:
    """One picture of no waste; the same fields give the same picture.

    Attributes:
        kind: one of KINDS.
        key: seed words of its stream of random numbers.
    """

    kind: str
    key: tuple[int, ...]


def outlier_plan(number: int, seed: int, stream: str) -> list[OutlierItem]:
    """Which outliers to draw: the kinds in turn.

    Args:
        number: of pictures, 0 or more.
        stream: `train/<pass>`, `val` or `test`; different streams share no picture, and those of training draw
            none of HELD_OUT.
    """
    kinds = [kind for kind in KINDS if not (stream.startswith("train") and kind in HELD_OUT)]
    word = zlib.crc32(f"outliers/{stream}".encode())
    return [OutlierItem(kinds[place % len(kinds)], (seed, word, place)) for place in range(number)]


def outlier_frame(item: OutlierItem) -> BgrImage:
    """Draw it, as a camera might see it.

    Returns: (480, 640, 3) uint8 BGR.
    Raises: KeyError if the kind is unknown.
    """
    rng = np.random.default_rng(item.key)
    return degrade(_DRAW[item.kind](rng), rng, CAMERA)


def _tray(rng: _Rng) -> BgrImage:
    """The empty tray, from dusk to glare."""
    return Tray(rng, WIDTH_PX, HEIGHT_PX).compose([], _light(rng, 0.3, 1.5), rng, float(rng.uniform(0.5, 5)))


def _hand(rng: _Rng) -> BgrImage:
    """One or two hands and forearms that lie on the tray."""
    tray = Tray(rng, WIDTH_PX, HEIGHT_PX)
    placed = []
    for border in rng.permutation(["top", "right", "bottom", "left"])[: 1 + int(rng.random() < 0.3)]:
        sprite = render_hand(rng, str(border))
        rows, columns = sprite.bgra.shape[:2]
        tip_x, tip_y = rng.uniform(0.35, 0.75) * WIDTH_PX, rng.uniform(0.35, 0.75) * HEIGHT_PX
        across_x, across_y = rng.uniform(0.25, 0.75) * WIDTH_PX, rng.uniform(0.25, 0.75) * HEIGHT_PX
        x, y = {
            "top": (across_x, tip_y - rows / 2),
            "bottom": (across_x, HEIGHT_PX - tip_y + rows / 2),
            "left": (tip_x - columns / 2, across_y),
            "right": (WIDTH_PX - tip_x + columns / 2, across_y),
        }[str(border)]
        placed.append(Placed(sprite, float(x), float(y)))
    return tray.compose(placed, _light(rng, 0.6, 1.3), rng, float(rng.uniform(0.5, 4)))


def _flat(rng: _Rng) -> BgrImage:
    """One colour, or one that runs into another: a lens cap, a cloth over the camera, the sky."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    along = (x / WIDTH_PX - 0.5) * math.cos(angle) + (y / HEIGHT_PX - 0.5) * math.sin(angle)
    if rng.random() < 0.3:
        along = np.hypot(x / WIDTH_PX - rng.random(), y / HEIGHT_PX - rng.random()) - 0.5
    share = np.clip(along * rng.uniform(0, 1.6) + 0.5, 0, 1)[..., None]
    first, second = (np.array(_colour(rng), np.float32) for _ in range(2))
    return _as_image(first * (1 - share) + second * share)


def _noise(rng: _Rng) -> BgrImage:
    """A broken cable: grains of one size or of several, grey or coloured."""
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), rng.uniform(60, 200), np.float32)
    channels = 1 if rng.random() < 0.4 else 3
    for grain_px in rng.choice([1, 2, 4, 8, 16, 40, 90], int(rng.integers(1, 4)), replace=False):
        size = (HEIGHT_PX // int(grain_px) + 1, WIDTH_PX // int(grain_px) + 1, channels)
        coarse = rng.standard_normal(size, dtype=np.float32) * np.float32(rng.uniform(15, 70))
        how = cv2.INTER_CUBIC if rng.random() < 0.6 else cv2.INTER_NEAREST
        picture += cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=how).reshape(HEIGHT_PX, WIDTH_PX, channels)
    return _as_image(picture)


def _pattern(rng: _Rng) -> BgrImage:
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
    return _as_image(np.array(_colour(rng), np.float32) * (1 - share) + np.array(_colour(rng), np.float32) * share)


def _sign(rng: _Rng) -> BgrImage:
    """A few large letters on a plate or a screen."""
    picture = _wall(rng)
    dark, pale = sorted((_colour(rng), _colour(rng)), key=sum)
    ink, plate = (dark, pale) if rng.random() < 0.4 else (pale, dark)
    half = (rng.uniform(0.3, 0.5) * WIDTH_PX, rng.uniform(0.2, 0.45) * HEIGHT_PX)
    _box(picture, (WIDTH_PX / 2, HEIGHT_PX / 2), half, plate, rng)
    for row in range(int(rng.integers(1, 4))):
        text = "".join(chr(int(code)) for code in rng.choice([*range(65, 91), *range(48, 58)], int(rng.integers(2, 6))))
        at = (int(WIDTH_PX / 2 - half[0] * 0.8), int(HEIGHT_PX / 2 - half[1] * 0.2 + row * 95))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        cv2.putText(picture, text, at, font, float(rng.uniform(2, 4)), ink, int(rng.integers(3, 10)), cv2.LINE_AA)
    return picture


def _face(rng: _Rng) -> BgrImage:
    """A face that looks into the camera: skin, hair, eyes, nose, mouth."""
    picture = _ground(rng)
    skin, hair = _skin(rng), _shaded(_skin(rng), float(rng.uniform(0.15, 0.7)))
    x, y = rng.uniform(0.35, 0.65) * WIDTH_PX, rng.uniform(0.4, 0.6) * HEIGHT_PX
    size = float(rng.uniform(75, 190))
    tilt = float(rng.uniform(-25, 25))

    def put(across: float, down: float, wide: float, tall: float, colour: _Colour) -> None:
        turn = math.radians(tilt)
        middle = (
            x + size * (across * math.cos(turn) - down * math.sin(turn)),
            y + size * (across * math.sin(turn) + down * math.cos(turn)),
        )
        _ellipse(picture, middle, (wide * size, tall * size), tilt, colour, rng)

    put(0, 1.75, 1.5, 0.75, _colour(rng))
    put(0, 1.0, 0.38, 0.5, _shaded(skin, 0.8))
    put(0, -0.22, 0.95, rng.uniform(1.05, 1.3), hair)
    for side in (-1, 1):
        put(0.8 * side, 0, 0.13, 0.22, _shaded(skin, 0.9))
    put(0, 0.05, 0.8, 1.02, skin)
    put(0, -0.85, 0.62, 0.3, hair)
    for side in (-1, 1):
        put(0.33 * side, -0.33, 0.2, 0.045, hair)
        put(0.33 * side, -0.14, 0.16, rng.uniform(0.05, 0.1), (240, 240, 240))
        put(0.33 * side, -0.14, 0.07, 0.07, _shaded(_colour(rng), 0.4))
    put(0, 0.16, 0.1, 0.2, _shaded(skin, 0.88))
    put(0, 0.52, rng.uniform(0.2, 0.36), rng.uniform(0.04, 0.14), (70, 60, 165))
    return picture


def _animal(rng: _Rng) -> BgrImage:
    """Four legs, a tail and ears, from the side: a cat, a dog, something like it, with fur."""
    ground = _ground(rng)
    picture = ground.copy()
    fur = _shaded(_skin(rng), float(rng.uniform(0.3, 1.1)))
    size, way = float(rng.uniform(90, 170)), (-1.0, 1.0)[int(rng.integers(2))]
    x, y = WIDTH_PX * rng.uniform(0.4, 0.6), HEIGHT_PX * rng.uniform(0.45, 0.6)
    leg = float(rng.uniform(0.5, 1.0))

    def put(across: float, down: float, wide: float, tall: float, turn: float, colour: _Colour) -> None:
        middle = (x + way * across * size, y + down * size)
        _ellipse(picture, middle, (wide * size, tall * size), way * turn, colour, rng)

    put(-1.35, -0.3, 0.6, 0.09, rng.uniform(10, 60), fur)
    for across in (-0.75, -0.55, 0.5, 0.72):
        put(across, 0.5 + leg * 0.3, 0.13, leg * 0.65, 0, _shaded(fur, 0.85))
    put(0, 0, 1.05, rng.uniform(0.42, 0.6), 0, fur)
    put(1.0, -0.55, 0.42, 0.38, 0, fur)
    put(1.35, -0.45, rng.uniform(0.12, 0.32), 0.17, 0, _shaded(fur, 1.1))
    for across in (0.8, 1.1):
        put(across, -0.95, 0.11, rng.uniform(0.15, 0.34), rng.uniform(-20, 30), _shaded(fur, 0.8))
    put(1.12, -0.62, 0.06, 0.06, 0, (30, 40, 40))
    put(1.5, -0.48, 0.06, 0.05, 0, (20, 20, 25))
    coarse = rng.standard_normal((HEIGHT_PX // 2, WIDTH_PX // 8), dtype=np.float32)
    hairs = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX)) * np.float32(rng.uniform(4, 16))
    hairs[(picture == ground).all(axis=2)] = 0
    return _as_image(picture + hairs[..., None])


def _furniture(rng: _Rng) -> BgrImage:
    """A room that the camera was turned towards: wall, floor, cupboards, tables, a window."""
    picture = _wall(rng)
    floor_y = float(rng.uniform(0.55, 0.85)) * HEIGHT_PX
    cv2.rectangle(picture, (0, int(floor_y)), (WIDTH_PX, HEIGHT_PX), _colour(rng), -1)
    for _ in range(int(rng.integers(2, 6))):
        wide, tall = rng.uniform(35, 130), rng.uniform(35, 170)
        x, foot = rng.uniform(0, WIDTH_PX), floor_y + rng.uniform(-10, 70)
        colour = _colour(rng)
        if rng.random() < 0.5:
            _box(picture, (x, foot - tall), (wide, tall), colour, rng)
            for shelf in np.linspace(foot - 2 * tall, foot, int(rng.integers(2, 6)))[1:]:
                start, end = (int(x - wide), int(shelf)), (int(x + wide), int(shelf))
                cv2.line(picture, start, end, _shaded(colour, 0.5), 3, cv2.LINE_AA)
        else:
            for side in (-0.9, 0.9):
                _box(picture, (x + side * wide, foot - tall / 2), (7, tall / 2), _shaded(colour, 0.7), rng)
            _box(picture, (x, foot - tall), (wide * 1.1, 10), colour, rng)
    if rng.random() < 0.5:
        _box(picture, (rng.uniform(100, 540), 110), (rng.uniform(40, 90), 75), (250, 245, 235), rng)
    return picture


def _light(rng: _Rng, least: float, most: float) -> Light:
    blue, red = (float(factor) for factor in rng.uniform(0.88, 1.12, 2))
    return Light(float(rng.uniform(least, most)), (blue, 1.0, red), float(rng.uniform(-0.4, 0.4)))


def _ground(rng: _Rng) -> BgrImage:
    """What a creature is seen before: the tray, a wall, or a run of colour."""
    return (_tray, _wall, _flat)[int(rng.integers(3))](rng)


def _wall(rng: _Rng) -> BgrImage:
    coarse = rng.standard_normal((24, 32, 1), dtype=np.float32) * np.float32(rng.uniform(0, 9))
    stains = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return _as_image(np.array(_colour(rng), np.float32) + stains[..., None])


def _colour(rng: _Rng) -> _Colour:
    """Any brightness, from grey to vivid."""
    tone = np.uint8([[[rng.integers(180), 255 * rng.random() ** 2, rng.integers(20, 256)]]])
    blue, green, red = (float(part) for part in cv2.cvtColor(tone, cv2.COLOR_HSV2BGR)[0, 0])
    return blue, green, red


def _skin(rng: _Rng) -> _Colour:
    """From very pale to very dark."""
    depth = float(rng.uniform(0.3, 1.0))
    return 165 * depth * float(rng.uniform(0.85, 1.1)), 190 * depth, 235 * depth


def _shaded(colour: _Colour, factor: float) -> _Colour:
    blue, green, red = (min(255.0, part * factor) for part in colour)
    return blue, green, red


def _ellipse(picture: _Layer, middle: _Point, half: _Point, turn_deg: float, colour: _Colour, rng: _Rng) -> None:
    """A round body, lit from above: a few ellipses within one another."""
    for step in range(5):
        share = 1 - step / 6
        at = (round(middle[0]), round(middle[1] - half[1] * 0.12 * step))
        axes = (max(1, round(half[0] * share)), max(1, round(half[1] * share)))
        tone = _shaded(colour, 0.72 + 0.09 * step + float(rng.uniform(-0.01, 0.01)))
        cv2.ellipse(picture, at, axes, turn_deg, 0, 360, tone, -1, cv2.LINE_AA)


def _box(picture: _Layer, middle: _Point, half: _Point, colour: _Colour, rng: _Rng) -> None:
    """A board, a little out of the straight."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + middle + rng.uniform(-5, 5, (4, 2))
    cv2.fillPoly(picture, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA)
    cv2.polylines(picture, [np.round(corners).astype(np.int32)], True, _shaded(colour, 0.6), 2, cv2.LINE_AA)


def _as_image(picture: _Layer) -> BgrImage:
    return np.clip(picture, 0, 255).astype(np.uint8)


_DRAW: Mapping[str, Callable[[_Rng], BgrImage]] = MappingProxyType(
    {
        "tray": _tray,
        "hand": _hand,
        "flat": _flat,
        "noise": _noise,
        "pattern": _pattern,
        "sign": _sign,
        "face": _face,
        "animal": _animal,
        "furniture": _furniture,
    }
)
KINDS = tuple(_DRAW)
