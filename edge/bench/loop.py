"""What the loop costs in processor time, beside the bare inference of the same run.

The same rendered item is played over and over through the real loop. The processor time of every turn is taken and
sorted by what the turn did; between two plays the bare `invoke()` is timed, so that both meet the same noise.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.app import open_classifier, vote_policy
from edge.classify.tflite import TfliteClassifier
from edge.config import Config
from edge.errors import ConfigError
from edge.gates.servo_flap import ServoFlap
from edge.ledger import SqliteLedger
from edge.machine import Machine, Rules, State
from edge.memory import settle
from edge.pins import open_factory
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import BgrImage, Frame, ModelId, Prediction, Presence
from edge.runtime import Parts, Runtime
from edge.sources.replay import ReplaySource
from edge.sources.sim import Simulation
from edge.sources.sim_script import Item

__all__ = ["LoopRound", "measure_loop"]

PLAYS = 12
"""Times that the item is shown in one round."""
BUFFERS = 3
"""Frames that a camera driver has in its hands."""


@dataclass(frozen=True, slots=True)
class LoopRound:
    """Processor time of one round, in microseconds a frame: medians, so that a neighbour's hiccup does not count.

    Attributes:
        label_us: the classifier's part of it, from the frame to its label.
        classified_us: a frame that was looked at, classified and voted on, without the gate's first command.
        gate_us: what the turn that ends in a decision costs more: the decision's record and the first command.
        idle_us: a frame of the empty tray while the sorter is ready.
        invoke_us: the bare `invoke()` of the interpreter, one thread.
        classified, decided, idle: how many frames these are the medians of.
    """

    label_us: float
    classified_us: float
    gate_us: float
    idle_us: float
    invoke_us: float
    classified: int
    decided: int
    idle: int

    @property
    def label_ratio(self) -> float:
        """Processor time from a frame to its label over that of the bare inference."""
        return self.label_us / self.invoke_us

    @property
    def ratio(self) -> float:
        """Processor time of a classified frame, from its reading to its vote, over that of the bare inference."""
        return self.classified_us / self.invoke_us

    @property
    def ratio_with_gate(self) -> float:
        """The same with the decisions and the gate's first commands spread over all frames that voted."""
        share = self.decided / (self.classified + self.decided)
        return (self.classified_us + share * self.gate_us) / self.invoke_us


def measure_loop(config: Config, rounds: int, file: Path | None = None) -> list[LoopRound]:
    """Play `rounds` rounds; `file` is where the configuration was read, for errors.

    Raises: BundleError, ConfigError, LedgerError.
    """
    config = config.model_copy(update={"model": config.model.model_copy(update={"threads": 1})})
    bundle, inner = open_classifier(config, file)
    classifier = _TimedClassifier(inner)
    frames = _render_item(config)
    with tempfile.TemporaryDirectory() as folder:
        ledger = SqliteLedger(Path(folder) / "ledger.db")
        ledger.open()
        factory = open_factory("mock")
        gate = ServoFlap(config.gate, factory)
        gate.open()
        try:
            recording = _Loop(frames)
            source = ReplaySource(recording, "fast")
            source.open()
            parts = Parts(source, LocalContrastDetector(config.presence), classifier, gate, None, ledger)
            rules = Rules(
                config.settle, config.rearm, config.drop_sensor, config.vote.deadline_s, vote_policy(config, bundle)
            )
            probe = _Probe()
            model = {"name": bundle.id.name, "version": bundle.id.version, "sha256": bundle.id.sha256}
            runtime = Runtime(parts, rules, {"model": model, "source": "bench"}, [probe])
            runtime.begin()
            settle()
            _play(runtime, recording, classifier, probe)
            return [_play(runtime, recording, classifier, probe) for _ in range(rounds)]
        finally:
            gate.close()
            factory.close()
            ledger.close()


class _TimedClassifier:
    """A classifier that notes the processor time of each call."""

    def __init__(self, inner: TfliteClassifier) -> None:
        self._inner = inner
        self.label_ns: list[int] = []

    @property
    def labels(self) -> tuple[str, ...]:
        return self._inner.labels

    @property
    def model(self) -> ModelId:
        return self._inner.model

    def invoke(self) -> None:
        """The bare inference."""
        self._inner.interpreter.invoke()

    def classify(self, image: BgrImage, t_s: float = 0.0) -> Prediction:
        start_ns = time.process_time_ns()
        prediction = self._inner.classify(image, t_s)
        self.label_ns.append(time.process_time_ns() - start_ns)
        return prediction

    def close(self) -> None:
        self._inner.close()


class _Probe:
    """Notes what a turn did."""

    def __init__(self) -> None:
        self.has_classified = False
        self.is_idle = False
        self.has_decided = False

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        self.is_idle = machine.state is State.READY
        self.has_decided = machine.state is State.ROUTING

    def on_prediction(self, prediction: Prediction) -> None:
        self.has_classified = True

    def on_event(self, record: object) -> None:
        """Nothing."""


class _Loop:
    """A recording that plays the same frames for ever, with time going on.

    As with a camera, a frame is written to memory just before it is read: `capture` does this, outside the measured
    time, since it is the source's own work. Frames that lie about in memory for long would be read more slowly.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self._buffers = [frames[0].image.copy() for _ in range(BUFFERS)]
        self._step_s = frames[1].t_s - frames[0].t_s
        self._captured = -1
        self.index = 0

    def capture(self) -> None:
        """Write the next frame to its buffer, once."""
        if self._captured != self.index:
            self._captured = self.index
            np.copyto(self._buffers[self.index % BUFFERS], self._frames[self.index % len(self._frames)].image)

    @property
    def plays(self) -> int:
        return self.index // len(self._frames)

    def open(self) -> None:
        """Nothing to open."""

    def next_s(self) -> float:
        return self.index * self._step_s

    def take(self) -> Frame:
        frame = Frame(self.index, self.next_s(), self._buffers[self.index % BUFFERS])
        self.index += 1
        return frame

    def close(self) -> None:
        """Nothing to close."""


def _render_item(config: Config) -> list[Frame]:
    """Two seconds of empty tray, one item that stays until it is decided, and an empty tray again: about 80 frames."""
    script = [Item("plastic", "pet_bottle", rest_s=0.8)]
    simulation = Simulation(seed=1, items=1, fps=config.source.fps, script=script)
    simulation.open()
    frames = []
    while simulation.next_s() is not None:
        frames.append(simulation.take())
    return frames


def _play(runtime: Runtime, recording: _Loop, classifier: _TimedClassifier, probe: _Probe) -> LoopRound:
    clock_ns = time.process_time_ns
    classifier.label_ns.clear()
    classified_ns: list[int] = []
    decided_ns: list[int] = []
    idle_ns: list[int] = []
    invoke_ns: list[int] = []
    for _ in range(PLAYS):
        until = recording.plays + 1
        wanted = len(classified_ns) + len(decided_ns)
        while recording.plays < until:
            probe.has_classified = probe.is_idle = False
            recording.capture()
            start_ns = clock_ns()
            runtime.turn()
            spent_ns = clock_ns() - start_ns
            if probe.has_classified:
                (decided_ns if probe.has_decided else classified_ns).append(spent_ns)
            elif probe.is_idle:
                idle_ns.append(spent_ns)
        for _ in range(len(classified_ns) + len(decided_ns) - wanted):
            start_ns = clock_ns()
            classifier.invoke()
            invoke_ns.append(clock_ns() - start_ns)
    if not classified_ns or not decided_ns or not idle_ns:
        raise ConfigError("the bench needs items that more than one frame votes on; raise vote.min_frames to 2 or more")
    classified_us = statistics.median(classified_ns) / 1000
    return LoopRound(
        label_us=statistics.median(classifier.label_ns) / 1000,
        classified_us=classified_us,
        gate_us=statistics.median(decided_ns) / 1000 - classified_us,
        idle_us=statistics.median(idle_ns) / 1000,
        invoke_us=statistics.median(invoke_ns) / 1000,
        classified=len(classified_ns),
        decided=len(decided_ns),
        idle=len(idle_ns),
    )
