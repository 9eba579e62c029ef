"""One pin that is switched on and off, and that may fail without stopping anything."""

import logging
from typing import Any

from edge.contact import pin_name
from edge.errors import ActuatorError
from edge.pins import PinFactory

__all__ = ["Output"]

_log = logging.getLogger(__name__)


class Output:
    """A pin is written only when it changes, or when the last write failed.

    Args:
        what: what it is in messages, such as `green lamp`.
        key: of the pin in the configuration, such as `panel.lamp.green_pin`.
    """

    def __init__(self, bcm: int, active_high: bool, factory: PinFactory, what: str, key: str) -> None:
        self._bcm = bcm
        self._active_high = active_high
        self._factory = factory
        self._name = f"{what} on {pin_name(bcm)}"
        self._key = key
        self._device: Any = None
        self._is_on = False
        self._is_told = False

    def open(self) -> None:
        """Claim the pin, switched off. Raises: ActuatorError if it is taken."""
        from gpiozero import OutputDevice

        try:
            self._device = OutputDevice(self._bcm, active_high=self._active_high, pin_factory=self._factory)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} refused: {exc}; check {self._key}") from exc
        self._is_on = self._is_told = False

    def switch(self, is_on: bool) -> None:
        """Switch it on or off; nothing happens while it is closed, and what fails is logged once."""
        if self._device is None or is_on is self._is_on:
            return
        try:
            self._device.value = is_on
        except Exception as exc:  # every pin library has its own errors
            self._tell(exc)
        else:
            self._is_on = is_on

    def close(self) -> None:
        """Switch it off and give the pin back."""
        if self._device is None:
            return
        device, self._device = self._device, None
        try:
            try:
                device.off()
            finally:
                device.close()
        except Exception as exc:  # whoever closes has more important things to close
            self._tell(exc)

    def _tell(self, cause: Exception) -> None:
        if not self._is_told:
            self._is_told = True
            _log.warning("%s cannot be switched: %s; check %s", self._name, cause, self._key)
