"""Opens gpiozero's pin factory that the config names. Nothing falls back: a factory that fails is an error."""

import importlib
from typing import Any, Literal

from edge.errors import ActuatorError

__all__ = ["PinFactory", "open_factory"]

PinFactory = Any
"""gpiozero.Factory; gpiozero ships no types."""

_FACTORIES = {
    "lgpio": ("gpiozero.pins.lgpio", "LGPIOFactory"),
    "rpigpio": ("gpiozero.pins.rpigpio", "RPiGPIOFactory"),
    "pigpio": ("gpiozero.pins.pigpio", "PiGPIOFactory"),
}
_HISTORY_LIMIT = 4096
"""State changes that a simulated pin remembers; gpiozero's own keeps every one for ever."""


def open_factory(name: Literal["mock", "lgpio", "rpigpio", "pigpio"]) -> PinFactory:
    """Open a pin factory. The caller closes it, after the devices on it.

    Raises: ActuatorError if the library is missing or this machine has no such GPIO.
    """
    if name == "mock":
        return _mock_factory()
    module_name, class_name = _FACTORIES[name]
    try:
        return getattr(importlib.import_module(module_name), class_name)()
    except Exception as exc:
        # Pin libraries raise anything from ImportError to bare Exception when there is no GPIO.
        raise ActuatorError(
            f"pins.factory {name} does not work here ({exc}); on a Raspberry Pi install {name} and join group gpio, "
            "elsewhere set pins.factory: mock"
        ) from exc


def _mock_factory() -> PinFactory:
    from gpiozero.pins.mock import MockFactory, MockPWMPin

    class BoundedMockPin(MockPWMPin):  # type: ignore[misc]  # gpiozero ships no types
        """gpiozero's simulated PWM pin with a history that ends."""

        def _change_state(self, value: float) -> bool:
            has_changed = bool(super()._change_state(value))
            if len(self.states) > _HISTORY_LIMIT:
                del self.states[: _HISTORY_LIMIT // 2]
            return has_changed

    return MockFactory(pin_class=BoundedMockPin)
