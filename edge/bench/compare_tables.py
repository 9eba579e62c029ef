"""A comparison as Markdown, and as tables for a terminal."""

from typing import TYPE_CHECKING

from edge.bench.compare import Comparison, FigureDifference, Pairing
from edge.bench.tables import WIDTH, escaped, markdown_of, say, table_of
from edge.bench.wording import SPACE, UNITS, amount, number, pretty

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["comparison_to_markdown", "p_text", "print_comparison"]


def comparison_to_markdown(comparison: Comparison) -> str:
    """A section a report, with its caveats and a table; a report that is refused has its reason and no table."""
    lines = [f"# Against {markdown_of(comparison.baseline)}", ""]
    for pairing in comparison.pairings:
        lines += [f"## {markdown_of(pairing.name)}", ""]
        if pairing.refused is not None:
            lines += [f"**Not compared:** {markdown_of(pairing.refused)}", ""]
        lines += [f"- {_loud(caveat)}" for caveat in pairing.caveats]
        lines += [""] if pairing.caveats else []
        if pairing.figures:
            lines += ["| what | first | this | ratio | p | what may be said |", "|---|---|---|---|---|---|"]
            lines += [f"| {' | '.join(markdown_of(cell) for cell in _cells(each))} |" for each in pairing.figures]
            lines.append("")
    return "\n".join([*lines, markdown_of(comparison.note), ""])


def print_comparison(comparison: Comparison, console: "Console") -> None:
    """Print it, at most `WIDTH` columns wide."""
    say(console, f"Against {comparison.baseline}", "bold")
    for pairing in comparison.pairings:
        _print_pairing(pairing, console)
    say(console, comparison.note, "dim")


def _print_pairing(pairing: Pairing, console: "Console") -> None:
    console.print()
    say(console, pairing.name, "bold")
    if pairing.refused is not None:
        say(console, f"Not compared: {pairing.refused}", "bold red")
    for caveat in pairing.caveats:
        say(console, f"! {caveat}", "yellow")
    compared = [each for each in pairing.figures if each.ratio is not None]
    if compared:
        table = table_of("", ("first", "this", "ratio", "what may be said"), texts=("what may be said",))
        for column in table.columns[1:4]:
            column.no_wrap = True
        for each in compared:
            style = {True: "green", False: "bold red", None: ""}[each.is_better]
            title, first, second, ratio, _, verdict = (escaped(cell) for cell in _cells(each))
            table.add_row(title, first, second, ratio, f"[{style}]{verdict}[/]" if style else verdict)
        console.print(table, width=min(WIDTH, console.width))
    reasons: dict[str, list[str]] = {}
    for each in pairing.figures:
        if each.ratio is None:
            reasons.setdefault(each.verdict, []).append(each.title)
    for why, titles in reasons.items():
        say(console, f"{why}: {', '.join(titles)}")


def _cells(each: FigureDifference) -> tuple[str, str, str, str, str, str]:
    unit = UNITS.get(each.unit, each.unit)
    first, second = (
        "–" if value is None else f"{amount(value, each.unit)}{SPACE}{unit}" for value in (each.first, each.second)
    )
    if each.ratio is None or each.low is None or each.high is None or each.p_adjusted is None:
        return pretty(each.title), first, second, "–", "–", each.verdict
    ratio = f"{number(each.ratio)} [{number(each.low)}, {number(each.high)}]"
    return pretty(each.title), first, second, ratio, p_text(each.p_adjusted), each.verdict


def p_text(p: float) -> str:
    """A p-value with three decimals, or that it is smaller."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _loud(caveat: str) -> str:
    head, colon, rest = caveat.partition(":")
    short, bracket, more = head.partition(" (")
    return f"**{markdown_of(short)}**{' ' if bracket else ''}{markdown_of(bracket + more + colon + rest)}"
