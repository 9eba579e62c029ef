"""A long run under load: what heat, a weak supply and hours do to the figures.

Memory is the same for a minute and for a month: once there are too many points, neighbours are merged.
"""

import math
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from edge.bench.report import SERIES_POINTS, Soak
from edge.bench.soak_remarks import FLAGS, LEAST_POINTS, remarks_of
from edge.bench.stats import slope
from edge.board.gauges import Gauges, Reading
from edge.errors import SorterError

__all__ = ["soak"]

MOST_POINTS = 2 * SERIES_POINTS
MOST_SAMPLES = 512
"""Of what `step` returns between two points; of more, every second, fourth, … is kept."""
LEAST_SPAN_S = 600.0
"""A shorter run says nothing of an hour."""


def soak(
    step: Callable[[], Mapping[str, float]],
    duration_s: float,
    every_s: float,
    gauges: Gauges,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Soak:
    """Repeat `step` for so long, without a rest, and note what it returns and what the gauges say.

    It ends early, with what it has, at SIGINT: at the first one once the step is done, at the second one at once. So
    it does when a step fails with a `SorterError`, which becomes a remark.

    Args:
        step: a bit of the real work; figures by name, each with its unit in the name, such as `label_us`.
        every_s: time between two points; a step that takes longer makes it longer.
        clock: monotonic seconds.
    Returns: points that hold the median of what the steps returned since the point before; slopes from eight points
        and ten minutes on.
    Raises: ValueError if a time is not above zero; whatever else `step` raises.
    """
    if duration_s <= 0 or every_s <= 0:
        raise ValueError(f"duration {duration_s} s, every {every_s} s: expected more than zero")
    notes = _Notes(gauges.read())
    start_s = noted_s = clock()
    failure: SorterError | None = None
    with _interrupts() as is_interrupted:
        try:
            while not is_interrupted() and clock() - start_s < duration_s:
                notes.add(step())
                if clock() - noted_s >= every_s:
                    noted_s = clock()
                    notes.close_point(noted_s - start_s, gauges.read())
        except KeyboardInterrupt:
            pass
        except SorterError as exc:
            failure = exc
    lasted_s = clock() - start_s
    if notes.is_pending:
        notes.close_point(lasted_s, gauges.read())
    return notes.finish(lasted_s, duration_s, gauges.power_meter, failure)


class _Samples:
    """A bounded sample of one figure, spread evenly over all that was added."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._stride = 1
        self._seen = 0

    def add(self, value: float) -> None:
        if self._seen % self._stride == 0:
            self._values.append(value)
        self._seen += 1
        if len(self._values) == MOST_SAMPLES:
            del self._values[1::2]
            self._stride *= 2

    def median(self) -> float:
        return statistics.median(self._values)


class _Point:
    """One point, or several neighbours in one: means weighted by how many were merged, and whether a flag ever was."""

    def __init__(self, t_s: float, values: Mapping[str, float]) -> None:
        self.t_s = t_s
        self._weight = 1
        self._sums = {name: (value, 1) for name, value in values.items()}

    def merge(self, other: "_Point") -> None:
        """Take the next point in."""
        self.t_s = (self.t_s * self._weight + other.t_s * other._weight) / (self._weight + other._weight)
        self._weight += other._weight
        for name, (total, count) in other._sums.items():
            mine, counted = self._sums.get(name, (0.0, 0))
            if name in FLAGS:
                self._sums[name] = (max(mine, total), 1)
            else:
                self._sums[name] = (mine + total, counted + count)

    def value(self, name: str) -> float | None:
        total, count = self._sums.get(name, (0.0, 0))
        return total / count if count else None

    def names(self) -> Iterator[str]:
        yield from self._sums

    @property
    def weight(self) -> int:
        return self._weight


class _Notes:
    """What was noted so far, in at most `MOST_POINTS` points."""

    def __init__(self, first: Reading) -> None:
        self.first = first
        self._last = first
        self._last_s = 0.0
        self._samples: dict[str, _Samples] = {}
        self._points: list[_Point] = []
        self._merged = 1
        self._governors: list[tuple[float, str]] = [] if first.governor is None else [(0.0, first.governor)]

    @property
    def is_pending(self) -> bool:
        """Steps were taken since the last point."""
        return bool(self._samples)

    def add(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            # What could not be measured this time must not spoil the median.
            if math.isfinite(value):
                self._samples.setdefault(name, _Samples()).add(value)

    def close_point(self, t_s: float, now: Reading) -> None:
        values = {name: samples.median() for name, samples in self._samples.items()}
        self._samples.clear()
        point = _Point(t_s, values | _columns(self._last, now, t_s - self._last_s))
        # A governor that is changed all the time must not fill the memory either.
        if now.governor is not None and len(self._governors) < 10 and now.governor != self._last.governor:
            self._governors.append((t_s, now.governor))
        self._last, self._last_s = now, t_s
        if self._points and self._points[-1].weight < self._merged:
            self._points[-1].merge(point)
            return
        self._points.append(point)
        if len(self._points) > MOST_POINTS:
            self._thin()

    def finish(self, lasted_s: float, wanted_s: float, meter: str | None, failure: SorterError | None) -> Soak:
        names = dict.fromkeys(name for point in self._points for name in point.names())
        columns = {name: tuple(_rounded(point.value(name)) for point in self._points) for name in names}
        t_s = tuple(round(point.t_s, 3) for point in self._points)
        return Soak(
            duration_s=round(lasted_s, 3),
            t_s=t_s,
            columns=columns,
            slopes_per_hour={
                name: found
                for name, column in columns.items()
                if (found := _slope_per_hour(name, t_s, column)) is not None
            },
            remarks=remarks_of(t_s, columns, self.first, self._governors, lasted_s, wanted_s, meter, failure),
        )

    def _thin(self) -> None:
        """Merge neighbours, two and two; the points to come gather as much before they count as one."""
        for left, right in zip(self._points[::2], self._points[1::2], strict=False):
            left.merge(right)
        del self._points[1::2]
        self._merged *= 2


def _columns(before: Reading, now: Reading, elapsed_s: float) -> dict[str, float]:
    """What a point holds of the gauges; what they do not tell is left out."""
    spent_share = None
    if before.processor_s is not None and now.processor_s is not None and elapsed_s > 0:
        spent_share = (now.processor_s - before.processor_s) / elapsed_s
    told: dict[str, float | None] = {
        "temperature_c": now.temperature_c,
        "clock_mhz": now.clock_mhz,
        "power_w": now.power_w,
        "resident_mb": now.resident_mb,
        "processor_share": spent_share,
        "threads": now.threads,
        "descriptors": now.descriptors,
    }
    if now.throttled is not None:
        # "Occurred" counts where it was not said before: it lasted for less than the time between two looks.
        fresh = now.throttled >> 16 & ~((before.throttled or 0) >> 16)
        told |= {name: float((now.throttled | fresh) >> bit & 1) for bit, name in enumerate(FLAGS)}
    if now.is_undervolted is not None:
        told["is_undervolted"] = max(told.get("is_undervolted") or 0.0, float(now.is_undervolted))
    return {name: value for name, value in told.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")


def _slope_per_hour(name: str, t_s: tuple[float, ...], column: tuple[float | None, ...]) -> float | None:
    if name in FLAGS:
        return None
    told = [(t / 3600.0, value) for t, value in zip(t_s, column, strict=True) if value is not None]
    if len(told) < LEAST_POINTS or told[-1][0] - told[0][0] < LEAST_SPAN_S / 3600.0:
        return None
    return float(f"{slope([t for t, _ in told], [value for _, value in told]):.4g}")


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """A function that turns true at the first SIGINT; the second one interrupts as ever.

    Only the main thread may handle signals: in any other one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    is_interrupted = False

    def interrupt(signal_number: int, frame: FrameType | None) -> None:
        nonlocal is_interrupted
        is_interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    former = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: is_interrupted
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if former is None else former)
