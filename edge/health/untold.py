"""Strikes out what is owed to the book, once it stands there."""

from collections.abc import Mapping
from typing import Any

from edge.health.starts import Starts
from edge.machine import Machine
from edge.records import Decision, Frame, Prediction, Presence

__all__ = ["UntoldWatch"]


class UntoldWatch:
    """A watcher that tells `Starts` which of the events that it owes are durable by now."""

    def __init__(self, starts: Starts) -> None:
        self._starts = starts

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        """No event."""

    def on_prediction(self, prediction: Prediction) -> None:
        """No event."""

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        """No event."""

    def on_event(self, record: Mapping[str, Any]) -> None:
        self._starts.told(str(record.get("type")), str(record.get("reason")))

    def on_ending(self) -> None:
        """No event."""
