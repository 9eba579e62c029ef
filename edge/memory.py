"""Gives memory back to the system once everything that stays is there."""

import ctypes
import gc
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

__all__ = ["collector_at_rest", "release_file_pages", "settle"]

COLLECT_S = 10.0
COLLECT_OBJECTS = 2000
"""Objects that were made and not dropped since the last collection, as far as the collector follows them."""
_MADV_DONTNEED = 4
_NO_FILES = ("/dev/", "/dmabuf", "/memfd:")
_FIELDS = ("Rss:", "Anonymous:", "Swap:")
_LITTLE = frozenset({"0 kB", "4 kB", "8 kB"})
"""Not worth a call of the system."""
_SMAPS = Path("/proc/self/smaps")
_MAPPING = re.compile(r"(?P<first>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<access>\S{4}) \S+ \S+ \d+\s*(?P<path>.*)")


def settle() -> None:
    """Once everything is at work: what lives now will live to the end, so the garbage collector need not look at it."""
    gc.collect()
    gc.freeze()
    library = ctypes.CDLL(None)
    # glibc keeps freed memory for itself; other C libraries have no such call.
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
    release_file_pages()


@contextmanager
def collector_at_rest() -> Iterator[Callable[[float], None]]:
    """Within it the garbage collector runs only when it is asked to, so that no pause falls into an item's way.

    The loop makes no cycles, and what it drops is freed at once; what a library may leave is collected while nothing
    is on the tray.

    Yields: a function of the present time in seconds, to be called while there is time; it collects when enough has
        piled up, at most every COLLECT_S.
    """
    was_enabled = gc.isenabled()
    last_s = -COLLECT_S

    def collect(now_s: float) -> None:
        nonlocal last_s
        if gc.get_count()[0] >= COLLECT_OBJECTS and now_s - last_s >= COLLECT_S:
            last_s = now_s
            gc.collect()

    gc.disable()
    try:
        yield collect
    finally:
        if was_enabled:
            gc.enable()


def release_file_pages() -> None:
    """Let go of the pages of libraries that were read to start; what the loop runs comes back from the page cache.

    Only pages that are still exactly the file's are let go (see `clean_mappings`), so nothing can be lost: the next
    touch maps them again, without a disk as long as the system has memory to spare. To be called while no other
    thread loads a library. Does nothing on a system that does not say what its pages are.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "madvise"):
        return
    try:
        with _SMAPS.open(encoding="utf-8", errors="surrogateescape") as smaps:
            found = list(clean_mappings(smaps))
    except OSError:
        return
    for first, end in found:
        # A refusal (a locked page, say) leaves that mapping as it is.
        library.madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _MADV_DONTNEED)


def clean_mappings(smaps: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Address ranges (first byte, end) that hold nothing but a file's own bytes, from the lines of /proc/PID/smaps.

    That is: a file's, private, not writable, and with no page of the process's own, neither in memory nor swapped out.
    A library's relocated tables are mapped read-only too, but those pages are the process's own; the file lacks them.

    Memory of a device looks like a file's: a camera's buffers are `/dev/video0` or `/dmabuf:`, shared, and read-only
    where a library only looks at them. What is let go there does not come back: the next touch ends the process with
    a bus error.
    """
    mapping: re.Match[str] | None = None
    fields: dict[str, str] = {}
    for line in chain(smaps, ["0-0 ---p 0 0:0 0"]):
        # Names of fields begin with a capital, addresses have small letters; there are ten thousand lines.
        if line.startswith(_FIELDS):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif not line[:1].isupper() and (match := _MAPPING.fullmatch(line.rstrip("\n"))) is not None:
            if mapping is not None and _is_clean(mapping, fields):
                yield int(mapping["first"], 16), int(mapping["end"], 16)
            mapping, fields = match, {}


def _is_clean(mapping: re.Match[str], fields: dict[str, str]) -> bool:
    is_file = mapping["path"].startswith("/") and not mapping["path"].startswith(_NO_FILES)
    if not is_file or "w" in mapping["access"] or "s" in mapping["access"]:
        return False
    return fields.get("Anonymous") == "0 kB" and fields.get("Swap") == "0 kB" and fields.get("Rss") not in _LITTLE
