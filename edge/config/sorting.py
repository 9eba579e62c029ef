"""What the sorter sees, how it decides, and where it writes down."""

from typing import Literal, Self

from pydantic import Field, model_validator

from edge.config.base import Section, SwitchConfig
from edge.config.camera import CameraConfig

__all__ = [
    "NEEDS_ARGUMENT",
    "SOURCE_FORMS",
    "LedgerConfig",
    "ModelConfig",
    "PresenceConfig",
    "RearmConfig",
    "SettleConfig",
    "SourceConfig",
    "VoteConfig",
]

SOURCE_FORMS = "sim[:SEED], video:PATH, images:DIR, picamera2[:INDEX] or v4l2:DEVICE"
NEEDS_ARGUMENT = {"sim": False, "video": True, "images": True, "picamera2": False, "v4l2": True}
"""Kinds of sources, and whether one needs something after the colon."""


class SourceConfig(Section):
    """Where frames come from."""

    spec: str = Field("sim", description=SOURCE_FORMS)
    width_px: int = Field(640, ge=64, le=4096, description="frame width asked of a camera")
    height_px: int = Field(480, ge=64, le=4096, description="frame height asked of a camera")
    fps: float = Field(20.0, ge=1, le=120, description="frames per second of the simulation, or asked of a camera")
    max_age_s: float = Field(0.5, ge=0.05, le=10, description="a camera frame older than this is stale: an error")
    frozen_s: float = Field(
        1.2,
        ge=0.2,
        le=60,
        description="a camera that repeats the same picture bit for bit for so long is frozen",
    )
    sim_items: int = Field(20, ge=1, le=100_000_000, description="items that the simulation sends")
    image_s: float = Field(2.5, ge=0.2, le=600, description="how long images:DIR shows each picture, in seconds")

    camera: CameraConfig = Field(
        default_factory=CameraConfig, description="how a camera looks at the tray: part of the picture, locks"
    )

    @model_validator(mode="after")
    def _known_kind(self) -> Self:
        kind, _, argument = self.spec.partition(":")
        if kind not in NEEDS_ARGUMENT or (NEEDS_ARGUMENT[kind] and not argument):
            raise ValueError(f"spec is {self.spec!r}, expected {SOURCE_FORMS}")
        return self

    @model_validator(mode="after")
    def _locks_fit(self) -> Self:
        kind, camera = self.spec.partition(":")[0], self.camera
        if camera.exposure_us is not None and camera.exposure_us > 1e6 / self.fps:
            raise ValueError(
                f"camera.exposure_us is {camera.exposure_us}, longer than a frame at {self.fps:g} frames/s "
                f"({1e6 / self.fps:.0f} us); expose shorter, or lower fps"
            )
        if kind == "v4l2" and camera.white_balance is not None:
            raise ValueError("camera.white_balance is for picamera2; v4l2 cameras take camera.white_balance_k")
        if kind == "picamera2" and camera.white_balance_k is not None:
            raise ValueError(
                "camera.white_balance_k is for v4l2; picamera2 takes camera.white_balance, gains [red, blue]"
            )
        return self


class PresenceConfig(Section):
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
    beam: SwitchConfig | None = Field(
        None,
        description="light beam across the tray, which then tells whether something lies there; pictures tell motion",
    )

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.empty_cover > self.occupied_cover:
            raise ValueError("empty_cover must not be above occupied_cover")
        if self.moving_share > self.disturbed_share:
            raise ValueError("moving_share must not be above disturbed_share")
        return self


class SettleConfig(Section):
    """When an item has come to rest."""

    quiet_s: float = Field(0.15, ge=0, le=5, description="no motion for so long is rest")
    max_s: float = Field(
        1.0,
        ge=0.1,
        le=30,
        description="slight motion (a wobble, a flapping bag) is taken for rest after so long",
    )


class VoteConfig(Section):
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
    deadline_s: float = Field(
        1.5, gt=0, le=8, description="longest time from rest to decision; the service's watchdog waits 10 s"
    )
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


class RearmConfig(Section):
    """When the tray is ready for the next item."""

    empty_s: float = Field(0.5, ge=0, le=60, description="the tray must have been empty for so long")
    min_frames: int = Field(5, ge=1, le=1000, description="and in so many frames one after the other")
    clear_timeout_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="an item still there so long after the gate is home is a fault (tray_blocked)",
    )
    jam_pause_s: float = Field(
        3.0, ge=0, le=600, description="a gate that jammed is left alone for so long before it is tried again"
    )
    max_recoveries: int = Field(
        3,
        ge=0,
        le=100,
        description="faults in a row that may recover by themselves; one more stops the program",
    )


class ModelConfig(Section):
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


class LedgerConfig(Section):
    """Where events are written down for good."""

    path: str | None = Field(None, description="SQLite file; null: ledger.db in the user's state folder")
    rotate_mb: float | None = Field(
        16.0,
        ge=1,
        le=100_000,
        description="a file of so many megabytes goes to archive/ beside it, and a new one goes on; null: never",
    )
    when_damaged: Literal["set_aside", "stop"] = Field(
        "set_aside",
        description="a damaged or lost book, found at the start: set_aside keeps what is left of it in damaged/ and "
        "begins a new one, loudly, but only with run --unattended (without it the start is refused); stop refuses to "
        "start",
    )
    when_unwritable: Literal["stop", "sort"] = Field(
        "stop",
        description="while nothing can be written down: stop holds the gate until it can; sort goes on, and credits "
        "nothing",
    )
    reserve_mb: float = Field(
        16.0, ge=0, le=10_000, description="room on the disk that is kept for the book, given up when the disk is full"
    )
