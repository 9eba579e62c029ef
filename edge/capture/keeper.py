"""Keeps the folder of captured pictures within its limits: everything that `store` does in its thread."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from errno import EAGAIN, ENOSPC, EOVERFLOW
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.capture.limits import Allowance, Entry, Kept, Limits, surplus
from edge.capture.shelf import BLOCK_BYTES, HIGHEST, ID, Count, Shelf, as_seconds, on_disk
from edge.disk import free_bytes

if TYPE_CHECKING:
    from edge.records import BgrImage

__all__ = ["COUNT_S", "Keeper"]

COUNT_S = 600.0
"""How often the time of operation is written down; a power cut loses no more of it."""
PRUNE_WAIT_S = 1.0
"""Longest wait of whoever needs room for a picture that is being written."""
LOCK_NAME = ".lock"


class Keeper:
    """The one writer of a folder of pictures. Between two calls the folder is within its limits.

    A limit is held by removing what is oldest, labelled ones last. Room on the disk that others took is no reason to
    remove a labelled one: nothing new is kept then.

    Args:
        folder: made at `open`.
        limits: see `Limits`.
        jpeg_quality: 0 to 100.
        now_s: a clock that only moves forward, in seconds.
        free: room on the disk of a folder, in bytes.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        jpeg_quality: int = 92,
        *,
        now_s: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._shelf = Shelf(folder)
        self._limits = limits
        self._jpeg_quality = jpeg_quality
        self._now_s = now_s
        self._free = free
        self._entries: dict[int, Entry] = {}
        self._kept = Kept()
        self._has_looked = False
        self._highest = 0
        self._is_restored = False
        self.allowance = Allowance(limits.max_a_day, now_s())
        self._operated_s = 0.0
        self._counted_s = now_s()
        self._lock_fd: int | None = None
        self._mutex = threading.RLock()

    @property
    def folder(self) -> Path:
        return self._shelf.folder

    @property
    def is_open(self) -> bool:
        return self._lock_fd is not None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is kept, oldest first, as far as it was looked for."""
        return tuple(self._entries.values())

    @property
    def kept(self) -> Kept:
        """How much of it there is; at once, however many there are, and in any thread."""
        return self._kept

    def open(self) -> None:
        """Become the one writer, remove what a power cut left, and hold the limits.

        Raises: OSError if the folder cannot be written, or another process writes to it.
        """
        with self._mutex:
            self._shelf.make()
            self._lock_fd = self._lock_fd if self._lock_fd is not None else self._lock()
            self._shelf.sweep()
            self._look()
            newest = next(reversed(self.entries), None)
            known_s = 0.0 if newest is None else self._age_mark(newest)
            count = self._shelf.count()
            self._operated_s = max(self._operated_s, count.operated_s, known_s)
            self._highest = max(self._highest, count.highest)
            if count.left is not None and not self._is_restored:
                self.allowance.restore(count.left)
            self._is_restored = True
            self._hold_limits()

    def put(self, image: "BgrImage", about: Mapping[str, Any]) -> None:
        """Write a picture down and remove what is too much by then. It was taken off `allowance` before.

        Args:
            image: (H, W, 3) uint8 BGR.
            about: what is known of it, ready for JSON; `event_id` names it.
        Raises: OSError if it cannot be written, or would take the room that must stay free; ValueError if the picture
            cannot be encoded, is too large or has no sound name.
        """
        event_id = about.get("event_id")
        if not isinstance(event_id, str) or not ID.fullmatch(event_id):
            raise ValueError(f"event_id is {event_id!r}, expected one of the ledger's, such as a1b2c3-12")
        jpeg = self._encoded(image)
        with self._mutex:
            self._count()
            height_px, width_px = image.shape[:2]
            fields = {**about, "width_px": width_px, "height_px": height_px, "operated_s": round(self._operated_s, 1)}
            coming_bytes = on_disk(len(jpeg)) + BLOCK_BYTES
            if coming_bytes > self._limits.max_bytes:
                raise ValueError(f"it takes {coming_bytes / 1e6:.1f} MB, more than capture.max_mb")
            self._refuse_where_only_labelled(coming_bytes)
            self._hold_limits(coming_bytes, 1)
            if self._lacks_bytes(coming_bytes) > 0:
                megabytes = self._limits.keep_free_bytes / 1e6
                raise OSError(ENOSPC, f"less than {megabytes:g} MB of the disk would stay free")
            number = 1 + max(self._highest, max(self._entries, default=0))
            if number > HIGHEST:
                raise OSError(EOVERFLOW, "numbers of pictures are used up; move what is there away, with .operated")
            self._highest = number
            # First: whatever ends this process now, the next one keeps no picture in its place.
            self._remember()
            self._set({**self._entries, number: self._shelf.write(number, event_id, jpeg, fields)})

    def prune(self, need_bytes: int, folder: Path) -> int:
        """Remove pictures, labelled ones too if need be, until so much room is free again on the disk of a folder.

        Returns: how much was freed there, in bytes; 0, and nothing is removed, where the pictures lie on another disk.
            It never raises, and waits for a second at most.
        """
        if not self._is_on_disk_of(folder) or not self._mutex.acquire(timeout=PRUNE_WAIT_S):
            return 0
        before = 0
        try:
            if not self._has_looked:
                self._look()
            before = self._kept.bytes
            self._drop_surplus(max(before - need_bytes, 0), len(self._entries))
        except OSError:
            # What was removed until then is free.
            pass
        finally:
            freed = before - self._kept.bytes
            self._mutex.release()
        return freed

    def maintain(self) -> None:
        """Count the time of operation, look what others did to the folder, and hold the limits. Raises: OSError."""
        with self._mutex:
            self._count()
            self._remember()
            self._look()
            self._hold_limits()

    def tidy(self) -> None:
        """Hold the limits in a folder that another process may be writing to. Raises: OSError."""
        with self._mutex:
            self._operated_s = self._shelf.count().operated_s
            self._look()
            self._hold_limits()

    def close(self) -> None:
        """Write down how long it was in operation and give the folder back. It never raises; may be called twice."""
        with self._mutex:
            if self._lock_fd is None:
                return
            self._count()
            with suppress(OSError):
                self._remember()
            os.close(self._lock_fd)
            self._lock_fd = None

    def _encoded(self, image: "BgrImage") -> bytes:
        # The sorter has it in memory; whoever only lists pictures does not load it.
        import cv2

        try:
            is_done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._jpeg_quality])
        except cv2.error as exc:
            raise ValueError(f"the picture cannot be encoded ({exc})") from exc
        if not is_done:
            raise ValueError("the picture cannot be encoded")
        return bytes(jpeg.data)

    def _lock(self) -> int:
        # Not for writing: a file that is open for it keeps its disk from being mounted read-only.
        flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self._shelf.folder / LOCK_NAME, flags, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(handle)
            raise OSError(EAGAIN, "another process keeps its pictures there; name another capture.path") from exc
        except OSError:
            os.close(handle)
            raise
        return handle

    def _look(self) -> None:
        self._set({entry.number: entry for entry in self._shelf.scan()})
        self._has_looked = True

    def _set(self, entries: dict[int, Entry]) -> None:
        labelled = sum(entry.is_labelled for entry in entries.values())
        self._entries = entries
        self._kept = Kept(len(entries), sum(entry.bytes for entry in entries.values()), labelled)

    def _is_on_disk_of(self, folder: Path) -> bool:
        try:
            return os.stat(self._shelf.folder).st_dev == os.stat(folder).st_dev
        except OSError:
            # Nothing is there, or nobody knows where: what a person labelled is not given up for that.
            return False

    def _remember(self) -> None:
        self._shelf.remember(Count(self._operated_s, self._highest, self.allowance.left))

    def _count(self) -> None:
        now_s = self._now_s()
        self._operated_s, self._counted_s = self._operated_s + now_s - self._counted_s, now_s

    def _lacks_bytes(self, coming_bytes: int = 0) -> int:
        """What would be missing of the room that must stay free; negative where there is more. Raises: OSError."""
        return self._limits.keep_free_bytes + coming_bytes - self._free(self._shelf.folder)

    def _hold_limits(self, coming_bytes: int = 0, coming: int = 0) -> None:
        """Remove what must go, for what comes too."""
        self._drop_aged()
        self._drop_surplus(self._limits.max_bytes - coming_bytes, self._limits.max_count - coming)
        lacking = self._lacks_bytes(coming_bytes)
        if lacking > 0:
            left = self._kept.bytes - lacking
            gone = self._victims(self.entries, left, len(self._entries))
            self._drop([entry for entry in gone if not entry.is_labelled and not self._shelf.is_labelled(entry)])

    def _drop_aged(self) -> None:
        """They stand in the order of their age: the first that is young enough ends it."""
        for entry in self.entries:
            if self._operated_s - self._age_mark(entry) <= self._limits.max_age_s:
                return
            self._drop([entry])

    def _age_mark(self, entry: Entry) -> float:
        """Time of operation at which it was taken; 0 where that cannot be read."""
        return as_seconds(self._shelf.about(entry).get("operated_s"))

    def _drop_surplus(self, max_bytes: float, max_count: float) -> None:
        self._drop(self._victims(self.entries, max_bytes, max_count))

    def _victims(self, entries: tuple[Entry, ...], max_bytes: float, max_count: float) -> list[Entry]:
        """As `surplus`. Labels may have come from another process since the folder was looked at."""
        while True:
            gone = surplus(entries, max_bytes=max_bytes, max_count=max_count)
            news = {entry.number for entry in gone if not entry.is_labelled and self._shelf.is_labelled(entry)}
            if not news:
                return gone
            entries = tuple(entry._replace(is_labelled=entry.is_labelled or entry.number in news) for entry in entries)

    def _refuse_where_only_labelled(self, coming_bytes: int) -> None:
        """A picture that nobody looked at is not worth one that a person labelled. Raises: OSError."""
        if self._must_give_labelled(coming_bytes):
            # Another process may have removed some, now that they are exported.
            self._look()
        if self._must_give_labelled(coming_bytes):
            raise OSError(
                ENOSPC, "labelled pictures take all the room; export them, then edge-sorter capture prune --labelled"
            )

    def _must_give_labelled(self, coming_bytes: int) -> bool:
        gone = self._victims(self.entries, self._limits.max_bytes - coming_bytes, self._limits.max_count - 1)
        return any(entry.is_labelled for entry in gone)

    def _drop(self, gone: list[Entry]) -> None:
        """Raises: OSError; those before are gone."""
        removed: set[int] = set()
        try:
            for entry in gone:
                self._shelf.remove(entry)
                removed.add(entry.number)
        finally:
            self._set({number: kept for number, kept in self._entries.items() if number not in removed})
