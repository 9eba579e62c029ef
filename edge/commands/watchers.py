"""Who looks on while the sorter runs: counters for the summary, plain lines, and the file of events."""

import os
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from edge.commands.lines import describe_event
from edge.errors import ConfigError, LedgerError
from edge.ledger_format import encode_record
from edge.machine import Machine
from edge.records import Decision, Frame, Prediction, Presence

__all__ = ["EventsFile", "LinePrinter", "Silent", "Tally"]

LATENCY_LIMIT = 10_000
"""Latencies that are kept for the medians: a run of months must not fill the memory."""
ITEM_LIMIT = 100_000
"""Items that are kept to be compared with the simulation's truth."""


class Silent:
    """A watcher that looks at nothing; the others override what they care for."""

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        """Nothing."""

    def on_prediction(self, prediction: Prediction) -> None:
        """Nothing."""

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        """Nothing."""

    def on_event(self, record: Mapping[str, Any]) -> None:
        """Nothing."""

    def on_ending(self) -> None:
        """Nothing."""


class Tally(Silent):
    """Counts what happened, for the summary at the end."""

    def __init__(self) -> None:
        self.routes: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.frames = 0
        self.last_s = 0.0
        self.decide_ms: deque[float] = deque(maxlen=LATENCY_LIMIT)
        self.classify_ms: deque[float] = deque(maxlen=LATENCY_LIMIT)
        self.items: deque[tuple[float, str]] = deque(maxlen=ITEM_LIMIT)
        """Time of the decision and route of each item."""
        self.started_s = time.perf_counter()

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        self.frames += 1
        self.last_s = frame.t_s

    def on_prediction(self, prediction: Prediction) -> None:
        self.classify_ms.append(prediction.elapsed_s * 1000)

    def on_event(self, record: Mapping[str, Any]) -> None:
        self.types[record["type"]] += 1
        if record["type"] != "item":
            return
        self.routes[record["route"]] += 1
        self.labels[record["label"]] += 1
        self.decisions[record["decision"]] += 1
        self.decide_ms.append(record["latency_ms"]["decide"])
        self.items.append((record["t_s"], record["route"]))

    def medians(self) -> dict[str, float]:
        """Medians in ms: `decide` (rest to decision, source time), `classify` (one frame to its label)."""
        pairs = {"decide": self.decide_ms, "classify": self.classify_ms}
        return {name: statistics.median(values) for name, values in pairs.items() if values}


class LinePrinter(Silent):
    """Prints each event as a line on standard output. A reader that went away does not stop the sorting."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._is_broken = False

    def on_event(self, record: Mapping[str, Any]) -> None:
        if self._is_broken:
            return
        try:
            print(encode_record(record) if self._as_json else describe_event(record), flush=True)
        except OSError:
            self._is_broken = True
            # What stands in the buffer would raise again when the interpreter ends.
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115  # open until the process ends


class EventsFile(Silent):
    """Appends each event, already durable in the ledger, to a file of JSON lines.

    Raises: ConfigError if the file cannot be opened; LedgerError if a line cannot be written, since whoever asked
        for the file counts on it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_torn = _ends_in_mid_line(path)
            self._file: IO[str] = path.open("a", encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"cannot write events to {path} ({exc.strerror}); check --events") from exc
        self._prefix = "\n" if is_torn else ""

    def on_event(self, record: Mapping[str, Any]) -> None:
        try:
            self._file.write(self._prefix + encode_record(record) + "\n")
            self._prefix = ""
            self._file.flush()
        except OSError as exc:
            raise LedgerError(
                f"cannot write events to {self._path} ({exc.strerror}); the ledger has them: free some space, "
                "or leave --events out"
            ) from exc

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:
            # Every line was flushed or reported; what is left cannot be.
            return


def _ends_in_mid_line(path: Path) -> bool:
    """True if a run that was killed left half a line: the next one must not be written behind it."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
