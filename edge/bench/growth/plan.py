"""How much is measured: which places of each axis, and how often."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["FULL", "PLANS", "QUICK", "Plan", "Scale"]

Scale = Literal["quick", "full"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Places of the axes, and repetitions.

    Attributes:
        rounds: each round measures every place of an axis once.
        calls: calls of a stage in one round, of which the median counts.
        sizes_px: width and height of frames.
        rates_fps: frames a second of the idle loop; it runs in real time.
        window_s: least real time of one rate in one round; at least four frames.
        labels, bins: numbers of them.
        rows: of the ledger.
        appends: events written in one round.
        summary_rounds: rounds that read the whole ledger.
        ages_frames: frames that a run has behind it; each round adds one play of the recording to them.
    """

    rounds: int
    calls: int
    sizes_px: tuple[tuple[int, int], ...]
    rates_fps: tuple[float, ...]
    window_s: float
    labels: tuple[int, ...]
    bins: tuple[int, ...]
    rows: tuple[int, ...]
    appends: int
    summary_rounds: int
    ages_frames: tuple[int, ...]


_SIZES_PX = ((320, 240), (640, 480), (800, 600), (1280, 720), (1280, 960), (1920, 1080))
_LABELS = (2, 6, 20, 100, 300, 1000)
_BINS = (2, 5, 10, 20, 50)

QUICK = Plan(
    rounds=6,
    calls=10,
    sizes_px=_SIZES_PX,
    rates_fps=(5.0, 30.0, 120.0),
    window_s=0.3,
    labels=_LABELS,
    bins=_BINS,
    rows=(1_000, 10_000, 100_000),
    appends=5,
    summary_rounds=6,
    ages_frames=(1_000, 10_000, 100_000),
)
"""Less than 40 s on two cores of a server."""
FULL = Plan(
    rounds=12,
    calls=30,
    sizes_px=_SIZES_PX,
    rates_fps=(5.0, 10.0, 20.0, 30.0, 60.0, 120.0),
    window_s=1.0,
    labels=_LABELS,
    bins=_BINS,
    rows=(1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    appends=20,
    summary_rounds=3,
    ages_frames=(1_000, 10_000, 100_000, 1_000_000),
)
"""Less than 20 minutes on two cores of a server; 8 GB of disk for the largest ledger."""
PLANS: dict[Scale, Plan] = {"quick": QUICK, "full": FULL}
