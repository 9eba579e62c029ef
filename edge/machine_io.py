"""What can happen to the state machine, and what it can want done about it: plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from edge.records import GateReport, Prediction, Presence

__all__ = [
    "ArmSensor",
    "BinLevel",
    "BookLevel",
    "ClassifyFrame",
    "Command",
    "DropSeen",
    "Emit",
    "GateDone",
    "GateJammed",
    "Halt",
    "Heat",
    "HomeGate",
    "Input",
    "IntentRefused",
    "LimitRate",
    "PauseAsked",
    "ResumeAsked",
    "RouteBegun",
    "RouteItem",
    "Seen",
    "ShutdownAsked",
    "Started",
    "StopGate",
    "SupplyLevel",
    "Tick",
    "Voted",
    "WayOpened",
]


# What can happen.


@dataclass(frozen=True, slots=True)
class Started:
    """The program is up; the gate's position is unknown."""


class Seen(NamedTuple):
    """A frame was looked at."""

    presence: Presence


class Voted(NamedTuple):
    """A frame was classified, as asked for by `ClassifyFrame`."""

    prediction: Prediction


@dataclass(frozen=True, slots=True)
class GateDone:
    """The gate finished the motion it was given."""

    report: GateReport


@dataclass(frozen=True, slots=True)
class GateJammed:
    """The gate could not finish its motion, and was cut off."""

    detail: str


@dataclass(frozen=True, slots=True)
class WayOpened:
    """The gate has the way to the item's bin fully open; the drop is waited for from now on."""


@dataclass(frozen=True, slots=True)
class DropSeen:
    """The drop sensor saw the item fall."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """An operator, a lid or the emergency stop wants everything to stand still, until `ResumeAsked` with its reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """Whoever asked for a pause with this reason is done; it goes on when nobody else wants one."""

    reason: str


@dataclass(frozen=True, slots=True)
class BinLevel:
    """A bin has become full, or is no longer."""

    bin: str
    is_full: bool


@dataclass(frozen=True, slots=True)
class SupplyLevel:
    """The supply has become too low to begin a motion, or is good again."""

    is_low: bool


@dataclass(frozen=True, slots=True)
class BookLevel:
    """Nothing can be written down any more, or again."""

    is_failing: bool


@dataclass(frozen=True, slots=True)
class IntentRefused:
    """What was to be done with the item could not be written down: the gate has not moved for it, and may not."""


@dataclass(frozen=True, slots=True)
class RouteBegun:
    """The item is written down, and the gate is about to move for it."""


@dataclass(frozen=True, slots=True)
class Heat:
    """The processor has become too hot to work at the full rate, or is cool again."""

    is_hot: bool


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """The program is to end; an item whose way is not yet open for good is named and not counted."""

    reason: str


Input = (
    Started
    | Seen
    | Voted
    | GateDone
    | GateJammed
    | WayOpened
    | DropSeen
    | Tick
    | PauseAsked
    | ResumeAsked
    | BinLevel
    | SupplyLevel
    | BookLevel
    | IntentRefused
    | RouteBegun
    | Heat
    | ShutdownAsked
)


# What is to be done about it.


@dataclass(frozen=True, slots=True)
class HomeGate:
    """Move the gate to its parked position."""


@dataclass(frozen=True, slots=True)
class RouteItem:
    """Arm the drop sensor and open the way to a bin."""

    route: str


@dataclass(frozen=True, slots=True)
class ArmSensor:
    """Forget what the drop sensor saw so far."""


@dataclass(frozen=True, slots=True)
class StopGate:
    """Take the power off the gate at once."""


@dataclass(frozen=True, slots=True)
class ClassifyFrame:
    """Classify the frame that was just seen and answer with `Voted`."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Write an event down."""

    type: str
    t_s: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Halt:
    """Recovery by itself is used up: park, and end with an error for the supervisor."""

    reason: str


@dataclass(frozen=True, slots=True)
class LimitRate:
    """Take fewer frames, or as many as before."""

    is_limited: bool


Command = HomeGate | RouteItem | ArmSensor | StopGate | ClassifyFrame | Emit | Halt | LimitRate
