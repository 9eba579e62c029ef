"""Keeps the chatter of foreign libraries off the screen: shown when something fails, or given to who asks for it."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator

__all__ = ["overheard", "quiet"]


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


@contextlib.contextmanager
def overheard() -> Iterator[Callable[[], str]]:
    """Keep what foreign code writes to standard error; the callable gives what came since it was last called.

    For libraries that tell nobody but the screen, such as libjpeg of a damaged picture.
    """
    with tempfile.TemporaryFile() as held, contextlib.ExitStack() as stack:
        sys.stderr.flush()
        saved = os.dup(2)
        stack.callback(os.close, saved)
        stack.callback(os.dup2, saved, 2)
        os.dup2(held.fileno(), 2)
        heard = 0

        def since() -> str:
            nonlocal heard
            sys.stderr.flush()
            text = os.pread(held.fileno(), os.fstat(held.fileno()).st_size - heard, heard)
            heard += len(text)
            return text.decode(errors="replace").strip()

        try:
            yield since
        except Exception:
            rest = since()
            stack.close()
            sys.stderr.write(f"{rest}\n" if rest else "")
            raise
