"""What the sections of all gates share: servos, the home switch, jams, how long a way takes at most.

How long is meant for a loop that ticks in time: a late tick makes a motion longer.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import Field, model_validator

from edge.clock import TICK_S
from edge.config.base import Pin, Section, SwitchConfig
from edge.config.durations import FRAME_S, in_ticks

__all__ = ["TIMER_SLACK_S", "AngledGate", "DoorFields", "GateSection", "ServoConfig", "ServoFields", "refuse_bins"]

HOME = "home"
LONGEST_PARK_S = 120.0
"""Longest `park_limit_s`: whoever waits for a gate to be parked waits no longer, nor does a motor that is stuck."""
TIMER_SLACK_S = 0.2
"""What switches off by itself has so much more time than it needs, or a late tick would cut its way short."""


class ServoFields(Section):
    min_angle_deg: float = Field(0.0, ge=-360, le=360, description="angle at the shortest pulse")
    max_angle_deg: float = Field(180.0, ge=-360, le=360, description="angle at the longest pulse")
    min_pulse_us: float = Field(500.0, ge=100, le=3000, description="shortest pulse of the servo")
    max_pulse_us: float = Field(2500.0, ge=100, le=3000, description="longest pulse of the servo")
    step_deg: float = Field(2.0, ge=0.1, le=180, description="degrees a step of the ramp; inrush browns the Pi out")
    step_s: float = Field(0.01, ge=0.01, le=1, description="duration of one step of the ramp")
    settle_s: float = Field(0.25, ge=0, le=10, description="rest at the end of the way before the servo is detached")

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        if self.min_angle_deg >= self.max_angle_deg:
            raise ValueError("min_angle_deg must be below max_angle_deg")
        if self.min_pulse_us >= self.max_pulse_us:
            raise ValueError("min_pulse_us must be below max_pulse_us")
        return self

    def ramp_s(self, *angles_deg: float) -> float:
        """The longest ramp between any two of these angles."""
        # The last step begins no wait, but an angle that is read back may be a hair further, which is a step more.
        steps = math.ceil((max(angles_deg) - min(angles_deg)) / self.step_deg)
        return steps * in_ticks(self.step_s)

    def turn_s(self, *angles_deg: float) -> float:
        """The longest way between any two of these angles: ramp, settle, let go."""
        return self.ramp_s(*angles_deg) + in_ticks(self.step_s + self.settle_s) + in_ticks(FRAME_S)

    def refuse_beyond(self, angles_deg: Mapping[str, float]) -> None:
        """Raises: ValueError for an angle that the servo does not reach."""
        for name, angle_deg in angles_deg.items():
            if not self.min_angle_deg <= angle_deg <= self.max_angle_deg:
                raise ValueError(
                    f"{name} is {angle_deg:g}, outside {self.min_angle_deg:g} to {self.max_angle_deg:g} degrees; "
                    "mend it, or min_angle_deg and max_angle_deg"
                )


class ServoConfig(ServoFields):
    """One servo."""

    pin: Pin = Field(description="signal pin")


class GateSection(Section):
    home_switch: SwitchConfig | None = Field(
        None, description="switch that is actuated at home; without one the way home is trusted"
    )
    home_timeout_s: float = Field(
        0.5,
        gt=0,
        le=2,
        description="the home switch must be actuated so long after the way home, and released so long after the way "
        "to a bin; what is stuck has power meanwhile",
    )
    jam_retries: int = Field(
        2, ge=0, le=10, description="times a motion that jammed is tried again before it is a fault (gate_jammed)"
    )
    jam_pause_s: float = Field(0.5, ge=0, le=30, description="rest without power before a jammed motion is tried again")

    @property
    @abstractmethod
    def bins(self) -> tuple[str, ...]:
        """Names of the bins, in the order of the config."""

    @property
    @abstractmethod
    def slowest_home_s(self) -> float:
        """The longest way home, from wherever the gate stands and whatever it does; a try that jams takes no longer."""

    @property
    @abstractmethod
    def slowest_way_s(self) -> float:
        """The longest time from the beginning of a route's motion until its way is fully open, without a jam."""

    @property
    def park_limit_s(self) -> float:
        """A gate not home by then is cut off: twice the longest way home with all its retries, and two seconds."""
        return 2.0 * ((1 + self.jam_retries) * self.slowest_home_s + self.jam_retries * self.jam_pause_s) + 2.0

    def servo_pins(self) -> dict[str, int]:
        """Keys and pins of the servos."""
        return {}

    def output_pins(self) -> dict[str, int]:
        """Keys and pins of what is switched on and off."""
        return {}

    def switches(self) -> dict[str, SwitchConfig]:
        """Keys and settings of the switches."""
        return {} if self.home_switch is None else {"home_switch": self.home_switch}

    def refuse_slow_home(self) -> None:
        """Raises: ValueError if nobody would wait so long for the gate to be parked."""
        if self.park_limit_s > LONGEST_PARK_S:
            raise ValueError(
                f"the way home may take {self.slowest_home_s:.1f} s, and with {self.jam_retries} retries the gate is "
                f"cut off only after {self.park_limit_s:.0f} s, expected {LONGEST_PARK_S:.0f} at most; let it turn "
                "faster, or lower jam_retries or jam_pause_s"
            )

    def _switch_s(self) -> float:
        """The longest wait for the home switch, with its last look."""
        return 0.0 if self.home_switch is None else in_ticks(self.home_timeout_s) + TICK_S


class AngledGate(GateSection):
    """A gate with an angle for each bin; a subclass says what turns."""

    bins_deg: Mapping[str, float]

    @model_validator(mode="after")
    def _bins_differ(self) -> Self:
        refuse_bins("bins_deg", self.bins_deg)
        if len(set(self.bins_deg.values())) < len(self.bins_deg):
            raise ValueError("bins_deg gives two bins the same angle")
        return self

    @property
    def bins(self) -> tuple[str, ...]:
        return tuple(self.bins_deg)


class DoorFields(Section):
    """Where a door servo stands."""

    door_closed_deg: float = Field(0.0, description="angle at which the door is closed, its parked position")
    door_open_deg: float = Field(90.0, description="angle at which the door is open")

    def refuse_door(self, door: ServoConfig) -> None:
        """Raises: ValueError if the door does not open, or not so far."""
        if self.door_closed_deg == self.door_open_deg:
            raise ValueError("door_closed_deg and door_open_deg are the same; the door would never open")
        door.refuse_beyond({"door_closed_deg": self.door_closed_deg, "door_open_deg": self.door_open_deg})


def refuse_bins(key: str, bins: Iterable[str]) -> None:
    """Raises: ValueError for names that are none, or that the gate needs itself."""
    names = list(bins)
    if not names:
        raise ValueError(f"{key} names no bin")
    if HOME in names:
        raise ValueError(f"{key} names a bin 'home', which is the gate's own word for its parked position")
    for name in names:
        if not name or name != name.strip():
            raise ValueError(f"{key} names a bin {name!r}; give it a name without blanks around it")
