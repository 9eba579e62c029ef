"""Drop sensor: a light beam across the chute that a falling item breaks."""

from typing import Any

from edge.config import DropSensorConfig
from edge.errors import ActuatorError
from edge.pins import PinFactory

__all__ = ["BeamSensor"]


class BeamSensor:
    """Remembers whether the beam was broken since it was armed, however short the break was.

    The edge comes from gpiozero's own thread; only a flag is set there.

    Args:
        config: pin and polarity. With `active_high` false the pin is pulled up and the sensor pulls it low.
    """

    def __init__(self, config: DropSensorConfig, factory: PinFactory) -> None:
        self._config = config
        self._factory = factory
        self._device: Any = None
        self._has_dropped = False

    def open(self) -> None:
        """Claim the pin. Raises: ActuatorError if it is taken."""
        from gpiozero import DigitalInputDevice

        try:
            self._device = DigitalInputDevice(
                self._config.pin, pull_up=not self._config.active_high, pin_factory=self._factory
            )
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"drop sensor on GPIO{self._config.pin} refused: {exc}; check drop_sensor.pin") from exc
        self._device.when_activated = self._on_break

    def arm(self) -> None:
        self._has_dropped = False

    def has_dropped(self) -> bool:
        return self._has_dropped

    def close(self) -> None:
        if self._device is not None:
            device, self._device = self._device, None
            device.close()

    def _on_break(self) -> None:
        self._has_dropped = True
