"""Gives memory back to the system where the C library would keep it."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["settle", "thrifty"]

_M_MMAP_THRESHOLD = -3
"""`mallopt` parameter of glibc: blocks above it are mapped by themselves, and returned as soon as they are freed."""
_THRIFTY_BYTES = 64 * 1024
_USUAL_BYTES = 32 * 1024 * 1024
"""Frames (about 1 MB) come from the heap: mapping each one anew would cost a page fault for every 4 kB of it."""


@contextmanager
def thrifty() -> Iterator[None]:
    """Within it, large temporary arrays leave no holes in the heap. Where the C library has no such thing, nothing
    happens."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(_M_MMAP_THRESHOLD, _THRIFTY_BYTES)
    try:
        yield
    finally:
        library.mallopt(_M_MMAP_THRESHOLD, _USUAL_BYTES)


def settle() -> None:
    """Once everything is open: what lives now will live to the end, so the garbage collector need not look at it."""
    gc.collect()
    gc.freeze()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
