"""What is no waste, drawn from random numbers: a bare tray, a hand, a face, a cat, a wall, things of no kind.

For outlier exposure in training (Hendrycks, Mazeika & Dietterich, "Deep Anomaly Detection with Outlier Exposure",
ICLR 2019: such pictures get a uniform target) and to measure what the energy score catches. Two kinds are never drawn
for training, so that the measurement also says what a kind that was never shown costs. A page full of print is not
among them: that is paper.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from convert import outlier_creatures, outlier_scenes
from convert.augment import Strength, degrade
from edge.records import BgrImage

__all__ = ["HELD_OUT", "KINDS", "OFTEN", "OutlierItem", "outlier_frame", "outlier_plan"]

CAMERA = Strength(gain=(0.75, 1.2), gamma=(0.8, 1.25), contrast=(0.8, 1.3), shading=0.25, blur_share=0.3)
"""As far as photographs are bent, so that the bending itself gives no outlier away."""
HELD_OUT = frozenset({"animal", "sign"})
"""Kinds that no `train/…` stream draws."""
OFTEN = MappingProxyType({"thing": 6, "clutter": 2})
"""Kinds that a `train/…` stream draws more than once in turn: they differ most from one another."""


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
    if stream.startswith("train"):
        kinds = [kind for kind in KINDS if kind not in HELD_OUT for _ in range(OFTEN.get(kind, 1))]
    else:
        kinds = list(KINDS)
    word = zlib.crc32(f"outliers/{stream}".encode())
    return [OutlierItem(kinds[place % len(kinds)], (seed, word, place)) for place in range(number)]


def outlier_frame(item: OutlierItem) -> BgrImage:
    """Draw it, as a camera might see it.

    Returns: (480, 640, 3) uint8 BGR.
    Raises: KeyError if the kind is unknown.
    """
    rng = np.random.default_rng(item.key)
    return degrade(_DRAW[item.kind](rng), rng, CAMERA)


_DRAW: Mapping[str, Callable[[np.random.Generator], BgrImage]] = MappingProxyType(
    {
        "tray": outlier_scenes.tray,
        "hand": outlier_creatures.hand,
        "flat": outlier_scenes.flat,
        "noise": outlier_scenes.noise,
        "pattern": outlier_scenes.pattern,
        "sign": outlier_scenes.sign,
        "face": outlier_creatures.face,
        "animal": outlier_creatures.animal,
        "furniture": outlier_scenes.furniture,
        "clutter": outlier_scenes.clutter,
        "thing": outlier_creatures.thing,
    }
)
KINDS = tuple(_DRAW)
