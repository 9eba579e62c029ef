"""Pictures of single waste items, drawn from random numbers: what falls on the simulated tray.

An item is drawn upright on a float layer by the module of its material, then turned, fitted and quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge.render import _cardboard, _glass, _metal, _paper, _plastic, _trash
from edge.render._canvas import Canvas, finish

LABELS = ("cardboard", "glass", "metal", "paper", "plastic", "trash")

_DRAW: Mapping[str, Mapping[str, Callable[[np.random.Generator], Canvas]]] = {
    "cardboard": {
        "carton": _cardboard.carton,
        "corrugated_piece": _cardboard.piece,
        "egg_box": _cardboard.egg_box,
        "open_box": _cardboard.open_box,
        "roll": _cardboard.roll,
    },
    "glass": {
        "bottle_brown": _glass.bottle_brown,
        "bottle_clear": _glass.bottle_clear,
        "bottle_green": _glass.bottle_green,
        "jar": _glass.jar,
        "tumbler": _glass.tumbler,
    },
    "metal": {
        "crushed_can": _metal.crushed_can,
        "drinks_can": _metal.drinks_can,
        "foil_ball": _metal.foil_ball,
        "foil_tray": _metal.foil_tray,
        "food_tin": _metal.food_tin,
        "lid": _metal.lid,
    },
    "paper": {
        "crumpled_ball": _paper.crumpled_ball,
        "envelope": _paper.envelope,
        "flyer": _paper.flyer,
        "newspaper": _paper.newspaper,
        "text_sheet": _paper.text_sheet,
    },
    "plastic": {
        "clear_tray": _plastic.clear_tray,
        "cup": _plastic.cup,
        "detergent_bottle": _plastic.detergent_bottle,
        "pet_bottle": _plastic.pet_bottle,
        "tub": _plastic.tub,
    },
    "trash": {
        "coffee_pod": _trash.coffee_pod,
        "crisp_bag": _trash.crisp_bag,
        "foam": _trash.foam,
        "nappy": _trash.nappy,
        "pen": _trash.pen,
        "tissue": _trash.tissue,
        "tube": _trash.tube,
        "wrapper": _trash.wrapper,
    },
}

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType({label: tuple(_DRAW[label]) for label in LABELS})


@dataclass(frozen=True, eq=False)
class Sprite:
    """One drawn thing, compared by identity. Its pixels never change once it exists.

    Attributes:
        label: material, one of LABELS, or "hand".
        kind: what the thing is, one of KINDS[label].
        bgra: (h, w, 4) uint8, blue, green, red, straight alpha, 0..255; an item's longest side is
            200..420 px, made for a 640x480 frame.
    """

    label: str
    kind: str
    bgra: NDArray[np.uint8]


def render_item(label: str, rng: np.random.Generator, kind: str | None = None) -> Sprite:
    """Draw one item lying on a tray, seen from above, turned at random.

    Args:
        label: one of LABELS.
        rng: source of every choice; the same state gives the same pixels.
        kind: one of KINDS[label]; drawn at random where None.
    Returns: the sprite, (h, w, 4) uint8 BGRA, longest side 200..420 px.
    Raises: ValueError if label or kind is unknown.
    """
    if label not in KINDS:
        raise ValueError(f"label {label!r}, expected one of {', '.join(LABELS)}")
    kinds = KINDS[label]
    if kind is None:
        kind = kinds[int(rng.integers(len(kinds)))]
    elif kind not in kinds:
        raise ValueError(f"kind {kind!r} of {label}, expected one of {', '.join(kinds)}")
    bgra = finish(_DRAW[label][kind](rng), rng)
    bgra.flags.writeable = False
    return Sprite(label=label, kind=kind, bgra=bgra)
