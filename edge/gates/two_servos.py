"""A diverter that turns the chute to a bin, and a door above it that lets the item fall."""

from contextlib import ExitStack

from edge.config import TwoServosConfig
from edge.gates.home_switch import HomeSwitch
from edge.gates.motion import Script, ScriptedGate
from edge.gates.servo import ServoAxis
from edge.pins import PinFactory
from edge.pins.attempts import attempt_all

__all__ = ["TwoServos"]


class TwoServos(ScriptedGate):
    """The door closes, the diverter turns and is let go, then the door opens; home: the door closes, then the diverter
    turns.

    At most one servo has power. The home switch, if there is one, is looked at when both are home, and when the way is
    open: then it must be released, unless the diverter stands at home for that bin, where it may be the diverter's.

    Hazards: those of `ServoAxis`. The diverter is without power while the item falls, so its gear must hold the chute.
    If power fails, the door stays as it is, or falls open if it is heavy.

    Args:
        config: angles, pulse widths and times of both servos.
        factory: gpiozero pin factory to claim the pins from.
    """

    def __init__(self, config: TwoServosConfig, factory: PinFactory) -> None:
        super().__init__(config, _DiverterAndDoor(config, factory))


class _DiverterAndDoor:
    bins_key = "bins_deg"
    is_open_after_hold = True

    def __init__(self, config: TwoServosConfig, factory: PinFactory) -> None:
        self._config = config
        self._diverter = ServoAxis(config.diverter, factory, "gate.diverter.pin")
        self._door = ServoAxis(config.door, factory, "gate.door.pin")
        self._home = HomeSwitch(config.home_switch, config.home_timeout_s, factory, "door or diverter")

    @property
    def commanded_deg(self) -> float | None:
        return self._diverter.commanded_deg

    def claim(self, stack: ExitStack) -> None:
        self._diverter.claim(stack)
        self._door.claim(stack)
        self._home.claim(stack)

    def go_home(self) -> Script:
        yield from self._diverter.let_go()
        yield from self._door.turn(self._config.door_closed_deg)
        yield from self._diverter.ramp(self._config.diverter_home_deg)
        yield from self._diverter.settle()
        yield from self._home.confirm()
        yield from self._diverter.let_go()

    def open_way(self, target: str) -> Script:
        yield from self._diverter.let_go()
        yield from self._door.turn(self._config.door_closed_deg)
        yield from self._diverter.turn(self._config.bins_deg[target])
        yield from self._door.ramp(self._config.door_open_deg)
        if self._config.bins_deg[target] != self._config.diverter_home_deg:
            yield from self._home.confirm_left()

    def hold_open(self, target: str) -> Script:
        yield from self._door.hold(self._config.hold_s)

    def cut(self) -> None:
        attempt_all(self._diverter.cut, self._door.cut)
