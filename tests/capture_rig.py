"""Pictures to be captured, a clock that stands until it is moved, and folders of pictures that were written down."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from edge.capture.keeper import Keeper
from edge.capture.limits import Limits
from edge.records import BgrImage, Decision, DecisionKind, Frame, Presence
from tests.rigs import WAIT_S

PLENTY_BYTES = 1 << 40


class HandClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def noise(side: int = 48, seed: int = 0) -> BgrImage:
    """A picture that compresses badly."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def about(number: int, **fields: Any) -> dict[str, Any]:
    """What is known of picture `number` of boot b1."""
    event = {"event_id": f"b1-{number}", "boot_id": "b1", "utc": "2026-11-22T09:00:00.123Z", "t_s": float(number)}
    item = {"label": "glass", "route": "residue", "decision": "uncertain", "confidence": 0.5, "reason": None}
    return {**event, **item, "model": None, "source": "v4l2:/dev/video0", **fields}


def keeper(folder: Path, *, now_s: Any = None, free: Any = lambda _: PLENTY_BYTES, **limits: Any) -> Keeper:
    """A keeper that is not open yet, with limits that nothing reaches unless they are given."""
    return Keeper(folder, Limits(**limits), now_s=now_s or HandClock(), free=free)


def filled(folder: Path, count: int, **fields: Any) -> Path:
    """A folder with pictures b1-1 to b1-`count`."""
    one = keeper(folder)
    one.open()
    for number in range(1, count + 1):
        one.put(noise(seed=number), about(number, **fields))
    one.close()
    return folder


def names(folder: Path) -> list[str]:
    """Everything in a folder but what is hidden, sorted."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def ids(one: Keeper) -> list[str]:
    """Event ids of what is kept, oldest first."""
    return [entry.id for entry in one.entries]


def fields_of(folder: Path) -> list[dict[str, Any]]:
    """What is written down with each picture, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def frame(index: int = 0, image: BgrImage | None = None) -> Frame:
    return Frame(index, index / 20, noise(seed=index) if image is None else image)


def decision(kind: str = "uncertain", t_s: float = 1.0, label: str = "glass") -> Decision:
    return Decision(t_s, DecisionKind(kind), label, "residue", 0.5, 0.1, {"residue": 3}, 3, 0.06)


PRESENCE = Presence(0.0, True, True, False, False, 0.2, 0.0)

__all__ = [
    "PLENTY_BYTES",
    "PRESENCE",
    "WAIT_S",
    "HandClock",
    "about",
    "decision",
    "fields_of",
    "filled",
    "frame",
    "ids",
    "keeper",
    "names",
    "noise",
]
