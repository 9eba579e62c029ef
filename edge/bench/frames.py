"""The pictures that everybody measures: rendered by the simulation from one seed, so that no file has to be carried."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.bench.report import FrameSet
from edge.records import Frame
from edge.render import LABELS, Light, Placed, Tray, render_item
from edge.sources.sim import FIRST_ACT_S, Simulation
from edge.sources.sim_script import Item

__all__ = ["FPS", "HEIGHT_PX", "REST_S", "WIDTH_PX", "describe", "play_frames", "still_frames"]

VERSION = 1
"""Counted up whenever the pictures change: figures of two versions are of different work."""
SEED = 1
WIDTH_PX, HEIGHT_PX, FPS = 640, 480, 30.0
STILLS_A_LABEL = 2
ITEM = Item("plastic", "pet_bottle", rest_s=0.8)
REST_S = FIRST_ACT_S + ITEM.slide_s
"""When the item of `play_frames` has come to rest."""


def play_frames(fps: float = FPS, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> list[Frame]:
    """Two seconds of empty tray, one bottle that rests for 0.8 s, and an empty tray again."""
    simulation = Simulation(seed=SEED, items=1, fps=fps, width_px=width_px, height_px=height_px, script=[ITEM])
    simulation.open()
    frames = []
    while simulation.next_s() is not None:
        frames.append(simulation.take())
    return frames


def still_frames(width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> npt.NDArray[np.uint8]:
    """Two items of every label at rest: (12, height, width, 3) uint8 BGR."""
    rng = np.random.default_rng(SEED)
    tray = Tray(rng, width_px, height_px)
    return np.stack(
        [
            tray.compose([Placed(render_item(label, rng), width_px / 2, height_px / 2)], Light(), rng)
            for label in LABELS
            for _ in range(STILLS_A_LABEL)
        ]
    )


def describe(frames: Sequence[Frame], fps: float) -> FrameSet:
    """Facts of a set of frames, with the digest of its pixels."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.image.tobytes())
    height_px, width_px = frames[0].image.shape[:2]
    return FrameSet(
        version=VERSION,
        width_px=width_px,
        height_px=height_px,
        fps=fps,
        frames=len(frames),
        sha256=digest.hexdigest(),
    )
