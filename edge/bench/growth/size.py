"""Cost over the size of the frame: presence, and all that the classifier does but the inference."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from edge.bench.growth.plan import Plan
from edge.bench.growth.records import Axis, Curve
from edge.bench.growth.rounds import interleave
from edge.bench.label import STEPS, classify_in_steps
from edge.bench.samples import Samples
from edge.classify.tflite import TfliteClassifier
from edge.config import Config
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import BgrImage, Frame
from edge.render import Light, Placed, Tray, render_item

__all__ = ["empty_tray", "measure_size", "used_detector"]

FRAMES = 8
"""Pictures of the empty tray, which differ in their noise."""
LOOKS = 51
"""Frames of the empty tray a round: several times the glances between two full looks, so that their mean is fair."""
STEP_S = 0.05
WARM_FRAMES = 300
"""After so many of the empty tray the detector looks as seldom as it ever will."""


def measure_size(config: Config, plan: Plan, classifier: TfliteClassifier) -> Axis:
    """Frames of every size, through the detector and the classifier."""
    places = {(float(width * height), f"{width}x{height}"): (width, height) for width, height in plan.sizes_px}
    presence = interleave({place: _presence_task(config, *size) for place, size in places.items()}, plan.rounds)
    label = interleave({place: _label_task(classifier, plan, *size) for place, size in places.items()}, plan.rounds)
    return Axis(
        name="frame_size",
        title="Frame size",
        x_title="frame, px",
        method="A frame of the empty tray through the presence detector, thumbnail and all, mean over glances and full "
        "looks; and a frame with an item from picture to label without the inference, which runs between its two "
        "parts. Each frame is written to memory just before, as a camera does.",
        curves=(
            Curve.of("presence, a frame", "us", "cpu", presence, "pixels"),
            Curve.of("picture to label less inference, a frame", "us", "cpu", label, "pixels"),
        ),
    )


def empty_tray(width_px: int, height_px: int, count: int = FRAMES) -> list[BgrImage]:
    """Pictures of an empty tray, which differ in their noise."""
    rng = np.random.default_rng(1)
    tray = Tray(rng, width_px, height_px)
    return [tray.compose([], Light(), rng).copy() for _ in range(count)]


def used_detector(config: Config, images: list[BgrImage]) -> LocalContrastDetector:
    """A detector that has seen this empty tray for a while, up to time 0."""
    detector = LocalContrastDetector(config.presence)
    for index in range(WARM_FRAMES):
        frame = Frame(index, (index - WARM_FRAMES) * STEP_S, images[index % len(images)])
        detector.observe(frame, may_learn=True)
    return detector


def _presence_task(config: Config, width_px: int, height_px: int) -> Callable[[], float]:
    images = empty_tray(width_px, height_px)
    detector = used_detector(config, images)
    buffer = images[0].copy()
    index = 0

    def look() -> int:
        nonlocal index
        np.copyto(buffer, images[index % len(images)])
        frame = Frame(index, index * STEP_S, buffer)
        index += 1
        start_ns = time.process_time_ns()
        detector.observe(frame, may_learn=True)
        return time.process_time_ns() - start_ns

    return lambda: statistics.mean(look() for _ in range(LOOKS)) / 1000


def _label_task(classifier: TfliteClassifier, plan: Plan, width_px: int, height_px: int) -> Callable[[], float]:
    rng = np.random.default_rng(1)
    item = Placed(render_item("glass", rng), width_px / 2, height_px / 2)
    picture: BgrImage = Tray(rng, width_px, height_px).compose([item], Light(), rng).copy()
    buffer = picture.copy()

    def label() -> float:
        np.copyto(buffer, picture)
        samples = {name: Samples() for name in STEPS}
        classify_in_steps(classifier, buffer, samples)
        return samples["overhead"].cpu[0]

    return lambda: statistics.median(label() for _ in range(plan.calls))
