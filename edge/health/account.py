"""What the process before could not write down stands in the status file until it is in the book."""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.health.status import StatusFile
from edge.machine import Machine
from edge.records import Decision, Event, Frame, Prediction, Presence

__all__ = ["AccountWatch"]


class AccountWatch:
    """A watcher that keeps an account in the status file, from where the next process takes it, until it is durable.

    It is not lost over starts that fail, and so may be told twice after a kill in the moment after it was written down.

    Args:
        status: takes it as `owed`.
        owed: the account, see `missed_before`; empty if there is none.
    """

    def __init__(self, status: StatusFile, owed: Sequence[Event]) -> None:
        self._status = status
        self._owed = [dict(event.body) for event in owed]
        for body in self._owed:
            status.tell(owed={name: body[name] for name in ("detail", "missed")})

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        """No event."""

    def on_prediction(self, prediction: Prediction) -> None:
        """No event."""

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        """No event."""

    def on_event(self, record: Mapping[str, Any]) -> None:
        for body in self._owed:
            if all(record.get(name) == value for name, value in body.items()):
                self._owed.remove(body)
                self._status.tell(owed=None)
                self._status.refresh()
                return

    def on_ending(self) -> None:
        """No event."""
