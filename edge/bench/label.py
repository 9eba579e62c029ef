"""From a frame in memory to its label, beside the bare inference: the same work, frame by frame in turns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.bench.report import Figure, Stage
from edge.bench.samples import WORDS, Clock, Instant, Samples, now, stages
from edge.classify.interpreters import RuntimeName, open_interpreter
from edge.classify.tflite import TfliteClassifier
from edge.records import BgrImage

__all__ = ["STEPS", "LabelRound", "classify_in_steps", "figures_of", "measure_label", "measure_warm_up", "stages_of"]

BUFFERS = 3
"""Frames that a camera driver has in its hands."""
WARM_UP = 10
"""Inferences of a model that was just opened; the second half counts as warm."""
LABEL_GOAL, TAIL_GOAL = 1.05, 2.0
TITLES = {
    "preprocess": "preprocess: resize and quantize into the model's input",
    "invoke": "invoke: the inference",
    "name": "name: probabilities and energy from the raw output",
    "overhead": "frame to label less the inference in it",
    "frame_to_label": "frame in memory -> label",
}

STEPS = ("preprocess", "invoke", "name", "overhead")
"""What `classify_in_steps` tells of."""


@dataclass(slots=True)
class LabelRound:
    """One round. `frame_to_label` is all of it, `overhead` that less the inference in it, `bare` the yardstick."""

    samples: dict[str, Samples] = field(default_factory=lambda: {name: Samples() for name in (*TITLES, "bare")})

    def us(self, name: str, clock: Clock) -> float:
        """Median time of a stage."""
        return float(np.median(self.samples[name].of(clock)))

    def spread(self, clock: Clock) -> float:
        """p90 of the overhead over its p50."""
        return float(np.percentile(self.samples["overhead"].of(clock), 90) / self.us("overhead", clock))


def measure_label(classifier: TfliteClassifier, stills: npt.NDArray[np.uint8], frames: int) -> LabelRound:
    """Classify `frames` frames, as many with clocks around the inference, and let it run alone as often, in turns.

    As with a camera, each frame is written to one of a few buffers just before, outside the measured time.

    Args:
        stills: (N, H, W, 3) uint8 BGR, played in turn.
    """
    found = LabelRound()
    buffers = [np.empty_like(stills[0]) for _ in range(BUFFERS)]
    written = 0

    def capture() -> BgrImage:
        nonlocal written
        image: BgrImage = buffers[written % BUFFERS]
        np.copyto(image, stills[written % len(stills)])
        written += 1
        return image

    for _ in range(frames):
        classify_in_steps(classifier, capture(), found.samples)
        image = capture()
        # As while an item is voted on: the frame before was classified an inference ago.
        began = now()
        classifier.classify(image)
        found.samples["frame_to_label"].add(began, now())
        capture()
        began = now()
        classifier.invoke()
        found.samples["bare"].add(began, now())
    return found


def classify_in_steps(classifier: TfliteClassifier, image: BgrImage, samples: dict[str, Samples]) -> None:
    """Classify with the clocks read before and after the inference; one sample is added to each of STEPS."""
    marks: list[Instant] = []
    bare = classifier.invoke

    def invoke() -> None:
        marks.append(now())
        bare()
        marks.append(now())

    classifier.invoke = invoke
    try:
        began = now()
        classifier.classify(image)
        ended = now()
    finally:
        classifier.invoke = bare
    filled, invoked = marks
    samples["preprocess"].add(began, filled)
    samples["invoke"].add(filled, invoked)
    samples["name"].add(invoked, ended)
    cpu_ns, wall_ns = (ended[clock] - began[clock] - (invoked[clock] - filled[clock]) for clock in range(2))
    samples["overhead"].put(cpu_ns / 1000, wall_ns / 1000, began[1] / 1e9)


def measure_warm_up(runtime: RuntimeName, model: bytes, threads: int, rounds: int) -> dict[str, Figure]:
    """What the first inference after the model was opened takes, beside later ones: memory is touched, caches fill.

    Args:
        rounds: times that the model is opened anew.
    """
    first_ms, ratios = [], []
    for _ in range(rounds):
        interpreter = open_interpreter(runtime, model, threads)
        wall_us: list[float] = []
        for _ in range(WARM_UP):
            began = now()
            interpreter.invoke()
            wall_us.append((now()[1] - began[1]) / 1000)
        first_ms.append(wall_us[0] / 1000)
        ratios.append(wall_us[0] / float(np.median(wall_us[WARM_UP // 2 :])))
    return {
        "cold_invoke_ms": Figure.of("first inference of a model that was just opened, wall time", "ms", first_ms),
        "cold_ratio": Figure.of("first inference / later ones, wall time", "ratio", ratios),
    }


def figures_of(rounds: Sequence[LabelRound], clock: Clock = "cpu") -> dict[str, Figure]:
    """What is claimed of frame to label.

    Args:
        clock: see `samples.Clock`.
    """
    word = WORDS[clock]
    bare = [one.us("bare", clock) for one in rounds]
    label, overhead = ([one.us(name, clock) for one in rounds] for name in ("frame_to_label", "overhead"))

    def over_bare(values: Sequence[float]) -> list[float]:
        return [value / yardstick for value, yardstick in zip(values, bare, strict=True)]

    def tail(of: Clock) -> list[float]:
        return [_tail([value for one in rounds for value in one.samples["overhead"].of(of)])]

    figures = {
        "label_ratio": Figure.of(f"frame to label / bare invoke, {word}", "ratio", over_bare(label), goal=LABEL_GOAL),
        "overhead_tail": Figure.of(
            f"our own overhead a frame: p99 / p50 of a round, {word}",
            "ratio",
            [_tail(one.samples["overhead"].of(clock)) for one in rounds],
            goal=TAIL_GOAL,
        ),
        "overhead_tail_all": Figure.of(f"the same of all frames of all rounds together, {word}", "ratio", tail(clock)),
        "overhead_spread": Figure.of(
            "our own overhead a frame: p90 / p50 of a round", "ratio", [one.spread(clock) for one in rounds]
        ),
        "overhead_ratio": Figure.of(f"our own overhead a frame / bare invoke, {word}", "ratio", over_bare(overhead)),
        "bare_invoke_us": Figure.of(f"bare invoke, {word}", "us", bare),
        "label_us": Figure.of(f"frame to label, {word}", "us", label),
        "overhead_us": Figure.of(f"frame to label less the inference, {word}", "us", overhead),
    }
    if clock == "cpu":
        figures["overhead_tail_wall"] = Figure.of(
            "our own overhead a frame: p99 / p50 of all frames of all rounds, wall time", "ratio", tail("wall")
        )
        figures["label_wall_us"] = Figure.of(
            "frame to label, wall time", "us", [one.us("frame_to_label", "wall") for one in rounds]
        )
    return figures


def _tail(samples: Sequence[float]) -> float:
    return float(np.percentile(samples, 99) / np.median(samples))


def stages_of(rounds: Sequence[LabelRound], start_s: float, clock: Clock = "cpu") -> dict[str, Stage]:
    """All samples of the steps; `start_s` is the performance counter's zero of the series."""
    return stages(TITLES, [one.samples for one in rounds], start_s, has_cpu=clock == "cpu")
