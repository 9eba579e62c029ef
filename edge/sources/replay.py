"""The shell of every finite source: hands over frames on their own time stamps, at any speed."""

from typing import Literal, Protocol

from edge.clock import ReplayClock
from edge.ports import Dull, Prepare
from edge.records import Frame

__all__ = ["Pace", "Recording", "ReplaySource"]

Pace = Literal["realtime", "fast"]


class Recording(Protocol):
    """What a finite source has to know: when its next frame is due, and how to make it."""

    def open(self) -> None:
        """Raises: ConfigError if what was named is no such recording."""
        ...

    def next_s(self) -> float | None:
        """Time stamp of the next frame, in seconds from the start, never decreasing; None at the end."""
        ...

    def take(self) -> Frame:
        """The frame that `next_s` announced. Raises: SourceError if it cannot be read."""
        ...

    def close(self) -> None: ...


class ReplaySource:
    """Fills `ports.Source` from a recording. The clock is the frames' own; no frame is ever skipped.

    Args:
        recording: where frames come from.
        pace: `realtime` lets a second of the recording last a second at least; `fast` never waits. The frames and
            the times that are read are the same.
    """

    def __init__(self, recording: Recording, pace: Pace) -> None:
        self._recording = recording
        self._clock = ReplayClock(is_paced=pace == "realtime")

    @property
    def clock(self) -> ReplayClock:
        return self._clock

    @property
    def is_exhausted(self) -> bool:
        return self._recording.next_s() is None

    def open(self, *, wait: bool = True) -> None:
        self._recording.open()

    def read(self, until_s: float, *, is_dull: Dull | None = None, prepare: Prepare | None = None) -> Frame | None:
        """The next frame if it is due by `until_s`; see `ports.Source`."""
        next_s = self._recording.next_s()
        if next_s is None or next_s > until_s:
            self._clock.wait_until(until_s)
            return None
        self._clock.wait_until(next_s)
        return self._recording.take()

    def limit_rate(self, fps: float | None) -> None:
        """A recording is taken as it is."""

    def close(self) -> None:
        self._recording.close()
