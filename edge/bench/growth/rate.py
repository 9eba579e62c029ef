"""Cost over the frame rate: what share of a core the idle loop takes, in real time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from edge.bench.growth.plan import Plan
from edge.bench.growth.records import Axis, Curve
from edge.bench.growth.rig import open_sorter
from edge.bench.growth.rounds import interleave
from edge.bench.growth.size import empty_tray, used_detector
from edge.bundle import Bundle
from edge.clock import MonotonicClock
from edge.config import Config
from edge.errors import SorterError
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import BgrImage, Frame, Presence
from edge.runtime import Runtime
from edge.sources.live import LiveSource

__all__ = ["measure_rate"]

LEAST_FRAMES = 4
IDLE_WITHIN_S = 20.0
"""Time after which an empty tray must have made the sorter idle."""


def measure_rate(config: Config, plan: Plan, bundle: Bundle, folder: Path) -> Axis:
    """An idle sorter at every rate, each for a window of real time. Raises: SorterError."""
    images = empty_tray(config.source.width_px, config.source.height_px)
    with ExitStack() as stack:
        sorters = {(fps, f"{fps:g}"): _open_idle(config, bundle, folder, images, fps, stack) for fps in plan.rates_fps}
        with ThreadPoolExecutor(len(sorters)) as pool:
            # All at once: each of them has to wait for its gate and for the quiet.
            list(pool.map(_make_idle, sorters.values()))
        windows = {
            place: partial(_window, sorter, max(plan.window_s, LEAST_FRAMES / place[0]))
            for place, sorter in sorters.items()
        }
        found = interleave(windows, plan.rounds)
    loop = {place: [share for share, _ in rounds] for place, rounds in found.items()}
    presence = {place: [share for _, share in rounds] for place, rounds in found.items()}
    return Axis(
        name="frame_rate",
        title="Frame rate",
        x_title="frames/s",
        method=f"The idle sorter in real time behind the shell of a live camera, on {config.source.width_px}x"
        f"{config.source.height_px} frames of the empty tray: processor time of all threads as a share of one core. "
        "What a camera's driver does to get the picture comes on top. The frames lie in memory unread for long, and so "
        "do the sorters of the other rates: everything is read cold, and costs more than in `bench`, which runs one "
        "sorter.",
        curves=(
            Curve.of("idle loop, of one core", "share", "cpu", loop, "frames a second"),
            Curve.of("of it, presence without thumbnails", "share", "cpu", presence, "frames a second"),
        ),
    )


class _Clock:
    """The machine's monotonic clock, without the time during which it was halted."""

    def __init__(self) -> None:
        self._clock = MonotonicClock()
        self._halts: tuple[float, float | None] = (0.0, None)
        """For how long it was halted so far, and since when it is. Replaced as one: the camera's thread reads it."""

    def now_s(self) -> float:
        halted_s, since_s = self._halts
        return (self._clock.now_s() if since_s is None else since_s) - halted_s

    def wait_until(self, t_s: float) -> None:
        remaining_s = t_s - self.now_s()
        if remaining_s > 0:
            time.sleep(remaining_s)

    def halt(self) -> None:
        halted_s, _ = self._halts
        self._halts = halted_s, self._clock.now_s()

    def resume(self) -> None:
        halted_s, since_s = self._halts
        if since_s is not None:
            self._halts = halted_s + self._clock.now_s() - since_s, None


class _TrayCamera:
    """An empty tray at a steady rate; it can be halted while others are measured (`live.Camera`)."""

    opens_aside = True

    def __init__(self, images: list[BgrImage], step_s: float, clock: _Clock) -> None:
        self._images, self._step_s, self._clock = images, step_s, clock
        self._is_running = threading.Event()
        self._is_running.set()
        self._index = 0

    def open(self) -> None:
        """Nothing to open."""

    def grab(self, out: BgrImage | None = None) -> BgrImage:
        self._is_running.wait()
        self._clock.wait_until(self._index * self._step_s)
        self._index += 1
        # Not written to `out`: the copy would be the camera's own work.
        return self._images[self._index % len(self._images)]

    def halt(self) -> None:
        self._is_running.clear()
        self._clock.halt()

    def resume(self) -> None:
        self._clock.resume()
        self._is_running.set()

    def limit_rate(self, fps: float | None) -> None:
        """What is measured keeps its rate."""

    def close(self) -> None:
        """Nothing to close."""


class _TimedPresence:
    """A detector that adds its processor time up, in whichever thread it is asked: glances are in the camera's.

    `timed.TimedPresence` reads the whole process's clock, which would count the loop beside a glance as well.
    """

    def __init__(self, inner: LocalContrastDetector) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self.spent_ns = 0

    def observe(self, frame: Frame, *, may_learn: bool) -> Presence:
        start_ns = time.thread_time_ns()
        found = self._inner.observe(frame, may_learn=may_learn)
        self._add(time.thread_time_ns() - start_ns)
        return found

    def is_same(self, frame: Frame) -> bool:
        start_ns = time.thread_time_ns()
        found = self._inner.is_same(frame)
        self._add(time.thread_time_ns() - start_ns)
        return found

    def _add(self, spent_ns: int) -> None:
        with self._lock:
            self.spent_ns += spent_ns


class _Sorter(NamedTuple):
    runtime: Runtime
    camera: _TrayCamera
    presence: _TimedPresence
    clock: _Clock


def _open_idle(
    config: Config, bundle: Bundle, folder: Path, images: list[BgrImage], fps: float, stack: ExitStack
) -> _Sorter:
    clock = _Clock()
    camera = _TrayCamera(images, 1 / fps, clock)
    settings = config.source
    source = LiveSource(
        camera,
        f"tray at {fps:g} frames/s",
        # At a low rate every frame is old by the measure of a usual camera.
        max_age_s=max(settings.max_age_s, 3 / fps),
        frozen_s=settings.frozen_s,
        dark_level=config.presence.dark_level,
        clock=clock,
    )
    presence = _TimedPresence(used_detector(config, images))
    runtime = stack.enter_context(open_sorter(config, bundle, source, presence, folder))
    # A halted camera could not be closed.
    stack.callback(camera.resume)
    return _Sorter(runtime, camera, presence, clock)


def _make_idle(sorter: _Sorter) -> None:
    while not sorter.runtime.machine.is_idle(sorter.clock.now_s()):
        if sorter.clock.now_s() > IDLE_WITHIN_S:
            raise SorterError(
                f"the sorter is {sorter.runtime.machine.state} after {IDLE_WITHIN_S:g} s of empty tray; check settle "
                "and rearm"
            )
        sorter.runtime.turn()
    sorter.camera.halt()


def _window(sorter: _Sorter, window_s: float) -> tuple[float, float]:
    """Shares of a core that the loop, and presence in it, took over so much real time."""
    sorter.camera.resume()
    # The thread that was asleep is awake from here on.
    sorter.runtime.turn()
    sorter.presence.spent_ns = 0
    wall_s, cpu_ns = time.monotonic(), time.process_time_ns()
    while time.monotonic() - wall_s < window_s:
        sorter.runtime.turn()
    spent_ns, elapsed_ns = time.process_time_ns() - cpu_ns, (time.monotonic() - wall_s) * 1e9
    presence_ns = sorter.presence.spent_ns
    sorter.camera.halt()
    return spent_ns / elapsed_ns, presence_ns / elapsed_ns
