"""Brings a gate home while nothing else goes on: at a start by hand, and at the end."""

from collections.abc import Callable

from edge.clock import TICK_S, Clock
from edge.errors import ActuatorError
from edge.ports import Gate

__all__ = ["bring_home"]


def bring_home(gate: Gate, clock: Clock, limit_s: float, attend: Callable[[float], bool]) -> bool:
    """Move the gate home, tick by tick.

    Args:
        limit_s: a gate that is not home so long after now is cut off.
        attend: asked before each tick with the time; False stops the gate where it is.
    Returns: True if it is home, False if `attend` stopped it. It has no power in either case.
    Raises: ActuatorError if it did not come home; it is cut off.
    """
    now_s = clock.now_s()
    end_s = now_s + limit_s
    if not attend(now_s):
        gate.stop()
        return False
    gate.home(now_s)
    while gate.is_moving:
        if now_s >= end_s:
            gate.stop()
            raise ActuatorError(f"the gate was not home after {limit_s:g} s and is cut off; see whether it is jammed")
        gate.tick(now_s)
        clock.wait_until(now_s + TICK_S)
        now_s = clock.now_s()
        if gate.is_moving and not attend(now_s):
            gate.stop()
            return False
    return True
