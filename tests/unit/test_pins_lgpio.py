"""gpiozero's lgpio pins on an lgpio that only notes what it is told: fine pulses, levels at once, hardware PWM."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from edge.config import ServoFlapConfig
from edge.errors import ActuatorError
from edge.gates.servo_flap import ServoFlap
from edge.pins import open_factory
from edge.pins.hardware_pwm import PwmChannel
from tests.pwm_rig import FakePwm
from tests.rigs import GateRig

OUT = 2


class FakeLgpio(ModuleType):
    """Lines of one chip. `calls` has what was claimed, written and pulsed, in order."""

    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3

    error = type("error", (Exception,), {})

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.calls: list[tuple] = []
        self.modes: dict[int, int] = {}
        self.levels: dict[int, int] = {}
        self.opened: list[int] = []

    def gpiochip_open(self, chip: int) -> int:
        self.opened.append(chip)
        return 0

    def gpiochip_close(self, handle: int) -> None: ...

    def gpio_claim_input(self, handle: int, line: int, flags: int = 0) -> None:
        self.calls.append(("input", line))
        self.modes[line] = 0

    def gpio_claim_output(self, handle: int, line: int, level: int = 0) -> None:
        self.calls.append(("output", line, level))
        self.modes[line] = OUT
        self.levels[line] = level

    def gpio_get_mode(self, handle: int, line: int) -> int:
        return self.modes.get(line, 0)

    def gpio_free(self, handle: int, line: int) -> None: ...

    def gpio_read(self, handle: int, line: int) -> int:
        return self.levels.get(line, 0)

    def gpio_write(self, handle: int, line: int, level: int) -> None:
        self.calls.append(("write", line, int(level)))
        self.levels[line] = level

    def tx_pwm(self, handle: int, line: int, frequency: float, duty: float) -> None:
        self.calls.append(("pwm", line, frequency, duty))


@pytest.fixture
def lgpio(monkeypatch, tmp_path) -> Iterator[FakeLgpio]:
    fake = FakeLgpio()
    for name in ("gpiozero.pins.lgpio", "edge.pins.header_factory"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xA22082)
    header = importlib.import_module("edge.pins.header_factory")
    from edge.pins.chips import Chip

    monkeypatch.setattr(header, "find_chip", lambda chip: Chip(chip or "gpiochip4", "pinctrl-rp1"))
    yield fake
    for name in ("gpiozero.pins.lgpio", "edge.pins.header_factory"):
        sys.modules.pop(name, None)


@pytest.fixture
def pwm(tmp_path, lgpio, monkeypatch) -> FakePwm:
    pwm = FakePwm(tmp_path, {"fe20c000.pwm": 2})
    header = sys.modules["edge.pins.header_factory"]
    made = header.HeaderFactory.__init__
    monkeypatch.setattr(
        header.HeaderFactory,
        "__init__",
        lambda self, chip, choice: made(self, chip, choice, lambda bcm: PwmChannel(bcm, pwm.root, pwm.wait, pwm.write)),
    )
    return pwm


def test_the_chip_that_was_found_is_opened(lgpio):
    open_factory("lgpio").close()
    open_factory("lgpio", chip="gpiochip2").close()
    assert lgpio.opened == [4, 2]


def test_a_chip_that_is_not_found_is_told_as_it_is(lgpio, monkeypatch):
    def refuse(chip):
        raise ActuatorError("no GPIO chip is labelled so")

    monkeypatch.setattr(sys.modules["edge.pins.header_factory"], "find_chip", refuse)
    with pytest.raises(ActuatorError, match=r"^no GPIO chip is labelled so$"):
        open_factory("lgpio")


def flap_at_140(factory, pin: int = 18) -> GateRig:
    gate = ServoFlap(ServoFlapConfig(servo_pin=pin), factory)
    gate.open()
    rig = GateRig(gate, factory.pin(pin))
    rig.home()
    gate.route("recyclable", rig.now_s)
    return rig


def test_a_servos_pulses_are_not_cut_to_hundredths_of_their_period(lgpio):
    factory = open_factory("lgpio")
    rig = flap_at_140(factory)
    (report,) = rig.run(3.0)
    _, line, frequency, duty = [call for call in lgpio.calls if call[0] == "pwm"][-1]
    assert (line, frequency) == (18, 50)
    assert duty / 100 * 20_000 == pytest.approx(500 + 2000 * 140 / 180, abs=0.1)
    assert report.commanded_deg == pytest.approx(140.0)
    rig.gate.stop()
    assert [call for call in lgpio.calls if call[0] == "pwm"][-1] == ("pwm", 18, 0, 0)
    rig.gate.close()
    factory.close()


@pytest.mark.parametrize("active_high", [True, False])
def test_an_output_has_its_level_from_the_moment_it_is_one(lgpio, active_high):
    from gpiozero import OutputDevice

    factory = open_factory("lgpio")
    device = OutputDevice(5, active_high=active_high, pin_factory=factory)
    assert [call for call in lgpio.calls if call[0] != "input"] == [("output", 5, int(not active_high))]
    device.on()
    assert lgpio.levels[5] == active_high
    assert device.value == 1
    device.close()
    assert lgpio.calls[-1] == ("input", 5)
    factory.close()


def test_a_servo_on_hardware_pwm_is_the_same_servo_and_its_line_is_never_claimed(lgpio, pwm):
    factory = open_factory("lgpio", pwm="hardware")
    rig = flap_at_140(factory)
    (report,) = rig.run(3.0)
    assert report.commanded_deg == pytest.approx(140.0, abs=0.01)
    assert pwm.value("pwmchip0/pwm0/duty_cycle") == pytest.approx((500 + 2000 * 140 / 180) * 1000, abs=1)
    rig.gate.home(rig.now_s)
    rig.run(3.0)
    assert pwm.value("pwmchip0/pwm0/enable") == 0
    rig.gate.route("residue", rig.now_s)
    rig.run(0.1)
    assert pwm.value("pwmchip0/pwm0/enable") == 1
    rig.gate.stop()
    assert (pwm.value("pwmchip0/pwm0/enable"), pwm.value("pwmchip0/pwm0/duty_cycle")) == (0, 0)
    rig.gate.close()
    assert not pwm.is_exported("pwmchip0/pwm0")
    assert lgpio.calls == [], "claiming the line takes it from the PWM"
    factory.close()


def test_opening_a_servo_on_hardware_pwm_gives_no_pulse(lgpio, pwm):
    factory = open_factory("lgpio", pwm="hardware")
    gate = ServoFlap(ServoFlapConfig(servo_pin=13), factory)
    gate.open()
    assert {text for path, text in pwm.writes if path.endswith("duty_cycle")} <= {"0"}
    assert pwm.value("pwmchip0/pwm1/enable") == 0
    gate.close()
    factory.close()


def test_a_servo_on_a_board_without_the_overlay_is_refused_by_its_pin(lgpio, tmp_path):
    header = sys.modules["edge.pins.header_factory"]
    factory = header.HeaderFactory(None, "hardware", lambda bcm: PwmChannel(bcm, tmp_path))
    with pytest.raises(
        ActuatorError, match=r"servo on GPIO18 refused: GPIO18 has no hardware PWM here.*check gate\.servo"
    ):
        ServoFlap(ServoFlapConfig(servo_pin=18), factory).open()
    factory.close()


def test_pins_beside_the_servo_stay_plain_inputs_and_outputs(lgpio, pwm):
    from gpiozero import InputDevice, OutputDevice

    factory = open_factory("lgpio", pwm="hardware")
    lamp = OutputDevice(19, pin_factory=factory, active_high=False)
    assert lgpio.calls == [("output", 19, 1)]
    lamp.on()
    assert lgpio.levels[19] == 0
    assert lamp.value == 1
    lamp.close()
    assert lgpio.calls[-1] == ("input", 19)
    assert pwm.writes == []
    button = InputDevice(12, pull_up=True, pin_factory=factory)
    lgpio.levels[12] = 0
    assert button.is_active
    factory.close()


def test_a_pin_of_the_pwm_that_was_released_can_be_something_else(lgpio, pwm):
    from gpiozero import OutputDevice

    factory = open_factory("lgpio", pwm="hardware")
    gate = ServoFlap(ServoFlapConfig(servo_pin=18), factory)
    gate.open()
    gate.close()
    lamp = OutputDevice(18, pin_factory=factory)
    lamp.on()
    assert lgpio.levels[18] == 1
    lamp.close()
    factory.close()
