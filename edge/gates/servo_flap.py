"""A flap on one servo: tilts to one side for each bin."""

from contextlib import ExitStack

from edge.config import ServoFlapConfig
from edge.gates.home_switch import HomeSwitch
from edge.gates.motion import Script, ScriptedGate
from edge.gates.servo import FRAME_S, ServoAxis
from edge.pins import PinFactory

__all__ = ["FRAME_S", "ServoFlap"]


class ServoFlap(ScriptedGate):
    """Ramp, leave the home switch if there is one, hold; home: ramp, settle, meet the switch, detach.

    Hazards: those of `ServoAxis`. If power fails in mid-swing the flap stays where it is; without power it falls if it
    is heavy. After a jam the flap pushes again, from wherever it stands, without a ramp.

    Args:
        config: angles, pulse widths and times.
        factory: gpiozero pin factory to claim the pins from.
    """

    def __init__(self, config: ServoFlapConfig, factory: PinFactory) -> None:
        super().__init__(config, _Flap(config, factory))


class _Flap:
    bins_key = "bins_deg"
    is_open_after_hold = True

    def __init__(self, config: ServoFlapConfig, factory: PinFactory) -> None:
        self._config = config
        self._axis = ServoAxis(config.servo, factory, "gate.servo_pin")
        self._home = HomeSwitch(config.home_switch, config.home_timeout_s, factory, "flap")

    @property
    def commanded_deg(self) -> float | None:
        return self._axis.commanded_deg

    def claim(self, stack: ExitStack) -> None:
        self._axis.claim(stack)
        self._home.claim(stack)

    def go_home(self) -> Script:
        yield from self._axis.ramp(self._config.home_deg)
        yield from self._axis.settle()
        yield from self._home.confirm()
        yield from self._axis.let_go()

    def open_way(self, target: str) -> Script:
        yield from self._axis.ramp(self._config.bins_deg[target])
        yield from self._home.confirm_left()

    def hold_open(self, target: str) -> Script:
        yield from self._axis.hold(self._config.hold_s)

    def cut(self) -> None:
        self._axis.cut()
