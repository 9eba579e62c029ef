"""The measured parts of the page: headline figures, stages, ways from end to end, start, contenders and soak."""

from collections.abc import Mapping

from edge.bench import plots, rowplots
from edge.bench.markup import Html, el, join
from edge.bench.page_parts import Captions, key, remarks, section, table_row
from edge.bench.report import Figure, Report, Stage
from edge.bench.wording import (
    UNITS,
    cells,
    goal_text,
    is_start,
    is_way,
    number,
    pretty,
    standing,
)

__all__ = ["headline", "soak", "stages", "starts", "ways"]

_CLOCKS = {"cpu": "processor", "wall": "wall", "source": "source", "none": ""}
_PERCENTILES = ("p50", "p90", "p95", "p99", "max")
_HEADLINE = (
    "Headline figures: medians over rounds, with the interval that covers the true median with the given probability. "
    "Dots are the rounds in order of time."
)
_RATIOS = (
    "Ratios. Large dots are medians, thick lines their intervals, small dots below them single "
    "rounds; dashed lines are goals that lie near."
)
_STACK = "Median processor times of the stages as parts of their sum. Not every frame goes through every stage."
_SPREAD = (
    "Times of the stages: median (filled, and in figures), 99th percentile (end of the thick line) and the "
    "longest sample (hollow). Processor time, or wall time of what mostly waits."
)
_STARTS = "The same: medians (large dots), their intervals (thick lines), rounds (small dots), near goals (dashed)."
_SAMPLES = "Percentiles of all samples. Processor time is what the process itself used; wall time includes waiting."
_UNTOLD = "This machine does not tell whether it is throttled."
_PANELS = (
    "First the histogram; then the percentiles, where each tick from 90 on has a tenth as many samples beyond it; last "
    "the time over the measurement: single samples, or median and worst of each part of it."
)


def headline(report: Report, captions: Captions) -> Html:
    """The figures that are quoted, and a plot of those that are ratios."""
    shown = {name: figure for name, figure in report.figures.items() if not is_start(name)}
    if not shown:
        return Html("")
    ratios = [(figure.title, figure) for figure in shown.values() if figure.unit == "ratio"]
    content = [_figure_table(shown, captions, _HEADLINE)]
    if ratios:
        content.append(captions.figure(join(*map(rowplots.forest, rowplots.in_groups(ratios))), _RATIOS))
    return section("Headline figures", "figures", *content)


def stages(report: Report, captions: Captions) -> Html:
    """What a frame costs on its way, stage by stage."""
    shown = {name: stage for name, stage in report.stages.items() if not is_way(name)}
    if not shown:
        return Html("")
    own = {name: stage for name, stage in shown.items() if stage.cpu is not None}
    parts = captions.figure(rowplots.stack(own), _STACK) if own else Html("")
    spread = captions.figure(rowplots.stage_dots(shown), _SPREAD)
    return section("Stages", "stages", _stage_table(shown, captions), parts, spread, *_panels(shown, captions))


def ways(report: Report, captions: Captions) -> Html:
    """From end to end: what a user waits for."""
    shown = {name: stage for name, stage in report.stages.items() if is_way(name)}
    if not shown:
        return Html("")
    return section("From end to end", "ways", _stage_table(shown, captions), *_panels(shown, captions))


def starts(report: Report, captions: Captions) -> Html:
    """The start of the process."""
    shown = {name: figure for name, figure in report.figures.items() if is_start(name)}
    if not shown:
        return Html("")
    content = [_figure_table(shown, captions, "Start of the process; each round is a new one.")]
    for unit in dict.fromkeys(figure.unit for figure in shown.values()):
        rows = [(figure.title, figure) for figure in shown.values() if figure.unit == unit]
        content.append(captions.figure(rowplots.forest(rows), _STARTS))
    return section("Cold start", "start", *content)


def soak(report: Report, captions: Captions) -> Html:
    """The long run."""
    found = report.soak
    panels = plots.soak_plots(found) if found is not None and found.t_s else None
    if found is None or not panels:
        # A run that ended before its first point has nothing to draw, and a reason to tell.
        return section("Soak", "soak", remarks(found.remarks)) if found is not None and found.remarks else Html("")
    minutes = found.duration_s / 60
    marks = [(kind, words) for kind, words in plots.SHADES.items() if plots.marked(found, kind)]
    state = "" if marks else "Nothing is shaded: no throttling was seen." if plots.has_flags(found) else _UNTOLD
    slopes = ", with Theil–Sen slopes" if found.slopes_per_hour else ""
    caption = f"{len(found.t_s)} points over {number(minutes, 0)} minutes{slopes}. {state} "
    content: list[str] = [captions.figure(panels, caption, key(*marks))]
    content.append(remarks(found.remarks))
    return section("Soak", "soak", *content)


def _figure_table(shown: Mapping[str, Figure], captions: Captions, caption: str) -> Html:
    has_goals = any(figure.goal is not None for figure in shown.values())
    rows = []
    for figure in shown.values():
        found = cells(figure)
        course = el("span", str(len(figure.rounds)), rowplots.sparkline(figure.rounds), class_="course")
        values: list[str] = [found.value, found.interval, found.coverage, course]
        kinds = ["num"] * 4
        if has_goals:
            values += [goal_text(figure), standing(figure)]
            kinds += ["num", {True: "text good", False: "text bad", None: "text"}[figure.is_met]]
        rows.append(table_row(figure.title, values, kinds))
    head = ["", "median", "interval", "coverage", "rounds", *(["goal", "standing"] if has_goals else [])]
    return captions.table(head, rows, caption, text=("standing",))


def _stage_table(shown: Mapping[str, Stage], captions: Captions) -> Html:
    rows = []
    for stage in shown.values():
        for each in (stage.cpu, stage.wall):
            if each is not None:
                is_second = each is stage.wall and stage.cpu is not None
                unit = UNITS.get(each.unit, each.unit)
                values = [_CLOCKS[each.clock], f"{each.count}", *(number(getattr(each, name)) for name in _PERCENTILES)]
                name = "" if is_second else stage.title
                rows.append(table_row(name, [*values, unit], ["text soft"], is_same=is_second))
    return captions.table(["", "time", "samples", *_PERCENTILES, "unit"], rows, _SAMPLES, text=("time",))


def _panels(shown: Mapping[str, Stage], captions: Captions) -> list[Html]:
    found: list[Html] = []
    first = captions.next_figure
    for stage in shown.values():
        clock = "wall time" if stage.wall.clock == "wall" else f"{_CLOCKS[stage.wall.clock]} time".strip()
        entries = [("a", clock)] + ([("b", "processor time")] if stage.cpu is not None else [])
        samples = "1 sample" if stage.wall.count == 1 else f"{stage.wall.count} samples"
        text = f"{samples} (as in Figure {first}). " if found else f"{samples}. {_PANELS} "
        bold = el("b", f"{pretty(stage.title[:1].upper() + stage.title[1:])}. ")
        entries += [] if plots.is_sample_by_sample(stage.series) else [("faint", "worst")]
        found.append(captions.figure(plots.stage_plots(stage), bold, text, key(*entries)))
    return found
