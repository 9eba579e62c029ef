"""The configuration: frozen, strict, every field with its unit, its bounds and a reason to exist.

A value stands in exactly one place; the defaults below are the packaged default configuration: a simulated
tray and simulated pins. Nothing falls back from hardware to a simulation.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Config",
    "DropSensorConfig",
    "GateConfig",
    "LedgerConfig",
    "ModelConfig",
    "PinsConfig",
    "PresenceConfig",
    "RearmConfig",
    "SettleConfig",
    "SourceConfig",
    "VoteConfig",
    "json_schema",
]

SERVO_BCM_PINS = 28
"""GPIO0 to GPIO27 are on the 40-pin header of every Raspberry Pi that runs this."""


SOURCE_KINDS = {"sim": False, "video": True, "images": True, "v4l2": True}
"""Kinds of sources, and whether one needs something after the colon."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SourceConfig(_Section):
    """Where frames come from."""

    spec: str = Field("sim", description="sim[:SEED], video:PATH, images:DIR or v4l2:DEVICE")
    width_px: int = Field(640, ge=64, le=4096, description="frame width asked of a camera")
    height_px: int = Field(480, ge=64, le=4096, description="frame height asked of a camera")
    fps: float = Field(20.0, ge=1, le=120, description="frames per second of the simulation, or asked of a camera")
    max_age_s: float = Field(0.5, ge=0.05, le=10, description="a camera frame older than this is stale: an error")
    frozen_s: float = Field(
        2.0,
        ge=0.2,
        le=60,
        description="a camera that repeats the same picture bit for bit for so long is frozen",
    )
    sim_items: int = Field(20, ge=1, le=100_000_000, description="items that the simulation sends")
    image_s: float = Field(2.5, ge=0.2, le=600, description="how long images:DIR shows each picture, in seconds")

    @model_validator(mode="after")
    def _known_kind(self) -> Self:
        kind, _, argument = self.spec.partition(":")
        if kind not in SOURCE_KINDS or (SOURCE_KINDS[kind] and not argument):
            raise ValueError(f"spec is {self.spec!r}, expected sim[:SEED], video:PATH, images:DIR or v4l2:DEVICE")
        return self


class PresenceConfig(_Section):
    """When the tray counts as occupied, and when as moving."""

    contrast: float = Field(
        4.0,
        ge=1,
        le=64,
        description="local contrast, in grey levels of 255, by which a place must differ from the empty tray",
    )
    occupied_cover: float = Field(
        0.02, gt=0, lt=1, description="share of the tray that must differ for it to count as occupied"
    )
    empty_cover: float = Field(0.015, gt=0, lt=1, description="share of the tray below which it counts as empty again")
    moving_share: float = Field(
        0.012, gt=0, lt=1, description="share of the tray that must change between frames to count as moving"
    )
    disturbed_share: float = Field(
        0.03,
        gt=0,
        lt=1,
        description="share of the tray whose change is no wobble: something slides, or a hand is at work",
    )
    dark_level: float = Field(16.0, ge=0, le=255, description="mean grey level below which nothing can be said")
    learn_s: float = Field(
        5.0,
        gt=0,
        le=3600,
        description="time constant with which the empty tray's picture follows what is seen",
    )

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.empty_cover > self.occupied_cover:
            raise ValueError("empty_cover must not be above occupied_cover")
        if self.moving_share > self.disturbed_share:
            raise ValueError("moving_share must not be above disturbed_share")
        return self


class SettleConfig(_Section):
    """When an item has come to rest."""

    quiet_s: float = Field(0.15, ge=0, le=5, description="no motion for so long is rest")
    max_s: float = Field(
        1.0,
        ge=0.1,
        le=30,
        description="slight motion (a wobble, a flapping bag) is taken for rest after so long",
    )


class VoteConfig(_Section):
    """How frames become a decision."""

    max_frames: int = Field(
        50, ge=1, le=1000, description="frames that may vote; an easy item needs min_frames, a hard one more"
    )
    min_frames: int = Field(
        2,
        ge=1,
        le=50,
        description="frames that must agree on the route; at least three for a bundle that knows no noise of frames",
    )
    agreement: float = Field(0.6, gt=0.5, le=1, description="share of the votes that must agree on the route")
    deadline_s: float = Field(1.5, gt=0, le=30, description="longest time from rest to decision")
    min_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="mean probability of the route; null takes the bundle's calibrated threshold",
    )
    min_margin: float | None = Field(
        None, ge=0, le=1, description="lead over the next route; null takes the bundle's calibrated threshold"
    )
    min_energy: float | None = Field(
        None,
        ge=-1000,
        le=1000,
        description="mean energy below which an item is rejected as nothing known; null takes the bundle's calibrated "
        "threshold, -1000 rejects nothing",
    )

    @model_validator(mode="after")
    def _enough_frames(self) -> Self:
        if self.min_frames > self.max_frames:
            raise ValueError("min_frames must not be above max_frames")
        return self


class RearmConfig(_Section):
    """When the tray is ready for the next item."""

    empty_s: float = Field(0.5, ge=0, le=60, description="the tray must have been empty for so long")
    min_frames: int = Field(5, ge=1, le=1000, description="and in so many frames one after the other")
    clear_timeout_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="an item still there so long after the gate is home is a fault (tray_blocked)",
    )
    max_recoveries: int = Field(
        3,
        ge=0,
        le=100,
        description="faults in a row that may recover by themselves; one more stops the program",
    )


class GateConfig(_Section):
    """The servo flap. If power fails in mid-swing the flap stays where it is until the next start homes it."""

    kind: Literal["servo_flap"] = "servo_flap"
    servo_pin: int = Field(18, ge=0, lt=SERVO_BCM_PINS, description="BCM number of the servo's signal pin")
    min_angle_deg: float = Field(0.0, ge=-360, le=360, description="angle at the shortest pulse")
    max_angle_deg: float = Field(180.0, ge=-360, le=360, description="angle at the longest pulse")
    min_pulse_us: float = Field(500.0, ge=100, le=3000, description="shortest pulse of the servo")
    max_pulse_us: float = Field(2500.0, ge=100, le=3000, description="longest pulse of the servo")
    home_deg: float = Field(90.0, description="parked position")
    bins_deg: Mapping[str, float] = Field(
        default_factory=lambda: {"recyclable": 140.0, "residue": 40.0},
        description="angle that opens the way to each bin",
    )
    step_deg: float = Field(2.0, gt=0, le=180, description="degrees a step of the ramp; inrush browns the Pi out")
    step_s: float = Field(0.01, ge=0.01, le=1, description="duration of one step of the ramp")
    hold_s: float = Field(0.8, ge=0, le=30, description="how long the flap stays open")
    settle_s: float = Field(0.25, ge=0, le=10, description="rest at home before the servo is detached")

    @model_validator(mode="after")
    def _angles_within_reach(self) -> Self:
        if self.min_angle_deg >= self.max_angle_deg:
            raise ValueError("min_angle_deg must be below max_angle_deg")
        if self.min_pulse_us >= self.max_pulse_us:
            raise ValueError("min_pulse_us must be below max_pulse_us")
        if not self.bins_deg:
            raise ValueError("bins_deg names no bin")
        if "home" in self.bins_deg:
            raise ValueError("bins_deg names a bin 'home', which is the gate's own word for its parked position")
        angles = [self.home_deg, *self.bins_deg.values()]
        if len(set(angles)) < len(angles):
            raise ValueError("bins_deg and home_deg share an angle; a flap that stands still sorts nothing")
        for name, angle_deg in {"home_deg": self.home_deg, **self.bins_deg}.items():
            if not self.min_angle_deg <= angle_deg <= self.max_angle_deg:
                raise ValueError(
                    f"{name} is {angle_deg:g}, outside {self.min_angle_deg:g} to {self.max_angle_deg:g} degrees; "
                    "mend it, or min_angle_deg and max_angle_deg"
                )
        return self


class DropSensorConfig(_Section):
    """Confirms that the item fell. Without one, `confirmed` is null in every event."""

    kind: Literal["none", "beam"] = "none"
    pin: int = Field(23, ge=0, lt=SERVO_BCM_PINS, description="BCM number of the beam sensor's signal pin")
    active_high: bool = Field(False, description="true if the signal is high while the beam is broken")
    timeout_s: float = Field(2.0, gt=0, le=30, description="a drop must be seen so long after the gate began to open")
    retries: int = Field(
        1, ge=0, le=5, description="times the gate opens again before it is a fault (drop_unconfirmed)"
    )


class PinsConfig(_Section):
    """What drives the pins. `mock` is gpiozero's own simulation; nothing falls back to it."""

    factory: Literal["mock", "lgpio", "rpigpio", "pigpio"] = Field(
        "mock", description="gpiozero pin factory; lgpio on a Raspberry Pi, mock without one"
    )


class ModelConfig(_Section):
    """Which model, and how it is run."""

    path: str | None = Field(None, description="folder of the bundle; null takes the one that ships with the program")
    runtime: Literal["auto", "litert", "tflite_runtime"] = Field("auto", description="auto: LiteRT where installed")
    threads: int | None = Field(
        None,
        ge=1,
        le=64,
        description="processor threads of one inference; null: found by a short measurement at the first start, and "
        "remembered for this machine",
    )


class LedgerConfig(_Section):
    """Where events are written down for good."""

    path: str | None = Field(None, description="SQLite file; null: ledger.db in the user's state folder")


class Config(_Section):
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
    gate: GateConfig = Field(default_factory=GateConfig)
    drop_sensor: DropSensorConfig = Field(default_factory=DropSensorConfig)
    pins: PinsConfig = Field(default_factory=PinsConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    ledger: LedgerConfig = Field(default_factory=LedgerConfig)

    @model_validator(mode="after")
    def _routes_lead_to_bins(self) -> Self:
        bins = ", ".join(self.gate.bins_deg)
        for label, route in self.routes.items():
            if route not in self.gate.bins_deg:
                raise ValueError(f"routes.{label} is {route!r}, which is no bin of gate.bins_deg ({bins})")
        if self.settle.quiet_s >= self.vote.deadline_s:
            raise ValueError(
                f"vote.deadline_s is {self.vote.deadline_s:g}, not above settle.quiet_s ({self.settle.quiet_s:g}): "
                "it counts from rest, and no frame could vote in time"
            )
        if self.uncertain_route not in self.gate.bins_deg:
            raise ValueError(f"uncertain_route is {self.uncertain_route!r}, which is no bin of gate.bins_deg ({bins})")
        if self.drop_sensor.kind != "none" and self.drop_sensor.pin == self.gate.servo_pin:
            raise ValueError(
                f"gate.servo_pin and drop_sensor.pin are both GPIO{self.gate.servo_pin}; give each device its own pin"
            )
        return self

    @property
    def bins(self) -> tuple[str, ...]:
        """Names of the bins, in the order of the config."""
        return tuple(self.gate.bins_deg)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the configuration, for editors and for `config schema`."""
    return Config.model_json_schema()
