"""Plots of rows, one a figure, a stage or a program, on an axis that they share."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge.bench import svg
from edge.bench.axes import Scale, linear, logarithmic, quantity
from edge.bench.markup import Html, el, join
from edge.bench.report import Figure, Stage
from edge.bench.wording import (
    SPACE,
    UNITS,
    Quantity,
    cells,
    common_decimals,
    number,
    percent,
    pretty,
    short,
    stage_value,
)

__all__ = ["Row", "bars", "forest", "in_groups", "ratios", "rows", "sparkline", "stack", "stage_dots"]

OWN = "edge-sorter"
"""A contender of that name is drawn in the first colour."""
_WIDEST = 30.0
"""Figures further apart than this are drawn on a logarithmic axis: bars from zero would show one of them only."""
_TOGETHER = 2.5
_COLOURS = 8
_US = {"us": 1.0, "ms": 1e3, "s": 1e6}


class Row(NamedTuple):
    """One row: its name, what is drawn, and its value in words."""

    name: str
    marks: Sequence[Html]
    value: str


def rows(x: Scale, title: str, drawn: Sequence[Row]) -> Html:
    """The rows with their axis below."""
    lines = [
        el(
            "div",
            el("div", pretty(row.name), class_="name"),
            el("div", svg.strip(x, row.marks), class_="draw"),
            el("div", row.value, class_="value"),
            class_="row",
        )
        for row in drawn
    ]
    foot = el(
        "div",
        el("div", class_="name"),
        el("div", svg.strip_axis(x, title), class_="draw"),
        el("div"),
        class_="row foot",
    )
    return el("div", *lines, foot, class_="rows")


def forest(figures: Sequence[tuple[str, Figure]]) -> Html:
    """Medians with their intervals, their rounds and their goals. All figures have one unit."""
    unit = quantity(figures[0][1].unit, max(figure.median for _, figure in figures))
    held = [value * unit.factor for _, figure in figures for value in (*figure.rounds, figure.low, figure.high)]
    reach = max(held) - min(held)
    goals = [figure.goal * unit.factor for _, figure in figures if figure.goal is not None]
    x = _scale([*held, *(goal for goal in goals if min(held) - reach <= goal <= max(held) + reach)], from_zero=False)
    drawn = [Row(name, _forest_marks(x, figure, unit.factor), _value(figure, unit)) for name, figure in figures]
    return rows(x, _axis_title(unit, x), drawn)


def in_groups(figures: Sequence[tuple[str, Figure]]) -> list[list[tuple[str, Figure]]]:
    """Figures whose intervals fit on one axis together, in falling order of the groups: one axis for ratios of about
    one and of a hundredth would show neither."""
    groups: list[list[tuple[str, Figure]]] = []
    most = 0.0
    for name, figure in sorted(figures, key=lambda each: -each[1].median):
        if not groups or not 0 < most <= figure.low * _TOGETHER:
            groups.append([])
            most = figure.high
        groups[-1].append((name, figure))
        most = max(most, figure.high)
    order = [figure for _, figure in figures]
    return [sorted(group, key=lambda each: order.index(each[1])) for group in groups]


def bars(figures: Sequence[tuple[str, Figure]]) -> Html:
    """Bars from zero to the medians, with intervals; points on a logarithmic axis where they lie far apart."""
    unit = quantity(figures[0][1].unit, max(figure.high for _, figure in figures))
    ends = [end * unit.factor for _, figure in figures for end in (figure.low, figure.median, figure.high)]
    x = _scale(ends, from_zero=True)
    decimals = common_decimals((figure for _, figure in figures), unit.factor)
    has_own = any(name.startswith(OWN) for name, _ in figures)
    drawn = []
    for name, figure in figures:
        kind = "a" if name.startswith(OWN) or not has_own else "other"
        marks: list[Html] = []
        if not x.is_log:
            left, right = sorted((x.at(0.0), x.at(figure.median * unit.factor)))
            marks.append(svg.bar(left, right, 26, 74, kind))
        marks += _interval(x, figure.low * unit.factor, figure.high * unit.factor, "ink")
        if x.is_log:
            marks.append(svg.dot(x.at(figure.median * unit.factor), 50, kind, 4))
        drawn.append(Row(name, marks, _value(figure, unit, decimals)))
    return rows(x, _axis_title(unit, x), drawn)


def ratios(compared: Sequence[tuple[str, float, float, float, bool]], title: str) -> Html:
    """Name, ratio, its interval, and whether it is shown to be a difference; a line stands at one."""
    x = _scale([1.0, *(value for _, *ends, _ in compared for value in ends)], from_zero=False)
    drawn = []
    for name, ratio, low, high, is_shown in compared:
        kind = "a" if is_shown else "other"
        marks = [svg.pole(x.at(1.0), "one"), svg.span(x.at(low), x.at(high), 50, f"interval {kind}")]
        marks.append(svg.dot(x.at(ratio), 50, kind, 4))
        drawn.append(Row(name, marks, f"{number(ratio)} [{number(low)}, {number(high)}]"))
    return rows(x, title, drawn)


def stage_dots(stages: Mapping[str, Stage]) -> Html:
    """Of each stage the median, the way to the 99th percentile, and the longest, on a logarithmic axis."""
    found = [(short(stage.title), stage_value(stage)) for stage in stages.values()]
    unit = quantity("us", min(each.p50 * _US[each.unit] for _, each in found))
    places = [[value * _US[each.unit] * unit.factor for value in (each.p50, each.p99, each.max)] for _, each in found]
    x = logarithmic(value for ends in places for value in ends)
    drawn = []
    for (name, each), ends in zip(found, places, strict=True):
        middle, far, most = map(x.at, ends)
        marks = [svg.span(middle, most, 50, "reach"), svg.span(middle, far, 50, "interval a")]
        marks += [svg.dot(most, 50, "hollow", 3), svg.dot(middle, 50, "a", 4)]
        drawn.append(Row(name, marks, _time(each.p50 * _US[each.unit])))
    return rows(x, f"{unit.name}, logarithmic", drawn)


def stack(stages: Mapping[str, Stage]) -> Html:
    """The medians of the stages as parts of their sum."""
    found = [(short(stage.title), stage_value(stage)) for stage in stages.values()]
    medians = [max(0.0, each.p50) * _US[each.unit] for _, each in found]
    total, largest = sum(medians) or 1.0, medians.index(max(medians))
    left, boxes, keys = 0.0, [], []
    for place, ((name, _), median) in enumerate(zip(found, medians, strict=True)):
        kind = "p0" if place == largest else f"p{1 + (place - (place > largest)) % (_COLOURS - 1)}"
        width = median / total * 100
        boxes.append(svg.bar(left, left + width, 0, 100, f"part {kind}"))
        left += width
        text = f"{_time(median)}, {percent(median / total)}"
        keys.append(el("span", el("i", class_=f"swatch {kind}"), el("b", name), " ", text, class_="key"))
    picture = el("svg", *boxes, class_="strip", width="100%", height=34, role="img", aria_label="parts of the sum")
    return join(el("div", picture, class_="stack"), el("div", *keys, class_="keys"))


def sparkline(rounds: Sequence[float]) -> Html:
    """The rounds in order of time, with a line at their median; no axis."""
    least, most = min(rounds), max(rounds)
    reach = (most - least) or 1.0
    heights = [100 - (value - least) / reach * 100 if most > least else 50.0 for value in rounds]
    apart = 100 / max(1, len(rounds) - 1)
    dots = [svg.dot(apart * place if len(rounds) > 1 else 50.0, at, "a", 1.6) for place, at in enumerate(heights)]
    ordered = sorted(heights)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return el("svg", svg.span(0, 100, middle, "grid"), *dots, class_="spark", width=64, height=16, aria_hidden="true")


def _time(us: float) -> str:
    unit = quantity("us", us)
    return f"{number(us * unit.factor)}{SPACE}{unit.name}"


def _forest_marks(x: Scale, figure: Figure, factor: float) -> list[Html]:
    goal = None if figure.goal is None else figure.goal * factor
    marks = [svg.pole(x.at(goal), "goal")] if goal is not None and x.low <= goal <= x.high else []
    marks.append(svg.down([svg.dot(x.at(value * factor), 50, "round", 2) for value in figure.rounds], 8))
    if figure.coverage > 0:
        marks.append(svg.down(_interval(x, figure.low * factor, figure.high * factor, "a"), -3))
    marks.append(svg.down([svg.dot(x.at(figure.median * factor), 50, "a", 4)], -3))
    return marks


def _interval(x: Scale, low: float, high: float, kind: str) -> list[Html]:
    left, right = x.at(low), x.at(high)
    return [svg.span(left, right, 50, f"interval {kind}")] if right > left else []


def _scale(values: Sequence[float], *, from_zero: bool) -> Scale:
    if min(values) > 0 and max(values) / min(values) > _WIDEST:
        return logarithmic(values)
    return linear(values, from_zero=from_zero, wanted=5)


def _axis_title(unit: Quantity, x: Scale) -> str:
    title = "ratio" if unit.name == UNITS["ratio"] else unit.name
    return f"{title}, logarithmic" if x.is_log else title


def _value(figure: Figure, unit: Quantity, decimals: int | None = None) -> str:
    found = cells(figure, unit, decimals)
    return f"{found.value} {found.interval}" if figure.coverage > 0 else found.value
