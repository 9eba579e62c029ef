"""From a frame in memory to its label, beside the bare inference: the same work, frame by frame in turns."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.bench.report import Figure, Stage
from edge.bench.samples import Samples, now, stages
from edge.classify.tflite import TfliteClassifier

__all__ = ["LabelRound", "figures_of", "measure_label", "stages_of"]

BUFFERS = 3
"""Frames that a camera driver has in its hands."""
LABEL_GOAL, TAIL_GOAL = 1.05, 2.0
TITLES = {
    "preprocess": "preprocess: resize and quantize into the model's input",
    "invoke": "invoke: the inference",
    "name": "name: probabilities and energy from the raw output",
    "overhead": "frame to label less the inference in it",
    "frame_to_label": "frame in memory -> label",
}


@dataclass(slots=True)
class LabelRound:
    """One round. `frame_to_label` is all of it, `overhead` that less the inference in it, `bare` the yardstick."""

    samples: dict[str, Samples] = field(default_factory=lambda: {name: Samples() for name in (*TITLES, "bare")})

    def cpu_us(self, name: str) -> float:
        """Median processor time of a stage."""
        return float(np.median(self.samples[name].cpu))

    def wall_us(self, name: str) -> float:
        """Median wall time of a stage."""
        return float(np.median(self.samples[name].wall))

    @property
    def tail(self) -> float:
        """p99 of the overhead's processor time over its p50."""
        return float(np.percentile(self.samples["overhead"].cpu, 99) / self.cpu_us("overhead"))


def measure_label(classifier: TfliteClassifier, stills: npt.NDArray[np.uint8], frames: int) -> LabelRound:
    """Classify `frames` frames, and let the bare inference run as often, in turns.

    As with a camera, each frame is written to one of a few buffers just before, outside the measured time.

    Args:
        stills: (N, H, W, 3) uint8 BGR, played in turn.
    """
    buffers = [np.empty_like(stills[0]) for _ in range(BUFFERS)]
    found = LabelRound()
    samples = found.samples
    for number in range(frames):
        image = buffers[number % BUFFERS]
        np.copyto(image, stills[number % len(stills)])
        # The steps of `TfliteClassifier.classify`, with the clocks read between them.
        began = now()
        start_s = time.perf_counter()
        classifier.fill(image)
        filled = now()
        classifier.invoke()
        invoked = now()
        classifier.name(classifier.output(), 0.0, start_s)
        named = now()
        samples["preprocess"].add(began, filled)
        samples["invoke"].add(filled, invoked)
        samples["name"].add(invoked, named)
        samples["frame_to_label"].add(began, named)
        cpu_ns, wall_ns = (
            named[clock] - began[clock] - (invoked[clock] - filled[clock]) for clock in range(len(began))
        )
        samples["overhead"].put(cpu_ns / 1000, wall_ns / 1000, began[1] / 1e9)
        np.copyto(buffers[(number + 1) % BUFFERS], stills[(number + 1) % len(stills)])
        began = now()
        classifier.invoke()
        samples["bare"].add(began, now())
    return found


def figures_of(rounds: Sequence[LabelRound]) -> dict[str, Figure]:
    """What is claimed of frame to label."""
    ratios = [one.cpu_us("frame_to_label") / one.cpu_us("bare") for one in rounds]
    return {
        "label_ratio": Figure.of("frame to label / bare invoke, processor time", "ratio", ratios, goal=LABEL_GOAL),
        "overhead_tail": Figure.of(
            "our own overhead a frame: p99 / p50", "ratio", [one.tail for one in rounds], goal=TAIL_GOAL
        ),
        "bare_invoke_us": Figure.of("bare invoke, processor time", "us", [one.cpu_us("bare") for one in rounds]),
        "label_us": Figure.of("frame to label, processor time", "us", [one.cpu_us("frame_to_label") for one in rounds]),
        "label_wall_us": Figure.of(
            "frame to label, wall time", "us", [one.wall_us("frame_to_label") for one in rounds]
        ),
        "overhead_us": Figure.of(
            "frame to label less the inference, processor time", "us", [one.cpu_us("overhead") for one in rounds]
        ),
    }


def stages_of(rounds: Sequence[LabelRound], start_s: float) -> dict[str, Stage]:
    """All samples of the steps; `start_s` is the performance counter's zero of the series."""
    return stages(TITLES, [one.samples for one in rounds], start_s)
