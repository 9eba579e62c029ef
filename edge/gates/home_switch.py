"""The switch that is actuated when a gate is home, where there is one."""

from contextlib import ExitStack

from edge.clock import TICK_S
from edge.config import SwitchConfig
from edge.contact import Contact, pin_name
from edge.errors import JamError
from edge.gates.motion import Script
from edge.pins import PinFactory

__all__ = ["HomeSwitch"]


class HomeSwitch:
    """Without a switch (`config` is None) the way home is trusted, and nothing here waits or raises.

    Args:
        timeout_s: the switch must be actuated so long after the way home, and released so long after another.
        what: what must be home, in messages, such as `flap`.
    """

    def __init__(self, config: SwitchConfig | None, timeout_s: float, factory: PinFactory, what: str) -> None:
        self._timeout_s = timeout_s
        self._what = what
        self._where = "" if config is None else pin_name(config.pin)
        self._contact = None if config is None else Contact(config, factory, "home switch", "gate.home_switch")

    def claim(self, stack: ExitStack) -> None:
        """Raises: ActuatorError if the pin refuses."""
        if self._contact is not None:
            self._contact.open()
            stack.callback(self._contact.close)

    def confirm(self) -> Script:
        """Wait until the switch is actuated. Raises: JamError if it is not in time."""
        return self._wait(True, f"{self._what} is not home, the switch on {self._where} stayed open")

    def confirm_left(self) -> Script:
        """Wait until the switch is released: one that is stuck would call everything home.

        Raises: JamError if it is not in time.
        """
        return self._wait(False, f"{self._what} did not leave home, the switch on {self._where} stayed closed")

    def _wait(self, is_home: bool, trouble: str) -> Script:
        if self._contact is None:
            return
        end_s = (yield 0.0) + self._timeout_s
        is_late = False
        while self._contact.is_actuated() is not is_home:
            if is_late:
                raise JamError(f"{trouble} for {self._timeout_s:g} s; free it, or check gate.home_switch")
            is_late = (yield TICK_S) >= end_s
