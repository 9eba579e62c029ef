"""What gates move, as it looks from the far end of the wires: it turns, jams, and works the switches.

Each rig makes one kind of gate on a bench of pins and tells what a contract test asks of it. A rig whose doubles must
be told of every change of a pin is skipped on a real chip.
"""

from collections.abc import Callable
from typing import Any, Protocol

from edge.config import (
    CarouselConfig,
    ConveyorConfig,
    ServoConfig,
    ServoFlapConfig,
    SolenoidConfig,
    SwitchConfig,
    TwoServosConfig,
)
from edge.gates.carousel import Carousel
from edge.gates.conveyor import Conveyor
from edge.gates.limited import start_timer
from edge.gates.servo_flap import ServoFlap
from edge.gates.solenoid import Solenoids
from edge.gates.two_servos import TwoServos
from edge.ports import Gate
from edge.records import GateReport
from tests.doubles import ServoDouble, SwitchDouble, output_level, watch
from tests.pin_rig import PinBench
from tests.rigs import GateRig

DOOR: dict[str, Any] = {"settle_s": 0.1, "step_deg": 3.0}
FLAP: dict[str, Any] = {"hold_s": 0.8, "settle_s": 0.25}
TWO_SERVOS: dict[str, Any] = {
    "kind": "two_servos",
    "diverter": ServoConfig(pin=12, **DOOR),
    "door": ServoConfig(pin=13, **DOOR),
    "diverter_home_deg": 90.0,
    "bins_deg": {"recyclable": 150.0, "residue": 30.0},
    "door_closed_deg": 10.0,
    "door_open_deg": 100.0,
    "hold_s": 0.5,
}
CAROUSEL: dict[str, Any] = {
    "kind": "carousel",
    "home_switch": SwitchConfig(pin=22),
    "step_pin": 5,
    "direction_pin": 6,
    "enable_pin": 26,
    "steps_per_turn": 1600,
    "max_speed_deg_s": 180.0,
    "acceleration_deg_s2": 720.0,
    "search_speed_deg_s": 90.0,
    "tolerance_deg": 5.0,
    "bins_deg": {"glass": 60.0, "paper": 180.0, "residue": 300.0},
    "hold_s": 0.5,
    "settle_s": 0.1,
}
SOLENOID: dict[str, Any] = {
    "kind": "solenoid",
    "bin_pins": {"recyclable": 5, "residue": 6},
    "hold_s": 0.8,
    "max_on_s": 2.0,
    "rest_s": 0.5,
}
CONVEYOR: dict[str, Any] = {
    "kind": "conveyor",
    "belt_pin": 19,
    "run_s": 1.0,
    "max_run_s": 3.0,
    "stall_s": 0.5,
    "diverter": ServoConfig(pin=12, **DOOR),
    "diverter_home_deg": 90.0,
    "bins_deg": {"recyclable": 150.0, "residue": 30.0},
}
"""The figures stand here, so that a new default changes no test."""


class Rig(Protocol):
    """A kind of gate on a bench."""

    bins_key: str
    bench: PinBench
    config: Any

    def make(self) -> Gate:
        """Another gate on the same pins."""
        ...

    def is_powered(self) -> bool:
        """A motor gets power or pulses."""
        ...

    def position(self) -> Any:
        """What it was told last, in any unit."""
        ...

    def advance(self, step_s: float) -> None:
        """Time goes by for what the gate moves."""
        ...


class Drive(GateRig):
    """Ticks a gate on fake time, which goes by for what it moves, too; notes every bin that a way was open to."""

    def __init__(self, gate: Gate, driver: Rig) -> None:
        super().__init__(gate, pin=None)
        self.driver = driver
        self.opened_to: set[str | None] = set()

    def angle(self) -> None:
        return None

    def tick(self, step_s: float = GateRig.TICK_S) -> GateReport | None:
        report = super().tick(step_s)
        self.opened_to.add(self.gate.open_to)
        self.driver.advance(step_s)
        return report

    def route(self, target: str) -> None:
        """Begin a motion, with another item."""
        if isinstance(self.driver, ConveyorRig):
            self.driver.new_item()
        self.opened_to.clear()
        self.gate.route(target, self.now_s)

    def finish(self) -> GateReport:
        """Tick until the motion under way is reported."""
        for _ in range(3000):
            report = self.tick()
            if report is not None:
                return report
        raise AssertionError("the motion is never reported")

    def until(self, is_so: Callable[[], bool]) -> None:
        """Tick until something is so."""
        for _ in range(3000):
            if is_so():
                return
            self.tick()
        raise AssertionError("it never comes to that")

    def until_moved(self) -> None:
        """Tick until the gate was told something: a carousel begins its ramp slowly."""
        before = self.driver.position()
        self.until(lambda: self.driver.position() != before)


class FlapRig:
    bins_key = "bins_deg"

    def __init__(self, bench: PinBench, config: ServoFlapConfig) -> None:
        self.bench, self.config = bench, config
        if config.home_switch is not None:
            self.switch = SwitchDouble(bench, config.home_switch)
            self.servo = ServoDouble(bench, config.servo, self._turned)
            self.switch.set(False)

    def make(self) -> ServoFlap:
        return ServoFlap(self.config, self.bench.factory)

    def is_powered(self) -> bool:
        return self.bench.is_pulsed(self.config.servo_pin)

    def position(self) -> Any:
        return self.bench.duty(self.config.servo_pin)

    def advance(self, step_s: float) -> None: ...

    def _turned(self) -> None:
        self.switch.set(self.servo.is_at(self.config.home_deg))


class TwoServosRig:
    bins_key = "bins_deg"

    def __init__(self, bench: PinBench, config: TwoServosConfig) -> None:
        self.bench, self.config = bench, config
        if config.home_switch is not None:
            self.switch = SwitchDouble(bench, config.home_switch)
            self.door = ServoDouble(bench, config.door, self._turned)
            self.switch.set(False)

    def make(self) -> TwoServos:
        return TwoServos(self.config, self.bench.factory)

    def is_powered(self) -> bool:
        return any(self.bench.is_pulsed(servo.pin) for servo in (self.config.diverter, self.config.door))

    def position(self) -> Any:
        return tuple(self.bench.duty(servo.pin) for servo in (self.config.diverter, self.config.door))

    def advance(self, step_s: float) -> None: ...

    def _turned(self) -> None:
        self.switch.set(self.door.is_at(self.config.door_closed_deg))


class CarouselRig:
    """The carousel counts steps while its driver is enabled, and actuates the home switch from 0 to `WIDTH_DEG`.

    Attributes:
        steps: where it really stands.
        given: steps that it was given so far.
        is_jammed: it does not turn.
        loses: so many of the next steps go nowhere.
    """

    bins_key = "bins_deg"
    WIDTH_DEG = 8.0

    def __init__(self, bench: PinBench, config: CarouselConfig, start_deg: float = 33.0) -> None:
        self.bench, self.config = bench, config
        self.steps = round(start_deg * config.steps_per_turn / 360)
        self.given = 0
        self.is_jammed = False
        self.loses = 0
        self.switch = SwitchDouble(bench, config.home_switch)
        # The board's own resistor keeps the driver off while nobody drives the pin.
        bench.drive(config.enable_pin, not config.enable_active_high)
        watch(bench, config.step_pin, self._see)
        self._work_switch()

    @property
    def angle_deg(self) -> float:
        return self.steps % self.config.steps_per_turn * 360 / self.config.steps_per_turn

    def make(self) -> Carousel:
        return Carousel(self.config, self.bench.factory)

    def is_enabled(self) -> bool:
        off = not self.config.enable_active_high
        return output_level(self.bench, self.config.enable_pin, off) is not off

    def is_powered(self) -> bool:
        has_door = self.config.door is not None and self.bench.is_pulsed(self.config.door.pin)
        return has_door or self.is_enabled()

    def position(self) -> Any:
        return self.steps, 0.0 if self.config.door is None else self.bench.duty(self.config.door.pin)

    def advance(self, step_s: float) -> None: ...

    def turn_by_hand(self, angle_deg: float) -> None:
        self.steps += round(angle_deg * self.config.steps_per_turn / 360)
        self._work_switch()

    def _see(self, level: float) -> None:
        if not level or not self.is_enabled():
            return
        self.given += 1
        if self.is_jammed or self.loses > 0:
            self.loses -= 1
            return
        self.steps += 1 if self.bench.level(self.config.direction_pin) else -1
        self._work_switch()

    def _work_switch(self) -> None:
        self.switch.set(self.angle_deg < self.WIDTH_DEG)


class SolenoidRig:
    bins_key = "bin_pins"

    def __init__(self, bench: PinBench, config: SolenoidConfig, start_timer: Any = start_timer) -> None:
        self.bench, self.config = bench, config
        self._start_timer = start_timer
        self.pins = [pin for pin in config.bin_pins.values() if pin is not None]
        for pin in self.pins:
            bench.drive(pin, not config.active_high)
        if config.home_switch is not None:
            self.switch = SwitchDouble(bench, config.home_switch)
            for pin in self.pins:
                watch(bench, pin, self._pulled)
            self.switch.set(True)

    def make(self) -> Solenoids:
        return Solenoids(self.config, self.bench.factory, self._start_timer)

    def on(self) -> list[int]:
        """Pins whose coil is on."""
        off = not self.config.active_high
        return [pin for pin in self.pins if output_level(self.bench, pin, off) is not off]

    def is_powered(self) -> bool:
        return bool(self.on())

    def position(self) -> Any:
        return tuple(self.on())

    def advance(self, step_s: float) -> None: ...

    def _pulled(self, _: float) -> None:
        self.switch.set(not self.on())


class ConveyorRig:
    """While the belt runs, its turn sensor pulses, and an item comes to the exit sensor and passes it.

    Attributes:
        is_jammed: the belt stands still.
        has_item: something comes to the exit.
    """

    bins_key = "bins_deg"
    PULSE_S = 0.05
    EXIT_S = (0.6, 0.75)

    def __init__(self, bench: PinBench, config: ConveyorConfig, start_timer: Any = start_timer) -> None:
        self.bench, self.config = bench, config
        self._start_timer = start_timer
        self.is_jammed = False
        self.has_item = True
        self._run_s = 0.0
        self._switches = {key: SwitchDouble(bench, switch) for key, switch in config.switches().items()}
        for switch in self._switches.values():
            switch.set(False)
        bench.drive(config.belt_pin, not config.belt_active_high)
        # Asked for at every tick, which measuring pulses from outside would hold up.
        self._told_duty: float | None = None
        if config.belt_pwm_hz is not None and self._switches:
            self._told_duty = 0.0
            watch(bench, config.belt_pin, self._belt_told)
        if config.home_switch is not None:
            self.servo = ServoDouble(bench, config.diverter, self._turned)

    def switch(self, key: str) -> SwitchDouble:
        return self._switches[key]

    def make(self) -> Conveyor:
        return Conveyor(self.config, self.bench.factory, self._start_timer)

    def speed(self) -> float:
        """Of the belt, 0..1."""
        if self.config.belt_pwm_hz is None:
            off = not self.config.belt_active_high
            return float(output_level(self.bench, self.config.belt_pin, off) is not off)
        duty = self.bench.duty(self.config.belt_pin) if self._told_duty is None else self._told_duty
        return duty if self.config.belt_active_high else 1.0 - duty

    def is_powered(self) -> bool:
        return self.speed() > 0.0 or self.bench.is_pulsed(self.config.diverter.pin)

    def position(self) -> Any:
        return self.speed(), self.bench.duty(self.config.diverter.pin)

    def advance(self, step_s: float) -> None:
        if self._switches and self.speed() > 0.0 and not self.is_jammed:
            self._run_s += step_s
            self._work_sensors()

    def new_item(self) -> None:
        """Another item lies at the belt's beginning."""
        self._run_s = 0.0
        self._work_sensors()

    def _belt_told(self, duty: float) -> None:
        self._told_duty = duty

    def _work_sensors(self) -> None:
        if "turn_sensor" in self._switches:
            self._switches["turn_sensor"].set(int(self._run_s / self.PULSE_S) % 2 == 1)
        if "exit_sensor" in self._switches:
            from_s, to_s = self.EXIT_S
            self._switches["exit_sensor"].set(self.has_item and from_s <= self._run_s < to_s)

    def _turned(self) -> None:
        self._switches["home_switch"].set(self.servo.is_at(self.config.diverter_home_deg))
