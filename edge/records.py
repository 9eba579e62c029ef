"""The frozen records that stages hand to one another.

Those that every frame brings anew are named tuples, which cost a fraction of a frozen dataclass to make.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "EVENT_SCHEMA",
    "BgrImage",
    "Decision",
    "DecisionKind",
    "Event",
    "Frame",
    "GateReport",
    "Grey",
    "ModelId",
    "Prediction",
    "Prepared",
    "Presence",
    "Status",
]

BgrImage = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, BGR order, 0..255."""

Prepared = npt.NDArray[Any]
"""A model's input tensor, filled."""

Grey = npt.NDArray[np.uint8]
"""(H, W) uint8, 0..255."""

EVENT_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the tray.

    Attributes:
        index: number of the frame since the source was opened, from 0; a gap is a frame nobody read.
        t_s: when it was captured, in seconds of the source's clock.
        image: (H, W, 3) uint8, BGR order. The receiver must not write to it. A live source writes the next pictures
            to the same memory: it holds until the source is read again.
        thumb: `thumbnail(image)` where the source has it anyway; None: whoever wants it makes it. It may be kept.
        prepared: what the classifier's `prepare` made of the image, where the source did that in its own thread.
    """

    index: int
    t_s: float
    image: BgrImage
    thumb: Grey | None = None
    prepared: Prepared | None = None


class Presence(NamedTuple):
    """What the presence detector saw in one frame.

    Attributes:
        t_s: time of the frame.
        is_lit: False when the picture is too dark to say anything; the other fields are then False and 0.
        is_occupied: something that is not the empty tray is in view.
        is_moving: the picture changed since the last frame by more than noise and light do.
        is_disturbed: the change was large, as from a hand or a sliding item.
        cover: share of the tray that differs from the empty tray, 0..1.
        motion: share of the tray that changed since the last frame, 0..1.
    """

    t_s: float
    is_lit: bool
    is_occupied: bool
    is_moving: bool
    is_disturbed: bool
    cover: float
    motion: float


class Prediction(NamedTuple):
    """The classifier's answer for one frame.

    Attributes:
        t_s: time of the frame.
        labels: class names, in the order of `probabilities`.
        probabilities: calibrated, one a label, sum 1.
        elapsed_s: processor-side time from frame to label, in seconds of the performance counter.
        energy: how much the model knows of what it saw, in units of its logits: temperature x log-sum-exp of the
            logits over the temperature (the negative free energy of Liu et al., NeurIPS 2020) less the mean logit. It
            is low for what is no waste; infinite, hence never too low, from a classifier that does not compute it.
    """

    t_s: float
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    elapsed_s: float
    energy: float = math.inf

    @property
    def label(self) -> str:
        """The most probable label; the first one of equals."""
        return self.labels[self.probabilities.index(max(self.probabilities))]

    @property
    def confidence(self) -> float:
        """Probability of `label`."""
        return max(self.probabilities)


class DecisionKind(StrEnum):
    """How a decision came about."""

    CONFIDENT = "confident"
    """The votes agree and clear the calibrated thresholds."""
    UNCERTAIN = "uncertain"
    """They do not: the item takes the uncertain route."""
    REJECTED = "rejected"
    """What was seen is nothing that this bundle knows, no waste or too vague to tell: it takes the uncertain route."""
    DEADLINE = "deadline"
    """Time ran out before enough votes were in: the item takes the uncertain route."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an item goes and why.

    Attributes:
        t_s: source time of the decision.
        label: best label over all votes; empty when there was no vote at all.
        route: name of the bin.
        confidence: mean probability of the winning route (all its labels together), 0..1.
        margin: `confidence` less that of the runner-up route, -1..1.
        votes: number of frames that favoured each configured route.
        frames: number of frames that voted.
        classify_s: the classifier's own time over all votes.
    """

    t_s: float
    kind: DecisionKind
    label: str
    route: str
    confidence: float
    margin: float
    votes: Mapping[str, int]
    frames: int
    classify_s: float


@dataclass(frozen=True, slots=True)
class GateReport:
    """What a gate was really told to do in one motion, after clipping and quantizing.

    Attributes:
        target: name of the bin, or `home`.
        commanded_deg: the last angle that the driver sent, read back from the device; None where nothing turns.
        started_s, ended_s: source time of the first command and of the last.
    """

    target: str
    commanded_deg: float | None
    started_s: float
    ended_s: float


class Status(StrEnum):
    """What an operator needs to know at a glance; `ports.Indicator` shows it."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    PAUSED = "paused"
    STOPPED = "stopped"
    """The emergency stop is pressed, or waits for the resume button."""
    BIN_FULL = "bin_full"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class ModelId:
    """Which model decided."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the event book before it has a number; `ports.Ledger.append` gives it one.

    Attributes:
        type: `item`, `boot`, `fault`, `recovered`, `pause`, `bin_full`, `throttled`, `clock` or `model_changed`.
        t_s: source time of what happened.
        body: the type's own fields, ready for JSON.
    """

    type: str
    t_s: float
    body: Mapping[str, Any] = field(default_factory=dict)
