"""Keeps the chatter of foreign libraries off the screen, and shows it when something fails."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what the block writes to standard output and standard error, C++ code included.

    If the block raises an Exception, standard error gets what was held back before the exception goes on.
    """
    with tempfile.TemporaryFile() as held, contextlib.ExitStack() as stack:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            stream.flush()
            saved = os.dup(number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            stack.callback(stream.flush)
            os.dup2(held.fileno(), number)
        try:
            yield
        except Exception:
            stack.close()
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
