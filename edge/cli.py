"""`edge-sorter`, also `python -m edge`: runs a command and says how it ended."""

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

from edge.ending import forget_hard_end, is_hard_end_asked
from edge.errors import ConfigError, SorterError
from edge.picture_limits import limit_opencv
from edge.printable import printable

__all__ = ["main"]

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a write fails with where there is no room for it."""


def main() -> None:
    """Entry point. An expected error is one sentence on standard error and its own exit status.

    A reader of the output that went away, as `head` does, is no error: the command ends quietly with 0.
    """
    _tolerate_streams()
    forget_hard_end()
    limit_opencv()
    # What is installed beside the program has no say in how a configuration is checked, and is not searched for it.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # NumPy's library for linear algebra, which nothing here needs, starts a thread for each core otherwise.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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
        is_done = _run_as_a_unit_does(sys.argv[1:])
    except KeyboardInterrupt:
        # As Typer ends, for whoever types the same words by hand.
        sys.exit(128 + signal.SIGINT)
    if is_done:
        sys.stdout.flush()
        sys.exit(0)
    from edge.commands.app import app

    try:
        app(prog_name="edge-sorter")
    except SystemExit as exc:
        # Typer and Rich make a status of 1 of it.
        if isinstance(exc.__context__, BrokenPipeError):
            raise exc.__context__ from None
        # What fails now would fail at the interpreter's end, where no one can say what it was.
        sys.stdout.flush()
        raise


def _run_as_a_unit_does(arguments: Sequence[str]) -> bool:
    """Run the command if it is, word for word, that of a unit; others than these two go to the command line's library.

    Loading that library is a tenth of the service's start, and of the time until a motor that was left on is off.

    Returns: whether it was one of them.
    """
    match arguments:
        case ["run", "--unattended", "--config", file] if not file.startswith("-"):
            from edge.commands.run_options import RunOptions
            from edge.commands.unattended import run_unattended

            run_unattended(RunOptions(config=Path(file)))
        case ["park", "--config", file] if not file.startswith("-"):
            from edge.commands.park import park

            print(park(Path(file), cut=False))
        case _:
            return False
    return True


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
