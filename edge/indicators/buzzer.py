"""Buzzer: calls somebody at a fault and at the emergency stop, and is silent otherwise."""

from edge.config import BuzzerConfig
from edge.indicators.output import Output
from edge.pins import PinFactory
from edge.records import Status

__all__ = ["Buzzer"]

ALARMS = frozenset({Status.FAULT, Status.STOPPED})
BEEP_S = 0.2
"""Length of a beep and of the pause after it: `show` is called twice in each, at least."""
BEEPS = 3
"""Beeps when an alarm begins."""
REMINDER_S = 30.0
"""Time between single beeps as long as it lasts."""


class Buzzer:
    """Three short beeps when an alarm begins, then one every half minute.

    Hazards: for an active buzzer, which sounds by itself; one of more than a few milliamperes needs a transistor. It
    sounds in `show`: should the loop hang in a beep, it goes on until the program has ended.
    """

    def __init__(self, config: BuzzerConfig, factory: PinFactory) -> None:
        self._output = Output(config.pin, config.active_high, factory, "buzzer", "panel.buzzer.pin")
        self._status: Status | None = None
        self._since_s = 0.0

    def open(self) -> None:
        """Claim the pin, silent. Raises: ActuatorError if it is taken."""
        self._output.open()
        self._status = None

    def show(self, status: Status, now_s: float) -> None:
        """Sound what is due at `now_s`; see `ports.Indicator`."""
        if status is not self._status:
            self._status, self._since_s = status, now_s
        self._output.switch(status in ALARMS and _is_beep(now_s - self._since_s))

    def close(self) -> None:
        self._output.close()


def _is_beep(elapsed_s: float) -> bool:
    if elapsed_s < REMINDER_S:
        return elapsed_s < BEEPS * 2 * BEEP_S and elapsed_s % (2 * BEEP_S) < BEEP_S
    return elapsed_s % REMINDER_S < BEEP_S
