"""What the state machine remembers: its state, its rules, and its whole memory. `machine` moves it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from edge.config import DropSensorConfig, RearmConfig, SettleConfig
from edge.policy import VotePolicy
from edge.records import Decision, GateReport, Prediction

__all__ = ["CYCLING", "IDLE_AFTER_S", "Machine", "Rules", "State"]


class State(StrEnum):
    """Where the sorter stands with the item in flight."""

    BOOT = "boot"
    HOMING = "homing"
    WAIT_EMPTY = "wait_empty"
    READY = "ready"
    SETTLING = "settling"
    VOTING = "voting"
    ROUTING = "routing"
    CONFIRMING = "confirming"
    RETURNING = "returning"
    FAULT = "fault"
    PAUSED = "paused"


CYCLING = frozenset({State.ROUTING, State.CONFIRMING, State.RETURNING})
"""States in which the gate has an item's motion to finish."""
IDLE_AFTER_S = 2.0
"""A tray that has been empty and quiet for so long is only glanced at."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the machine goes by; from the configuration and the bundle's calibration."""

    settle: SettleConfig
    rearm: RearmConfig
    drop: DropSensorConfig
    deadline_s: float
    policy: VotePolicy
    park_limit_s: float = 5.0
    """A gate that has not come home so long after it was told to is cut off."""
    is_paused_when_full: bool = True
    """A full bin pauses the sorting between two items."""


class Machine(NamedTuple):
    """The machine's whole memory. A named tuple, since the loop makes a new one at every frame.

    Attributes:
        entered_s: when `state` was entered.
        first_motion_s, next_motion_s: first sign of the item in flight, and of the next one while the gate still moves.
        moved_s, disturbed_s: the last frames with any motion and with a large one.
        rest_s: when the item came to rest.
        empty_since_s, empty_frames: how long the tray has been empty without a break.
        occupied_since_s: since when something has been seen on it without a break; None in the dark.
        dark_since_s: since when the picture has been too dark without a break; None in the light.
        is_rearmed: the tray was empty for long enough since the last item.
        opened: the gate's report on the way out.
        is_confirmed: None without a drop sensor.
        fault, fault_s: why in state FAULT, or in a pause that came upon it, and since when.
        way_open_s: when the way to the item's bin was open for the first time.
        recoveries: faults in a row without an item sorted between them.
        holds: why it is paused, each with its time; empty unless in state PAUSED.
        is_supply_low: the supply's voltage is too low to begin a motion.
        is_book_failing: nothing can be written down, and so no item may be decided.
        freed_s: when the last of the two ended.
        is_motion_due: a motion waits for the supply: the way home in state HOMING, another try in state RETURNING.
        full_bins: names of full bins, and since when.
    """

    rules: Rules
    state: State = State.BOOT
    entered_s: float = 0.0
    first_motion_s: float | None = None
    next_motion_s: float | None = None
    moved_s: float = 0.0
    disturbed_s: float = 0.0
    rest_s: float = 0.0
    votes: tuple[Prediction, ...] = ()
    decision: Decision | None = None
    empty_since_s: float | None = None
    empty_frames: int = 0
    occupied_since_s: float | None = None
    dark_since_s: float | None = None
    is_rearmed: bool = False
    opened: GateReport | None = None
    is_confirmed: bool | None = None
    retries: int = 0
    is_retrying: bool = False
    fault: str | None = None
    fault_s: float = 0.0
    way_open_s: float | None = None
    recoveries: int = 0
    holds: tuple[tuple[str, float], ...] = ()
    is_supply_low: bool = False
    is_book_failing: bool = False
    freed_s: float = 0.0
    is_motion_due: bool = False
    full_bins: tuple[tuple[str, float], ...] = ()

    @property
    def is_withheld(self) -> bool:
        """An item that lies there has to wait: it could not be moved, or not be written down."""
        return self.is_supply_low or self.is_book_failing

    @property
    def may_learn(self) -> bool:
        """Nothing is on the tray or near it, as far as is known."""
        return self.state is State.READY

    def is_idle(self, now_s: float) -> bool:
        """Ready for an item, and nothing has stirred for a while, or it has been dark."""
        quiet_since_s = self.moved_s if self.dark_since_s is None else self.dark_since_s
        return self.state is State.READY and now_s - max(self.entered_s, quiet_since_s) >= IDLE_AFTER_S

    @property
    def may_pause(self) -> bool:
        """No item is in flight: a pause of some milliseconds holds nothing up."""
        return self.state in (State.READY, State.WAIT_EMPTY, State.FAULT, State.PAUSED)

    @property
    def is_cycling(self) -> bool:
        """The gate has an item's motion to finish."""
        return self.state in CYCLING
