"""A belt that carries the item to a diverter, which leads it to its bin."""

import threading
from contextlib import ExitStack
from typing import Any

from edge.clock import TICK_S
from edge.config import ConveyorConfig, SwitchConfig
from edge.contact import Contact, pin_name
from edge.errors import JamError
from edge.gates.home_switch import HomeSwitch
from edge.gates.limited import LimitedOutput, StartTimer, start_timer
from edge.gates.motion import Script, ScriptedGate
from edge.gates.servo import ServoAxis
from edge.pins import PinFactory
from edge.pins.attempts import attempt_all

__all__ = ["Conveyor"]

EXIT_LOOKS = 2
"""The exit sensor must say the same at so many looks in a row: what is shorter is a spike in its wire, and no item."""


class Conveyor(ScriptedGate):
    """The diverter turns and is let go, then the belt runs; home: the belt stops, then the diverter turns.

    At most one motor has power. The belt runs for `run_s`, or until an item has passed the exit sensor, which it must
    break for two ticks (20 ms) at least. What lies there before is no item of this way: the belt carries it off, within
    `run_s`. Without a pulse of the turn sensor for `stall_s` the belt has stalled. It stops `max_run_s` after it
    started, also when the loop hangs. The home switch must be released when the diverter stands elsewhere.

    Hazards: those of `ServoAxis` and `LimitedOutput`. A belt pulls fingers and sleeves in: guard its ends, and let the
    emergency stop cut its supply. The diverter is without power while the item passes, so its gear must hold it. What
    an earlier way left on the belt falls to where the diverter leads now.

    Args:
        config: pins, times and sensors.
        factory: gpiozero pin factory to claim the pins from.
        start_timer: what stops the belt when the loop does not.
    """

    def __init__(self, config: ConveyorConfig, factory: PinFactory, start_timer: StartTimer = start_timer) -> None:
        super().__init__(config, _BeltAndDiverter(config, factory, start_timer))


class _BeltAndDiverter:
    bins_key = "bins_deg"
    is_open_after_hold = True

    def __init__(self, config: ConveyorConfig, factory: PinFactory, start_timer: StartTimer) -> None:
        self._config = config
        self._factory = factory
        self._diverter = ServoAxis(config.diverter, factory, "gate.diverter.pin")
        self._home = HomeSwitch(config.home_switch, config.home_timeout_s, factory, "diverter")
        self._exit = None if config.exit_sensor is None else _Passage(config.exit_sensor, factory)
        self._turning = None if config.turn_sensor is None else _Pulses(config.turn_sensor, factory)
        self._belt_name = f"belt on {pin_name(config.belt_pin)}"
        self._belt = LimitedOutput(self._make_belt, config.max_run_s, self._belt_name, "gate.belt_pin", start_timer)
        self._ramp_s = 0.0 if config.belt_pwm_hz is None else config.belt_ramp_s
        self._speed = 0.0

    @property
    def commanded_deg(self) -> float | None:
        return self._diverter.commanded_deg

    def claim(self, stack: ExitStack) -> None:
        self._belt.claim(stack)
        self._diverter.claim(stack)
        self._home.claim(stack)
        for sensor in (self._exit, self._turning):
            if sensor is not None:
                sensor.contact.open()
                stack.callback(sensor.contact.close)

    def go_home(self) -> Script:
        yield from self._slow_down()
        yield from self._diverter.ramp(self._config.diverter_home_deg)
        yield from self._diverter.settle()
        yield from self._home.confirm()
        yield from self._diverter.let_go()

    def open_way(self, target: str) -> Script:
        yield from self._slow_down()
        yield from self._diverter.turn(self._config.bins_deg[target])
        if self._config.bins_deg[target] != self._config.diverter_home_deg:
            yield from self._home.confirm_left()

    def hold_open(self, target: str) -> Script:
        yield from self._carry()
        yield from self._slow_down()

    def cut(self) -> None:
        self._speed = 0.0
        attempt_all(self._belt.cut, self._diverter.cut)

    def _carry(self) -> Script:
        """Run the belt until the item is off it. Raises: JamError if it stalls, or if no item comes to its end."""
        config = self._config
        for sensor in (self._exit, self._turning):
            if sensor is not None:
                sensor.arm()
        now_s = turned_s = yield 0.0
        clear_s = now_s + self._ramp_s + config.run_s
        end_s = clear_s if self._exit is None else now_s + config.max_run_s - self._ramp_s
        self._belt.start(0.0)
        while now_s < end_s:
            if self._exit is not None and self._exit.has_passed():
                return
            if not self._set_speed(self._speed + self._share()):
                raise self._jam("went off by itself before its time; see what keeps the processor busy")
            if self._turning is not None and self._turning.take():
                turned_s = now_s
            if self._turning is not None and now_s - turned_s >= config.stall_s:
                raise self._jam(
                    f"did not turn for {config.stall_s:g} s; free it, or check gate.turn_sensor and the motor's supply"
                )
            if self._exit is not None and self._exit.is_taken and now_s >= clear_s:
                raise self._jam("did not carry off what lies at the exit; clear the belt, or check gate.exit_sensor")
            now_s = yield TICK_S
        if self._exit is not None:
            raise JamError(
                f"no item passed the exit sensor while the {self._belt_name} ran for {config.max_run_s:g} s; clear the "
                "belt, or check gate.exit_sensor"
            )

    def _jam(self, how: str) -> JamError:
        return JamError(f"{self._belt_name} {how}")

    def _slow_down(self) -> Script:
        while self._speed > 0.0 and self._set_speed(self._speed - self._share()):
            yield TICK_S
        self._speed = 0.0
        self._belt.cut()

    def _set_speed(self, speed: float) -> bool:
        self._speed = min(max(speed, 0.0), 1.0)
        return self._belt.drive(self._speed)

    def _share(self) -> float:
        """How much the speed changes between two looks."""
        return min(1.0, TICK_S / self._ramp_s) if self._ramp_s else 1.0

    def _make_belt(self) -> Any:
        from gpiozero import OutputDevice, PWMOutputDevice

        config = self._config
        if config.belt_pwm_hz is None:
            return OutputDevice(config.belt_pin, active_high=config.belt_active_high, pin_factory=self._factory)
        return PWMOutputDevice(
            config.belt_pin,
            active_high=config.belt_active_high,
            frequency=config.belt_pwm_hz,
            pin_factory=self._factory,
        )


class _Passage:
    """Tells that an item came to the belt's end and is past it."""

    def __init__(self, config: SwitchConfig, factory: PinFactory) -> None:
        self.contact = Contact(config, factory, "exit sensor", "gate.exit_sensor")
        self.is_taken = False
        """Something lies there since before `arm`."""
        self._has_come = False
        self._last = False
        self._looks = 0

    def arm(self) -> None:
        """Look at what is there before anything comes."""
        self.is_taken = self._last = self.contact.is_actuated()
        self._has_come = False
        self._looks = 0

    def has_passed(self) -> bool:
        """Look once. True if something came since `arm`, and is gone."""
        is_broken = self.contact.is_actuated()
        self._looks = self._looks + 1 if is_broken is self._last else 1
        self._last = is_broken
        if self._looks < EXIT_LOOKS:
            return False
        if is_broken:
            self._has_come = not self.is_taken
            return False
        self.is_taken = False
        return self._has_come


class _Pulses:
    """A sensor whose edges are noted in gpiozero's thread: they may be shorter than the time between two looks."""

    def __init__(self, config: SwitchConfig, factory: PinFactory) -> None:
        self._seen = threading.Event()
        self.contact = Contact(config, factory, "turn sensor", "gate.turn_sensor", self._seen.set)

    def arm(self) -> None:
        """Forget what was seen."""
        self._seen.clear()

    def take(self) -> bool:
        """True if there was an edge since the last time."""
        was_seen = self._seen.is_set()
        self._seen.clear()
        return was_seen
