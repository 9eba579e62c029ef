"""Picks the pictures that are worth a label while the sorter runs."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from edge.capture.store import CaptureStore
from edge.machine import Machine
from edge.records import BgrImage, Decision, Frame, Prediction, Presence

__all__ = ["FAULT", "CaptureWatcher"]

FAULT = "fault"
MENDING = frozenset({"gate_jammed", "tray_blocked", "drop_unconfirmed"})
"""Faults that the sorter goes on after: the next frame shows what the last one did."""
ENDING = frozenset({"source_lost", "gate_failed", "gave_up", "model_failed", "internal_error"})
"""Faults that no frame comes after. Of others, such as one of the disk, a picture of the tray tells nothing."""


class CaptureWatcher:
    """A `runtime.Watcher` that files the last frame that voted of an item that was not decided with confidence, and
    what was seen at a fault, each once its event is durable.

    Frames are valid only until the next one is read, and are not copied on the chance that one is wanted. So a frame is
    copied at the decision, if it is of a kind to be kept, and at a fault the next frame is; where none comes any more,
    the last one holds, for nobody writes to it then.

    Args:
        store: opened and closed by the caller, after this was closed.
        kinds: decisions to be kept, as `DecisionKind` names them, and `fault`.
        source: spec of the source, such as `sim`, which is written down with each picture.
    """

    def __init__(self, store: CaptureStore, kinds: Collection[str], source: str) -> None:
        self._store = store
        self._kinds = frozenset(kinds)
        self._source = source
        self._last: Frame | None = None
        self._item: tuple[Decision, BgrImage] | None = None
        self._memory: BgrImage | None = None
        self._fault: Mapping[str, Any] | None = None

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        self._last = frame
        if self._fault is not None:
            self._keep_fault()

    def on_prediction(self, prediction: Prediction) -> None:
        """Nothing: whether its frame is wanted is known at the decision."""

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        """Copy the frame, if the item's is to be kept."""
        is_wanted = decision.kind.value in self._kinds and self._store.is_ready
        copy = self._copied(frame.image) if is_wanted else None
        self._item = None if copy is None else (decision, copy)

    def on_event(self, record: Mapping[str, Any]) -> None:
        type_ = record["type"]
        if self._item is not None and (type_ == "item" or "item" in record):
            (decision, image), self._item = self._item, None
            if type_ != "item" or record["t_s"] == round(decision.t_s, 4):
                self._store.keep(image, self._about(record, decision))
                return
        if type_ != FAULT or FAULT not in self._kinds:
            return
        reason = record.get("reason")
        if reason in MENDING | ENDING and self._fault is None:
            self._fault = self._about(record, None)
        if reason in ENDING:
            self._keep_fault()

    def on_ending(self) -> None:
        """Nothing: a fault that ends the run is told after this."""

    def close(self) -> None:
        """File what still waits for a frame. The source must be closed by then."""
        if self._fault is not None:
            self._keep_fault()
        self._last = self._item = self._memory = None

    def _copied(self, image: BgrImage) -> BgrImage | None:
        """Into the same memory each time: the gate waits for it, and new memory takes ten times as long.

        Returns: the copy; None where there is no memory for one, which is no reason to stop sorting.
        """
        if self._memory is None or self._memory.shape != image.shape:
            self._memory = None
            with suppress(MemoryError):
                self._memory = image.copy()
        else:
            np.copyto(self._memory, image)
        return self._memory

    def _keep_fault(self) -> None:
        about, self._fault = self._fault, None
        if about is not None and self._last is not None:
            self._store.keep(self._last.image, about)

    def _about(self, record: Mapping[str, Any], decision: Decision | None) -> dict[str, Any]:
        """What is written down with a picture: the event's own fields, or the decision's where it has none."""
        about: dict[str, Any] = {name: record.get(name) for name in ("event_id", "boot_id", "utc", "t_s")}
        item = record.get("item") or {}
        about["label"] = record.get("label", item.get("label"))
        about["route"] = record.get("route", item.get("route"))
        about["decision"] = FAULT if decision is None else decision.kind.value
        about["confidence"] = None if decision is None else round(decision.confidence, 4)
        about["reason"] = record.get("reason")
        about["model"] = record.get("model")
        about["source"] = self._source
        return about
