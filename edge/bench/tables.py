"""A report as Markdown for a README, as CSV in long form, and as tables for a terminal."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from edge.bench.markup import plain
from edge.bench.plots import column_title
from edge.bench.report import Contender, Distribution, Figure, Report, Soak
from edge.bench.wording import (
    UNITS,
    cells,
    goal_text,
    machine_line,
    number,
    percent,
    pretty,
    rough,
    standing,
    verdict,
    without_common,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["WIDTH", "code_of", "escaped", "markdown_of", "print_report", "say", "table_of", "to_csv", "to_markdown"]

WIDTH = 100
"""Columns of a terminal that a table fills at most."""
_CSV_HEAD = ("section", "name", "unit", "clock", "statistic", "value")
_STATISTICS = ("count", "mean", "min", "p50", "p90", "p95", "p99", "max")
_MOST_COLUMNS = 3
_SHOWN = ("p50", "p90", "p95", "p99", "max")
_TEXTS = frozenset({"report", "machine", "model", "frames"})
"""Sections whose values are words."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_Row = tuple[str, str, str, str, str, str]


def to_markdown(report: Report) -> str:
    """The headline figures as a compact table, and below it what they must not be quoted without."""
    lines = ["| what | median | interval | goal |", "|---|---|---|---|"]
    for figure in report.figures.values():
        found = cells(figure)
        covered = f"{found.low} to {found.high} ({found.coverage}, {len(figure.rounds)} rounds)"
        goal = f"{goal_text(figure)}: {standing(figure)}" if figure.goal is not None else ""
        interval = covered if figure.coverage > 0 else "one round"
        lines.append(f"| {markdown_of(pretty(figure.title))} | {found.value} | {interval} | {goal} |")
    for title, contenders in (("combinations", report.matrix), ("other programs", report.peers)):
        lines += _markdown_contenders(title, contenders)
    lines += ["", markdown_of(report.noise.sentence), "", markdown_of(machine_line(report)), ""]
    return "\n".join([*lines, code_of(report.command), ""])


def _markdown_contenders(title: str, contenders: Sequence[Contender]) -> list[str]:
    """A table of what was measured in turns, with every figure that one of them has."""
    if not contenders:
        return []
    first = {name: figure for each in reversed(contenders) for name, figure in each.figures.items()}
    names = list(dict.fromkeys(name for each in contenders for name in each.figures))
    heads = (
        f"{markdown_of(pretty(first[name].title))}, {UNITS.get(first[name].unit, first[name].unit)}" for name in names
    )
    lines = ["", f"| {title} | {' | '.join(heads)} |", "|---|" + "---|" * len(names)] if names else []
    for each in contenders:
        if each.missing is None:
            row = [_plain_median(each.figures.get(name)) for name in names]
            lines.append(f"| {markdown_of(pretty(each.title))} | {' | '.join(row)} |")
    return lines + [line for told in _not_measured(contenders) for line in ("", markdown_of(told))]


def _not_measured(contenders: Sequence[Contender]) -> list[str]:
    """One sentence a reason, with the names of all that it kept out."""
    reasons: dict[str, list[str]] = {}
    for each in contenders:
        if each.missing is not None:
            reasons.setdefault(each.missing, []).append(each.title)
    return [
        f"{'; '.join(titles)} {'was' if len(titles) == 1 else 'were'} not measured: {reason}"
        for reason, titles in reasons.items()
    ]


def _plain_median(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    found = cells(figure)
    return f"{found.median} [{found.low}, {found.high}]" if figure.coverage > 0 else found.median


def markdown_of(text: str) -> str:
    """The text so that nothing of it is markup, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#!~&])", r"\\\1", plain(text))


def code_of(text: str) -> str:
    """The text as a block of code, whatever signs it holds."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}\n{plain(text)}\n{fence}"


def to_csv(report: Report) -> str:
    """Every figure, percentile, round and soak point, one value a line; histograms stay in the JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_HEAD)
    for row in _csv_rows(report):
        # A spreadsheet would compute what begins like a formula. Numbers are ours and may begin with a minus.
        writer.writerow([*map(_cell, row[:5]), row[5] if row[0] not in _TEXTS else _cell(row[5])])
    return out.getvalue()


def _csv_rows(report: Report) -> Iterator[_Row]:
    yield "report", "version", "", "", "", report.version
    yield "report", "utc", "", "", "", report.utc
    yield "report", "command", "", "", "", report.command
    for section, part in (("machine", report.machine), ("model", report.model), ("frames", report.frames)):
        for name, value in part.model_dump(mode="json").items():
            if isinstance(value, str | int | float | bool):
                yield section, name, "", "", "", str(value)
    yield "noise", "spread", "share", "cpu", "", repr(report.noise.spread)
    yield "noise", "stolen", "share", "wall", "", repr(report.noise.stolen)
    yield from _figure_rows("figures", "", report.figures)
    for name, stage in report.stages.items():
        for each in (stage.cpu, stage.wall):
            if each is not None:
                yield from _distribution_rows(name, each)
    for section, contenders in (("matrix", report.matrix), ("peers", report.peers)):
        for contender in contenders:
            yield from _figure_rows(section, f"{contender.title}/", contender.figures)
    if report.soak is not None:
        for name, values in report.soak.columns.items():
            for at, value in zip(report.soak.t_s, values, strict=False):
                if value is not None:
                    yield "soak", name, "", "", f"at_{at:g}_s", repr(value)
        for name, slope in report.soak.slopes_per_hour.items():
            yield "soak", name, "", "", "slope_per_hour", repr(slope)


def _figure_rows(section: str, prefix: str, figures: Mapping[str, Figure]) -> Iterator[_Row]:
    for name, figure in figures.items():
        head = (section, prefix + name, figure.unit, "")
        for statistic in ("median", "low", "high", "coverage", "goal"):
            value = getattr(figure, statistic)
            if value is not None:
                yield *head, statistic, repr(value)
        for place, value in enumerate(figure.rounds, start=1):
            yield *head, f"round_{place}", repr(value)


def _distribution_rows(name: str, each: Distribution) -> Iterator[_Row]:
    for statistic in _STATISTICS:
        yield "stages", name, each.unit, each.clock, statistic, repr(getattr(each, statistic))


def _cell(text: str) -> str:
    shown = plain(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def print_report(report: Report, console: "Console") -> None:
    """Print the verdict, the figures, the stages, the combinations and the other programs, and how noisy it was."""
    say(console, verdict(report), "bold")
    if report.figures:
        table = table_of("figures", ("median", "interval", "coverage", "goal"), texts=("goal",))
        for figure in report.figures.values():
            found = cells(figure)
            style = {True: "green", False: "bold red", None: ""}[figure.is_met]
            goal = f"{goal_text(figure)}: [{style}]{standing(figure)}[/]" if style else ""
            table.add_row(escaped(pretty(figure.title)), found.value, escaped(found.interval), found.coverage, goal)
        console.print(table, width=min(WIDTH, console.width))
    if report.stages:
        table = table_of("stages", ("time", *_SHOWN, "unit"), texts=("time",))
        for stage in report.stages.values():
            for each in (stage.cpu, stage.wall):
                if each is not None:
                    values = [number(getattr(each, name)) for name in _SHOWN]
                    title = "" if each is stage.wall and stage.cpu is not None else escaped(pretty(stage.title))
                    table.add_row(title, each.clock, *values, UNITS.get(each.unit, each.unit))
        console.print(table, width=min(WIDTH, console.width))
    for title, contenders in (("combinations", report.matrix), ("other programs", report.peers)):
        _print_contenders(title, contenders, console)
    if report.soak is not None:
        say(console, " ".join([_soak_line(report.soak), *(f"{remark.rstrip('.')}." for remark in report.soak.remarks)]))
    noise = report.noise
    figures = f"spread {percent(noise.spread)}, stolen {percent(noise.stolen)}"
    say(console, f"{noise.verdict}: {noise.sentence} ({figures})", "bold red" if noise.verdict == "noisy" else "dim")
    say(console, machine_line(report), "dim")


def say(console: "Console", text: str, style: str = "") -> None:
    """Print a paragraph in which nothing is markup."""
    from rich.text import Text

    console.print(Text(plain(text), style=style), width=min(WIDTH, console.width))


def _print_contenders(title: str, contenders: Sequence[Contender], console: "Console") -> None:
    if not contenders:
        return
    titles, common = without_common([each.title for each in contenders])
    names = list(dict.fromkeys(name for each in contenders for name in each.figures))[:_MOST_COLUMNS]
    first = {name: next(each.figures[name] for each in contenders if name in each.figures) for name in names}
    heads = tuple(f"{escaped(first[name].title)}, {UNITS.get(first[name].unit, first[name].unit)}" for name in names)
    table = table_of(f"{title}: {escaped(common)}" if common else title, heads)
    for short_title, each in zip(titles, contenders, strict=True):
        if each.missing is None:
            row = [_median_and_interval(each.figures.get(name)) for name in names]
            table.add_row(escaped(pretty(short_title)), *row)
    if names:
        console.print(table, width=min(WIDTH, console.width))
    for told in _not_measured(contenders):
        say(console, f"{title}: {told}")


def _median_and_interval(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    found = cells(figure)
    return escaped(f"{found.median} {found.interval}" if figure.coverage > 0 else found.median)


def _soak_line(soak: Soak) -> str:
    courses = []
    for name, slope in soak.slopes_per_hour.items():
        title, unit, factor = column_title(name)
        courses.append(f"{title} {'+' if slope > 0 else ''}{rough(slope * factor)} {unit}/h")
    minutes = soak.duration_s / 60
    told = f"soak of {number(soak.duration_s, 0)} s" if minutes < 3 else f"soak of {number(minutes, 0)} minutes"
    return f"{told}: {', '.join(courses)}." if courses else f"{told}."


def table_of(title: str, heads: Sequence[str], texts: Sequence[str] = ()) -> "Table":
    """An empty table for `WIDTH` columns; `texts` are heads whose columns are words and not numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, overflow="fold")
    for head in heads:
        table.add_column(head, justify="left" if head in texts else "right", overflow="fold")
    return table


def escaped(text: str) -> str:
    """The text without signs that are not seen, and so that nothing of it is markup of rich's."""
    from rich.markup import escape

    return escape(plain(text))
