"""A measurement of growth as `docs/performance.md`."""

from collections.abc import Iterator

from edge.bench.growth.records import Axis, Cost, Curve, Exponent, Growth, Unit
from edge.bench.report import MachineFacts

__all__ = ["to_markdown"]

_CLOCKS = {"cpu": "processor time", "wall": "wall time", "none": ""}


def to_markdown(growth: Growth) -> str:
    """The whole page, with a newline at the end."""
    return "\n".join(line for part in (_head(growth), *map(_axis, growth.axes)) for line in part).rstrip() + "\n"


def _head(growth: Growth) -> Iterator[str]:
    yield "# How cost grows"
    yield ""
    yield (
        f"Measured with edge-sorter {growth.version} and {growth.model} on {_machine(growth.machine)}, "
        f"{growth.utc[:10]}, by `edge-sorter bench growth --scale {growth.scale}`, in {growth.took_s:.0f} s. "
        f"{growth.noise.sentence}"
    )
    yield ""
    yield (
        "Each cell is the median over rounds, in brackets its interval; a round measures every place of the axis once, "
        "so that noise hits them alike. The exponent is the slope of log cost over log x, fitted in each round: 0 does "
        "not grow, 1 grows in step, 2 with the square; *upper* is that of the upper half of the places, which is what "
        "to expect beyond them."
    )
    yield ""


def _machine(machine: MachineFacts) -> str:
    parts = [machine.model, f"{machine.cores} cores", machine.os, f"Python {machine.python}"]
    if machine.is_virtual:
        parts.insert(2, "virtual")
    return _cell(", ".join(parts))


def _axis(axis: Axis) -> Iterator[str]:
    yield f"## {axis.title}"
    yield ""
    yield axis.method + _coverage(axis) if axis.curves else "Nothing was measured."
    yield ""
    if axis.curves:
        yield from _table(axis)
        yield ""
    for curve in axis.curves:
        yield f"- {curve.title[0].upper()}{curve.title[1:]}: {curve.meaning}."
    for remark in axis.remarks:
        yield f"- {remark}"
    yield ""


def _table(axis: Axis) -> Iterator[str]:
    yield _row([axis.x_title, *[_heading(curve) for curve in axis.curves]])
    yield "|---|" + "---:|" * len(axis.curves)
    for index, place in enumerate(axis.curves[0].costs):
        yield _row([place.label, *[_cost(curve.costs[index], curve.unit) for curve in axis.curves]])
    yield _row(["exponent", *[_exponent(curve.exponent) for curve in axis.curves]])
    yield _row(["upper", *[_upper(curve.exponent) for curve in axis.curves]])


def _coverage(axis: Axis) -> str:
    """How many rounds the intervals stand on, and how sure they are."""
    found = sorted({(len(cost.rounds), cost.coverage) for curve in axis.curves for cost in curve.costs}, reverse=True)
    told = [f"{rounds} rounds, {coverage:.0%}" for rounds, coverage in found if rounds > 1]
    sentence = f" Intervals: {'; '.join(told)}." if told else ""
    return sentence + (" A value without an interval was read once." if any(rounds == 1 for rounds, _ in found) else "")


def _heading(curve: Curve) -> str:
    notes = [_UNITS[curve.unit], _CLOCKS[curve.clock]]
    return ", ".join(filter(None, [curve.title, *notes]))


_UNITS: dict[Unit, str] = {"us": "µs", "ms": "ms", "share": "%", "MB": "MB", "KB": "KB", "count": ""}


def _cost(cost: Cost, unit: Unit) -> str:
    factor = 100.0 if unit == "share" else 1.0
    median, low, high = (_number(value * factor) for value in (cost.median, cost.low, cost.high))
    return median if len(cost.rounds) == 1 else f"{median} [{low}, {high}]"


def _exponent(found: Exponent | None) -> str:
    if found is None:
        return ""
    if found.coverage == 0:
        return f"{_signed(found.exponent)}"
    return f"{_signed(found.exponent)} [{_signed(found.low)}, {_signed(found.high)}]"


def _upper(found: Exponent | None) -> str:
    return "" if found is None else _signed(found.upper)


def _signed(exponent: float) -> str:
    # "-0.00" would say that something shrinks.
    return f"{round(exponent, 2) + 0.0:.2f}"


def _number(value: float) -> str:
    """Three significant digits, and no power of ten."""
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3g}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
