"""What happened since the process started, and since the machine did, in numbers."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from edge.health.lasting import LASTING, together
from edge.machine_stops import LEDGER_FAILED
from edge.records import Prediction

__all__ = ["Totals"]

_LATENCIES = ("decide", "total")


class Totals:
    """Counts frames, votes, and events of the book. What was never seen stands in no count.

    Args:
        former: counts of the processes before, see `lasting.former_counts`.
    """

    def __init__(self, former: Mapping[str, Any] | None = None) -> None:
        self._former = former
        self.frames = 0
        self._votes, self._classify_s = 0, 0.0
        self._items: Counter[tuple[str, str]] = Counter()
        self._events: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._latency = dict.fromkeys(_LATENCIES, (0, 0.0))
        self._unfinished = 0
        self._missed = self._missed_before = 0
        self.last_item: dict[str, Any] | None = None
        self.last_fault: dict[str, Any] | None = None

    def see_vote(self, prediction: Prediction) -> None:
        """A frame was classified."""
        self._votes += 1
        self._classify_s += prediction.elapsed_s

    def see_event(self, record: Mapping[str, Any]) -> None:
        """An event was written down."""
        type_ = str(record.get("type"))
        self._events[type_] += 1
        if type_ == "item":
            self._see_item(record)
        if type_ == "fault":
            self._see_fault(record)
        if type_ in ("fault", "pause") and isinstance(record.get("item"), Mapping):
            self._unfinished += 1

    def fields(self, uncredited: int = 0) -> dict[str, Any]:
        """All counts, ready for JSON.

        Args:
            uncredited: items that no row tells of, and that no event accounts for yet.
        """
        by_route: Counter[str] = Counter()
        by_decision: Counter[str] = Counter()
        for (route, decision), count in self._items.items():
            by_route[route] += count
            by_decision[decision] += count
        both = [
            {"route": route, "decision": decision, "count": count} for (route, decision), count in self._items.items()
        ]
        counts = {
            "uncredited": self._missed + uncredited,
            "unfinished": self._unfinished,
            "events": dict(self._events),
            "faults": dict(self._faults),
            "frames": self.frames,
            "classified": {"count": self._votes, "sum_s": round(self._classify_s, 6)},
            "latency": {name: {"count": count, "sum_ms": ms} for name, (count, ms) in self._latency.items()},
        }
        return {
            "items": {
                "total": self._items.total(),
                "by_route": dict(by_route),
                "by_decision": dict(by_decision),
                "by_both": both,
            },
            "last_item": self.last_item,
            **counts,
            LASTING: self._lasting({**counts, "items": both}),
        }

    def _lasting(self, counts: dict[str, Any]) -> dict[str, Any]:
        former = self._former
        if former is not None:
            # What the process before missed it had counted itself, and this one has been told of it once more.
            counts["uncredited"] -= self._missed_before
            former = {**former, "uncredited": max(former["uncredited"], self._missed_before)}
        return together(former, counts)

    def _see_item(self, record: Mapping[str, Any]) -> None:
        self._items[str(record.get("route")), str(record.get("decision"))] += 1
        latency = record.get("latency_ms") or {}
        for name, (count, sum_ms) in self._latency.items():
            if name in latency:
                self._latency[name] = (count + 1, round(sum_ms + latency[name], 3))
        keys = ("event_id", "utc", "t_s", "label", "route", "decision", "confidence")
        confirmed = (record.get("gate") or {}).get("confirmed")
        self.last_item = {key: record.get(key) for key in keys} | {"confirmed": confirmed}

    def _see_fault(self, record: Mapping[str, Any]) -> None:
        reason = str(record.get("reason"))
        self._faults[reason] += 1
        self.last_fault = {key: record.get(key) for key in ("reason", "detail", "t_s", "utc")}
        missed = record.get("missed")
        if reason == LEDGER_FAILED and isinstance(missed, Mapping):
            # They are no longer counted by who could not write them.
            self._missed += int(missed.get("item", 0))
            if "after_s" not in record:
                # It was told for the process before, which could not tell for how long.
                self._missed_before += int(missed.get("item", 0))
