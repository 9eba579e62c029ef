"""Creatures and things that are no waste, drawn from random numbers, on the tray or before something else.

Every picture is (480, 640, 3) uint8 BGR; the same state of the Generator gives the same one.
"""

import math
from dataclasses import replace

import cv2
import numpy as np

from convert.outlier_scenes import (
    HEIGHT_PX,
    WIDTH_PX,
    Colour,
    Layer,
    Point,
    Rng,
    any_colour,
    as_image,
    flat,
    light,
    shaded,
    tray,
    wall,
)
from edge.records import BgrImage
from edge.render import Placed, Tray, render_hand, render_thing

__all__ = ["animal", "face", "hand", "thing"]


def hand(rng: Rng) -> BgrImage:
    """One or two hands and forearms that lie on the tray."""
    surface = Tray(rng, WIDTH_PX, HEIGHT_PX)
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
    return surface.compose(placed, light(rng, 0.6, 1.3), rng, float(rng.uniform(0.5, 4)))


def thing(rng: Rng) -> BgrImage:
    """Something of no kind, now and then beside another, on the tray."""
    placed = []
    for _ in range(1 + int(rng.random() < 0.2)):
        sprite = render_thing(rng)
        size = float(rng.uniform(0.6, 1.25))
        bgra = np.asarray(cv2.resize(sprite.bgra, None, fx=size, fy=size, interpolation=cv2.INTER_AREA))
        x, y = rng.uniform(0.3, 0.7, 2) * (WIDTH_PX, HEIGHT_PX)
        placed.append(Placed(replace(sprite, bgra=bgra), float(x), float(y)))
    return Tray(rng, WIDTH_PX, HEIGHT_PX).compose(placed, light(rng, 0.6, 1.4), rng, float(rng.uniform(0.5, 5)))


def face(rng: Rng) -> BgrImage:
    """A face that looks into the camera: skin, hair, eyes, nose, mouth."""
    picture = _ground(rng)
    skin, hair = _skin(rng), shaded(_skin(rng), float(rng.uniform(0.15, 0.7)))
    x, y = rng.uniform(0.35, 0.65) * WIDTH_PX, rng.uniform(0.4, 0.6) * HEIGHT_PX
    size = float(rng.uniform(75, 190))
    tilt = float(rng.uniform(-25, 25))

    def put(across: float, down: float, wide: float, tall: float, colour: Colour) -> None:
        turn = math.radians(tilt)
        middle = (
            x + size * (across * math.cos(turn) - down * math.sin(turn)),
            y + size * (across * math.sin(turn) + down * math.cos(turn)),
        )
        _ellipse(picture, middle, (wide * size, tall * size), tilt, colour, rng)

    put(0, 1.75, 1.5, 0.75, any_colour(rng))
    put(0, 1.0, 0.38, 0.5, shaded(skin, 0.8))
    put(0, -0.22, 0.95, rng.uniform(1.05, 1.3), hair)
    for side in (-1, 1):
        put(0.8 * side, 0, 0.13, 0.22, shaded(skin, 0.9))
    put(0, 0.05, 0.8, 1.02, skin)
    put(0, -0.85, 0.62, 0.3, hair)
    for side in (-1, 1):
        put(0.33 * side, -0.33, 0.2, 0.045, hair)
        put(0.33 * side, -0.14, 0.16, rng.uniform(0.05, 0.1), (240, 240, 240))
        put(0.33 * side, -0.14, 0.07, 0.07, shaded(any_colour(rng), 0.4))
    put(0, 0.16, 0.1, 0.2, shaded(skin, 0.88))
    put(0, 0.52, rng.uniform(0.2, 0.36), rng.uniform(0.04, 0.14), (70, 60, 165))
    return picture


def animal(rng: Rng) -> BgrImage:
    """Four legs, a tail and ears, from the side: a cat, a dog, something like it, with fur."""
    ground = _ground(rng)
    picture = ground.copy()
    fur = shaded(_skin(rng), float(rng.uniform(0.3, 1.1)))
    size, way = float(rng.uniform(90, 170)), (-1.0, 1.0)[int(rng.integers(2))]
    x, y = WIDTH_PX * rng.uniform(0.4, 0.6), HEIGHT_PX * rng.uniform(0.45, 0.6)
    leg = float(rng.uniform(0.5, 1.0))

    def put(across: float, down: float, wide: float, tall: float, turn: float, colour: Colour) -> None:
        middle = (x + way * across * size, y + down * size)
        _ellipse(picture, middle, (wide * size, tall * size), way * turn, colour, rng)

    put(-1.35, -0.3, 0.6, 0.09, rng.uniform(10, 60), fur)
    for across in (-0.75, -0.55, 0.5, 0.72):
        put(across, 0.5 + leg * 0.3, 0.13, leg * 0.65, 0, shaded(fur, 0.85))
    put(0, 0, 1.05, rng.uniform(0.42, 0.6), 0, fur)
    put(1.0, -0.55, 0.42, 0.38, 0, fur)
    put(1.35, -0.45, rng.uniform(0.12, 0.32), 0.17, 0, shaded(fur, 1.1))
    for across in (0.8, 1.1):
        put(across, -0.95, 0.11, rng.uniform(0.15, 0.34), rng.uniform(-20, 30), shaded(fur, 0.8))
    put(1.12, -0.62, 0.06, 0.06, 0, (30, 40, 40))
    put(1.5, -0.48, 0.06, 0.05, 0, (20, 20, 25))
    coarse = rng.standard_normal((HEIGHT_PX // 2, WIDTH_PX // 8), dtype=np.float32)
    hairs = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX)) * np.float32(rng.uniform(4, 16))
    hairs[(picture == ground).all(axis=2)] = 0
    return as_image(picture + hairs[..., None])


def _ground(rng: Rng) -> BgrImage:
    """What a creature is seen before: the tray, a wall, or a run of colour."""
    return (tray, wall, flat)[int(rng.integers(3))](rng)


def _skin(rng: Rng) -> Colour:
    """From very pale to very dark."""
    depth = float(rng.uniform(0.3, 1.0))
    return 165 * depth * float(rng.uniform(0.85, 1.1)), 190 * depth, 235 * depth


def _ellipse(picture: Layer, middle: Point, half: Point, turn_deg: float, colour: Colour, rng: Rng) -> None:
    """A round body, lit from above: a few ellipses within one another."""
    for step in range(5):
        share = 1 - step / 6
        at = (round(middle[0]), round(middle[1] - half[1] * 0.12 * step))
        axes = (max(1, round(half[0] * share)), max(1, round(half[1] * share)))
        tone = shaded(colour, 0.72 + 0.09 * step + float(rng.uniform(-0.01, 0.01)))
        cv2.ellipse(picture, at, axes, turn_deg, 0, 360, tone, -1, cv2.LINE_AA)
