"""Gates with other motors: a carousel on a stepper, solenoids, a belt."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from edge.clock import TICK_S
from edge.config.base import Pin, SwitchConfig
from edge.config.durations import Trapezoid, in_ticks, seek_s
from edge.config.gate_base import TIMER_SLACK_S, AngledGate, DoorFields, GateSection, ServoConfig, refuse_bins

__all__ = ["RELEASE_DEG", "SEARCH_DEG", "CarouselConfig", "ConveyorConfig", "SolenoidConfig"]

SEARCH_DEG = 396.0
"""Longest way to the home switch of a carousel that knows nothing: a full turn and a tenth."""
RELEASE_DEG = 180.0
"""Longest way off the home switch."""
BURST_FULL_STEPS = 2
"""Steps that are due at a tick are given out back to back: about as far as a rotor follows at once."""
MAX_STEPS_S = 3200
"""The loop gives them out by itself, and has more to do."""


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
    microsteps: Literal[1, 2, 4, 8, 16, 32, 64, 128, 256] = Field(
        8,
        description="microsteps of a full step, as the driver is set: what is due in 10 ms is given out back to back, "
        "two full steps at most",
    )
    max_speed_deg_s: float = Field(90.0, ge=1, le=720, description="speed between its ramps")
    acceleration_deg_s2: float = Field(180.0, ge=1, le=10_000, description="of both ramps")
    search_speed_deg_s: float = Field(45.0, ge=1, le=360, description="speed at which the home switch is looked for")
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
        burst = steps_s * TICK_S / self.microsteps
        if burst > BURST_FULL_STEPS * (1 + 1e-9):
            raise ValueError(
                f"steps_per_turn and microsteps make {burst:.1f} full steps at once at {speed_deg_s:g} degrees a "
                f"second, above {BURST_FULL_STEPS}, and the motor would lose them; turn slower, or mend microsteps, "
                "which is what the driver is set to"
            )
        if self.door is None and 0.0 in self.bins_deg.values():
            raise ValueError(
                "bins_deg has a bin at 0 degrees, where the carousel parks; without a door it is always open"
            )
        if self.door is not None:
            self.refuse_door(self.door)
        self.refuse_slow_home()
        return self

    @property
    def slowest_home_s(self) -> float:
        known_s = self._turn_s(180.0) + self._seek_s(3 * self.tolerance_deg)
        return self._start_s() + max(self._search_s(), known_s) + in_ticks(self.settle_s)

    @property
    def slowest_way_s(self) -> float:
        door_s = 0.0 if self.door is None else self.door.ramp_s(self.door_closed_deg, self.door_open_deg)
        return self._start_s() + self._search_s() + self._turn_s(180.0) + in_ticks(self.settle_s) + door_s

    def servo_pins(self) -> dict[str, int]:
        return {} if self.door is None else {"door.pin": self.door.pin}

    def output_pins(self) -> dict[str, int]:
        return {"step_pin": self.step_pin, "direction_pin": self.direction_pin, "enable_pin": self.enable_pin}

    def _start_s(self) -> float:
        """It brakes, the door closes, and the motor gets its power."""
        brake_s = in_ticks(max(self.max_speed_deg_s, self.search_speed_deg_s) / self.acceleration_deg_s2) + TICK_S
        door_s = 0.0 if self.door is None else self.door.turn_s(self.door_closed_deg, self.door_open_deg)
        return brake_s + door_s + TICK_S

    def _search_s(self) -> float:
        """From nobody knows where: off the switch and back to it, or a full turn."""
        run_up_s = self._turn_s(2 * self.tolerance_deg) + self._seek_s(4 * self.tolerance_deg)
        return max(self._seek_s(RELEASE_DEG) + run_up_s, self._seek_s(SEARCH_DEG))

    def _turn_s(self, way_deg: float) -> float:
        return in_ticks(Trapezoid(way_deg, self.max_speed_deg_s, self.acceleration_deg_s2).duration_s) + TICK_S

    def _seek_s(self, way_deg: float) -> float:
        # A way of whole steps, and the one that finds it over.
        way_deg += 2 * 360.0 / self.steps_per_turn
        return in_ticks(seek_s(way_deg, self.search_speed_deg_s, self.acceleration_deg_s2)) + TICK_S


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
    rest_s: float = Field(0.5, ge=0, le=60, description="pause after a coil was on, so that it cools")

    @model_validator(mode="after")
    def _coils(self) -> Self:
        refuse_bins("bin_pins", self.bin_pins)
        pins = list(self.bin_pins.values())
        if pins.count(None) > 1:
            raise ValueError("bin_pins leaves two bins without a pin; the springs lead to one")
        if pins.count(None) == len(pins):
            raise ValueError("bin_pins names no pin; a gate without a coil sorts nothing")
        if self.hold_s > self.longest_hold_s + 1e-9:
            raise ValueError(
                f"hold_s is {self.hold_s:g}, above {self.longest_hold_s:g}, which max_on_s ({self.max_on_s:g}) leaves: "
                f"{self._overhead()} must pass before a coil goes off by itself"
            )
        self.refuse_slow_home()
        return self

    @property
    def bins(self) -> tuple[str, ...]:
        return tuple(self.bin_pins)

    @property
    def longest_hold_s(self) -> float:
        """The most that `hold_s` may be; below 0 if `max_on_s` is too short for any."""
        return self.max_on_s - TIMER_SLACK_S - (0.0 if self.home_switch is None else self.home_timeout_s)

    @property
    def slowest_home_s(self) -> float:
        return self._switch_s()

    @property
    def slowest_way_s(self) -> float:
        return in_ticks(self.rest_s) + self._switch_s()

    def output_pins(self) -> dict[str, int]:
        return {f"bin_pins.{name}": pin for name, pin in self.bin_pins.items() if pin is not None}

    def _overhead(self) -> str:
        switch = " and" if self.home_switch is None else ", home_timeout_s and"
        return f"hold_s{switch} {TIMER_SLACK_S:g} s"


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
    run_s: float = Field(
        2.0,
        gt=0,
        le=60,
        description="how long the belt runs to carry an item off its end; what lies at the exit sensor before must "
        "leave it within that time",
    )
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
        least_s = self.run_s + 2 * self._ramp_s() + TIMER_SLACK_S
        if least_s > self.max_run_s + 1e-9:
            raise ValueError(
                f"max_run_s is {self.max_run_s:g}, expected at least {least_s:g}: run_s with its ramps and "
                f"{TIMER_SLACK_S:g} s must pass before the belt stops by itself"
            )
        self.refuse_slow_home()
        return self

    @property
    def slowest_home_s(self) -> float:
        turn_s = self.diverter.turn_s(self.diverter_home_deg, *self.bins_deg.values())
        return in_ticks(self._ramp_s()) + TICK_S + turn_s + self._switch_s()

    @property
    def slowest_way_s(self) -> float:
        return self.slowest_home_s

    def servo_pins(self) -> dict[str, int]:
        return {"diverter.pin": self.diverter.pin}

    def output_pins(self) -> dict[str, int]:
        return {"belt_pin": self.belt_pin}

    def switches(self) -> dict[str, SwitchConfig]:
        own = {"exit_sensor": self.exit_sensor, "turn_sensor": self.turn_sensor}
        return super().switches() | {key: switch for key, switch in own.items() if switch is not None}

    def _ramp_s(self) -> float:
        return 0.0 if self.belt_pwm_hz is None else self.belt_ramp_s
