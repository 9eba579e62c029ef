"""Cost over the time that a run lasts: sorters of different ages side by side, and what a process gathers."""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from edge.bench.frames import play_frames
from edge.bench.growth.plan import Plan
from edge.bench.growth.records import Axis, Curve, Place, Unit
from edge.bench.growth.rig import open_sorter
from edge.bench.growth.rounds import interleave
from edge.board.gauges import Gauges
from edge.bundle import Bundle
from edge.config import Config
from edge.machine import State
from edge.memory import collector_at_rest, settle
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import Frame
from edge.runtime import Runtime
from edge.sources.replay import ReplaySource

__all__ = ["measure_uptime"]

WIDTH_PX, HEIGHT_PX = 320, 240
"""Small, so that the frames of a play are no burden to a small board; see the axis of the frame's size."""


def measure_uptime(config: Config, plan: Plan, bundle: Bundle, folder: Path, progress: Callable[[str], None]) -> Axis:
    """Run sorters for that many frames, the oldest one first, then measure them in turns. Raises: SorterError."""
    frames = play_frames(config.source.fps, WIDTH_PX, HEIGHT_PX)
    places = {(float(age), _age(age)): age for age in plan.ages_frames}
    gathered: dict[Place, dict[str, float]] = {}
    with ExitStack() as stack:

        def begin() -> "_Sorter":
            recording = _Endless(frames)
            source, presence = ReplaySource(recording, "fast"), LocalContrastDetector(config.presence)
            runtime = stack.enter_context(open_sorter(config, bundle, source, presence, folder))
            return _Sorter(runtime, recording, collect)

        gauges = Gauges()
        collect = stack.enter_context(collector_at_rest())
        oldest = begin()
        settle()
        for place, age in places.items():
            progress(f"uptime: a run of {place[1]} frames")
            oldest.run_to(age)
            gathered[place] = _gather(gauges)
        sorters = {place: oldest if age == max(places.values()) else begin() for place, age in places.items()}
        for place, sorter in sorters.items():
            sorter.run_to(places[place])
        # One play more for all, so that the last thing each of them did is the same.
        for sorter in sorters.values():
            sorter.play_us()
        costs = interleave({place: sorter.play_us for place, sorter in sorters.items()}, plan.rounds)
    frames_mb = sum(frame.image.nbytes for frame in frames) / 1e6
    return Axis(
        name="uptime",
        title="Uptime",
        x_title="frames behind it",
        method="The real loop with its ledger and simulated pins, but a classifier that knows, over "
        f"{WIDTH_PX}x{HEIGHT_PX} frames of one item after another ({len(frames)} frames an item), as fast as can be. "
        "Sorters of each age are measured in turns; what the process holds was read once, on the way of the oldest.",
        curves=(
            Curve.of("whole loop, a frame", "us", "cpu", costs, "frames"),
            *[
                _counted(title, unit, gathered)
                for title, unit in _GATHERED.items()
                if all(title in told for told in gathered.values())
            ],
        ),
        remarks=(
            f"The frames of the recording, {frames_mb:.0f} MB, are part of the memory. A simulated pin remembers its "
            "last 4096 changes, about 12 000 of Python's blocks; real pins remember nothing.",
        ),
    )


_GATHERED: dict[str, Unit] = {
    "resident memory": "MB",
    "Python's blocks": "count",
    "open descriptors": "count",
    "threads": "count",
}


def _gather(gauges: Gauges) -> dict[str, float]:
    gc.collect()
    blocks = float(sys.getallocatedblocks())
    now = gauges.read()
    told = (now.resident_mb, blocks, now.descriptors, now.threads)
    return {title: float(value) for title, value in zip(_GATHERED, told, strict=True) if value is not None}


def _counted(title: str, unit: Unit, gathered: dict[Place, dict[str, float]]) -> Curve:
    return Curve.of(title, unit, "none", {place: [values[title]] for place, values in gathered.items()}, "frames")


class _Endless:
    """A recording that plays the same frames for ever, with time going on."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._images = [frame.image for frame in frames]
        self._step_s = frames[1].t_s - frames[0].t_s
        self.index = 0

    @property
    def length(self) -> int:
        return len(self._images)

    def open(self) -> None:
        """Nothing to open."""

    def next_s(self) -> float:
        return self.index * self._step_s

    def take(self) -> Frame:
        frame = Frame(self.index, self.next_s(), self._images[self.index % len(self._images)])
        self.index += 1
        return frame

    def close(self) -> None:
        """Nothing to close."""


class _Sorter:
    def __init__(self, runtime: Runtime, recording: _Endless, collect: Callable[[float], None]) -> None:
        self._runtime, self._recording, self._collect = runtime, recording, collect

    def run_to(self, frames: int) -> None:
        """Go on until it has seen so many frames."""
        while self._recording.index < frames:
            self._runtime.turn()
            # As `Runtime.run` does.
            if self._runtime.machine.state is State.READY:
                self._collect(self._recording.next_s())

    def play_us(self) -> float:
        """Mean processor time of a frame over a whole play, in microseconds: every kind of frame has its share."""
        frames = self._recording.length
        start_ns = time.process_time_ns()
        self.run_to(self._recording.index + frames)
        return (time.process_time_ns() - start_ns) / frames / 1000


def _age(frames: int) -> str:
    return f"{frames:,}".replace(",", " ")
