"""What the points of a soak say, in plain sentences."""

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence

from edge.bench.stats import slope
from edge.board.gauges import Reading
from edge.board.throttling import describe_throttled
from edge.errors import SorterError

__all__ = ["FLAGS", "LEAST_POINTS", "remarks_of"]

Column = Sequence[float | None]
FLAGS = ("is_undervolted", "is_capped", "is_throttled", "is_soft_limited")
"""Columns that are 1 where it was so at any time since the point before, in the order of the firmware's bits."""
TITLES = {
    "label_us": "frame to label",
    "invoke_us": "bare inference",
}
LEAST_POINTS = 8
"""Fewer tell nothing of a trend."""
GREW_MB = 0.1
"""A smaller growth within half of the soak is a page or two of the system's own."""
NOTABLE = 0.05
"""Share by which a figure must change between the soak's first and last tenth to be named."""


def remarks_of(
    t_s: Sequence[float],
    columns: Mapping[str, Column],
    first: Reading,
    governors: Sequence[tuple[float, str]],
    lasted_s: float,
    wanted_s: float,
    meter: str | None,
    failure: SorterError | None,
) -> tuple[str, ...]:
    """Sentences about a soak, the gravest first.

    Args:
        t_s, columns: its points, see `report.Soak`.
        first: what the gauges said before it.
        governors: when there was which, in order.
        lasted_s, wanted_s: how long it took, and how long it should have.
        meter: see `Gauges.power_meter`.
        failure: what ended it, if it was an error.
    """
    remarks = _Remarks(t_s, columns)
    return (
        *remarks.end(lasted_s, wanted_s, failure),
        *remarks.spell("is_undervolted", "undervoltage occurred"),
        *remarks.spell("is_throttled", "throttled"),
        *remarks.spell("is_capped", "frequency capped"),
        *remarks.spell("is_soft_limited", "soft temperature limit"),
        *remarks.slowing(),
        *remarks.before(first),
        *remarks.governors(governors),
        *remarks.memory(),
        *remarks.counted("threads"),
        *remarks.counted("descriptors"),
        *remarks.power(meter),
    )


class _Remarks:
    def __init__(self, t_s: Sequence[float], columns: Mapping[str, Column]) -> None:
        self._t_s = t_s
        self._columns = columns

    def end(self, lasted_s: float, wanted_s: float, failure: SorterError | None) -> Iterator[str]:
        if failure is not None:
            yield f"ended after {_span(lasted_s)}: {failure}"
        elif lasted_s < wanted_s:
            yield f"ended early, after {_span(lasted_s)} of {_span(wanted_s)}"
        if len(self._t_s) < LEAST_POINTS:
            yield f"only {len(self._t_s)} points: too few to speak of a trend"

    def spell(self, flag: str, title: str) -> Iterator[str]:
        """Since when a flag was up, how much of the time, and what it did to the rest."""
        flags = self._columns.get(flag, ())
        up = [index for index, value in enumerate(flags) if value]
        if not up:
            return
        when = "from the start" if up[0] == 0 else f"from minute {self._minute(up[0])}"
        sentence = f"{title} {when}"
        if len(up) < len(flags) - up[0]:
            sentence += f", in {len(up) / len(flags):.0%} of the points"
        before = [index for index in range(up[0]) if not flags[index]]
        yield "; ".join([sentence + self._state(before, up), *self._changes(before, up)])

    def slowing(self) -> Iterator[str]:
        """How the last tenth differs from the first, where no flag has told it already."""
        if len(self._t_s) < LEAST_POINTS or any(any(self._columns.get(flag, ())) for flag in FLAGS):
            return
        tenth = max(2, len(self._t_s) // 10)
        early, late = range(tenth), range(len(self._t_s) - tenth, len(self._t_s))
        changes = [*self._clock_change(early, late), *self._changes(early, late)]
        if changes:
            yield f"from the first to the last {_span(self._t_s[-1] / 10)}: " + "; ".join(changes)
        temperature = self._middle("temperature_c", early), self._middle("temperature_c", late)
        if temperature[0] is not None and temperature[1] is not None:
            yield f"temperature {temperature[0]:.0f} -> {temperature[1]:.0f} C, never throttled as far as it is told"

    def before(self, first: Reading) -> Iterator[str]:
        if first.throttled:
            yield "before the start the firmware said: " + ", ".join(describe_throttled(first.throttled))

    def governors(self, governors: Sequence[tuple[float, str]]) -> Iterator[str]:
        for (_, former), (t_s, governor) in itertools.pairwise(governors):
            yield f"the governor changed from {former} to {governor} at minute {t_s / 60:.0f}"

    def memory(self) -> Iterator[str]:
        told = self._told("resident_mb")
        if len(told) < LEAST_POINTS:
            return
        # The first half is a warm-up: only what goes on growing is a leak.
        half = told[len(told) // 2 :]
        per_hour = slope([t_s / 3600 for t_s, _ in half], [mb for _, mb in half])
        grown_mb = per_hour * (half[-1][0] - half[0][0]) / 3600
        if grown_mb >= GREW_MB:
            yield (
                f"resident memory grew by {per_hour:.2g} MB an hour in the second half "
                f"({half[0][1]:.1f} -> {half[-1][1]:.1f} MB)"
            )
        else:
            yield f"resident memory stayed at {statistics.median(mb for _, mb in half):.1f} MB in the second half"

    def counted(self, name: str) -> Iterator[str]:
        told = [value for _, value in self._told(name)]
        if len(told) >= LEAST_POINTS and min(told[len(told) // 2 :]) > max(told[: len(told) // 4]):
            yield f"{name} grew from {told[0]:.0f} to {told[-1]:.0f}"

    def power(self, meter: str | None) -> Iterator[str]:
        told = [value for _, value in self._told("power_w")]
        if told:
            yield f"power {statistics.mean(told):.2f} W on average, at most {max(told):.2f} W ({meter})"

    def _state(self, before: Sequence[int], during: Sequence[int]) -> str:
        parts = []
        temperature = self._middle("temperature_c", during[:1])
        if temperature is not None:
            parts.append(f"temperature {temperature:.0f} C")
        parts += self._clock_change(before, during)
        return f": {', '.join(parts)}" if parts else ""

    def _clock_change(self, before: Sequence[int], after: Sequence[int]) -> Iterator[str]:
        first, last = self._middle("clock_mhz", before), self._middle("clock_mhz", after)
        if last is not None and first is None:
            yield f"clock {last:.0f} MHz"
        elif last is not None and first is not None and abs(last / first - 1) >= NOTABLE:
            yield f"clock {first:.0f} -> {last:.0f} MHz"

    def _changes(self, before: Sequence[int], after: Sequence[int]) -> Iterator[str]:
        for name in self._columns:
            if not name.endswith("_us"):
                continue
            first, last = self._middle(name, before), self._middle(name, after)
            if first and last is not None and abs(last / first - 1) >= NOTABLE:
                yield f"{TITLES.get(name, name.removesuffix('_us'))} {_times(first, last)}"

    def _told(self, name: str) -> list[tuple[float, float]]:
        column = self._columns.get(name, ())
        return [(t_s, value) for t_s, value in zip(self._t_s, column, strict=False) if value is not None]

    def _middle(self, name: str, indices: Sequence[int]) -> float | None:
        column = self._columns.get(name)
        told = [value for index in indices if column is not None and (value := column[index]) is not None]
        return statistics.median(told) if told else None

    def _minute(self, index: int) -> str:
        return f"{self._t_s[index] / 60:.0f}"


def _span(duration_s: float) -> str:
    if duration_s < 120:
        return f"{duration_s:.0f} s"
    return f"{duration_s / 60:.0f} minutes" if duration_s < 7200 else f"{duration_s / 3600:.1f} hours"


def _times(first_us: float, last_us: float) -> str:
    if max(first_us, last_us) < 1000:
        return f"{first_us:.0f} -> {last_us:.0f} us"
    return f"{first_us / 1000:.3g} -> {last_us / 1000:.3g} ms"
