"""How long a motion takes while the loop ticks in time: what its waits, its ramps and its searches come to."""

import math

from edge.clock import TICK_S

__all__ = ["FRAME_S", "Trapezoid", "in_ticks", "seek_s"]

FRAME_S = 0.02
"""Period of a servo's control pulses."""
ENDLESS_S = 1e6


class Trapezoid:
    """A way with a ramp at both ends.

    Args:
        way: length of the way, in any unit.
        speed, acceleration: limits, in that unit a second and a second squared.
    """

    def __init__(self, way: float, speed: float, acceleration: float) -> None:
        self._way = way
        self._acceleration = acceleration
        self._ramp_s = min(speed / acceleration, math.sqrt(way / acceleration))
        self._top = acceleration * self._ramp_s
        self.duration_s = way / self._top + self._ramp_s if way > 0 else 0.0

    def travelled(self, t_s: float) -> float:
        """How far it is after a time."""
        left_s = self.duration_s - t_s
        if left_s <= 0:
            return self._way
        if t_s < self._ramp_s:
            return self._acceleration * t_s**2 / 2
        if left_s < self._ramp_s:
            return self._way - self._acceleration * left_s**2 / 2
        return self._top * (t_s - self._ramp_s / 2)

    def speed(self, t_s: float) -> float:
        """How fast it is after a time."""
        left_s = self.duration_s - t_s
        return max(0.0, min(self._acceleration * t_s, self._top, self._acceleration * left_s))


def in_ticks(duration_s: float) -> float:
    """How long a wait really is: the loop looks only at its ticks."""
    if duration_s > ENDLESS_S:
        return duration_s
    return math.ceil(duration_s / TICK_S - 1e-6) * TICK_S


def seek_s(way: float, speed: float, acceleration: float) -> float:
    """Duration of a way that begins with a ramp and is met at full speed; units as those of `Trapezoid`."""
    ramp_s = speed / acceleration
    if way < acceleration * ramp_s**2 / 2:
        return math.sqrt(2 * way / acceleration)
    return way / speed + ramp_s / 2
