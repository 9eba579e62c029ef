"""Simulated items on simulated trays, as pictures with a label: what `edge-sorter run` shows by default.

Training, validation and the final check draw from streams of random numbers that never meet.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convert.augment import Strength, degrade
from edge.records import BgrImage
from edge.render import LABELS, Light, Placed, Tray, render_item

__all__ = ["LABELS", "RenderedItem", "rendered_frame", "rendered_plan"]

FRAME_WIDTH_PX, FRAME_HEIGHT_PX = 640, 480
MILD = Strength(
    gain=(0.9, 1.1),
    gamma=(0.9, 1.12),
    contrast=(0.9, 1.15),
    cast=0.04,
    shading=0.12,
    noise_sigma=(0, 2),
    blur_share=0.3,
)
"""The renderer brings its own light and noise; this is for the cameras that it does not imitate."""


@dataclass(frozen=True, slots=True)
class RenderedItem:
    """One simulated item; the same fields give the same picture.

    Attributes:
        label: one of LABELS.
        key: seed words of its stream of random numbers.
    """

    label: str
    key: tuple[int, ...]


def rendered_plan(labels: Sequence[str], number: int, seed: int, stream: str) -> list[RenderedItem]:
    """Which items to draw: the labels in turn.

    Args:
        labels: of the model; those that the renderer does not know are left out.
        stream: `train/<pass>`, `val`, `test`, `golden`; different streams share no picture.
    """
    known = [label for label in labels if label in LABELS]
    if not known:
        return []
    word = zlib.crc32(stream.encode())
    return [RenderedItem(known[place % len(known)], (seed, word, place)) for place in range(number)]


def rendered_frame(item: RenderedItem, *, is_degraded: bool, noise_sigma: float | None = None) -> BgrImage:
    """Draw an item somewhere on a tray, in some light.

    Args:
        is_degraded: adds what the renderer does not imitate, for training.
        noise_sigma: of the sensor in grey levels; None draws one of 0.5..4.
    Returns: (480, 640, 3) uint8 BGR.
    """
    rng = np.random.default_rng(item.key)
    sprite = render_item(item.label, rng)
    tray = Tray(rng, width=FRAME_WIDTH_PX, height=FRAME_HEIGHT_PX)
    height, width = sprite.bgra.shape[:2]
    x_px = _place(rng, FRAME_WIDTH_PX, width)
    y_px = _place(rng, FRAME_HEIGHT_PX, height)
    blue, red = (float(factor) for factor in rng.uniform(0.93, 1.07, 2))
    light = Light(gain=float(rng.uniform(0.7, 1.25)), cast_bgr=(blue, 1.0, red), gradient=float(rng.uniform(-0.3, 0.3)))
    sigma = float(rng.uniform(0.5, 4.0)) if noise_sigma is None else noise_sigma
    frame = tray.compose([Placed(sprite, x_px, y_px)], light, rng, noise_sigma=sigma)
    return degrade(frame, rng, MILD) if is_degraded else frame


def _place(rng: np.random.Generator, room: int, size: int) -> float:
    """Where an item's middle lies along one side: anywhere that leaves most of it in view."""
    slack = max(0.0, (room - size) / 2) + 0.08 * size
    return float(room / 2 + rng.uniform(-slack, slack))
