"""The configuration: frozen, strict, every field with its unit, its bounds and a reason to exist.

A value stands in exactly one place; the defaults are the packaged default configuration: a simulated
tray and simulated pins. Nothing falls back from hardware to a simulation.
"""

from edge.config.base import FailSafeSwitchConfig, SwitchConfig
from edge.config.camera import CameraConfig
from edge.config.capture import CaptureConfig
from edge.config.devices import (
    BeamFillConfig,
    BinsConfig,
    BuzzerConfig,
    DropSensorConfig,
    FillSensorConfig,
    LampConfig,
    PanelConfig,
    PinsConfig,
    UltrasonicFillConfig,
)
from edge.config.gates import (
    CarouselConfig,
    ConveyorConfig,
    GateConfig,
    ServoConfig,
    ServoFlapConfig,
    SolenoidConfig,
    TwoServosConfig,
)
from edge.config.health import HealthConfig
from edge.config.sorting import (
    LedgerConfig,
    ModelConfig,
    PresenceConfig,
    RearmConfig,
    SettleConfig,
    SourceConfig,
    VoteConfig,
)
from edge.config.whole import Config, json_schema
from edge.config.wiring import PinUse

__all__ = [
    "BeamFillConfig",
    "BinsConfig",
    "BuzzerConfig",
    "CameraConfig",
    "CaptureConfig",
    "CarouselConfig",
    "Config",
    "ConveyorConfig",
    "DropSensorConfig",
    "FailSafeSwitchConfig",
    "FillSensorConfig",
    "GateConfig",
    "HealthConfig",
    "LampConfig",
    "LedgerConfig",
    "ModelConfig",
    "PanelConfig",
    "PinUse",
    "PinsConfig",
    "PresenceConfig",
    "RearmConfig",
    "ServoConfig",
    "ServoFlapConfig",
    "SettleConfig",
    "SolenoidConfig",
    "SourceConfig",
    "SwitchConfig",
    "TwoServosConfig",
    "UltrasonicFillConfig",
    "VoteConfig",
    "json_schema",
]
