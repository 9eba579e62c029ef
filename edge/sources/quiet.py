"""Keeps OpenCV's own complaints off standard error; ours say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

__all__ = ["quiet_opencv"]

_SILENT = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Within it, OpenCV logs nothing. OpenCV 4 and 5 have this switch in different places."""
    module = cv2 if hasattr(cv2, "setLogLevel") else getattr(cv2.utils, "logging", None)
    set_level = getattr(module, "setLogLevel", None)
    if set_level is None:
        yield
        return
    previous = set_level(_SILENT)
    try:
        yield
    finally:
        # OpenCV 4 does not tell the level that was; 3 (warnings) is its default.
        set_level(3 if previous is None else previous)
