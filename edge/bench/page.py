"""A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Sequence

from edge.bench import page_measured as measured
from edge.bench import page_method as method
from edge.bench import rowplots
from edge.bench.compare import Comparison, Pairing, compare
from edge.bench.compare_tables import p_text
from edge.bench.markup import Html, el, join
from edge.bench.page_contenders import contenders
from edge.bench.page_parts import Captions, section, table_row
from edge.bench.page_style import STYLE
from edge.bench.report import Report
from edge.bench.wording import UNITS, amount, number, verdict

__all__ = ["render_page"]

_MATRIX = "Combinations of settings, measured in turns with each other in every round."
_PEERS = (
    "Other programs that do the same work on the same pictures, measured in turns with this one in every round. What "
    "could not be measured is named with its reason."
)


def render_page(report: Report, others: Sequence[Report] = ()) -> str:
    """The page.

    Args:
        others: further reports, each of which is compared with this one.
    """
    captions = Captions()
    machine = report.machine.board or report.machine.model
    title = f"edge-sorter {report.version} on {machine}"
    if others:
        title += f" beside {len(others)} other {'report' if len(others) == 1 else 'reports'}"
    body = el(
        "main",
        _header(report, title),
        _comparison(report, others, captions),
        method.what_was_measured(report),
        measured.headline(report, captions),
        measured.stages(report, captions),
        measured.ways(report, captions),
        measured.starts(report, captions),
        contenders("Combinations", "matrix", report.matrix, _MATRIX, captions),
        contenders("Other programs", "peers", report.peers, _PEERS, captions),
        measured.soak(report, captions),
        method.how_it_was_measured(report),
        method.reproduce(report),
        method.rounds_table(report, captions),
        method.all_settings(report),
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="generator", content=f"edge-sorter {report.version}"),
        el("title", title),
        el("style", Html(STYLE)),
    )
    return f"<!DOCTYPE html>\n{el('html', head, el('body', body), lang='en')}\n"


def _header(report: Report, title: str) -> Html:
    noise = report.noise
    changed = "+" if report.commit and report.commit.endswith("+") else ""
    commit = f", commit {report.commit.rstrip('+')[:12]}{changed}" if report.commit else ""
    model = f"{report.model.name} {report.model.version}"
    badge = el("div", el("b", f"Machine: {noise.verdict}"), el("span", noise.sentence), class_=f"badge {noise.verdict}")
    return el(
        "header",
        el("h1", title),
        el("p", f"Latency report. {model}, {report.model.runtime}; measured {report.utc}{commit}", class_="meta"),
        el("p", verdict(report), class_="verdict"),
        badge,
    )


def _comparison(report: Report, others: Sequence[Report], captions: Captions) -> Html:
    if not others:
        return Html("")
    names = _names([report, *others])
    found = compare([report, *others], names)
    intro = el("p", f"Against {names[0]}, the report of this page. {found.note}")
    how = el(
        "p",
        "The ratio is of medians, with its 95 % bootstrap interval over rounds; p is of a permutation test over "
        "rounds, adjusted by Holm for all that is compared here. A difference is claimed where both agree.",
    )
    return section(
        "Comparison", "comparison", intro, *(_pairing(each, found, captions) for each in found.pairings), how
    )


def _names(reports: Sequence[Report]) -> list[str]:
    """A letter and what tells the reports apart for people."""
    return [
        f"{chr(ord('A') + place % 26)}: {each.version} on {each.machine.board or each.machine.model}, {each.utc}"
        for place, each in enumerate(reports)
    ]


def _pairing(pairing: Pairing, found: Comparison, captions: Captions) -> Html:
    caveats = el("ul", *(el("li", text) for text in pairing.caveats)) if pairing.caveats else Html("")
    if pairing.refused is not None:
        refused = el("div", el("b", "Not compared"), el("span", pairing.refused), class_="badge noisy")
        return join(el("h3", pairing.name), refused, caveats)
    rows, drawn = [], []
    for each in pairing.figures:
        unit = UNITS.get(each.unit, each.unit)
        ratio, p = "–", "–"
        if each.ratio is not None and each.low is not None and each.high is not None and each.p_adjusted is not None:
            ratio = f"{number(each.ratio)} [{number(each.low)}, {number(each.high)}]"
            p = p_text(each.p_adjusted)
            drawn.append((each.title, each.ratio, each.low, each.high, each.is_shown))
        ends = [("–" if value is None else amount(value, each.unit)) for value in (each.first, each.second)]
        rows.append(table_row(each.title, [*ends, unit, ratio, p, each.verdict], [*["num"] * 5, "text"]))
    head = ["", "this", "other", "unit", "ratio", "p", "what may be said"]
    table = captions.table(head, rows, f"{pairing.name} beside {found.baseline}.", text=("what may be said",))
    plot = Html("")
    if drawn:
        caption = "Ratios to this report with their intervals; differences that are shown in colour, others grey."
        plot = captions.figure(rowplots.ratios(drawn, "ratio to this report"), caption)
    return join(el("h3", pairing.name), caveats, table, plot)
