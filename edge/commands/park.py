"""`edge-sorter park`: bring the gate home and leave it without power, whatever was left on before."""

from pathlib import Path

from edge.clock import Clock, MonotonicClock
from edge.commands.common import load
from edge.config import Config
from edge.drivers import Hardware, open_hardware
from edge.errors import ActuatorError
from edge.machine_io import PauseAsked

__all__ = ["park", "park_gate"]

TICK_S = 0.01


def park(config: Path | None, *, cut: bool) -> str:
    """Claim the pins, which takes the power off, and bring the gate home unless something forbids that.

    Args:
        cut: only take the power off.
    Returns: what was done, a sentence.
    Raises: ConfigError; ActuatorError if a pin refuses, as while a sorter runs, or the gate did not come home.
    """
    settings = load(config)
    with open_hardware(settings) as hardware:
        return "the gate is without power" if cut else park_gate(settings, hardware, MonotonicClock())


def park_gate(settings: Config, hardware: Hardware, clock: Clock) -> str:
    """Bring an opened gate home, as long as neither emergency stop nor lid forbids it. See `park`."""
    gate, panel = hardware.gate, hardware.panel
    now_s = clock.now_s()
    limit_s = now_s + settings.gate.park_limit_s
    gate.home(now_s)
    while gate.is_moving:
        held = [event for event in panel.poll(now_s) if isinstance(event, PauseAsked)] if panel is not None else []
        if held:
            gate.stop()
            return f"the gate is without power, and was not moved ({held[0].reason})"
        if now_s >= limit_s:
            gate.stop()
            raise ActuatorError(
                f"the gate was not home after {settings.gate.park_limit_s:g} s and is cut off; see whether it is jammed"
            )
        gate.tick(now_s)
        clock.wait_until(now_s + TICK_S)
        now_s = clock.now_s()
    return "the gate is home, and without power"
