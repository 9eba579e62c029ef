"""Opens gpiozero's pin factory that the config names. Nothing falls back: a factory that fails is an error."""

import importlib
from typing import Any, Literal

from edge.errors import ActuatorError, ConfigError

__all__ = ["PinFactory", "is_simulated", "open_factory"]

PinFactory = Any
"""gpiozero.Factory; gpiozero ships no types."""

_FACTORIES = {
    "rpigpio": ("gpiozero.pins.rpigpio", "RPiGPIOFactory"),
    "pigpio": ("gpiozero.pins.pigpio", "PiGPIOFactory"),
}
_HISTORY_LIMIT = 4096
"""State changes that a simulated pin remembers; gpiozero's own keeps every one for ever."""


def open_factory(
    name: Literal["mock", "lgpio", "rpigpio", "pigpio"],
    *,
    chip: str | None = None,
    pwm: Literal["software", "hardware"] = "software",
) -> PinFactory:
    """Open a pin factory. The caller closes it, after the devices on it.

    Args:
        chip: of lgpio: label or name (`gpiochip0`) of the GPIO chip; None: the one of the 40-pin header.
        pwm: what makes the pulses of GPIO12, 13, 18 and 19. Simulated pins make all pulses alike.
    Raises: ActuatorError if the library is missing or this machine has no such GPIO; ConfigError if the factory has no
        such choice.
    """
    if name == "mock":
        return _mock_factory()
    if name != "lgpio" and (chip is not None or pwm == "hardware"):
        raise ConfigError(f"pins.chip and pins.pwm: hardware need pins.factory: lgpio, not {name}")
    try:
        if name == "lgpio":
            return importlib.import_module("edge.pins.header_factory").HeaderFactory(chip, pwm)
        module_name, class_name = _FACTORIES[name]
        return getattr(importlib.import_module(module_name), class_name)()
    except ActuatorError:
        raise
    except Exception as exc:
        # Pin libraries raise anything from ImportError to bare Exception when there is no GPIO.
        raise ActuatorError(
            f"pins.factory {name} does not work here ({exc}); on a Raspberry Pi install {name} and join group gpio, "
            "elsewhere set pins.factory: mock"
        ) from exc


def is_simulated(factory: PinFactory) -> bool:
    """True for gpiozero's simulated pins, which nothing is wired to."""
    from gpiozero.pins.mock import MockFactory

    return isinstance(factory, MockFactory)


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
