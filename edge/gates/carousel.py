"""Bins on a turntable under the chute, turned by a stepper that finds home by a switch."""

from contextlib import ExitStack

from edge.config import CarouselConfig
from edge.config.motor_gates import RELEASE_DEG, SEARCH_DEG
from edge.contact import Contact, pin_name
from edge.errors import JamError
from edge.gates.motion import Script, ScriptedGate
from edge.gates.servo import ServoAxis
from edge.gates.stepper import StepperAxis
from edge.pins import PinFactory
from edge.pins.attempts import attempt_all

__all__ = ["Carousel"]


class Carousel(ScriptedGate):
    """The door (if there is one) closes, the carousel turns the shortest way, rests, and the door opens; home: the door
    closes, then the carousel turns.

    At most one motor moves; the stepper holds the carousel from the first step until it is home again. Home is always
    met turning forwards, at search speed. A switch that is met elsewhere than expected means lost steps: home is
    searched anew, which counts as a jam.

    A carousel that is stuck has power for a bounded way only. From a known position that is the shortest way home, and
    no more than `tolerance_deg` beyond where the switch should be met. From an unknown one it is a search: a full turn
    and a tenth, 8.9 s at 45 degrees a second, and of a carousel that begins on its switch half a turn at most to leave
    it and four times `tolerance_deg` to meet it again. Each of `jam_retries` is such a search.

    Hazards: those of `StepperAxis`, and of `ServoAxis` with a door. Steps that were lost on the way to a bin are found
    only on the way home, when the item has fallen. Parked without power, the carousel can be turned by hand, which is
    noticed if it left the switch.

    Args:
        config: pins, speeds and angles.
        factory: gpiozero pin factory to claim the pins from.
    """

    def __init__(self, config: CarouselConfig, factory: PinFactory) -> None:
        super().__init__(config, _Turntable(config, factory))


class _Turntable:
    bins_key = "bins_deg"
    is_open_after_hold = True

    def __init__(self, config: CarouselConfig, factory: PinFactory) -> None:
        self._config = config
        self._axis = StepperAxis(config, factory)
        self._switch = Contact(config.home_switch, factory, "home switch", "gate.home_switch")
        self._switch_name = f"home switch on {pin_name(config.home_switch.pin)}"
        self._door = None if config.door is None else ServoAxis(config.door, factory, "gate.door.pin")

    @property
    def commanded_deg(self) -> float | None:
        return self._axis.position_deg

    def claim(self, stack: ExitStack) -> None:
        self._axis.claim(stack)
        if self._door is not None:
            self._door.claim(stack)
        self._switch.open()
        stack.callback(self._switch.close)

    def go_home(self) -> Script:
        yield from self._axis.brake()
        yield from self._close_door()
        yield from self._axis.power_on()
        if self._axis.position_deg is None:
            yield from self._search()
        else:
            yield from self._return()
        yield self._config.settle_s
        self._axis.cut()

    def open_way(self, target: str) -> Script:
        yield from self._axis.brake()
        yield from self._close_door()
        yield from self._axis.power_on()
        if self._axis.position_deg == 0.0 and not self._switch.is_actuated():
            self._axis.forget()
        if self._axis.position_deg is None:
            yield from self._search()
        yield from self._axis.turn_to(self._config.bins_deg[target])
        yield self._config.settle_s
        if self._door is not None:
            yield from self._door.ramp(self._config.door_open_deg)

    def hold_open(self, target: str) -> Script:
        if self._door is None:
            yield self._config.hold_s
        else:
            yield from self._door.hold(self._config.hold_s)

    def cut(self) -> None:
        cuts = [self._axis.cut] if self._door is None else [self._axis.cut, self._door.cut]
        attempt_all(*cuts)

    def _close_door(self) -> Script:
        if self._door is not None:
            yield from self._door.turn(self._config.door_closed_deg)

    def _return(self) -> Script:
        """From a known position. The switch says whether it is still known."""
        tolerance_deg = self._config.tolerance_deg
        if self._axis.position_deg == 0.0 and self._switch.is_actuated():
            return
        yield from self._axis.turn_to(-2 * tolerance_deg)
        if self._switch.is_actuated():
            raise self._lost("actuated before it was reached")
        if not (yield from self._axis.seek(3 * tolerance_deg, self._switch.is_actuated)):
            raise self._lost(f"not met within {tolerance_deg:g} degrees")
        off_deg = (self._at() + 180.0) % 360.0 - 180.0
        if abs(off_deg) > tolerance_deg:
            raise self._lost(f"met {abs(off_deg):.1f} degrees from where it should be")
        self._axis.mark_home()

    def _search(self) -> Script:
        """From nobody knows where: off the switch if it is on it, then forwards to its near edge."""
        way_deg, way = SEARCH_DEG, "in a full turn"
        if self._switch.is_actuated():
            if not (yield from self._axis.seek(-RELEASE_DEG, self._is_released)):
                raise JamError(
                    f"the {self._switch_name} stayed actuated over half a turn; free the carousel, or check "
                    "gate.home_switch and its wire"
                )
            yield from self._axis.turn_by(-2 * self._config.tolerance_deg)
            way_deg, way = 4 * self._config.tolerance_deg, "again where it was left"
        if not (yield from self._axis.seek(way_deg, self._switch.is_actuated)):
            raise JamError(
                f"the {self._switch_name} was not met {way}; free the carousel, or check gate.home_switch and the "
                "motor's supply"
            )
        self._axis.mark_home()

    def _is_released(self) -> bool:
        return not self._switch.is_actuated()

    def _at(self) -> float:
        at_deg = self._axis.position_deg
        return 0.0 if at_deg is None else at_deg

    def _lost(self, how: str) -> JamError:
        self._axis.forget()
        return JamError(
            f"the carousel lost steps, its {self._switch_name} was {how}; free it, or lower gate.max_speed_deg_s and "
            "gate.acceleration_deg_s2"
        )
