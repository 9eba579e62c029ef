"""A camera that plays rendered frames in real time, and knows what its own work costs."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from edge.config import Config
from edge.records import BgrImage, Frame
from edge.sources.live import LiveSource

__all__ = ["PlayedCamera", "live_source"]

FOREVER_S = 3600.0
"""How old a frame may be: a slow inference is no fault of the camera's."""


class PlayedCamera:
    """Fills `live.Camera`. What it does itself (waiting, and writing a frame to memory) is not the loop's work.

    Args:
        frames: played in turn, for ever.
        fps: pictures a second; a reader that is late gets the picture that is due now, as from a real camera.
    """

    opens_aside = True

    def __init__(self, frames: Sequence[Frame], fps: float) -> None:
        self._frames = frames
        self._period_s = 1.0 / fps
        self._start_s = 0.0
        self._last = -1
        self._skipped = 0
        self._own_ns = 0
        self._is_going = threading.Event()
        self._is_going.set()
        self._lock = threading.Lock()
        self.due_s: dict[int, float] = {}
        """When each picture was handed over, by its number, in seconds of the performance counter; the newest ones."""

    @property
    def own_cpu_s(self) -> float:
        """Processor time of its own work so far."""
        with self._lock:
            return self._own_ns / 1e9

    @property
    def skipped(self) -> int:
        """Pictures that nobody fetched in time: whoever grabs was late."""
        return self._skipped

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Within it no picture comes; what would have come meanwhile is not skipped."""
        self._is_going.clear()
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self._start_s += time.perf_counter() - began_s
            self._is_going.set()

    def open(self) -> None:
        self._start_s = time.perf_counter()

    def grab(self, out: BgrImage | None = None) -> BgrImage:
        """The next picture that is due; see `live.Camera`."""
        began_ns = time.thread_time_ns()
        self._is_going.wait()
        number = max(self._last + 1, int((time.perf_counter() - self._start_s) / self._period_s))
        wait_s = self._start_s + number * self._period_s - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        image = self._frames[number % len(self._frames)].image
        if out is None or out.shape != image.shape:
            out = image.copy()
        else:
            np.copyto(out, image)
        self._skipped += number - self._last - 1
        self._last = number
        self.due_s[number] = time.perf_counter()
        self.due_s.pop(number - 1000, None)
        with self._lock:
            self._own_ns += time.thread_time_ns() - began_ns
        return out

    def limit_rate(self, fps: float | None) -> None:
        """What is measured keeps its rate."""

    def close(self) -> None:
        """Nothing to give back."""


def live_source(config: Config, camera: PlayedCamera) -> LiveSource:
    """The shell of a camera around it, that takes no slow inference for a fault."""
    return LiveSource(camera, "bench", max_age_s=FOREVER_S, frozen_s=FOREVER_S, dark_level=config.presence.dark_level)
