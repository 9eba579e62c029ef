"""How a camera looks at the tray."""

from typing import Literal

from pydantic import Field, field_validator

from edge.config.base import Section

__all__ = ["CameraConfig"]


class CameraConfig(Section):
    """How a camera looks at the tray; what is null is left to the camera's own automatic."""

    rotation_deg: Literal[0, 90, 180, 270] = Field(0, description="by how much the picture is turned clockwise")
    roi_xywh: tuple[float, float, float, float] | None = Field(
        None,
        description="region of interest [x, y, width, height] as shares, 0 to 1, of the turned picture; null: all",
    )
    exposure_us: int | None = Field(None, ge=10, le=1_000_000, description="exposure time that is kept")
    gain: float | None = Field(None, ge=0, le=1000, description="gain that is kept; v4l2: in the driver's own units")
    white_balance: tuple[float, float] | None = Field(
        None, description="gains [red, blue] that are kept; picamera2 only"
    )
    white_balance_k: int | None = Field(
        None, ge=1000, le=15000, description="colour temperature that is kept, in kelvin; v4l2 only"
    )
    focus_dioptres: float | None = Field(
        None, ge=0, le=50, description="focus that is kept, 1 / distance in metres; v4l2: in the driver's own units"
    )

    @field_validator("roi_xywh", "white_balance", mode="before")
    @classmethod
    def _list_of_numbers(cls, value: object) -> object:
        # YAML has lists, and writes whole numbers without a point.
        if not isinstance(value, list | tuple):
            return value
        return tuple(float(part) if type(part) is int else part for part in value)

    @field_validator("roi_xywh")
    @classmethod
    def _inside(cls, value: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if value is not None:
            x, y, width, height = value
            if min(x, y) < 0 or min(width, height) < 0.05 or x + width > 1.000001 or y + height > 1.000001:
                raise ValueError("must lie within the picture: x + width and y + height at most 1, sides at least 0.05")
        return value

    @field_validator("white_balance")
    @classmethod
    def _plausible_gains(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not all(0 < gain <= 32 for gain in value):
            raise ValueError("gains must be above 0 and at most 32")
        return value
