"""Frames a second with capture, presence, classification and a moving gate, beside the bare inference."""

import time
from collections.abc import Callable, Sequence

from edge.bench.camera import PlayedCamera, live_source
from edge.bench.frames import ITEM, REST_S
from edge.bench.timed import open_gate
from edge.classify.tflite import TfliteClassifier
from edge.config import Config
from edge.memory import collector_at_rest
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import Frame, Prediction

__all__ = ["Swing", "measure_throughput"]


def measure_throughput(
    config: Config,
    classifier: TfliteClassifier,
    frames: Sequence[Frame],
    rounds: int,
    count: int,
    bare_s: float,
) -> list[float]:
    """Frames a second of capture, presence, classification and a moving gate, over those of the bare inference.

    The camera shows the item at rest and runs a little faster than the inference can follow; the gate swings to and
    fro all the time.

    Args:
        count: frames of a round, and inferences beside it.
        bare_s: wall time of an inference, for the camera's rate.
    """
    still = [frame for frame in frames if REST_S <= frame.t_s < REST_S + (ITEM.rest_s or 0.0)]
    camera = PlayedCamera(still, 1.2 / bare_s)
    source = live_source(config, camera)
    shares = []
    with open_gate(config) as gate:
        source.open()
        try:
            detector = LocalContrastDetector(config.presence)
            swing = Swing(gate.home, lambda at_s: gate.route(gate.bins[0], at_s), gate.tick)

            def take() -> Prediction:
                frame = source.read(source.clock.now_s() + 1.0, prepare=classifier.prepare)
                if frame is None:
                    return take()
                detector.observe(frame, may_learn=False)
                prediction = classifier.classify(frame.image, frame.t_s, frame.prepared)
                swing.tick(source.clock.now_s())
                return prediction

            for _ in range(count // 4):
                take()
            with collector_at_rest():
                for _ in range(rounds):
                    loop_s = _seconds(take, count)
                    with camera.halted():
                        shares.append(_seconds(classifier.invoke, count) / loop_s)
        finally:
            source.close()
    return shares


class Swing:
    """A gate that goes to a bin and home again without a rest, ticked a hundred times a second."""

    def __init__(
        self, home: Callable[[float], None], route: Callable[[float], None], tick: Callable[[float], object]
    ) -> None:
        self._begin = [home, route]
        self._turns = 0
        self._tick = tick
        self._is_moving = False
        self._next_s = 0.0

    def tick(self, now_s: float) -> None:
        if now_s < self._next_s:
            return
        self._next_s = now_s + 0.01
        if not self._is_moving:
            self._begin[self._turns % 2](now_s)
            self._turns += 1
            self._is_moving = True
        if self._tick(now_s) is not None:
            self._is_moving = False


def _seconds(call: Callable[[], object], times: int) -> float:
    began_s = time.perf_counter()
    for _ in range(times):
        call()
    return time.perf_counter() - began_s
