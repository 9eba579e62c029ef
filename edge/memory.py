"""Gives memory back to the system once everything that stays is there."""

import ctypes
import gc

__all__ = ["settle"]


def settle() -> None:
    """Once everything is open: what lives now will live to the end, so the garbage collector need not look at it."""
    gc.collect()
    gc.freeze()
    library = ctypes.CDLL(None)
    # glibc keeps freed memory for itself; other C libraries have no such call.
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
