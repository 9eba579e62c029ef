"""One switch, button or sensor with a single signal wire, on gpiozero."""

from collections.abc import Callable
from typing import Any

from edge.config import SwitchConfig
from edge.errors import ActuatorError
from edge.header import header_pin_of
from edge.pins import PinFactory

__all__ = ["Contact", "pin_name"]


def pin_name(bcm: int) -> str:
    """A pin as messages name it, such as `GPIO16 (J8:36)`."""
    return f"GPIO{bcm} (J8:{header_pin_of(bcm).number})"


class Contact:
    """Fills `ports.Switch`. It tells the level of this moment; contacts bounce, and whoever asks decides how long one
    must hold.

    Hazards: a wire that is cut reads as the pull resistor has it, which is "not actuated" with `pull: auto`. Wire what
    must fail safe as a contact that is closed in good order (`edge.config.FailSafeSwitchConfig`). A pin stands 3.3 V,
    never 5 V.

    Args:
        config: pin, actuated level and pull resistor, in any combination.
        what: what it is in messages, such as `emergency stop`.
        key: where the configuration has it, such as `panel.estop`.
        on_actuated: called at each edge towards actuated, in gpiozero's own thread: it may set a flag, and no more.
            None saves the thread's work.
    """

    def __init__(
        self,
        config: SwitchConfig,
        factory: PinFactory,
        what: str,
        key: str,
        on_actuated: Callable[[], None] | None = None,
    ) -> None:
        self._config = config
        self._factory = factory
        self._name = f"{what} on {pin_name(config.pin)}"
        self._key = key
        self._on_actuated = on_actuated
        self._device: Any = None
        self._is_inverted = False

    def open(self) -> None:
        """Claim the pin. Raises: ActuatorError if it is taken, or cannot be pulled so."""
        from gpiozero import DigitalInputDevice, InputDevice

        if self._device is not None:
            raise ActuatorError(f"{self._name} is open already; close() it first")
        pull, active_high = self._config.resolved_pull, self._config.active_high
        # gpiozero takes a pulled pin for actuated when it is at the level that it is not pulled to, and cannot be told
        # otherwise.
        self._is_inverted = pull == ("up" if active_high else "down")
        settings: dict[str, Any] = (
            {"pull_up": None, "active_state": active_high} if pull == "none" else {"pull_up": pull == "up"}
        )
        device_class = InputDevice if self._on_actuated is None else DigitalInputDevice
        try:
            self._device = device_class(self._config.pin, pin_factory=self._factory, **settings)
            if self._on_actuated is not None:
                setattr(self._device, "when_deactivated" if self._is_inverted else "when_activated", self._on_actuated)
        except Exception as exc:  # every pin library has its own errors
            self.close()
            raise ActuatorError(f"{self._name} refused: {exc}; check {self._key}.pin") from exc

    def is_actuated(self) -> bool:
        """Raises: ActuatorError if the contact is not open, or its pin does not answer."""
        if self._device is None:
            raise ActuatorError(f"{self._name} is not open; call open() first")
        try:
            is_active = bool(self._device.is_active)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} does not answer: {exc}; check {self._key}.pin") from exc
        return is_active is not self._is_inverted

    def close(self) -> None:
        if self._device is not None:
            device, self._device = self._device, None
            device.close()
