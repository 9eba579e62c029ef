"""`edge-convert`: from photographs to a model bundle.

Exit status: 0 done, 2 bad usage or data, 4 a bundle that a device would refuse, 130 after Ctrl-C.
"""

import contextlib
import logging
import os
import sys

import typer

from convert.commands import app
from edge.errors import SorterError

__all__ = ["app", "main"]

INTERRUPTED = 130


def main() -> None:
    """Entry point of `edge-convert`: a failure is one sentence, never a traceback."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        status = app(standalone_mode=False)
    except SorterError as exc:
        _fail(str(exc), exc.exit_code)
    except typer.Exit as exc:
        status = exc.exit_code
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at its end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as exc:
        _fail(f"{exc.filename or 'a file'}: {exc.strerror or exc}; check the paths and the room on the disk", 2)
    except Exception as exc:
        if hasattr(exc, "exit_code") and hasattr(exc, "format_message"):
            _fail(exc.format_message(), int(exc.exit_code))
        raise
    if status == INTERRUPTED:
        _fail("stopped; every file is replaced as a whole or stays as it was", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> None:
    print(f"edge-convert: {message}", file=sys.stderr)
    sys.exit(status)
