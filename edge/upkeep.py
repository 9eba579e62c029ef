"""What goes on beside the items: supply, heat, the wall clock."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edge.machine_io import Input
from edge.machine_state import Machine, State
from edge.machine_stops import item_in_flight
from edge.ports import Gate
from edge.records import Event

__all__ = ["ClockWatch", "SupplyWatch", "Upkeep"]


class SupplyWatch(Protocol):
    """Tells how well the machine is fed and cooled; `supply_monitor.SupplyMonitor` is one."""

    def poll(
        self, now_s: float, state: str, motion: str | None, item: Mapping[str, Any] | None = None
    ) -> Sequence[Input | Event]: ...


class ClockWatch(Protocol):
    """Tells of steps of the wall clock; `health.clock_watch.ClockWatch` is one."""

    def poll(self, t_s: float) -> Event | None: ...


class Upkeep:
    """Asks those who watch the machine itself. What is to be written down waits for the gate to rest.

    Args:
        supply, clock: None where nobody watches.
    """

    def __init__(self, supply: SupplyWatch | None = None, clock: ClockWatch | None = None) -> None:
        self._supply = supply
        self._clock = clock
        self._waiting: list[Event] = []

    def poll(self, now_s: float, machine: Machine, gate: Gate, *, is_busy: bool) -> list[Input | Event]:
        """What the machine has to know, and what is to be written down.

        Args:
            is_busy: the gate has a motion to finish, whose next step must not wait for a disk.
        """
        found: list[Input | Event] = []
        if self._supply is not None:
            item = item_in_flight(machine).get("item")
            for news in self._supply.poll(now_s, machine.state.value, _motion(machine, gate), item):
                if isinstance(news, Event):
                    self._waiting.append(news)
                else:
                    found.append(news)
        if not is_busy:
            if self._clock is not None and (step := self._clock.poll(now_s)) is not None:
                self._waiting.append(step)
            # Written down before anything of what was found lets the gate move.
            found = [*self._waiting, *found]
            self._waiting = []
        return found


def _motion(machine: Machine, gate: Gate) -> str | None:
    """Where the gate is moving to: a bin, or `home`; None while it rests."""
    if not gate.is_moving:
        return None
    return machine.decision.route if machine.state is State.ROUTING and machine.decision is not None else "home"
