"""The gates: one section a mechanism, told apart by `kind`."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from edge.config.gate_base import ServoConfig
from edge.config.motor_gates import CarouselConfig, ConveyorConfig, SolenoidConfig
from edge.config.servo_gates import ServoFlapConfig, TwoServosConfig

__all__ = [
    "CarouselConfig",
    "ConveyorConfig",
    "GateConfig",
    "ServoConfig",
    "ServoFlapConfig",
    "SolenoidConfig",
    "TwoServosConfig",
]


_KINDS = {
    "servo_flap": ServoFlapConfig,
    "two_servos": TwoServosConfig,
    "carousel": CarouselConfig,
    "solenoid": SolenoidConfig,
    "conveyor": ConveyorConfig,
}


def _kind(value: Any) -> str | None:
    if isinstance(value, Mapping):
        kind = value.get("kind", "servo_flap")
        return kind if isinstance(kind, str) and kind in _KINDS else None
    # What is no section at all is told so by the first of them.
    return str(getattr(value, "kind", "servo_flap"))


GateConfig = Annotated[
    Annotated[ServoFlapConfig, Tag("servo_flap")]
    | Annotated[TwoServosConfig, Tag("two_servos")]
    | Annotated[CarouselConfig, Tag("carousel")]
    | Annotated[SolenoidConfig, Tag("solenoid")]
    | Annotated[ConveyorConfig, Tag("conveyor")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message=f"kind must be one of {', '.join(_KINDS)}",
    ),
]
"""Any gate; a section without `kind` is a servo flap."""
