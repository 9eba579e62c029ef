"""What a turn of the loop costs: the same rendered item, played over and over through the real loop.

The clocks are read around every stage and every turn; turns are sorted by what they did. A replay's own clock drives
the gate, so that a motion of a second takes no second.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from edge.bench.report import Figure, Stage
from edge.bench.samples import WORDS, Clock, now, stages
from edge.bench.timed import TITLES, Log, LoopRound, open_runtime
from edge.bundle import Bundle
from edge.classify.tflite import TfliteClassifier
from edge.config import Config
from edge.errors import ConfigError
from edge.records import Frame
from edge.runtime import Runtime
from edge.sources.replay import ReplaySource

__all__ = ["LoopRig", "figures_of", "open_loop", "stages_of"]

BUFFERS = 3
"""Frames that a camera driver has in its hands."""
PRESENCE_GOAL_US = 100.0


class LoopRig:
    """The real loop over a recording that never ends."""

    def __init__(self, runtime: Runtime, log: Log, recording: "_Recording") -> None:
        self._runtime = runtime
        self._log = log
        self._recording = recording

    def watched(self, watch: Callable[[Callable[[], str | None]], None], times: int) -> None:
        """Play without clocks: `watch` is given each turn, and does it; the turn returns what stage it belongs to."""

        def turn() -> str | None:
            self._log.begin_turn()
            self._runtime.turn()
            return self._log.kind

        # What is slowed down by whoever watches belongs to no round that was measured.
        self._log.round = LoopRound()
        until = self._recording.index + times * self._recording.length
        while self._recording.index < until:
            self._recording.capture()
            watch(turn)

    def play(self, times: int) -> LoopRound:
        """Show the item so many times. Raises: ConfigError if the policy lets no frame vote."""
        found = self._log.round = LoopRound()
        until = self._recording.index + times * self._recording.length
        while self._recording.index < until:
            self._recording.capture()
            self._log.begin_turn()
            began = now()
            self._runtime.turn()
            self._log.end_turn(began, now())
        if not found.samples["decide"].cpu or not found.samples["turn_idle"].cpu:
            raise ConfigError("the bench's item was not decided; check presence, settle and vote in the configuration")
        return found


@contextmanager
def open_loop(
    config: Config, bundle: Bundle, classifier: TfliteClassifier, frames: Sequence[Frame]
) -> Iterator[LoopRig]:
    """See `open_runtime`; the gate is on its way home. Raises: LedgerError, ActuatorError."""
    recording, log = _Recording(frames), Log()
    with open_runtime(config, bundle, classifier, ReplaySource(recording, "fast"), log) as runtime:
        runtime.begin()
        yield LoopRig(runtime, log, recording)


def figures_of(rounds: Sequence[LoopRound], bare_us: Sequence[float], clock: Clock = "cpu") -> dict[str, Figure]:
    """What is claimed of a turn.

    Args:
        bare_us: median time of the bare inference, of the same rounds, by the same clock.
        clock: see `samples.Clock`.
    """
    turns = [one.us("turn_classified", clock) for one in rounds]
    idle = [float(np.mean(one.samples["turn_idle"].of(clock))) for one in rounds]
    presence = [float(np.mean(one.samples["presence"].of(clock))) for one in rounds]
    gate = [one.us("gate_command", clock) for one in rounds]

    def over_bare(values: Sequence[float]) -> list[float]:
        return [value / bare for value, bare in zip(values, bare_us, strict=True)]

    word = WORDS[clock]
    return {
        "turn_ratio": Figure.of(f"whole turn of a classified frame / bare invoke, {word}", "ratio", over_bare(turns)),
        "presence_ratio": Figure.of(f"presence, a frame / bare invoke, {word}", "ratio", over_bare(presence)),
        "idle_turn_ratio": Figure.of(
            f"whole turn of a frame of the empty tray / bare invoke, {word}", "ratio", over_bare(idle)
        ),
        "gate_command_ratio": Figure.of(
            f"decision -> first command on the pins / bare invoke, {word}", "ratio", over_bare(gate)
        ),
        "turn_us": Figure.of(f"whole turn of a classified frame, {word}", "us", turns),
        "presence_us": Figure.of(f"presence, a frame, mean {word}", "us", presence, goal=PRESENCE_GOAL_US),
        "idle_turn_us": Figure.of(f"whole turn of a frame of the empty tray, mean {word}", "us", idle),
        "gate_command_us": Figure.of(f"decision -> first command on the pins, {word}", "us", gate),
    }


def stages_of(rounds: Sequence[LoopRound], start_s: float, clock: Clock = "cpu") -> dict[str, Stage]:
    """All samples of the stages; `start_s` is the performance counter's zero of the series."""
    return stages(TITLES, [one.samples for one in rounds], start_s, has_cpu=clock == "cpu")


class _Recording:
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
        self.length = len(frames)

    def capture(self) -> None:
        """Write the next frame to its buffer, once."""
        if self._captured != self.index:
            self._captured = self.index
            np.copyto(self._buffers[self.index % BUFFERS], self._frames[self.index % len(self._frames)].image)

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
