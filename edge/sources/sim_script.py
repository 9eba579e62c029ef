"""What happens on the simulated tray: a sequence of acts, drawn from a seed or written by hand."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge.render import KINDS, LABELS

__all__ = ["Act", "Darkness", "Hand", "Item", "Knock", "draw_script"]

RESIDUE_SHARE = 0.3
HAND_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Item:
    """An item slides in, rests, and slides out.

    Attributes:
        label, kind: of `edge.render.KINDS`.
        gap_s: how long the tray is left alone before it.
        slide_s: how long it slides in.
        rest_s: how long it lies there; None: until the gate has opened, at most `stay_s`.
        stay_s: see `rest_s`.
        x_px, y_px: where it comes to rest, from the middle of the frame.
    """

    label: str
    kind: str
    gap_s: float = 1.2
    slide_s: float = 0.35
    rest_s: float | None = None
    stay_s: float = 8.0
    x_px: float = 0.0
    y_px: float = 0.0


@dataclass(frozen=True, slots=True)
class Hand:
    """A hand reaches over the tray, moves about and leaves nothing."""

    gap_s: float = 0.8
    duration_s: float = 1.4


@dataclass(frozen=True, slots=True)
class Darkness:
    """The light goes off, and on again."""

    gap_s: float = 0.8
    duration_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Knock:
    """Something knocks the camera: from now on the picture is shifted by so much more."""

    gap_s: float = 0.8
    x_px: float = 3.0
    y_px: float = 0.0


Act = Item | Hand | Darkness | Knock


def draw_script(seed: int, items: int) -> Iterator[Act]:
    """The acts of an ordinary day: `items` items of every kind, and hands in between. Endless days are made lazily."""
    for index in range(items):
        rng = np.random.default_rng([seed, index])
        if index > 0 and rng.random() < HAND_SHARE:
            yield Hand(gap_s=float(rng.uniform(0.7, 1.2)), duration_s=float(rng.uniform(1.0, 2.0)))
        is_residue = rng.random() < RESIDUE_SHARE
        label = "trash" if is_residue else str(rng.choice([name for name in LABELS if name != "trash"]))
        yield Item(
            label=label,
            kind=str(rng.choice(KINDS[label])),
            gap_s=float(rng.uniform(1.0, 1.8)),
            slide_s=float(rng.uniform(0.25, 0.45)),
            x_px=float(rng.uniform(-70, 70)),
            y_px=float(rng.uniform(-50, 50)),
        )
