"""The commands of `edge-sorter`. What a command needs is imported when it runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edge import __version__
from edge.commands import bench, calibrate, capture, config, ledger, model
from edge.commands.options import ConfigOption, ModelOption

__all__ = ["app"]

app = typer.Typer(
    help="Sort waste: camera, int8 classifier, gate, ledger.",
    epilog=(
        "Exit status: 0 done, 2 bad usage or configuration, 3 hardware missing or lost, 4 model bundle refused, "
        "5 ledger missing, not writable or not clean, 6 ended in safe mode."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench.app, name="bench")
app.add_typer(calibrate.app, name="calibrate")
app.add_typer(capture.app, name="capture")
app.add_typer(ledger.app, name="ledger")
app.add_typer(model.app, name="model")
app.add_typer(config.app, name="config")


class Pace(StrEnum):
    """How fast a recorded or simulated source plays."""

    REALTIME = "realtime"
    FAST = "fast"


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"edge-sorter {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    """Options that stand before the command."""


@app.command()
def run(
    config: ConfigOption = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="KIND[:ARG]", help="sim[:SEED], video:PATH, images:DIR, picamera2[:N] or v4l2:DEVICE."),
    ] = None,
    pace: Annotated[Pace | None, typer.Option(help="Pace of a recorded source; realtime unless given.")] = None,
    events: Annotated[Path | None, typer.Option(help="Append every event to this file, a JSON line each.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="SQLite file that events are written down in.")] = None,
    model: ModelOption = None,
    items: Annotated[int | None, typer.Option(min=1, help="Items that the simulation sends.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Write what the simulation really showed to this JSON file.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with this truth file, as --truth writes it, in the summary.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines; no live view.")] = False,
    unattended: Annotated[
        bool,
        typer.Option(
            "--unattended",
            help="As a service: falls back on the last good configuration, waits after failed starts, outlives a full "
            "disk, keeps a status file; SIGHUP reads the configuration anew.",
        ),
    ] = False,
) -> None:
    """Sort: until the source ends, or SIGTERM or Ctrl-C parks the gate."""
    from edge.commands.run_options import RunOptions

    if unattended:
        from edge.commands.unattended import run_unattended as sort
    else:
        from edge.commands.run import run_sorter as sort
    sort(
        RunOptions(
            config=config,
            source=source,
            pace=None if pace is None else pace.value,
            events=events,
            ledger=ledger,
            model=model,
            items=items,
            truth=truth,
            against=against,
            as_json=as_json,
        )
    )


@app.command()
def park(
    config: ConfigOption = None,
    cut: Annotated[bool, typer.Option("--cut", help="Only take the power off; move nothing.")] = False,
) -> None:
    """Bring the gate home and leave it without power, as after a crash. No sorter may run meanwhile."""
    from edge.commands.park import park as park_now

    typer.echo(park_now(config, cut=cut))


@app.command()
def doctor(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with this machine and how to mend it; nothing moves. Exit 3 if the sorter cannot run."""
    from edge.commands.doctor import diagnose

    raise typer.Exit(diagnose(config, as_json=as_json))


@app.command()
def status(
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the status; the service's, or the user's own, unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole status as JSON.")] = False,
) -> None:
    """Say how the sorter does: exit 0 if it sorts, 1 if not, 3 if there is no status."""
    from edge.commands.status import show_status

    raise typer.Exit(show_status(folder, as_json=as_json))


@app.command()
def classify(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", readable=False, help="Images, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    config: ConfigOption = None,
    model: ModelOption = None,
) -> None:
    """Name images: label, route, confidence, time. Unreadable ones are reported and the rest goes on."""
    from edge.commands.classify import classify_paths

    raise typer.Exit(classify_paths(paths, as_json=as_json, config=config, model=model))
