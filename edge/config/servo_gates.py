"""Gates that servos move by themselves: a flap, or a diverter with a door."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from edge.config.base import Pin
from edge.config.durations import FRAME_S, in_ticks
from edge.config.gate_base import AngledGate, DoorFields, ServoConfig, ServoFields

__all__ = ["ServoFlapConfig", "TwoServosConfig"]


class ServoFlapConfig(AngledGate, ServoFields):
    """The servo flap. If power fails in mid-swing the flap stays where it is until the next start homes it."""

    kind: Literal["servo_flap"] = "servo_flap"
    servo_pin: Pin = Field(18, description="the servo's signal pin, a BCM number or a header pin such as J8:12")
    home_deg: float = Field(90.0, description="parked position")
    bins_deg: Mapping[str, float] = Field(
        default_factory=lambda: {"recyclable": 140.0, "residue": 40.0},
        description="angle that opens the way to each bin",
    )
    hold_s: float = Field(0.8, ge=0, le=30, description="how long the flap stays open")

    @model_validator(mode="after")
    def _angles_within_reach(self) -> Self:
        angles = [self.home_deg, *self.bins_deg.values()]
        if len(set(angles)) < len(angles):
            raise ValueError("bins_deg and home_deg share an angle; a flap that stands still sorts nothing")
        self.refuse_beyond({"home_deg": self.home_deg, **self.bins_deg})
        self.refuse_slow_home()
        return self

    @property
    def servo(self) -> ServoConfig:
        """The servo by itself."""
        return ServoConfig(pin=self.servo_pin, **{name: getattr(self, name) for name in ServoFields.model_fields})

    @property
    def slowest_home_s(self) -> float:
        return self.turn_s(self.home_deg, *self.bins_deg.values()) + self._switch_s()

    @property
    def slowest_way_s(self) -> float:
        return self.ramp_s(self.home_deg, *self.bins_deg.values()) + self._switch_s()

    def servo_pins(self) -> dict[str, int]:
        return {"servo_pin": self.servo_pin}


class TwoServosConfig(AngledGate, DoorFields):
    """A diverter that turns to the bin, and a door that lets the item fall; one of them moves at a time."""

    kind: Literal["two_servos"]
    diverter: ServoConfig = Field(description="servo that turns the chute")
    door: ServoConfig = Field(description="servo that opens the way down")
    diverter_home_deg: float = Field(90.0, description="parked position of the diverter")
    bins_deg: Mapping[str, float] = Field(description="angle of the diverter for each bin")
    hold_s: float = Field(0.8, ge=0, le=30, description="how long the door stays open")

    @model_validator(mode="after")
    def _angles_within_reach(self) -> Self:
        self.diverter.refuse_beyond({"diverter_home_deg": self.diverter_home_deg, **self.bins_deg})
        self.refuse_door(self.door)
        self.refuse_slow_home()
        return self

    @property
    def slowest_home_s(self) -> float:
        return self._turns_s() + self._switch_s()

    @property
    def slowest_way_s(self) -> float:
        return self._turns_s() + self.door.ramp_s(self.door_closed_deg, self.door_open_deg) + self._switch_s()

    def servo_pins(self) -> dict[str, int]:
        return {"diverter.pin": self.diverter.pin, "door.pin": self.door.pin}

    def _turns_s(self) -> float:
        """The diverter is let go, the door closes, the diverter turns."""
        door_s = self.door.turn_s(self.door_closed_deg, self.door_open_deg)
        return in_ticks(FRAME_S) + door_s + self.diverter.turn_s(self.diverter_home_deg, *self.bins_deg.values())
