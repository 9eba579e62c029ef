"""`edge-sorter ledger …`: look at the event book without touching it.

Rich and the reader are imported inside the commands: the start of every other command would pay for them.
"""

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.errors import ConfigError, LedgerError
from edge.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

    from edge.ledger_read import LatencyFigures, LedgerReader
    from edge.ledger_shelf import LedgerShelf

__all__ = ["app"]

app = typer.Typer(help="Look at the event book.", no_args_is_help=True)


class ExportFormat(StrEnum):
    """How exported events are written."""

    JSONL = "jsonl"
    CSV = "csv"


class EventType(StrEnum):
    """Types of events, as `records.Event` explains them."""

    ITEM = "item"
    BOOT = "boot"
    FAULT = "fault"
    RECOVERED = "recovered"
    PAUSE = "pause"
    BIN_FULL = "bin_full"
    THROTTLED = "throttled"
    CLOCK = "clock"
    MODEL_CHANGED = "model_changed"


LedgerOption = Annotated[
    Path | None,
    typer.Option("--ledger", readable=False, help="The ledger; without it, the one the configuration names."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs to read.")]
AllOption = Annotated[bool, typer.Option("--all", help="The full files in archive/ too, oldest first.")]


@app.command()
def summary(ledger: LedgerOption = None, is_all: AllOption = False, as_json: JsonOption = False) -> None:
    """Count events and items, and measure their latency."""
    import dataclasses

    path = _resolve(ledger)
    with _open(path, is_all) as reader:
        found = reader.summary()
    _tell_archive(path, is_all, "counted", "counts")
    if as_json:
        _write_lines([json.dumps(dataclasses.asdict(found), ensure_ascii=False)])
        return
    span = f"{found.first_utc} to {found.last_utc}" if found.first_utc else "no events yet"
    tables = []
    if found.events:
        tables.append(_table(("event", "count"), found.events.items()))
    for title, counts in (("route", found.routes), ("label", found.labels), ("decision", found.decisions)):
        if counts:
            tables.append(_table((title, "items"), counts.items()))
    if found.total.count:
        figures = [_figures("decide", found.decide), _figures("total", found.total)]
        tables.append(_table(("latency", "items", "median ms", "p95 ms"), figures))
    _print(f"{sum(found.events.values())} events, {found.boots} boots: {printable(span)}", *tables)


@app.command()
def tail(
    ledger: LedgerOption = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many events.")] = 10,
    is_all: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the last events, oldest first."""
    from edge.ledger_format import encode_record

    path = _resolve(ledger)
    with _open(path, is_all) as reader:
        records = reader.tail(count)
    _tell_archive(path, is_all or len(records) == count, "shown", "shows")
    if as_json:
        _write_lines(encode_record(record) for record in records)
        return
    _print(_tail_table(records))


@app.command()
def export(
    ledger: LedgerOption = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", help="jsonl keeps every field; csv flattens an item's.")
    ] = ExportFormat.JSONL,
    output: Annotated[Path | None, typer.Option("--output", help="A file; without it, stdout.")] = None,
    type_: Annotated[EventType | None, typer.Option("--type", help="Only events of this type.")] = None,
    is_forced: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    is_all: AllOption = False,
    is_salvage: Annotated[
        bool, typer.Option("--salvage", help="Of a damaged file: every row that can be read; exit 5 if some cannot.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write all events out, in order; `--json` is `--format jsonl`."""
    from edge.ledger_export import csv_lines, jsonl_lines, write_file
    from edge.ledger_format import refuse_collision
    from edge.ledger_salvage import Salvage

    if as_json and form is ExportFormat.CSV:
        raise ConfigError("--json and --format csv exclude each other; give one of them")
    if is_salvage and is_all:
        raise ConfigError("--salvage reads one file and --all several; give one of them, and each file by --ledger")
    to_lines: Callable[[Iterable[Mapping[str, Any]]], Iterator[str]]
    to_lines = csv_lines if form is ExportFormat.CSV else jsonl_lines
    path = _resolve(ledger)
    if output is not None:
        refuse_collision("--output", output, path)

    def write(records: Iterable[Mapping[str, Any]]) -> None:
        if output is None:
            _write_lines(to_lines(records))
            return
        write_file(output, to_lines(records), is_forced=is_forced)
        typer.echo(f"exported to {output}", err=True)

    type_name = None if type_ is None else type_.value
    if is_salvage:
        salvage = Salvage(path, type_name)
        salvage.check()
        write(salvage.records())
        rest = "every row could be read" if salvage.is_whole else "what else the file held cannot be read"
        typer.echo(f"{salvage.rows} rows written; {rest}", err=True)
        if not salvage.is_whole:
            raise typer.Exit(LedgerError.exit_code)
        return
    with _salvage_named(), _open(path, is_all) as reader:
        write(reader.iterate(type_name))
    _tell_archive(path, is_all, "counted", "counts")


@app.command()
def verify(ledger: LedgerOption = None, is_all: AllOption = False, as_json: JsonOption = False) -> None:
    """Check every row against every promise of the book; exit 5 if one is broken.

    Rows that are missing at the very end cannot be seen from the book itself:
    compare its last event with a copy kept elsewhere, as --events makes one.
    Only a book that lost all of its rows is told from a new one.
    """
    path = _resolve(ledger)
    with _open(path, is_all) as reader:
        report = reader.verify()
    if as_json:
        fields = {
            "is_clean": report.is_clean,
            "rows": report.rows,
            "boots": report.boots,
            "problems": report.problems,
            "notes": report.notes,
        }
        _write_lines([json.dumps(fields, ensure_ascii=False)])
    else:
        _write_lines(printable(problem) for problem in report.problems)
        for note in report.notes:
            typer.echo(f"note: {note}", err=True)
    verdict = "clean" if report.is_clean else f"{len(report.problems)} problems"
    _tell_archive(path, is_all, "counted", "counts")
    typer.echo(f"{path}: {report.rows} rows of {report.boots} boots, {verdict}", err=True)
    if not report.is_clean:
        raise typer.Exit(LedgerError.exit_code)


def _resolve(ledger: Path | None) -> Path:
    if ledger is not None:
        return ledger
    from edge.commands.common import ledger_path

    return ledger_path(ledger)


def _open(path: Path, is_all: bool) -> "LedgerReader | LedgerShelf":
    if is_all:
        from edge.ledger_shelf import LedgerShelf

        return LedgerShelf(path)
    from edge.ledger_read import LedgerReader

    return LedgerReader(path)


@contextmanager
def _salvage_named() -> Iterator[None]:
    """Name the way to what is left where a file turns out to be damaged."""
    from edge.ledger_repair import is_damage

    try:
        yield
    except LedgerError as exc:
        if isinstance(exc.__cause__, sqlite3.DatabaseError) and is_damage(exc.__cause__):
            raise LedgerError(f"{exc}; `ledger export --salvage` writes what can be read of it") from exc.__cause__
        raise


def _tell_archive(path: Path, is_enough: bool, done: str, does: str) -> None:
    """Say on stderr that there are full files which were left out."""
    from edge.ledger_files import archived

    if is_enough:
        return
    try:
        count = len(archived(path.resolve()))
    except OSError:
        return
    if count == 1:
        typer.echo(f"1 full file in archive/ is not {done}; --all {does} it", err=True)
    elif count:
        typer.echo(f"{count} full files in archive/ are not {done}; --all {does} them", err=True)


def _write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _print(*parts: "Table | str") -> None:
    from rich.console import Console

    # Off a terminal Rich would fold everything to 80 columns where COLUMNS names no other width.
    is_told = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    console = Console(file=sys.stdout, width=None if is_told else 140)
    for part in parts:
        console.print(part, highlight=False)


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in columns:
        is_number = column in {"count", "items", "confidence"} or column.endswith(" ms")
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        # Text, not str: a label may hold what Rich would take for markup.
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    return table


def _figures(name: str, figures: "LatencyFigures") -> tuple[Any, ...]:
    return name, figures.count, figures.median_ms, figures.p95_ms


def _tail_table(records: Iterable[Mapping[str, Any]]) -> "Table":
    """A line of at most 80 columns an item; what does not fit is in `--json`."""
    from rich.table import Table
    from rich.text import Text

    from edge.commands.lines import describe_detail

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("utc", no_wrap=True)
    table.add_column("seq", justify="right", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for column in ("conf.", "ms"):
        table.add_column(column, justify="right", no_wrap=True)
    for record in records:
        confidence, latency_ms = record.get("confidence"), record.get("latency_ms")
        total_ms = latency_ms.get("total") if isinstance(latency_ms, Mapping) else None
        row = (
            # Month, day and time of day.
            str(record.get("utc", ""))[5:19].replace("T", " "),
            record.get("seq", ""),
            record.get("type", ""),
            describe_detail(record),
            f"{confidence:.1%}" if isinstance(confidence, int | float) else "",
            f"{total_ms:.0f}" if isinstance(total_ms, int | float) else "",
        )
        # Text, not str: a label may hold what Rich would take for markup.
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    return table
