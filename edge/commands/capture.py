"""`edge-sorter capture …`: look at the pictures that are worth a label, label them, export them.

Rich and the store are imported inside the commands: the start of every other command would pay for them.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.commands.options import ConfigOption
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.capture.limits import Entry
    from edge.capture.shelf import Shelf

__all__ = ["app"]

app = typer.Typer(help="Look at the pictures that are worth a label, label and export them.", no_args_is_help=True)

FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", readable=False, help="Folder of the pictures; without it, the configuration's."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs to read.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Event id or number of a picture, as `list` shows them.")]


@app.command("list")
def list_(
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Only those that nobody labelled yet.")] = False,
    folder: FolderOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is kept, oldest first."""
    shelf = _shelf(folder, config)
    entries = [entry for entry in shelf.scan() if not (unlabelled and entry.is_labelled)]
    if as_json:
        for entry in entries:
            print(json.dumps(_fields(shelf, entry), ensure_ascii=False))
        return
    total = sum(entry.bytes for entry in entries)
    noun = "picture" if len(entries) == 1 else "pictures"
    typer.echo(f"{len(entries)} {noun}, {total / 1e6:.1f} MB, in {shelf.folder}", err=True)
    if entries:
        _print_table(shelf, entries)


@app.command()
def show(
    id_: IdArgument, folder: FolderOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show all that is known of a picture, and where its file is."""
    from edge.capture.export import find
    from edge.printable import printable

    shelf = _shelf(folder, config)
    entry = find(shelf, id_)
    fields = {**_fields(shelf, entry), "about": shelf.about(entry), "path": str(shelf.path(entry))}
    if as_json:
        print(json.dumps(fields, ensure_ascii=False))
        return
    # The model's label stands under `predicted`.
    about = {name: value for name, value in fields.pop("about").items() if name != "label"}
    for name, value in {**about, **fields}.items():
        print(printable(f"{name:<14} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"))


@app.command()
def label(
    id_: IdArgument,
    label_: Annotated[str | None, typer.Argument(metavar="[LABEL]", help="What the picture shows.")] = None,
    is_new: Annotated[bool, typer.Option("--new", help="Allow a label that the model does not know yet.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the label off again.")] = False,
    folder: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what a picture shows. Labelled pictures are the last to go when room is needed."""
    from edge.capture.export import check_label, find
    from edge.configfile import load_config

    if (label_ is None) is not remove:
        raise ConfigError("give a label, or --remove to take it off")
    shelf = _shelf(folder, config)
    if label_ is not None:
        check_label(label_, tuple(load_config(config).routes), is_new=is_new)
    entry = find(shelf, id_)
    shelf.set_label(entry, label_)
    typer.echo(f"{entry.id}: {'no label' if label_ is None else label_}", err=True)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="DIR", readable=False, help="Where the class folders are made.")],
    predicted: Annotated[
        bool, typer.Option("--predicted", help="Those without a label too, by the label that the model gave them.")
    ] = False,
    simulated: Annotated[bool, typer.Option("--simulated", help="Those of the simulated tray too.")] = False,
    folder: FolderOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy labelled pictures into class folders DIR/LABEL/ID.jpg, as `edge-convert split` and `train` read them."""
    from edge.capture.export import export as export_to

    shelf = _shelf(folder, config)
    done = export_to(shelf, target, with_predicted=predicted, with_simulated=simulated)
    if as_json:
        fields = {name: getattr(done, name) for name in ("new", "moved", "unlabelled", "simulated", "unreadable")}
        print(json.dumps({"labels": dict(done.labels), **fields}, ensure_ascii=False))
    else:
        for name, count in sorted(done.labels.items()):
            print(f"{name:<16} {count}")
    typer.echo(f"{done.new} copied to {target}, {done.moved} moved there to another label", err=True)
    if done.unlabelled:
        typer.echo(f"{done.unlabelled} left out: without a label (see --predicted)", err=True)
    if done.simulated:
        typer.echo(f"{done.simulated} left out: of the simulated tray (see --simulated)", err=True)
    for one in done.unreadable:
        typer.echo(f"left out, cannot be read: {one}", err=True)


@app.command()
def prune(
    labelled: Annotated[bool, typer.Option("--labelled", help="Remove all that are labelled, once exported.")] = False,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Remove all that nobody labelled.")] = False,
    to_mb: Annotated[
        float | None, typer.Option(min=0, help="Remove until so much is left, labelled ones last.")
    ] = None,
    folder: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Remove pictures: without an option, what is beyond the configured limits. The sorter may run meanwhile."""
    from dataclasses import replace

    from edge.capture.keeper import Keeper
    from edge.capture.settings import limits_of
    from edge.configfile import load_config

    shelf = _shelf(folder, config)
    before = shelf.scan()
    for entry in before:
        if (labelled and entry.is_labelled) or (unlabelled and not entry.is_labelled):
            shelf.remove(entry)
    if to_mb is not None or not (labelled or unlabelled):
        limits = limits_of(load_config(config))
        if to_mb is not None:
            limits = replace(limits, max_bytes=round(to_mb * 1e6))
        if before:
            Keeper(shelf.folder, limits).tidy()
    left = shelf.scan()
    freed = sum(entry.bytes for entry in before) - sum(entry.bytes for entry in left)
    typer.echo(f"removed {len(before) - len(left)} pictures, {freed / 1e6:.1f} MB; {len(left)} are left", err=True)


def _shelf(folder: Path | None, config: Path | None) -> "Shelf":
    """Raises: ConfigError if the folder cannot be looked into."""
    from edge.capture.shelf import Shelf

    if folder is None:
        from edge.capture.settings import captures_path
        from edge.configfile import load_config

        folder = captures_path(load_config(config))
    elif not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; check --folder")
    shelf = Shelf(folder)
    try:
        shelf.scan()
    except OSError as exc:
        raise ConfigError(
            f"cannot look into {folder} ({exc.strerror}); begin the command with sudo, or name another --folder"
        ) from exc
    return shelf


def _fields(shelf: "Shelf", entry: "Entry") -> dict[str, Any]:
    about = shelf.about(entry)
    return {
        "id": entry.id,
        "number": entry.number,
        "utc": about.get("utc"),
        "decision": about.get("decision"),
        "reason": about.get("reason"),
        "predicted": about.get("label"),
        "confidence": about.get("confidence"),
        "label": shelf.label(entry),
        "bytes": entry.bytes,
    }


def _print_table(shelf: "Shelf", entries: "list[Entry]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from edge.printable import printable

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("number", "id", "utc", "why", "predicted", "conf.", "label"):
        table.add_column(column, justify="right" if column in ("number", "conf.") else "left", no_wrap=True)
    for entry in entries:
        fields = _fields(shelf, entry)
        confidence = fields["confidence"]
        row = (
            entry.number,
            entry.id,
            # Month, day and time of day.
            str(fields["utc"] or "")[5:19].replace("T", " "),
            fields["reason"] or fields["decision"] or "",
            fields["predicted"] or "",
            f"{confidence:.0%}" if isinstance(confidence, int | float) else "",
            fields["label"] or "",
        )
        # Text, not str: a label may hold what Rich would take for markup.
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 140).print(table, highlight=False)
