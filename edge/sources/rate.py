"""Which of a camera's pictures are taken while the processor has to rest."""

from edge.clock import Clock

__all__ = ["RateLimit"]


class RateLimit:
    """At most so many pictures a second, on a grid of even steps, so that a camera's own rate lowers it no further.

    Args:
        clock: of the pictures.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._period_s: float | None = None
        self._due_s = 0.0

    @property
    def is_on(self) -> bool:
        return self._period_s is not None

    def set(self, fps: float | None) -> None:
        """Pictures a second from now on; None: all of them."""
        self._period_s = None if fps is None else 1.0 / fps
        self._due_s = self._clock.now_s()

    def is_due(self) -> bool:
        """Whether the picture that is there now is one of those to take; once for each picture."""
        if self._period_s is None:
            return True
        now_s = self._clock.now_s()
        if now_s < self._due_s:
            return False
        # After a pause the grid begins anew: what was missed is not caught up on.
        self._due_s = max(self._due_s, now_s - self._period_s) + self._period_s
        return True
