"""What a machine that nobody visits does about its own troubles."""

from typing import Self

from pydantic import Field, model_validator

from edge.config.base import Section

__all__ = ["HealthConfig"]


class HealthConfig(Section):
    """Restarts, supply and heat; all of it for `run --unattended`."""

    stable_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="a run that lasted so long counts as sound: failed starts are forgotten, and its configuration and "
        "model are kept as the last good ones",
    )
    undervoltage_hold: bool = Field(True, description="no motion begins while the supply's voltage is too low")
    hot_c: float = Field(80.0, ge=40, le=110, description="a processor that is so warm is hot: fewer frames are taken")
    cool_c: float = Field(72.0, ge=30, le=105, description="and no longer hot once it is so cool")
    hot_fps: float = Field(10.0, ge=1, le=120, description="frames a second that are taken while it is hot")

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.cool_c >= self.hot_c:
            raise ValueError(f"cool_c is {self.cool_c:g}, not below hot_c ({self.hot_c:g}); lower it")
        return self
