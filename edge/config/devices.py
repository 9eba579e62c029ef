"""Sensors, the operator's panel, and what drives the pins."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.config.base import FailSafeSwitchConfig, Pin, Section, SwitchConfig

__all__ = [
    "BeamFillConfig",
    "BinsConfig",
    "BuzzerConfig",
    "DropSensorConfig",
    "FillSensorConfig",
    "LampConfig",
    "PanelConfig",
    "PinsConfig",
    "UltrasonicFillConfig",
]


class DropSensorConfig(Section):
    """Confirms that the item fell. Without one, `confirmed` is null in every event."""

    kind: Literal["none", "beam", "switch"] = Field("none", description="a light beam or a switch across the chute")
    pin: Pin = Field(23, description="the sensor's signal pin, a BCM number or a header pin such as J8:16")
    active_high: bool = Field(
        False, description="true if the signal is high while the beam is broken or the switch actuated"
    )
    timeout_s: float = Field(2.0, gt=0, le=30, description="a drop must be seen so long after the way was open")
    retries: int = Field(
        1, ge=0, le=5, description="times the gate opens again before it is a fault (drop_unconfirmed)"
    )

    @property
    def switch(self) -> SwitchConfig:
        """The sensor as a switch: pulled against its actuated level."""
        return SwitchConfig(pin=self.pin, active_high=self.active_high)


class BeamFillConfig(SwitchConfig):
    """A beam across the top of a bin: full while it is broken."""

    kind: Literal["beam"]


class UltrasonicFillConfig(Section):
    """An ultrasonic ranger above a bin (HC-SR04). Its echo is a 5 V signal: a divider must bring it to 3.3 V."""

    kind: Literal["ultrasonic"]
    trigger_pin: Pin = Field(description="trigger of the ranger")
    echo_pin: Pin = Field(description="echo of the ranger, through a divider to 3.3 V")
    full_m: float = Field(gt=0.02, le=4, description="full once its content is nearer than so many metres")


FillSensorConfig = Annotated[BeamFillConfig | UltrasonicFillConfig, Field(discriminator="kind")]


class BinsConfig(Section):
    """When a bin is full, and what then."""

    when_full: Literal["pause", "warn"] = Field(
        "pause", description="pause: sort nothing more until it is emptied; warn: tell, and go on"
    )
    full_s: float = Field(
        5.0, ge=0, le=3600, description="a bin is full, or empty again, once its sensor has said so for so long"
    )
    sensors: Mapping[str, FillSensorConfig] = Field(
        default_factory=dict, description="sensor of each bin that has one, of kind beam or ultrasonic"
    )


class LampConfig(Section):
    """Status lamp: green at work, yellow waiting, red stopped. One colour shows at a time; at least one has a pin."""

    green_pin: Pin | None = Field(None, description="lit when ready or sorting")
    yellow_pin: Pin | None = Field(None, description="lit while starting or paused, blinking when a bin is full")
    red_pin: Pin | None = Field(None, description="blinking in a fault, lit while the emergency stop is pressed")
    active_high: bool = Field(True, description="true if a high level lights a lamp")

    @model_validator(mode="after")
    def _has_a_colour(self) -> Self:
        if self.green_pin is None and self.yellow_pin is None and self.red_pin is None:
            raise ValueError("lamp names no pin; give green_pin, yellow_pin or red_pin")
        return self


class BuzzerConfig(Section):
    """Three short beeps when a fault or the emergency stop begins, then one every 30 s as long as it lasts."""

    pin: Pin = Field(description="signal pin of an active buzzer")
    active_high: bool = Field(True, description="true if a high level sounds it")


class PanelConfig(Section):
    """What an operator sees and touches. The emergency stop must cut the motors' power in hardware as well."""

    estop: FailSafeSwitchConfig | None = Field(
        None, description="emergency stop: nothing moves; goes on by the resume button once it is released"
    )
    lid: FailSafeSwitchConfig | None = Field(None, description="lid contact: nothing moves while the lid is open")
    pause_button: SwitchConfig | None = Field(None, description="pauses, and goes on when pressed again")
    resume_button: SwitchConfig | None = Field(None, description="goes on after the emergency stop was released")
    release_s: float = Field(
        0.5, ge=0, le=60, description="a switch must be released for so long before it counts as released"
    )
    lamp: LampConfig | None = Field(None, description="status lamp")
    buzzer: BuzzerConfig | None = Field(None, description="beeps at a fault and at the emergency stop")

    @model_validator(mode="after")
    def _stop_needs_reset(self) -> Self:
        if self.estop is not None and self.resume_button is None:
            raise ValueError(
                "estop needs a resume_button: releasing an emergency stop must not start a motion by itself"
            )
        return self

    def switches(self) -> dict[str, SwitchConfig]:
        """Keys and settings of the switches that there are."""
        named = {
            "estop": self.estop,
            "lid": self.lid,
            "pause_button": self.pause_button,
            "resume_button": self.resume_button,
        }
        return {key: switch for key, switch in named.items() if switch is not None}


class PinsConfig(Section):
    """What drives the pins. `mock` is gpiozero's own simulation; nothing falls back to it."""

    factory: Literal["mock", "lgpio", "rpigpio", "pigpio"] = Field(
        "mock", description="gpiozero pin factory; lgpio on a Raspberry Pi, mock without one"
    )
    chip: str | None = Field(
        None, description="GPIO chip by label or name (gpiochip0); null: the one whose label is that of the header"
    )
    pwm: Literal["software", "hardware"] = Field(
        "software", description="what makes a servo's pulses; hardware: GPIO12, 13, 18 or 19 with dtoverlay=pwm-2chan"
    )

    @model_validator(mode="after")
    def _factory_can(self) -> Self:
        if self.factory not in ("lgpio", "mock"):
            if self.chip is not None:
                raise ValueError(f"chip is for lgpio; factory {self.factory} has only the chip of the header")
            if self.pwm == "hardware":
                raise ValueError(f"pwm: hardware is for lgpio; factory {self.factory} makes pulses in its own way")
        return self
