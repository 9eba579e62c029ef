"""Drop sensor: a light beam or a switch across the chute that a falling item breaks or pushes."""

import logging

from edge.config import DropSensorConfig
from edge.contact import Contact
from edge.pins import PinFactory

__all__ = ["BeamSensor"]

_log = logging.getLogger(__name__)


class BeamSensor:
    """Remembers whether the beam was broken since it was armed, however short the break was.

    The edge comes from gpiozero's own thread; only a flag is set there. A beam that is stuck, or a wire that is cut,
    gives no edge: it can confirm nothing, and never confirms what did not fall.

    Hazards: many beams give out 5 V, and a pin stands 3.3 V. Take one with an open collector, which the pin's own
    pull-up keeps at 3.3 V, or a divider.

    Args:
        config: pin and polarity; kinds `beam` and `switch` are read alike.
    """

    def __init__(self, config: DropSensorConfig, factory: PinFactory) -> None:
        self._contact = Contact(config.switch, factory, "drop sensor", "drop_sensor", on_actuated=self._on_break)
        self._has_dropped = False
        self._is_blocked = False

    def open(self) -> None:
        """Claim the pin. Raises: ActuatorError if it is taken."""
        self._contact.open()

    def arm(self) -> None:
        """See `ports.DropSensor`. Raises: ActuatorError if the pin does not answer."""
        was_blocked, self._is_blocked = self._is_blocked, self._contact.is_actuated()
        if self._is_blocked and not was_blocked:
            _log.warning(
                "the drop sensor is blocked before anything was dropped, and confirms nothing until it is free; clear "
                "the chute, and check drop_sensor.pin and drop_sensor.active_high"
            )
        self._has_dropped = False

    def has_dropped(self) -> bool:
        return self._has_dropped

    def close(self) -> None:
        self._contact.close()

    def _on_break(self) -> None:
        self._has_dropped = True
