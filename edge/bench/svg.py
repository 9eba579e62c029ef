"""Plots in SVG without a view box: places are per cent, so that a plot grows with its page and its text does not.

Colours and strokes come from the page's style sheet by class: `a` is wall time or the first of two, `b` processor time
or the second. What lies outside of the axes (titles, ticks) is drawn over the edge of the picture; the style sheet
leaves room for it.
"""

from collections.abc import Sequence

from edge.bench.axes import Scale
from edge.bench.markup import Html, el

__all__ = ["band", "bar", "curve", "dot", "down", "note", "plot", "pole", "span", "strip", "strip_axis"]

_FINE = 1000.0
"""A curve's own coordinates, stretched to the plot."""


def plot(
    x: Scale, y: Scale, marks: Sequence[Html], *, x_title: str, y_title: str, label: str, height_px: int = 150
) -> Html:
    """A plot with its axes.

    Args:
        label: for who cannot see it.
    """
    across = [_line(0, at, 100, at, "grid") for at in (100 - y.at(tick) for tick in y.ticks)]
    up = [_line(at, 0, at, 100, "grid") for at in (x.at(tick) for tick in x.ticks)]
    beside = [
        el("text", text, x=-6, y=_cent(100 - y.at(tick)), dy="0.32em", class_="end")
        for tick, text in zip(y.ticks, y.labels, strict=True)
    ]
    picture = el(
        "svg",
        *across,
        *up,
        *marks,
        _line(0, 100, 100, 100, "axis"),
        *beside,
        *_below(x),
        el("text", x_title, x="50%", y="100%", dy=32, class_="mid title"),
        el("text", y_title, x=-40, y=-9, class_="title"),
        width="100%",
        height=height_px,
        role="img",
        aria_label=label,
    )
    return el("div", picture, class_="plot")


def strip(x: Scale, marks: Sequence[Html], height_px: int = 30) -> Html:
    """One row of a plot of rows, which all have the same axis."""
    up = [_line(at, 0, at, 100, "grid") for at in (x.at(tick) for tick in x.ticks)]
    return el("svg", *up, *marks, class_="strip", width="100%", height=height_px, aria_hidden="true")


def strip_axis(x: Scale, title: str) -> Html:
    """The axis below such rows."""
    marks = [_line(0, 0, 100, 0, "axis"), *_below(x, 0), el("text", title, x="50%", y=32, class_="mid title")]
    return el("svg", *marks, class_="strip", width="100%", height=38, aria_hidden="true")


def curve(x: Scale, y: Scale, points: Sequence[tuple[float, float]], kind: str, *, is_step: bool = False) -> Html:
    """A line through the points; a step goes across before it goes up."""
    if not points:
        return Html("")
    places = [(x.at(one) * _FINE / 100, (100 - y.at(other)) * _FINE / 100) for one, other in points]
    written = f"M{_short(places[0][0])} {_short(places[0][1])}"
    for across, down in places[1:]:
        written += f"H{_short(across)}V{_short(down)}" if is_step else f"L{_short(across)} {_short(down)}"
    return el(
        "svg",
        el("path", d=written, class_=f"curve {kind}", vector_effect="non-scaling-stroke"),
        width="100%",
        height="100%",
        viewBox=f"0 0 {_FINE:g} {_FINE:g}",
        preserveAspectRatio="none",
        class_="over",
    )


def dot(x_percent: float, y_percent: float, kind: str, radius_px: float = 2.5) -> Html:
    """A point."""
    return el("circle", cx=_cent(x_percent), cy=_cent(y_percent), r=radius_px, class_=f"dot {kind}")


def bar(left: float, right: float, top: float, bottom: float, kind: str, *, least: float = 0.0) -> Html:
    """A filled box, in per cent; at least so wide that it is seen."""
    return el(
        "rect",
        x=_cent(left),
        y=_cent(top),
        width=_cent(max(least, right - left)),
        height=_cent(max(0.0, bottom - top)),
        class_=f"bar {kind}",
    )


def band(left: float, right: float, kind: str) -> Html:
    """A time that is marked over the whole height; at least so wide that it is seen."""
    return bar(left, right, 0, 100, kind, least=0.4)


def span(left: float, right: float, y_percent: float, kind: str) -> Html:
    """A line from left to right."""
    return _line(left, y_percent, right, y_percent, kind)


def pole(at: float, kind: str) -> Html:
    """A line from top to bottom."""
    return _line(at, 0, at, 100, kind)


def note(text: str) -> Html:
    """Words at the upper right."""
    return el("text", text, x="100%", y=-9, class_="end")


def down(marks: Sequence[Html], by_px: float) -> Html:
    """The marks, so many pixels lower."""
    return el("g", *marks, transform=f"translate(0 {by_px:g})")


def _below(x: Scale, y_percent: float = 100) -> list[Html]:
    """The ticks' numbers; those at the very ends lean inwards, so that they do not meet a neighbour's."""
    found = []
    for tick, text in zip(x.ticks, x.labels, strict=True):
        at = x.at(tick)
        found.append(el("text", text, x=_cent(at), y=_cent(y_percent), dy=15, class_="end" if at > 99 else "mid"))
    return found


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return el("line", x1=_cent(x1), y1=_cent(y1), x2=_cent(x2), y2=_cent(y2), class_=kind)


def _cent(value: float) -> str:
    return f"{_short(value)}%"


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
