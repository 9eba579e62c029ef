"""The live view of a run in a terminal: state, item, confidence bars, counts, frames a second."""

import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.commands.lines import describe_event
from edge.commands.watchers import Silent, Tally
from edge.config import Config
from edge.machine import Machine, State
from edge.printable import printable
from edge.records import Frame, Prediction, Presence

__all__ = ["LiveView"]

REFRESH_S = 0.2
EVENT_LINES = 8
BAR_CELLS = 40
LABEL_CELLS = 42
"""Width of everything beside a bar."""
OTHER_LINES = 12
"""Height of everything but the labels and the events, and a line to spare."""
STATE_STYLES = {
    State.FAULT: "bold red",
    State.READY: "green",
    State.VOTING: "bold yellow",
    State.ROUTING: "bold cyan",
}


class LiveView(Silent):
    """Draws at most five times a second, from the loop's own thread: a thread beside it would cost more.

    Args:
        tally: whose counts are shown.
        config: for labels and bins.
    """

    def __init__(self, tally: Tally, config: Config) -> None:
        self._tally = tally
        self._config = config
        self._events: deque[str] = deque(maxlen=EVENT_LINES)
        self._prediction: Prediction | None = None
        self._machine: Machine | None = None
        self._presence: Presence | None = None
        self._drawn_s = 0.0
        self._frame_times: deque[float] = deque(maxlen=60)
        self._live = Live(console=Console(), auto_refresh=False, transient=True)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        for line in self._events:
            print(line)

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        now_s = time.perf_counter()
        self._frame_times.append(now_s)
        self._presence, self._machine = presence, machine
        if now_s - self._drawn_s >= REFRESH_S:
            self._drawn_s = now_s
            self._live.update(self._draw(frame.t_s), refresh=True)

    def on_prediction(self, prediction: Prediction) -> None:
        self._prediction = prediction

    def on_event(self, record: Mapping[str, Any]) -> None:
        self._events.append(describe_event(record))

    def _draw(self, t_s: float) -> Group:
        return Group(self._head(t_s), self._bars(), self._counts(), self._latest())

    def _latest(self) -> Panel:
        """As many of the newest events as fit on the screen, a line each, cut where the screen ends."""
        room = self._live.console.height - OTHER_LINES - len(self._config.routes)
        lines = list(self._events)[-max(1, min(EVENT_LINES, room)) :]
        return Panel(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), title="events", padding=0)

    def _head(self, t_s: float) -> Panel:
        state = self._machine.state if self._machine is not None else State.BOOT
        times = self._frame_times
        span_s = times[-1] - times[0] if len(times) > 1 else 0.0
        rate = (len(times) - 1) / span_s if span_s > 0 else 0.0
        cover = self._presence.cover if self._presence is not None else 0.0
        # An idle camera is shown twice a second; as a rate that would look like a fault.
        is_idle = self._machine is not None and self._machine.is_idle(t_s)
        pace = "glancing only " if is_idle else f"{rate:5.1f} frames/s"
        text = Text.assemble(
            (f"{state.value:<11}", STATE_STYLES.get(state, "white")),
            f"  tray {cover:4.0%} covered   {pace}   {t_s:7.1f} s   {printable(self._config.source.spec)}",
            no_wrap=True,
            overflow="ellipsis",
        )
        return Panel(text, title="edge-sorter")

    def _bars(self) -> Panel:
        grid = Table.grid(padding=(0, 1))
        cells = max(8, min(BAR_CELLS, self._live.console.width - LABEL_CELLS))
        prediction = self._prediction
        for index, label in enumerate(self._config.routes):
            probability = (
                prediction.probabilities[index] if prediction is not None and index < len(prediction.labels) else 0.0
            )
            if prediction is not None:
                label = prediction.labels[index]
            filled = round(probability * cells)
            bar = Text("█" * filled, "green") + Text("░" * (cells - filled), "dim")
            grid.add_row(f"{label:<12}", bar, f"{probability:6.1%}", f"-> {self._config.routes.get(label, '')}")
        title = "last frame classified" if prediction is not None else "no item yet"
        elapsed = f" in {prediction.elapsed_s * 1000:.1f} ms" if prediction is not None else ""
        return Panel(grid, title=title + elapsed)

    def _counts(self) -> Panel:
        routes = "   ".join(f"{name} {self._tally.routes[name]}" for name in self._config.bin_names)
        decisions = "   ".join(f"{name} {count}" for name, count in self._tally.decisions.items())
        return Panel(Text.assemble(routes, "    ", (decisions, "dim")), title="items")
