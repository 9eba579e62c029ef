"""What the operator's switches and the bins' sensors ask of the state machine, and what the lamp shows.

Being actuated counts at once; being released only after a while, so that a contact that bounces, or a lid that
rattles, cannot start a motion.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from edge.config import BinsConfig, PanelConfig
from edge.latch import StopLatch
from edge.machine_io import BinLevel, Input, PauseAsked, ResumeAsked
from edge.machine_state import Machine, State
from edge.machine_stops import BIN_FULL, BUTTON, OPERATOR
from edge.ports import FillSensor, Indicator, Switch
from edge.records import Status

__all__ = ["E_STOP", "LID_OPEN", "Panel", "status_of"]

E_STOP = "e_stop"
LID_OPEN = "lid_open"
IDLE_S = 0.1
PRESS_S = 0.05
"""A button that is pressed for so long is seen, also while nothing else goes on."""
_STATUS = {
    State.BOOT: Status.STARTING,
    State.HOMING: Status.STARTING,
    State.WAIT_EMPTY: Status.READY,
    State.READY: Status.READY,
    State.PAUSED: Status.PAUSED,
    State.FAULT: Status.FAULT,
}


def status_of(machine: Machine) -> Status:
    """What an operator needs to know of the machine."""
    holds = dict(machine.holds)
    if E_STOP in holds:
        return Status.STOPPED
    if machine.is_book_failing:
        return Status.FAULT
    status = _STATUS.get(machine.state, Status.BUSY)
    is_waiting = status is Status.READY or list(holds) == [BIN_FULL]
    return Status.BIN_FULL if machine.full_bins and is_waiting else status


class Panel:
    """Turns levels into events of the machine. It never decides what a stop means; the machine does.

    Hazard: this is software. An emergency stop must also cut the motors' supply by its own contact.

    Args:
        switches: by their keys in the configuration's `panel`: estop, lid, pause_button, resume_button.
        fills: the bins' sensors by the names of the bins.
        indicators: lamp and buzzer.
        settings, bins: times.
        latch: remembers an emergency stop that was not reset; None forgets it when the program ends.
    """

    def __init__(
        self,
        switches: Mapping[str, Switch],
        fills: Mapping[str, FillSensor],
        indicators: Sequence[Indicator],
        settings: PanelConfig,
        bins: BinsConfig,
        latch: StopLatch | None = None,
    ) -> None:
        self._latch = latch
        self._is_latch_due = False
        self._is_first_look = True
        self._switches = dict(switches)
        self._fills = dict(fills)
        self._indicators = tuple(indicators)
        self._levels = {name: _Level(settings.release_s) for name in switches}
        self._fill_levels = {name: _Level(bins.full_s, bins.full_s) for name in fills}
        self._is_paused_by_button = False
        self._stack = ExitStack()

    @property
    def period_s(self) -> float:
        """How often `poll` wants to be called while nothing moves."""
        return PRESS_S if self._switches else IDLE_S

    def open(self) -> None:
        """Claim all pins; what fails leaves none behind. Raises: ActuatorError."""
        with ExitStack() as stack:
            devices: list[Switch | FillSensor | Indicator] = [
                *self._switches.values(),
                *self._fills.values(),
                *self._indicators,
            ]
            for device in devices:
                stack.callback(device.close)
                device.open()
            self._stack = stack.pop_all()

    def poll(self, now_s: float, *, is_moving: bool = False) -> list[Input]:
        """What has changed since the last call, the emergency stop first. Call `remember` once it was acted on.

        Args:
            is_moving: a motion is under way, which only stops may interrupt: writing down that a bin is full would
                hold up its next step.
        Raises: ActuatorError if a pin is mute.
        """
        changes = {
            name: self._levels[name].follow(switch.is_actuated(), now_s) for name, switch in self._switches.items()
        }
        asked: list[Input] = []
        if changes.get("estop"):
            self._is_latch_due = True
        if changes.get("estop") or (self._is_first_look and self._latch is not None and self._latch.is_set()):
            asked.append(PauseAsked(E_STOP))
        self._is_first_look = False
        if changes.get("lid") is not None:
            asked.append(PauseAsked(LID_OPEN) if changes["lid"] else ResumeAsked(LID_OPEN))
        if changes.get("pause_button"):
            self._is_paused_by_button = not self._is_paused_by_button
            asked.append(PauseAsked(BUTTON) if self._is_paused_by_button else ResumeAsked(BUTTON))
        if changes.get("resume_button"):
            if "estop" in self._levels and not self._levels["estop"].is_on:
                asked.append(ResumeAsked(E_STOP))
                # Before the motion that this allows begins, which no disk may hold up.
                self._is_latch_due = False
                if self._latch is not None:
                    self._latch.clear()
            self._is_paused_by_button = False
            asked += [ResumeAsked(BUTTON), ResumeAsked(OPERATOR)]
        # What is asked for may begin a motion.
        return asked if is_moving or asked else self._poll_fills(now_s)

    def remember(self) -> None:
        """Keep for the next start that the emergency stop is to be reset; the power is off by now."""
        is_due, self._is_latch_due = self._is_latch_due, False
        if is_due and self._latch is not None:
            self._latch.set()

    def show(self, status: Status, now_s: float) -> None:
        """Let lamp and buzzer tell the status."""
        for indicator in self._indicators:
            indicator.show(status, now_s)

    def close(self) -> None:
        """Lamp and buzzer off, pins given back."""
        self._stack.close()

    def _poll_fills(self, now_s: float) -> list[Input]:
        asked: list[Input] = []
        for name, sensor in self._fills.items():
            is_full = sensor.is_full()
            level = self._fill_levels[name]
            # Of a sensor that says nothing nobody knows whether the level held meanwhile.
            change = level.follow(level.is_on if is_full is None else is_full, now_s)
            if change is not None:
                asked.append(BinLevel(name, change))
        return asked


class _Level:
    """A level that goes on after `on_s` and off after `off_s` without a break; off at first."""

    def __init__(self, off_s: float, on_s: float = 0.0) -> None:
        self._wait_s = {True: on_s, False: off_s}
        self.is_on = False
        self._other_since_s: float | None = None

    def follow(self, is_on: bool, now_s: float) -> bool | None:
        """The new level if it changed by what is seen now, else None."""
        if is_on == self.is_on:
            self._other_since_s = None
            return None
        if self._other_since_s is None:
            self._other_since_s = now_s
        if now_s - self._other_since_s < self._wait_s[is_on]:
            return None
        self.is_on, self._other_since_s = is_on, None
        return is_on
