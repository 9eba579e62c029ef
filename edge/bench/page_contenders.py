"""The parts of the page where combinations of settings, or other programs, stand beside each other."""

from collections.abc import Mapping, Sequence

from edge.bench import rowplots
from edge.bench.axes import quantity
from edge.bench.markup import Html, el, join
from edge.bench.page_parts import Captions, section, table_row
from edge.bench.report import Contender, Figure
from edge.bench.wording import Quantity, cells, common_decimals, listed, pretty, without_common

__all__ = ["contenders"]

_MOST_CHARTS = 3
_CHARTED_FIRST = ("label_us", "label_ratio", "start_s")
"""What readers look for; of the other figures as many are drawn as there is room for."""
_BARS = "Thin lines over the bars' ends are the intervals of the medians."


def contenders(title: str, anchor: str, found: Sequence[Contender], intro: str, captions: Captions) -> Html:
    """A table of all figures with what could not be measured, a bar chart of the first ones, and the settings."""
    if not found:
        return Html("")
    shown = _columns(found)
    names, common = without_common([each.title for each in found])
    text = f"{title}{f' ({common})' if common else ''}: medians, and below them their intervals."
    content = [el("p", intro), captions.table(*_table(found, names, shown), text)]
    for figures in _charted(shown):
        bars = [(names[place], figure) for place, figure in figures]
        content.append(captions.figure(rowplots.bars(bars), f"{title}: {pretty(figures[0][1].title)}. {_BARS}"))
    return section(title, anchor, *content, *_settings(found))


_Column = Sequence[tuple[int, Figure]]


def _columns(found: Sequence[Contender]) -> dict[str, _Column]:
    """By the figures' names: contenders' places with their figures; one in another unit than the first is left out."""
    shown: dict[str, list[tuple[int, Figure]]] = {}
    for place, contender in enumerate(found):
        for name, figure in contender.figures.items():
            column = shown.setdefault(name, [])
            if not column or column[0][1].unit == figure.unit:
                column.append((place, figure))
    return dict(shown)


def _charted(shown: Mapping[str, _Column]) -> list[_Column]:
    order = sorted(shown, key=lambda name: _CHARTED_FIRST.index(name) if name in _CHARTED_FIRST else len(shown) + 9)
    return [shown[name] for name in order[:_MOST_CHARTS]]


def _table(
    found: Sequence[Contender], names: Sequence[str], shown: Mapping[str, _Column]
) -> tuple[list[str], list[Html]]:
    units = {name: quantity(column[0][1].unit, max(one.high for _, one in column)) for name, column in shown.items()}
    decimals = {name: common_decimals((one for _, one in shown[name]), unit.factor) for name, unit in units.items()}
    head = ["", *(f"{pretty(column[0][1].title)}, {units[name].name}" for name, column in shown.items())]
    rows = []
    for title, contender in zip(names, found, strict=True):
        if contender.missing is not None:
            why = el("td", f"not measured: {contender.missing}", colspan=max(1, len(shown)), class_="text soft long")
            rows.append(el("tr", el("th", pretty(title), scope="row"), why))
        else:
            values = [_cell(contender.figures.get(name), unit, decimals[name]) for name, unit in units.items()]
            rows.append(table_row(title, values))
    return head, rows


def _cell(figure: Figure | None, unit: Quantity, decimals: int) -> Html:
    if figure is None:
        return join("–")
    found = cells(figure, unit, decimals)
    return (
        join(found.median, el("br"), el("span", found.interval, class_="soft"))
        if figure.coverage
        else join(found.median)
    )


def _settings(found: Sequence[Contender]) -> list[Html]:
    """What all have in common once, and the rest by contender, unless its title says so."""
    measured = [each for each in found if each.settings]
    if not measured:
        return []
    common = {
        name: value
        for name, value in measured[0].settings.items()
        if len(measured) > 1 and all(each.settings.get(name) == value for each in measured)
    }
    lines = []
    for each in measured:
        told = {name: value for name, value in each.settings.items() if name not in common and value not in each.title}
        if told:
            lines.append(el("li", el("b", pretty(each.title)), f": {_listed(told)}"))
    shared = [el("p", f"In common: {_listed(common)}.")] if common else []
    return [*shared, *([el("p", "Settings and versions:"), el("ul", *lines)] if lines else [])]


def _listed(settings: Mapping[str, str]) -> str:
    return listed([f"{name.replace('_', ' ')} {value}" for name, value in settings.items()])
