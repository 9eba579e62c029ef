"""Gates with other motors: a carousel on a stepper, solenoids, a belt."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from edge.config.base import Pin, SwitchConfig
from edge.config.gate_base import AngledGate, DoorFields, GateSection, ServoConfig, refuse_bins

__all__ = ["CarouselConfig", "ConveyorConfig", "SolenoidConfig"]

MAX_STEPS_S = 3200
"""Steps are given out a hundred times a second, those that are due back to back: 32 of them are two full steps at a
sixteenth, about as far as a rotor follows at once."""


class CarouselConfig(AngledGate, DoorFields):
    """Bins on a turntable that a stepper turns under the chute; a home switch tells where it stands."""

    kind: Literal["carousel"]
    home_switch: SwitchConfig = Field(description="switch that is actuated at 0 degrees")
    step_pin: Pin = Field(description="STEP input of the stepper driver")
    direction_pin: Pin = Field(description="DIR input of the stepper driver")
    enable_pin: Pin = Field(description="ENABLE input of the stepper driver: it takes the power off the motor")
    enable_active_high: bool = Field(False, description="true if the driver is enabled by a high level")
    steps_per_turn: int = Field(
        1600, ge=4, le=200_000, description="steps of one turn of the carousel, microsteps and gear counted"
    )
    max_speed_deg_s: float = Field(90.0, gt=0, le=720, description="speed between its ramps")
    acceleration_deg_s2: float = Field(180.0, gt=0, le=10_000, description="of both ramps")
    search_speed_deg_s: float = Field(45.0, gt=0, le=360, description="speed at which the home switch is looked for")
    tolerance_deg: float = Field(
        5.0,
        gt=0,
        le=45,
        description="the home switch must be met so near to where it is expected; else steps were lost",
    )
    bins_deg: Mapping[str, float] = Field(description="angle of the carousel for each bin, from the home switch")
    door: ServoConfig | None = Field(
        None, description="servo that lets the item fall; null: the carousel opens the way"
    )
    hold_s: float = Field(0.8, ge=0, le=30, description="how long the way stays open")
    settle_s: float = Field(0.2, ge=0, le=10, description="rest after a turn before anything else moves")

    @model_validator(mode="after")
    def _angles_within_reach(self) -> Self:
        for name, angle_deg in self.bins_deg.items():
            if not 0 <= angle_deg < 360:
                raise ValueError(
                    f"bins_deg.{name} is {angle_deg:g}, expected 0 to less than 360 degrees from the switch"
                )
        speed_deg_s = max(self.max_speed_deg_s, self.search_speed_deg_s)
        steps_s = self.steps_per_turn * speed_deg_s / 360.0
        if steps_s > MAX_STEPS_S:
            raise ValueError(
                f"steps_per_turn makes {steps_s:.0f} steps a second at {speed_deg_s:g} degrees a second, above "
                f"{MAX_STEPS_S}; take coarser microsteps, or turn slower"
            )
        if self.door is None and 0.0 in self.bins_deg.values():
            raise ValueError(
                "bins_deg has a bin at 0 degrees, where the carousel parks; without a door it is always open"
            )
        if self.door is not None:
            self.refuse_door(self.door)
        return self

    @property
    def slowest_home_s(self) -> float:
        door_s = 0.0 if self.door is None else self.door.sweep_s() + self.door.settle_s
        return door_s + 2 * (400.0 / self.search_speed_deg_s + self.settle_s)

    def servo_pins(self) -> dict[str, int]:
        return {} if self.door is None else {"door.pin": self.door.pin}

    def output_pins(self) -> dict[str, int]:
        return {"step_pin": self.step_pin, "direction_pin": self.direction_pin, "enable_pin": self.enable_pin}


class SolenoidConfig(GateSection):
    """Solenoids or relays, one a bin, that a spring brings home. At most one is on at a time, and never for long."""

    kind: Literal["solenoid"]
    bin_pins: Mapping[str, Pin | None] = Field(
        description="pin of each bin's coil; null for the bin that the springs lead to, one at most"
    )
    active_high: bool = Field(True, description="true if a high level switches a coil on")
    hold_s: float = Field(0.8, gt=0, le=30, description="how long a coil stays on, and the way open")
    max_on_s: float = Field(
        2.0, gt=0, le=60, description="a coil goes off after so long whatever happens: it would burn"
    )
    rest_s: float = Field(0.5, ge=0, le=600, description="pause after a coil was on, so that it cools")

    @model_validator(mode="after")
    def _coils(self) -> Self:
        refuse_bins("bin_pins", self.bin_pins)
        pins = list(self.bin_pins.values())
        if pins.count(None) > 1:
            raise ValueError("bin_pins leaves two bins without a pin; the springs lead to one")
        if pins.count(None) == len(pins):
            raise ValueError("bin_pins names no pin; a gate without a coil sorts nothing")
        if self.hold_s > self.max_on_s:
            raise ValueError(f"hold_s is {self.hold_s:g}, above max_on_s ({self.max_on_s:g})")
        return self

    @property
    def bins(self) -> tuple[str, ...]:
        return tuple(self.bin_pins)

    @property
    def slowest_home_s(self) -> float:
        return self.rest_s

    def output_pins(self) -> dict[str, int]:
        return {f"bin_pins.{name}": pin for name, pin in self.bin_pins.items() if pin is not None}


class ConveyorConfig(AngledGate):
    """A belt that carries the item to a diverter; the diverter turns first, then the belt runs."""

    kind: Literal["conveyor"]
    belt_pin: Pin = Field(description="input of the belt's motor driver or relay")
    belt_active_high: bool = Field(True, description="true if a high level runs the belt")
    belt_pwm_hz: int | None = Field(
        None,
        ge=10,
        le=10_000,
        description="frequency by which the belt's speed is ramped; null: on and off, as a relay",
    )
    belt_ramp_s: float = Field(0.5, ge=0, le=10, description="from rest to full speed, and back, where there is PWM")
    run_s: float = Field(2.0, gt=0, le=60, description="how long the belt runs to carry an item off its end")
    max_run_s: float = Field(6.0, gt=0, le=120, description="the belt stops after so long whatever happens")
    exit_sensor: SwitchConfig | None = Field(
        None, description="sensor at the belt's end: the belt stops once an item has passed; none in max_run_s is a jam"
    )
    turn_sensor: SwitchConfig | None = Field(
        None, description="sensor that pulses while the belt turns; no pulse for stall_s is a stall"
    )
    stall_s: float = Field(0.7, gt=0, le=10, description="a running belt must pulse at least so often")
    diverter: ServoConfig = Field(description="servo that leads the item to its bin")
    diverter_home_deg: float = Field(90.0, description="parked position of the diverter")
    bins_deg: Mapping[str, float] = Field(description="angle of the diverter for each bin")

    @model_validator(mode="after")
    def _angles_within_reach(self) -> Self:
        self.diverter.refuse_beyond({"diverter_home_deg": self.diverter_home_deg, **self.bins_deg})
        if self.belt_pwm_hz is not None and not self.belt_active_high:
            raise ValueError(
                "belt_pwm_hz needs belt_active_high: true: PWM begins low, and the belt would twitch at each start"
            )
        if self.run_s + 2 * self._ramp_s() > self.max_run_s:
            raise ValueError(f"run_s with its ramps is above max_run_s ({self.max_run_s:g})")
        return self

    @property
    def slowest_home_s(self) -> float:
        return self._ramp_s() + self.diverter.sweep_s() + self.diverter.settle_s

    def servo_pins(self) -> dict[str, int]:
        return {"diverter.pin": self.diverter.pin}

    def output_pins(self) -> dict[str, int]:
        return {"belt_pin": self.belt_pin}

    def switches(self) -> dict[str, SwitchConfig]:
        own = {"exit_sensor": self.exit_sensor, "turn_sensor": self.turn_sensor}
        return super().switches() | {key: switch for key, switch in own.items() if switch is not None}

    def _ramp_s(self) -> float:
        return 0.0 if self.belt_pwm_hz is None else self.belt_ramp_s
