"""The wires as a table in Markdown, which a terminal shows as well, with the remarks below it."""

from collections.abc import Iterable

from edge.config import Config
from edge.wiring.remarks import wiring_remarks
from edge.wiring.rows import WiringRow, wiring_rows

__all__ = ["HEADS", "one_line", "row_cells", "signal_words", "wiring_text"]

HEADS = ("pin", "name", "device", "signal", "connect to")


def wiring_text(config: Config) -> str:
    """The table and the remarks, with a line's end after each line."""
    cells = [HEADS, *(tuple(cell.replace("|", "\\|") for cell in row_cells(row)) for row in wiring_rows(config))]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    rule = tuple("-" * width for width in widths)
    lines = [_line(line, widths) for line in (cells[0], rule, *cells[1:])]
    return "\n".join([*lines, "", *(f"- {remark}" for remark in map(one_line, wiring_remarks(config)))]) + "\n"


def row_cells(row: WiringRow) -> tuple[str, ...]:
    """What stands in the table's columns."""
    return tuple(map(one_line, (row.pin, row.name, row.key, signal_words(row), row.connect)))


def signal_words(row: WiringRow) -> str:
    """What the wire carries, such as `input, low, pull-up`: the level is the one that actuates."""
    kind = "servo pulses" if row.signal == "servo" else row.signal
    return ", ".join(filter(None, (kind, row.active, f"pull-{row.pull}" if row.pull else "")))


def one_line(text: str) -> str:
    """The text without what a terminal or a picture would not show: the name of a bin may hold anything."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _line(cells: Iterable[str], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
