"""The body of `edge-sorter config show-wiring`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from edge.config import Config
from edge.errors import ConfigError
from edge.wiring import wiring_remarks, wiring_rows, wiring_svg, wiring_text
from edge.wiring.table import HEADS, one_line, row_cells

__all__ = ["show_wiring"]


def show_wiring(config: Config, title: str, *, svg: str | None, as_json: bool) -> None:
    """Print the table, and write the picture where one is asked for; `-` prints the picture in place of the table.

    Raises: ConfigError if the picture cannot be written.
    """
    if svg is not None:
        picture = wiring_svg(config, title)
        if svg == "-":
            typer.echo(picture, nl=False)
            return
        _write(Path(svg), picture)
    if as_json:
        typer.echo(json.dumps(_as_json(config), indent=2))
    elif sys.stdout.isatty():
        _print_to_terminal(config)
    else:
        typer.echo(wiring_text(config), nl=False)


def _print_to_terminal(config: Config) -> None:
    """The same words as `wiring_text`, folded to the terminal's width."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for head in HEADS:
        # A key that is cut off cannot be looked up.
        table.add_column(head, overflow="fold")
    for row in wiring_rows(config):
        table.add_row(*map(Text, row_cells(row)))
    console.print(table)
    for remark in wiring_remarks(config):
        console.print(Text(f"- {one_line(remark)}"))


def _as_json(config: Config) -> dict[str, object]:
    return {
        "schema": 1,
        "is_simulated": config.pins.factory == "mock",
        "wires": [{"pin": row.pin, **asdict(row)} for row in wiring_rows(config)],
        "remarks": list(wiring_remarks(config)),
    }


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"cannot write {path} ({exc.strerror}); name a file that this user may write") from exc
