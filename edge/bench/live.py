"""The loop in real time, with a camera in its own thread: waits, missed frames, and what an item and no item cost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.bench.camera import PlayedCamera, live_source
from edge.bench.frames import REST_S
from edge.bench.report import Figure, Stage
from edge.bench.samples import Samples, now, stages
from edge.bench.timed import Log, open_runtime
from edge.bundle import Bundle
from edge.classify.tflite import TfliteClassifier
from edge.clock import Clock
from edge.config import Config
from edge.memory import collector_at_rest
from edge.ports import Dull, Prepare
from edge.records import Frame
from edge.runtime import Runtime
from edge.sources.live import LiveSource

__all__ = ["LiveFindings", "figures_of", "measure_live", "pins_figure", "stages_of"]

IDLE_FPS = 20.0
WAKE_S = 3.0
"""After so long the tray counts as idle, and the measurement of an idle tray begins."""
GOALS = {"rest": 0.25, "pin_ms": 5.0, "idle": 0.015, "throughput": 0.95}
TITLES = {
    "capture": "capture: a frame's age when the loop has it",
    "rest_to_decision": "item at rest -> decision",
}


@dataclass(slots=True)
class LiveFindings:
    """What was seen in real time.

    Attributes:
        samples: by stage, in microseconds of wall time.
        frames, missed: that the camera had, and that nobody came in time for.
        undecided: items that left before they were decided.
        item_cpu_ms: processor time that an item took from its coming to its decision, and in all, the camera's own left
            out.
        idle_shares: share of a core that an empty tray takes, the camera's own work left out, a value a round.
        throughput: frames a second over those of the bare inference, a value a round.
    """

    samples: dict[str, Samples] = field(
        default_factory=lambda: {name: Samples() for name in (*TITLES, "decision_to_pin")}
    )
    frames: int = 0
    missed: int = 0
    undecided: int = 0
    item_cpu_ms: list[float] = field(default_factory=list)
    idle_shares: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)


def measure_live(
    config: Config,
    bundle: Bundle,
    classifier: TfliteClassifier,
    frames: Sequence[Frame],
    fps: float,
    *,
    items: int,
    idle_rounds: int,
    idle_round_s: float = 1.0,
) -> LiveFindings:
    """Sort the item of `frames` so often, in real time; then watch the empty tray.

    Raises: SorterError.
    """
    found = LiveFindings()
    _sort(config, bundle, classifier, frames, fps, items, found)
    empty = [frame for frame in frames if frame.t_s < REST_S / 2]
    _idle(config, bundle, classifier, empty, idle_rounds, idle_round_s, found)
    return found


def _sort(
    config: Config,
    bundle: Bundle,
    classifier: TfliteClassifier,
    frames: Sequence[Frame],
    fps: float,
    items: int,
    found: LiveFindings,
) -> None:
    camera = PlayedCamera(frames, fps)
    inner = live_source(config, camera)
    source, log = _AgedSource(inner, found.samples["capture"]), Log()
    with open_runtime(config, bundle, classifier, source, log) as runtime:
        source.open()
        try:
            runtime.begin()
            rest = next(number for number, frame in enumerate(frames) if frame.t_s >= REST_S - 1e-6)
            play = _Play(camera, log, len(frames), rest, found)
            with collector_at_rest():
                for number in range(items):
                    play.show(runtime, number)
            # A camera that found nobody in time lost a picture as well: its thread was kept from it by ours.
            found.missed = inner.missed + camera.skipped
            found.frames = source.last_index + 1 + camera.skipped
        finally:
            source.close()
    found.samples["decision_to_pin"] = log.round.samples["decision_to_pin"]


class _AgedSource:
    """Fills `ports.Source`; notes how old each frame is when the loop has it."""

    def __init__(self, inner: LiveSource, ages: Samples) -> None:
        self._inner = inner
        self._ages = ages
        self.last_index = -1
        self.open, self.close, self.limit_rate = inner.open, inner.close, inner.limit_rate

    @property
    def clock(self) -> Clock:
        return self._inner.clock

    @property
    def is_exhausted(self) -> bool:
        return self._inner.is_exhausted

    def read(self, until_s: float, *, is_dull: Dull | None = None, prepare: Prepare | None = None) -> Frame | None:
        frame = self._inner.read(until_s, is_dull=is_dull, prepare=prepare)
        if frame is not None:
            self.last_index = frame.index
            age_us = (self._inner.clock.now_s() - frame.t_s) * 1e6
            self._ages.put(0.0, age_us, time.perf_counter())
        return frame


class _Play:
    """Shows the frames once at a time."""

    def __init__(self, camera: PlayedCamera, log: Log, length: int, rest: int, found: LiveFindings) -> None:
        self._camera = camera
        self._log = log
        self._length = length
        self._rest = rest
        self._found = found

    def show(self, runtime: Runtime, number: int) -> None:
        """Turn the loop until the camera has shown all frames once more."""
        end = (number + 1) * self._length - 1
        self._log.routed_at.clear()
        began_ns, own_s = time.process_time_ns(), self._camera.own_cpu_s
        while max(self._camera.due_s, default=-1) < end:
            self._log.begin_turn()
            runtime.turn()
        own_ms = (self._camera.own_cpu_s - own_s) * 1000
        self._found.item_cpu_ms.append((time.process_time_ns() - began_ns) / 1e6 - own_ms)
        at_rest_s = self._camera.due_s.get(number * self._length + self._rest)
        if not self._log.routed_at:
            self._found.undecided += 1
        elif at_rest_s is not None:
            decided_s = self._log.routed_at[0][1] / 1e9
            self._found.samples["rest_to_decision"].put(0.0, (decided_s - at_rest_s) * 1e6, decided_s)


def _idle(
    config: Config,
    bundle: Bundle,
    classifier: TfliteClassifier,
    empty: Sequence[Frame],
    rounds: int,
    round_s: float,
    found: LiveFindings,
) -> None:
    camera = PlayedCamera(empty, IDLE_FPS)
    source = live_source(config, camera)
    with open_runtime(config, bundle, classifier, source, Log()) as runtime:
        source.open()
        try:
            runtime.begin()
            with collector_at_rest():
                _turn_until(runtime, time.perf_counter() + WAKE_S + 2.0)
                for _ in range(rounds):
                    began, own_s = now(), camera.own_cpu_s
                    _turn_until(runtime, began[1] / 1e9 + round_s)
                    ended = now()
                    used_s = (ended[0] - began[0]) / 1e9 - (camera.own_cpu_s - own_s)
                    found.idle_shares.append(used_s / ((ended[1] - began[1]) / 1e9))
        finally:
            source.close()


def _turn_until(runtime: Runtime, until_s: float) -> None:
    while time.perf_counter() < until_s:
        runtime.turn()


def figures_of(found: LiveFindings, fps: float) -> dict[str, Figure]:
    """What is claimed of the loop in real time. What never happened is left out."""
    rest_s = [value / 1e6 for value in found.samples["rest_to_decision"].wall]
    figures = {
        "throughput_ratio": Figure.of(
            "frames/s with capture, presence, classification and a moving gate / bare invoke",
            "ratio",
            found.throughput,
            better="higher",
            goal=GOALS["throughput"],
        )
    }
    if rest_s:
        figures["rest_to_decision_s"] = Figure.of(
            f"item at rest -> decision at {fps:g} frames/s", "s", rest_s, goal=GOALS["rest"]
        )
    return figures | {
        "items_undecided": Figure.of(
            f"items of {len(found.item_cpu_ms)} that left undecided", "items", [float(found.undecided)], goal=0.0
        ),
        "missed_frames": Figure.of(
            f"frames missed of {found.frames} at {fps:g} frames/s", "frames", [float(found.missed)], goal=0.0
        ),
        "idle_share": Figure.of(
            f"empty tray at {IDLE_FPS:g} frames/s, share of a core, the camera's own work not counted",
            "share",
            found.idle_shares,
            goal=GOALS["idle"],
        ),
        "item_cpu_ms": Figure.of(
            "five seconds with one item, all of the program but the camera, processor time", "ms", found.item_cpu_ms
        ),
    }


def pins_figure(parts: Sequence[Samples]) -> dict[str, Figure]:
    """The 99th percentile of all waits from an item's last label to the first command on the pins."""
    wall = [value for part in parts for value in part.wall]
    if not wall:
        return {}
    p99_ms = float(np.percentile(wall, 99)) / 1000
    title = f"last label -> decision -> first command on the pins, p99 of {len(wall)} items"
    return {"decision_to_pin_ms": Figure.of(title, "ms", [p99_ms], goal=GOALS["pin_ms"])}


def stages_of(found: LiveFindings, start_s: float) -> dict[str, Stage]:
    """Waits, in wall time."""
    return stages(TITLES, [found.samples], start_s, has_cpu=False)
