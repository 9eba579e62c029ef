"""What every measuring process does: it opens its library, warms up, and classifies frames in turns. Standalone.

The talk is JSON, a line each. One argument: `frames` (an .npy of (N, H, W, 3) uint8 BGR), `model` (the bundle's
folder), `threads`, `started_s` (the monotonic clock when the process was started) and what a script wants more. Once
warm it says `{"ready": {...}}`; each `{"measure": n}` is answered by
`{"cpu_us": [...], "wall_us": [...], "labels": [...]}`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Argument", "Classify", "Facts", "Image", "input_side", "labels", "serve"]

Argument = dict[str, Any]
Image = npt.NDArray[np.uint8]
Classify = Callable[[Image], str]
"""From a (H, W, 3) uint8 BGR frame in memory to its label."""
Facts = dict[str, str]
BUFFERS = 3
"""Frames that a camera driver has in its hands."""
WARM_UPS = 12
SETTLING = 2
"""Frames at the start of a turn that are not counted: they find the caches as the process before left them."""


def labels(argument: Argument) -> list[str]:
    """The bundle's labels, in the order of the model's output."""
    found: list[str] = _manifest(argument)["labels"]
    return found


def input_side(argument: Argument) -> tuple[int, int]:
    """Width and height of the model's input, in pixels, as cv2.resize wants them."""
    _, height, width, _ = _manifest(argument)["input"]["shape"]
    return width, height


def serve(open_peer: Callable[[Argument], tuple[Classify, Facts]]) -> None:
    """Measure until standard input ends.

    Args:
        open_peer: imports the library and loads the model; gives what classifies, and facts such as the version.
    """
    sys.stdout.flush()
    # Libraries print what they like to where standard output was; from here on that is standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        argument = json.loads(sys.argv[1])
        camera = _Camera(np.load(argument["frames"]))
        classify, facts = open_peer(argument)
        classify(camera.take())
        start_s = time.monotonic() - argument["started_s"]
        for _ in range(WARM_UPS):
            classify(camera.take())
        _say(
            answers, {"ready": {**facts, "threads": facts.get("threads", str(argument["threads"])), "start_s": start_s}}
        )
        camera.taken = 0
        for line in sys.stdin:
            _say(answers, _measure(classify, camera, json.loads(line)["measure"]))


class _Camera:
    """Writes the next frame to one of a few buffers, so that no frame lies in the cache from its last use."""

    def __init__(self, frames: Image) -> None:
        self._frames = frames
        self._buffers = [np.empty_like(frames[0]) for _ in range(BUFFERS)]
        self.taken = 0

    def take(self) -> Image:
        buffer: Image = self._buffers[self.taken % BUFFERS]
        np.copyto(buffer, self._frames[self.taken % len(self._frames)])
        self.taken += 1
        return buffer


def _measure(classify: Classify, camera: _Camera, count: int) -> dict[str, list[Any]]:
    first = camera.taken
    for _ in range(SETTLING):
        classify(camera.take())
    camera.taken = first
    cpu_us, wall_us, found = [], [], []
    for _ in range(count):
        frame = camera.take()
        # The whole process's time, so that helper threads count.
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        label = classify(frame)
        cpu_us.append((time.process_time_ns() - cpu_ns) / 1000)
        wall_us.append((time.perf_counter_ns() - wall_ns) / 1000)
        found.append(label)
    return {"cpu_us": cpu_us, "wall_us": wall_us, "labels": found}


def _say(answers: Any, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _manifest(argument: Argument) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(argument["model"]) / "manifest.json").read_text(encoding="utf-8"))
    return found
