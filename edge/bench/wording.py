"""Numbers as they are printed, and the sentences that every rendering of a report shares."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.bench.report import Distribution, Figure, Report, Stage

__all__ = [
    "SPACE",
    "THIN",
    "UNITS",
    "Cells",
    "Quantity",
    "amount",
    "cells",
    "common_decimals",
    "goal_text",
    "is_start",
    "is_way",
    "listed",
    "machine_line",
    "number",
    "percent",
    "pretty",
    "rough",
    "short",
    "stage_value",
    "standing",
    "superscript",
    "verdict",
    "without_common",
]

UNITS = {"us": "µs", "ratio": "×", "share": "%", "KB": "kB"}
"""Units that are written otherwise than they are named; the rest stand for themselves."""
SPACE, THIN = "\u00a0", "\u202f"
"""Spaces that do not break: one stands before a unit, the narrow one groups the thousands."""
NARROWLY_MET = "met, but not by its whole interval"
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class Quantity(NamedTuple):
    """A unit, and what a value in the report's unit is multiplied with to be in it."""

    name: str
    factor: float


class Cells(NamedTuple):
    """A figure in words; `interval` and `coverage` are dashes where a single round gives none."""

    median: str
    unit: str
    low: str
    high: str
    interval: str
    coverage: str

    @property
    def value(self) -> str:
        """The median with its unit."""
        return f"{self.median}{SPACE}{self.unit}"


def number(value: float, decimals: int | None = None) -> str:
    """The value with three digits that count, four after a leading 1, or with so many decimals."""
    if decimals is None:
        decimals = decimals_for(value)
    size = abs(value)
    if size >= 1e12 or 0 < size < 1e-6:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa} × 10{superscript(int(exponent))}".replace("-", "−")
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    grouped = text.replace(",", THIN) if size >= 9999.5 else text.replace(",", "")
    return grouped.replace("-", "−")


def superscript(exponent: int) -> str:
    """The exponent in raised digits."""
    return str(exponent).translate(_SUPERSCRIPT)


def decimals_for(value: float) -> int:
    """Decimals at which `number` shows three digits that count."""
    if value == 0:
        return 0
    leading, exponent = f"{abs(value):.2e}".split("e")
    return min(6, max(0, 2 - int(exponent) + (leading[0] == "1" and int(exponent) < 2)))


def rough(value: float) -> str:
    """The value with two digits that count."""
    return number(value, 0 if value == 0 else min(6, max(0, 1 - int(f"{abs(value):.1e}".split("e")[1]))))


def percent(share: float) -> str:
    """A share as a percentage with two digits that count: `2.1 %`, `40 %`."""
    value = abs(share) * 100
    return f"<{SPACE}0.01{SPACE}%" if 0 < value < 0.01 else f"{rough(value)}{SPACE}%"


def amount(value: float, unit: str) -> str:
    """A value of a report's unit, for a table that names the unit elsewhere: shares are per cent."""
    return number(value * (100.0 if unit == "share" else 1.0))


def cells(figure: Figure, unit: Quantity | None = None, decimals: int | None = None) -> Cells:
    """A figure for a table, in its own unit and precision or in those that are chosen for a column."""
    name, factor = unit or Quantity(UNITS.get(figure.unit, figure.unit), 100.0 if figure.unit == "share" else 1.0)
    ends = [value * factor for value in (figure.median, figure.low, figure.high)]
    if decimals is None:
        decimals = decimals_for(ends[0] or max(map(abs, ends)))
    median, low, high = (number(value, decimals) for value in ends)
    if figure.coverage == 0:
        return Cells(median, name, low, high, "–", "–")
    return Cells(median, name, low, high, f"[{low}, {high}]", f"{math.floor(figure.coverage * 100 + 1e-9)}{SPACE}%")


def common_decimals(figures: Iterable[Figure], factor: float) -> int:
    """Decimals at which the least of several medians still shows three digits that count, for a column."""
    sizes = [abs(figure.median) * factor for figure in figures if figure.median]
    return min(6, max(0, 2 - int(f"{min(sizes):.2e}".split("e")[1]))) if sizes else 0


def goal_text(figure: Figure) -> str:
    """Such as `≤ 1.10`; empty without a goal."""
    if figure.goal is None:
        return ""
    goal = figure.goal * (100.0 if figure.unit == "share" else 1.0)
    unit = UNITS.get(figure.unit, figure.unit)
    decimals = max(2 if figure.unit == "ratio" else 0, len(f"{goal:.10g}".partition(".")[2]))
    written = number(goal, decimals)
    return f"{'≤' if figure.better == 'lower' else '≥'}{SPACE}{written}{SPACE}{unit}"


LEAST_COVERAGE = 0.9
"""Of an interval that says anything: two rounds give one of fifty per cent."""


def standing(figure: Figure) -> str:
    """How the figure stands to its goal: whether its interval lies on one side of it, or only its median."""
    if figure.goal is None or figure.is_met is None:
        return ""
    word = "met" if figure.is_met else "missed"
    if figure.coverage == 0:
        return f"{word}, by one round"
    far = figure.high if figure.is_met == (figure.better == "lower") else figure.low
    is_beyond = far > figure.goal if figure.is_met == (figure.better == "lower") else far < figure.goal
    if figure.coverage < LEAST_COVERAGE:
        return f"{word}, by {len(figure.rounds)} rounds"
    if not is_beyond:
        return word
    return NARROWLY_MET if figure.is_met else "missed, but not by its whole interval"


def verdict(report: Report) -> str:
    """The whole report in one or two sentences."""
    parts = []
    if report.noise.verdict == "noisy":
        parts.append(f"Do not quote these figures: the machine was too noisy (spread {percent(report.noise.spread)}).")
    main = report.figures.get("label_ratio")
    if main is not None:
        found = cells(main)
        sure = f"{found.coverage} interval {found.low} to {found.high}, {len(main.rounds)} rounds"
        how = sure if main.coverage else "one round"
        parts.append(
            f"From a frame to its label it takes {found.median} times the processor time of the bare inference ({how})."
        )
    parts += _of_goals([figure for figure in report.figures.values() if figure.is_met is not None])
    return " ".join(parts) or "This report holds no headline figure."


def _of_goals(figures: Sequence[Figure]) -> list[str]:
    if not figures:
        return []
    missed = [pretty(figure.title) for figure in figures if not figure.is_met]
    if missed:
        return [f"{len(figures) - len(missed)} of {len(figures)} goals are met; missed: {listed(missed)}."]
    unsure = sum(standing(figure) == NARROWLY_MET for figure in figures)
    rest = f", {unsure} of them by medians whose intervals reach past the goal" if unsure else ""
    return [f"All {len(figures)} goals are met{rest}." if len(figures) > 1 else f"The goal is met{rest}."]


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def pretty(text: str) -> str:
    """A title with an arrow where it was typed as one, and without the marks of code."""
    return text.replace("->", "→").replace("`", "")


def short(title: str) -> str:
    """A stage's title without its explanation: `presence` of `presence: thumbnail and look`."""
    return pretty(title.partition(": ")[0] or title)


def without_common(titles: Sequence[str]) -> tuple[list[str], str]:
    """Titles of parts between commas, without those that all have in the same place; and these."""
    parts = [title.split(", ") for title in titles]
    if len(parts) < 2 or len({len(each) for each in parts}) != 1:
        return list(titles), ""
    places = range(len(parts[0]))
    differing = [place for place in places if len({each[place] for each in parts}) > 1]
    if not differing:
        return list(titles), ""
    common = [parts[0][place] for place in places if place not in differing]
    return [", ".join(each[place] for place in differing) for each in parts], ", ".join(common)


def machine_line(report: Report) -> str:
    """Everything that a figure must not be quoted without, in one line."""
    machine, model = report.machine, report.model
    clock = "" if machine.clock_max_mhz is None else f" at up to {machine.clock_max_mhz:g} MHz"
    governor = "" if machine.governor is None else f", governor {machine.governor}"
    threads = f"{model.threads} thread" + ("" if model.threads == 1 else "s")
    return (
        f"{machine.board or machine.model}{' (virtual)' if machine.is_virtual else ''}, {machine.cores} × "
        f"{machine.architecture}{clock}{governor}, {machine.os}, kernel {machine.kernel}, Python {machine.python}; "
        f"{model.name} {model.version}, {model.runtime}{' with delegate' if model.has_delegate else ''}, {threads}; "
        f"edge-sorter {report.version}, {report.utc}"
    )


def is_way(name: str) -> bool:
    """True for what is measured from one end to another (`frame_to_label`) or as a whole (`turn_idle`).

    All others are parts of a frame's way, and their times may be added.
    """
    return "_to_" in name or name.startswith("turn_") or name == "overhead"


def is_start(name: str) -> bool:
    """True for the figures of a start from cold."""
    return name.startswith(("start_", "cold_"))


def stage_value(stage: Stage) -> Distribution:
    """What a stage costs: its processor time, or the wall time of what has none of its own."""
    return stage.cpu or stage.wall
