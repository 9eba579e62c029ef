"""What sections of the configuration are made of: strict frozen models, pins and switches."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from edge.header import FIRST_FREE_BCM, PULLED_UP, parse_pin

__all__ = ["FailSafeSwitchConfig", "Pin", "Section", "SwitchConfig"]

Pin = Annotated[
    int,
    BeforeValidator(parse_pin),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": FIRST_FREE_BCM, "maximum": 27},
                {"type": "string", "pattern": "^(J8:|BOARD|GPIO|BCM)[0-9]{1,2}$"},
            ]
        }
    ),
]
"""A GPIO by its BCM number; a file may also name it `GPIO18` or, by its place on the header, `J8:12`."""


class Section(BaseModel):
    """A part of the configuration: frozen, and strict about keys and types."""

    # A section is built where it is used: most machines have one of the gates, and no command wants them all.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


class SwitchConfig(Section):
    """A switch, a button or a sensor with one signal wire."""

    pin: Pin = Field(description="signal pin, a BCM number or a header pin such as J8:16")
    active_high: bool = Field(False, description="true if the signal is high while the switch is actuated")
    pull: Literal["auto", "up", "down", "none"] = Field(
        "auto", description="the board's resistor on the pin; auto: against the actuated level"
    )

    @model_validator(mode="after")
    def _pull_exists(self) -> "SwitchConfig":
        if self.pin in PULLED_UP and self.resolved_pull != "up":
            raise ValueError(
                f"pin GPIO{self.pin} has a pull-up soldered to the board and cannot be pulled {self.resolved_pull}; "
                "take another pin, or pull: up"
            )
        return self

    @property
    def resolved_pull(self) -> Literal["up", "down", "none"]:
        """The resistor that is really switched on."""
        if self.pull != "auto":
            return self.pull
        return "down" if self.active_high else "up"


class FailSafeSwitchConfig(SwitchConfig):
    """A contact that is closed in good order, to ground unless told otherwise: pressed, opened or torn off, the signal
    goes to where the resistor pulls it. Settings that would read a torn wire as good order are refused.
    """

    active_high: bool = Field(True, description="true for a contact that opens when actuated; a cut wire then counts")
    pull: Literal["auto", "up", "down", "none"] = Field("up", description="the board's resistor on the pin")

    @model_validator(mode="after")
    def _fails_safe(self) -> "FailSafeSwitchConfig":
        if self.resolved_pull != ("up" if self.active_high else "down"):
            raise ValueError(
                f"active_high: {str(self.active_high).lower()} with pull: {self.pull} does not tell a torn wire from a "
                "contact in good order; take a contact that opens when actuated: from the pin to ground with "
                "active_high: true and pull: up, or to 3.3 V with active_high: false and pull: down"
            )
        return self
