"""`edge-sorter`, also `python -m edge`: the commands. What a command needs is imported when it runs."""

import errno
import io
import os
import sys
import traceback
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from edge import __version__
from edge.commands import bench, calibrate, capture, config, ledger, model
from edge.commands.options import ConfigOption, ModelOption
from edge.ending import forget_hard_end, is_hard_end_asked
from edge.errors import ConfigError, SorterError
from edge.picture_limits import limit_opencv
from edge.printable import printable

__all__ = ["app", "main"]

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


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a write fails with where there is no room for it."""


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
    from edge.commands.run import RunOptions, run_sorter

    if unattended:
        from edge.commands.unattended import run_unattended as sort
    else:
        sort = run_sorter
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


def main() -> None:
    """Entry point. An expected error is one sentence on standard error and its own exit status.

    A reader of the output that went away, as `head` does, is no error: the command ends quietly with 0.
    """
    _tolerate_streams()
    forget_hard_end()
    limit_opencv()
    try:
        _end_as_told()
    except BaseException as exc:
        if is_hard_end_asked():
            # A camera hangs in its driver: the gate is parked, all is written down, and nothing may wait for it.
            _end_at_once(exc)
        raise


def _end_at_once(cause: BaseException) -> NoReturn:
    status = 1
    if isinstance(cause, SystemExit):
        status = cause.code if isinstance(cause.code, int) else int(cause.code is not None)
    else:
        with suppress(Exception):
            traceback.print_exception(cause)
    _settle_output()
    os._exit(status)


def _end_as_told() -> None:
    try:
        _run_command()
    except BrokenPipeError:
        _settle_output()
        sys.exit(0)
    except SorterError as exc:
        _settle_output()
        notes = "".join(f"; {note}" for note in getattr(exc, "__notes__", ()))
        _complain(f"{exc}{notes}")
        sys.exit(exc.exit_code)
    except OSError as exc:
        _settle_output()
        _complain(_explain(exc))
        sys.exit(ConfigError.exit_code)


def _run_command() -> None:
    try:
        app(prog_name="edge-sorter")
    except SystemExit as exc:
        # Typer and Rich make a status of 1 of it.
        if isinstance(exc.__context__, BrokenPipeError):
            raise exc.__context__ from None
        # What fails now would fail at the interpreter's end, where no one can say what it was.
        sys.stdout.flush()
        raise


def _explain(error: OSError) -> str:
    if error.filename is None and error.errno in FULL:
        # Whoever writes a file tells its name: what is left is the output.
        return f"cannot write to standard output ({error.strerror}); free some space"
    # What no driver foresaw, such as a folder that may not be looked into.
    where = f" {error.filename}" if error.filename is not None else ""
    return f"cannot use{where} ({error.strerror or error}); check the path"


def _complain(sentence: str) -> None:
    with suppress(BrokenPipeError):
        print(f"edge-sorter: error: {printable(sentence)}", file=sys.stderr)


def _settle_output() -> None:
    """Write out what was printed; what nobody takes goes nowhere, or the interpreter's end would fail at it again."""
    try:
        sys.stdout.flush()
        return
    except OSError:
        pass
    with ExitStack() as stack:
        # A stream that is no file, as in a test, has no number.
        stack.enter_context(suppress(OSError))
        nothing = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nothing)
        os.dup2(nothing, sys.stdout.fileno())


def _tolerate_streams() -> None:
    """A name that the terminal cannot show, or a stream that was closed at the start, must not stop the sorting."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # open until the process ends
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
