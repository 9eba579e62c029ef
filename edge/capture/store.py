"""Takes pictures out of the loop's hands: a bounded queue, and a thread that writes them down."""

import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.capture.keeper import COUNT_S, Keeper
from edge.capture.limits import Limits
from edge.disk import FULL, free_bytes

if TYPE_CHECKING:
    from edge.records import BgrImage

__all__ = ["CaptureStore", "Figures"]

QUEUE_COUNT = 4
QUEUE_BYTES = 16 << 20
"""Pictures that wait to be written: both limits hold, but one may always wait."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 600.0
"""After an error of the disk, so long until it is tried again; twice as long each time."""
CLOSE_S = 2.0
"""Longest wait at the end for what is still being written: a disk that hangs must hold nothing up."""
NICE = 10
_REMEDIES: Mapping[int, str] = {
    errno.EROFS: "; mount it writable",
    errno.EACCES: "; check its owner and mode",
    errno.EPERM: "; check its owner and mode",
    errno.EIO: "; the disk fails, copy what is on it and replace it",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Figures:
    """How the store stands.

    Attributes:
        count, bytes, labelled: what is kept.
        kept: pictures that were written down since the start.
        missed: pictures that were not, for whatever reason.
        problem: why nothing is kept at the moment; None if all is well.
    """

    count: int
    bytes: int
    labelled: int
    kept: int
    missed: int
    problem: str | None


class CaptureStore:
    """Pictures worth a label, on a disk that may be slow, full or gone: the sorting never waits for it.

    None of its methods raises. An error of the disk is told once; nothing is kept until a later try goes well.

    Args:
        folder: made when the store is opened.
        limits: see `Limits`.
        jpeg_quality: 0 to 100.
        now_s: a clock that only moves forward, in seconds.
        free: room on the disk of a folder, in bytes.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits | None = None,
        *,
        jpeg_quality: int = 92,
        now_s: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        limits = limits or Limits()
        self._keeper = Keeper(folder, limits, jpeg_quality, now_s=now_s, free=free)
        self._now_s = now_s
        self._is_allowance_told = False
        self._wake = threading.Condition()
        self._queue: deque[tuple[BgrImage, Mapping[str, Any]]] = deque()
        self._is_busy = False
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._count = threading.Lock()
        self._kept = self._missed = 0
        self._problem: str | None = None
        self._lacks_room = False
        self._pause_s = FIRST_PAUSE_S
        self._paused_until_s = 0.0

    @property
    def folder(self) -> Path:
        """Where the pictures lie."""
        return self._keeper.folder

    @property
    def is_ready(self) -> bool:
        """A picture that came now would be taken: it is worth a copy."""
        now_s = self._now_s()
        return (
            self._thread is not None
            and not self._is_closing
            and now_s >= self._paused_until_s
            and len(self._queue) < QUEUE_COUNT
            and self._has_allowance(now_s)
        )

    @property
    def figures(self) -> Figures:
        """How the store stands; may be asked in any thread."""
        kept = self._keeper.kept
        return Figures(kept.pictures, kept.bytes, kept.labelled, self._kept, self._missed, self._problem)

    def open(self) -> None:
        """Start the thread, which makes the folder and removes what a power cut left there."""
        if self._thread is None:
            self._is_closing = False
            self._thread = threading.Thread(target=self._run, name="captures", daemon=True)
            self._thread.start()

    def keep(self, image: "BgrImage", about: Mapping[str, Any]) -> None:
        """Copy a picture and return; it is written down soon, or counted as missed.

        Args:
            image: (H, W, 3) uint8 BGR.
            about: what is known of it, ready for JSON; `event_id` names it.
        """
        if not self.is_ready or not self._enqueue(image, about):
            self._tally(is_kept=False)

    def prune(self, need_bytes: int, folder: Path) -> int:
        """Give pictures up, labelled ones last, until so much room is free on the disk of a folder (`disk.Give`).

        Returns: how much was freed there, in bytes. It waits for a second at most.
        """
        return self._keeper.prune(need_bytes, folder)

    def flush(self, limit_s: float = CLOSE_S) -> bool:
        """Wait until nothing waits to be written. Returns: whether it came to that in time."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._queue and not self._is_busy, limit_s)

    def close(self) -> None:
        """Write down what waits, as far as that takes no longer than CLOSE_S; may be called twice."""
        with self._wake:
            self._is_closing = True
            self._wake.notify_all()
        if self._thread is None:
            return
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            _log.warning("captures in %s are still being written; the disk hangs, and they are left", self.folder)
        self._thread = None

    def _enqueue(self, image: "BgrImage", about: Mapping[str, Any]) -> bool:
        try:
            copy = image.copy()
        except MemoryError:
            return False
        with self._wake:
            waiting = sum(queued.nbytes for queued, _ in self._queue)
            if self._queue and waiting + copy.nbytes > QUEUE_BYTES:
                return False
            self._keeper.allowance.use()
            self._queue.append((copy, about))
            self._wake.notify_all()
        return True

    def _tally(self, *, is_kept: bool) -> None:
        """The loop counts what it could not hand over, the thread what became of the rest."""
        with self._count:
            self._kept += is_kept
            self._missed += not is_kept

    def _has_allowance(self, now_s: float) -> bool:
        if self._keeper.allowance.has_any(now_s):
            self._is_allowance_told = False
            return True
        if not self._is_allowance_told:
            self._is_allowance_told = True
            _log.warning(
                "so many pictures were worth a label that no more are kept for now (capture.max_a_day); is the model "
                "unsure of nearly everything, or the camera out of place?"
            )
        return False

    def _run(self) -> None:
        with suppress(OSError):
            # Of this thread alone, as Linux has it: nothing of the loop waits for what is done here.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        self._attempt(self._keeper.open, is_proof=False)
        next_count_s = self._now_s() + COUNT_S
        while True:
            with self._wake:
                self._is_busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: self._queue or self._is_closing, COUNT_S)
                job = self._queue.popleft() if self._queue else None
                self._is_busy = job is not None
                if job is None and self._is_closing:
                    break
            if job is not None:
                self._write(*job)
            if self._now_s() >= next_count_s:
                next_count_s = self._now_s() + COUNT_S
                # Where only room was wanting, nothing but a picture proves that it is there.
                is_proof = self._problem is not None and not self._lacks_room
                self._attempt(self._keeper.maintain if self._keeper.is_open else self._keeper.open, is_proof=is_proof)
        self._keeper.close()

    def _write(self, image: "BgrImage", about: Mapping[str, Any]) -> None:
        self._tally(is_kept=self._attempt(lambda: self._put(image, about), is_proof=True))

    def _put(self, image: "BgrImage", about: Mapping[str, Any]) -> None:
        if not self._keeper.is_open:
            self._keeper.open()
        self._keeper.put(image, about)

    def _attempt(self, action: Callable[[], None], *, is_proof: bool) -> bool:
        """Do it; an error is told once, and ends the keeping for a while. With `is_proof`, success ends the problem."""
        try:
            action()
        except OSError as exc:
            self._pause(exc)
            return False
        except Exception as exc:  # a picture that cannot be kept must not end the thread
            _log.warning("a picture could not be kept: %s", exc)
            return False
        if is_proof and self._problem is not None:
            _log.warning("captures are kept again in %s; %d were missed since the start", self.folder, self._missed)
        if is_proof:
            self._problem, self._pause_s = None, FIRST_PAUSE_S
        return True

    def _pause(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if self._problem is None:
            _log.warning(
                "no captures are kept in %s (%s)%s; the sorting goes on, and it is tried again",
                self.folder,
                reason,
                _REMEDIES.get(error.errno or 0, ""),
            )
        self._problem, self._lacks_room = reason, error.errno in FULL
        self._paused_until_s = self._now_s() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
