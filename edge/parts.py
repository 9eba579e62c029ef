"""What a run is made of, and who may look on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge.book import Book
from edge.machine import Machine
from edge.panel import Panel
from edge.ports import Classifier, DropSensor, Gate, Ledger, PresenceDetector, Source
from edge.records import Decision, Frame, Prediction, Presence
from edge.upkeep import Upkeep

__all__ = ["Parts", "Watcher"]


class Watcher(Protocol):
    """Looks on: a live view, a printer, a file of events. It must be quick and must not raise."""

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None: ...

    def on_prediction(self, prediction: Prediction) -> None: ...

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        """Called before the gate moves, with the last frame that was seen; it is valid until this returns."""
        ...

    def on_event(self, record: Mapping[str, Any]) -> None:
        """Called only once the event is durable."""
        ...

    def on_ending(self) -> None:
        """Called once, when no more frames are looked at and the gate is about to be parked for good."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The opened drivers that a run is made of.

    Attributes:
        book: what is done while the ledger cannot be written; None: every failure of it ends the run.
        upkeep: None: nobody watches supply, heat and the wall clock.
        hot_fps: frames a second that are taken while the processor is hot.
    """

    source: Source
    presence: PresenceDetector
    classifier: Classifier
    gate: Gate
    sensor: DropSensor | None
    ledger: Ledger
    panel: Panel | None = None
    book: Book | None = None
    upkeep: Upkeep | None = None
    hot_fps: float = 10.0
