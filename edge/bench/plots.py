"""Plots of one stage, and of a soak."""

import math
from collections.abc import Callable, Sequence

from edge.bench import svg
from edge.bench.axes import Scale, linear, logarithmic, quantity
from edge.bench.markup import Html
from edge.bench.report import Distribution, Series, Soak, Stage
from edge.bench.stats import BIN_GROWTH
from edge.bench.wording import SPACE, percent, rough

__all__ = [
    "column_title",
    "has_flags",
    "histogram_plot",
    "is_sample_by_sample",
    "marked",
    "percentile_plot",
    "series_plot",
    "soak_plots",
    "stage_plots",
]

_MOST_BARS = 44
_PAST_P99 = 1.25
_LEAST, _ROUNDING = 1e-8, 1.0001
"""A histogram counts smaller values as a nanounit, and its edges are rounded."""
_STEADY = 8.0
"""A series whose worst is more than so many times its least median is drawn on a logarithmic axis."""
_PERCENTILES = ((0.0, 0), (50.0, 0), (90.0, 0), (99.0, 0), (99.9, 1), (99.99, 2), (99.999, 3))
_LONG_S = 600.0
SHADES = {
    "limited": "at the soft temperature limit",
    "undervolted": "supply voltage too low",
    "throttled": "throttled or frequency capped",
}
"""Kinds of trouble that a soak's plots are shaded with, the gravest last."""
_FLAGS = {
    "limited": ("is_soft_limited",),
    "undervolted": ("is_undervolted",),
    "throttled": ("is_throttled", "is_capped"),
}
_LEAST_SPAN = 0.02
"""A soak's axis spans at least this share of its values, or a course that is level would look steep."""
_SUFFIXES = {
    "c": ("°C", 1.0),
    "mhz": ("MHz", 1.0),
    "mb": ("MB", 1.0),
    "us": ("µs", 1.0),
    "w": ("W", 1.0),
    "share": ("%", 100.0),
}
"""Units at the end of a column's name, as the gauges and the soak's steps give them."""


def stage_plots(stage: Stage) -> list[Html]:
    """Histogram, percentiles and course of one stage."""
    return [histogram_plot(stage), percentile_plot(stage), series_plot(stage.series, stage.title)]


def histogram_plot(stage: Stage) -> Html:
    """Share of the samples in each bin, over a logarithmic axis: wall time filled, processor time as a line.

    A long tail would leave no room for the rest: where there is one the axis ends soon after the 99th percentile, and
    the share of the wall times beyond is written at its end.
    """
    unit = quantity(stage.wall.unit, stage.wall.p50)
    shown = [each for each in (stage.wall, stage.cpu) if each is not None]
    most, end = max(each.max for each in shown), max(each.p99 for each in shown) * _PAST_P99
    end = max(end if 0 < end * _PAST_P99 < most else most, _LEAST) * _ROUNDING
    x = logarithmic(value * unit.factor for each in shown for value in (each.min, each.p50, min(each.p99, end), end))
    places = [_bin(edge) for each in shown for edge, _ in each.histogram if edge <= end]
    width = math.ceil((max(places) - min(places) + 1) / _MOST_BARS)
    wall = _shares(stage.wall, width, end)
    cpu = {} if stage.cpu is None else _shares(stage.cpu, width, end)
    y = linear([*wall.values(), *cpu.values()], from_zero=True)

    def edge(place: int) -> float:
        return float(BIN_GROWTH ** (place * width)) * unit.factor

    marks = [
        svg.bar(x.at(edge(place)), x.at(edge(place + 1)), 100 - y.at(share), 100, "a", least=1.0)
        for place, share in wall.items()
    ]
    marks.append(svg.curve(x, y, _outline(cpu, edge), "b", is_step=True))
    beyond = 1.0 - sum(wall.values()) / 100
    if beyond > 1e-9:
        marks.append(svg.note(f"{percent(beyond)} beyond →"))
    label = f"Histogram of {stage.title}"
    return svg.plot(x, y, marks, x_title=f"{unit.name}, logarithmic", y_title="% of samples", label=label)


def percentile_plot(stage: Stage) -> Html:
    """Time over percentile; each step to the right has a tenth of the samples beyond it."""
    unit = quantity(stage.wall.unit, stage.wall.p50)
    shown = [each for each in (stage.wall, stage.cpu) if each is not None]
    reach = max(1.0, *(math.log10(each.count) for each in shown))
    ticks = tuple(each for each in _PERCENTILES if _beyond(each[0]) <= reach + 0.05)
    x = _Percentiles(0.0, reach, False, tuple(_beyond(at) for at, _ in ticks))
    y = _log_axis(shown, unit.factor)
    marks = []
    for each, kind in ((stage.cpu, "b"), (stage.wall, "a")):
        if each is not None:
            points = _tail(each, unit.factor)
            marks.append(svg.curve(x, y, points, kind))
            marks.append(svg.dot(x.at(points[-1][0]), 100 - y.at(points[-1][1]), kind))
    label = f"Percentiles of {stage.title}"
    return svg.plot(x, y, marks, x_title="percentile", y_title=f"{unit.name}, logarithmic", label=label)


def series_plot(series: Series, title: str) -> Html:
    """Median and worst over the time of the measurement."""
    unit = quantity(series.unit, max(series.median))
    median = [value * unit.factor for value in series.median]
    worst = [value * unit.factor for value in series.worst]
    is_log = min(median) > 0 and max(worst) > _STEADY * min(median)
    y = logarithmic([*median, *worst]) if is_log else linear([*median, *worst])
    x, factor, time_unit = _time_axis(series.t_s)
    times = [at * factor for at in series.t_s]
    is_single = is_sample_by_sample(series)
    kind, radius_px = ("a", 1.8) if is_single else ("faint", 1.4)
    marks = [svg.dot(x.at(at), 100 - y.at(value), kind, radius_px) for at, value in zip(times, worst, strict=False)]
    if not is_single:
        marks.append(svg.curve(x, y, list(zip(times, median, strict=False)), "a"))
    y_title = f"{unit.name}, logarithmic" if is_log else unit.name
    return svg.plot(x, y, marks, x_title=f"time, {time_unit}", y_title=y_title, label=f"Course of {title}")


def is_sample_by_sample(series: Series) -> bool:
    """True if each point stands for one sample, so that there is no worst beside a median."""
    return series.median == series.worst


def soak_plots(soak: Soak) -> list[Html]:
    """One small plot a column over the time of the soak; where the machine was throttled is marked in all of them."""
    x, factor, time_unit = _time_axis(soak.t_s)
    times = [at * factor for at in soak.t_s]
    bands = [
        svg.band(x.at(start * factor), x.at(end * factor), kind) for kind in SHADES for start, end in marked(soak, kind)
    ]
    found = []
    for name, values in soak.columns.items():
        if name.startswith("is_"):
            continue
        title, unit, scale = column_title(name)
        runs = _runs(times, [None if value is None else value * scale for value in values])
        y = linear([value for run in runs for _, value in run], least_span=_LEAST_SPAN)
        marks = list(bands)
        for run in runs:
            marks.append(svg.curve(x, y, run, "a"))
            if len(run) == 1:
                marks.append(svg.dot(x.at(run[0][0]), 100 - y.at(run[0][1]), "a"))
        slope = soak.slopes_per_hour.get(name)
        course = "" if slope is None else f" ({'+' if slope > 0 else ''}{rough(slope * scale)}{SPACE}{unit}/h)"
        y_title = (f"{title}, {unit}" if unit else title) + course
        label = f"{title} over the soak"
        found.append(svg.plot(x, y, marks, x_title=f"time, {time_unit}", y_title=y_title, label=label, height_px=110))
    return found


def column_title(name: str) -> tuple[str, str, float]:
    """A column's name in words, its unit, and what its values are multiplied with: `temperature_c` is °C."""
    words = name.split("_")
    if len(words) > 1 and words[-1] in _SUFFIXES:
        unit, factor = _SUFFIXES[words[-1]]
        return " ".join(words[:-1]), unit, factor
    return " ".join(words), "", 1.0


class _Percentiles(Scale):
    """An axis of tenths, that is written in percentiles."""

    __slots__ = ()

    @property
    def labels(self) -> tuple[str, ...]:
        written = {_beyond(at): f"{at:.{decimals}f}" for at, decimals in _PERCENTILES}
        return tuple(written[tick] for tick in self.ticks)


def _beyond(percentile: float) -> float:
    return -math.log10(1.0 - percentile / 100.0)


def _tail(each: Distribution, factor: float) -> list[tuple[float, float]]:
    """Tenths and value at both ends of each bin; the last one ends at the longest sample, of which there is one."""
    points, before = [(0.0, each.min * factor)], 0
    for edge, count in each.histogram:
        for value, below in ((edge, before), (edge * BIN_GROWTH, before + count)):
            held = min(max(value, each.min), each.max)
            points.append((math.log10(each.count / max(1, each.count - below)), held * factor))
        before += count
    return [*points, (math.log10(each.count), each.max * factor)]


def _log_axis(shown: Sequence[Distribution], factor: float) -> Scale:
    return logarithmic(value * factor for each in shown for value in (each.min, each.p50, each.p90, each.p99, each.max))


def _bin(edge: float) -> int:
    return round(math.log(edge) / math.log(BIN_GROWTH))


def _shares(each: Distribution, width: int, end: float) -> dict[int, float]:
    """Per cent of the samples in each drawn bin, which holds `width` of the report's, as far as `end`."""
    found: dict[int, float] = {}
    for edge, count in each.histogram:
        if edge <= end:
            place = _bin(edge) // width
            found[place] = found.get(place, 0.0) + count / each.count * 100
    return found


def _outline(shares: dict[int, float], edge: Callable[[int], float]) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for place, share in shares.items():
        if not points or points[-1][0] < edge(place) * (1 - 1e-9):
            if points:
                points.append((points[-1][0], 0.0))
            points.append((edge(place), 0.0))
        points.append((edge(place), share))
        points.append((edge(place + 1), share))
    return [*points, (points[-1][0], 0.0)] if points else []


def _time_axis(t_s: Sequence[float]) -> tuple[Scale, float, str]:
    longest = max(t_s, default=0.0)
    factor, unit = (1.0, "s") if longest < _LONG_S else (1 / 60, "min") if longest < 6 * 3600 else (1 / 3600, "h")
    return linear([at * factor for at in t_s], from_zero=True, is_tight=True), factor, unit


def marked(soak: Soak, kind: str) -> list[tuple[float, float]]:
    """Begin and end, in seconds, of each time in which a flag was set.

    Args:
        kind: of `SHADES`.
    """
    found: list[tuple[float, float]] = []
    for name in _FLAGS[kind]:
        for place, value in enumerate(soak.columns.get(name, ())[: len(soak.t_s)]):
            if value:
                found.append((soak.t_s[place], soak.t_s[min(place + 1, len(soak.t_s) - 1)]))
    merged: list[tuple[float, float]] = []
    for start, end in sorted(found):
        if merged and merged[-1][1] >= start:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def has_flags(soak: Soak) -> bool:
    """True if the machine told whether it was throttled."""
    return any(name in soak.columns for name in _FLAGS["throttled"])


def _runs(times: Sequence[float], values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """The points, cut where a value is missing."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in zip(times, values, strict=False):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]
