"""Solenoids or relays, one a bin; springs bring home what they pulled."""

from collections.abc import Generator
from contextlib import ExitStack
from functools import partial
from typing import Any

from edge.clock import TICK_S
from edge.config import SolenoidConfig
from edge.contact import pin_name
from edge.errors import JamError
from edge.gates.home_switch import HomeSwitch
from edge.gates.limited import LimitedOutput, StartTimer, start_timer
from edge.gates.motion import ROUNDING_S, Script, ScriptedGate
from edge.pins import PinFactory
from edge.pins.attempts import attempt_all

__all__ = ["Solenoids"]


class Solenoids(ScriptedGate):
    """A coil is on for `hold_s`, then the spring closes the way; the bin without a coil is where the springs lead.

    At most one coil is on. Each goes off `max_on_s` after it went on, also when the loop hangs; one that does so before
    `hold_s` is over has jammed. None is pulled before all of them rested for `rest_s`.

    Hazards: those of `LimitedOutput`. A solenoid burns when it stays on: take one that may, or a driver with a limit of
    its own. Its coil needs a diode across it, and a supply of its own. A relay board with `active_high: false` pulls
    while the Pi starts unless a resistor holds its input high.

    Args:
        config: pins and times.
        factory: gpiozero pin factory to claim the pins from.
        start_timer: what switches a coil off when the loop does not.
    """

    def __init__(self, config: SolenoidConfig, factory: PinFactory, start_timer: StartTimer = start_timer) -> None:
        super().__init__(config, _Coils(config, factory, start_timer))


class _Coils:
    bins_key = "bin_pins"
    is_open_after_hold = False
    commanded_deg = None

    def __init__(self, config: SolenoidConfig, factory: PinFactory, start_timer: StartTimer) -> None:
        self._config = config
        self._factory = factory
        self._home = HomeSwitch(config.home_switch, config.home_timeout_s, factory, "what the coils pull")
        self._coils = {
            target: LimitedOutput(
                partial(self._make, pin),
                config.max_on_s,
                f"coil of bin {target} on {pin_name(pin)}",
                f"gate.bin_pins.{target}",
                start_timer,
            )
            for target, pin in config.bin_pins.items()
            if pin is not None
        }
        # When they have rested; None until they were seen off. Nobody knows what was on before the start.
        self._rested_s: float | None = None

    def claim(self, stack: ExitStack) -> None:
        for coil in self._coils.values():
            coil.claim(stack)
        self._home.claim(stack)

    def go_home(self) -> Script:
        yield from self._off()
        yield from self._home.confirm()

    def open_way(self, target: str) -> Script:
        rested_s = yield from self._off()
        coil = self._coils.get(target)
        if coil is None:
            return
        # All of them rest after any was on: they share a supply, and neighbours heat each other.
        yield max(0.0, rested_s - (yield 0.0))
        self._rested_s = None
        coil.start()
        yield from self._home.confirm_left()

    def hold_open(self, target: str) -> Script:
        coil = self._coils.get(target)
        now_s = yield 0.0
        end_s = now_s + self._config.hold_s - ROUNDING_S
        while now_s < end_s:
            if coil is not None and not coil.is_on:
                raise JamError(
                    f"the coil of bin {target} went off by itself before gate.hold_s was over; raise gate.max_on_s, or "
                    "see what keeps the processor busy"
                )
            now_s = yield min(TICK_S, end_s - now_s)
        yield from self._off()

    def cut(self) -> None:
        attempt_all(*(coil.cut for coil in self._coils.values()))

    def _off(self) -> Generator[float, float, float]:
        """Returns: when they have rested."""
        self.cut()
        if self._rested_s is None:
            self._rested_s = (yield 0.0) + self._config.rest_s
        return self._rested_s

    def _make(self, pin: int) -> Any:
        from gpiozero import OutputDevice

        return OutputDevice(pin, active_high=self._config.active_high, pin_factory=self._factory)
