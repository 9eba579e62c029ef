"""The whole configuration, and the rules that reach over its sections."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from edge.config.base import Section
from edge.config.capture import CaptureConfig
from edge.config.devices import BinsConfig, DropSensorConfig, PanelConfig, PinsConfig
from edge.config.gates import GateConfig, ServoFlapConfig
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
from edge.config.wiring import PinUse, pin_uses, refuse_conflicts, refuse_software_only, refuse_started_motors

__all__ = ["Config", "json_schema"]


class Config(Section):
    """The whole configuration."""

    source: SourceConfig = Field(default_factory=SourceConfig)
    presence: PresenceConfig = Field(default_factory=PresenceConfig)
    settle: SettleConfig = Field(default_factory=SettleConfig)
    vote: VoteConfig = Field(default_factory=VoteConfig)
    rearm: RearmConfig = Field(default_factory=RearmConfig)
    routes: Mapping[str, str] = Field(
        default_factory=lambda: {
            "cardboard": "recyclable",
            "glass": "recyclable",
            "metal": "recyclable",
            "paper": "recyclable",
            "plastic": "recyclable",
            "trash": "residue",
        },
        description="bin of each label of the model",
    )
    uncertain_route: str = Field("residue", description="bin of an item that the votes do not agree on")
    gate: GateConfig = Field(default_factory=ServoFlapConfig)
    drop_sensor: DropSensorConfig = Field(default_factory=DropSensorConfig)
    bins: BinsConfig = Field(default_factory=BinsConfig)
    panel: PanelConfig = Field(default_factory=PanelConfig)
    pins: PinsConfig = Field(default_factory=PinsConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    ledger: LedgerConfig = Field(default_factory=LedgerConfig)
    capture: CaptureConfig = Field(default_factory=CaptureConfig)
    health: HealthConfig = Field(default_factory=HealthConfig)

    @model_validator(mode="after")
    def _routes_lead_to_bins(self) -> Self:
        for name in (*self.gate.bins, *self.routes):
            if not name.isprintable() or len(name) > 64:
                raise ValueError(f"routes: {name[:64]!a} names no label or bin; take 64 visible characters at most")
        bins = ", ".join(self.gate.bins)
        for label, route in self.routes.items():
            if route not in self.gate.bins:
                raise ValueError(f"routes.{label} is {route!r}, which is no bin of gate.{self.bins_key} ({bins})")
        if self.settle.quiet_s >= self.vote.deadline_s:
            raise ValueError(
                f"vote.deadline_s is {self.vote.deadline_s:g}, not above settle.quiet_s ({self.settle.quiet_s:g}): "
                "it counts from rest, and no frame could vote in time"
            )
        if self.uncertain_route not in self.gate.bins:
            raise ValueError(
                f"uncertain_route is {self.uncertain_route!r}, which is no bin of gate.{self.bins_key} ({bins})"
            )
        run_s = self.gate.run_s if self.gate.kind == "conveyor" else 0.0
        if self.drop_sensor.kind != "none" and self.drop_sensor.timeout_s < run_s:
            raise ValueError(
                f"drop_sensor.timeout_s is {self.drop_sensor.timeout_s:g}, below gate.run_s ({run_s:g}): it counts "
                "from the start of the belt, which carries the item so long"
            )
        for name in self.bins.sensors:
            if name not in self.gate.bins:
                raise ValueError(f"bins.sensors.{name} names no bin of gate.{self.bins_key} ({bins})")
        return self

    @model_validator(mode="after")
    def _wires_fit(self) -> Self:
        refuse_conflicts(self.pin_uses())
        refuse_started_motors(self.pin_uses())
        if self.pins.pwm == "hardware":
            refuse_software_only(self.pin_uses())
        return self

    @property
    def bins_key(self) -> str:
        """The key of the gate's section that names the bins."""
        return "bin_pins" if self.gate.kind == "solenoid" else "bins_deg"

    @property
    def bin_names(self) -> tuple[str, ...]:
        """Names of the bins, in the order of the config."""
        return self.gate.bins

    def pin_uses(self) -> tuple[PinUse, ...]:
        """Every wire of the configuration."""
        return pin_uses(self.gate, self.drop_sensor, self.presence.beam, self.bins, self.panel)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the configuration, for editors and for `config schema`."""
    return Config.model_json_schema()
