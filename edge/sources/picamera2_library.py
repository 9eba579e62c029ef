"""Loads picamera2 and libcamera, or says what is missing."""

import os
from importlib import import_module
from typing import Any

from edge.errors import SourceError

__all__ = ["Library", "load_library"]


class Library:
    """The parts of picamera2 and libcamera that are used here; they come from apt and belong to no environment."""

    def __init__(self) -> None:
        picamera2 = import_module("picamera2")
        self.Picamera2: Any = picamera2.Picamera2
        self.MappedArray: Any = picamera2.MappedArray
        self.Transform: Any = import_module("libcamera").Transform


def load_library() -> Library:
    """Raises: SourceError that names the package to install."""
    # libcamera writes what it does to standard error at every start; only what fails is of interest there.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    try:
        return Library()
    except ModuleNotFoundError as exc:
        raise SourceError(
            f"source picamera2 needs the Python module {exc.name}; run: sudo apt install python3-picamera2, and make "
            "the program's environment with --system-site-packages"
        ) from exc
    except Exception as exc:  # such as one NumPy in the environment and another that picamera2 was built for
        raise SourceError(
            f"picamera2 cannot be loaded ({exc}); install the program with -c constraints-bookworm.txt on Bookworm, "
            "so that its NumPy is the one that apt's picamera2 was built for"
        ) from exc
