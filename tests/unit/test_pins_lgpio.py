"""gpiozero's lgpio pins on an lgpio that only notes what it is told: fine pulses, levels at once, hardware PWM."""

import sys
from collections.abc import Iterator

import pytest

from edge.config import ServoFlapConfig
from edge.errors import ActuatorError
from edge.gates.servo_flap import ServoFlap
from edge.pins import open_factory
from edge.pins.hardware_pwm import PwmChannel
from tests.pwm_rig import FakeLgpio, FakePwm, fake_lgpio
from tests.rigs import GateRig


@pytest.fixture
def lgpio(monkeypatch) -> Iterator[FakeLgpio]:
    with fake_lgpio() as fake:
        yield fake


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


def test_a_pin_whose_channel_refuses_gives_its_line_back_all_the_same(lgpio, pwm):
    factory = open_factory("lgpio", pwm="hardware")
    pin = factory.pin(18)
    pin.function = "output"
    pin.state = 0
    pin.frequency = 50
    pwm.refuses = {"enable", "unexport"}
    with pytest.raises(ActuatorError, match=r"PWM of GPIO18 refused \(.*enable"):
        pin.close()
    assert ("input", 18) in lgpio.calls
    pwm.refuses = set()
    factory.close()


def test_a_pin_that_refuses_to_close_leaves_no_other_open_and_the_chip_is_given_back(lgpio, pwm):
    factory = open_factory("lgpio", pwm="hardware")
    for bcm in (12, 13):
        factory.pin(bcm).function = "output"
        factory.pin(bcm).frequency = 50
        factory.pin(bcm).state = 0.1

    def fail() -> None:
        raise OSError("bus error")

    factory.pin(12).close = fail
    with pytest.raises(OSError, match="bus error"):
        factory.close()
    assert not pwm.is_exported("pwmchip0/pwm1")
    assert lgpio.closed == 1


@pytest.mark.parametrize(("refusals", "is_told"), [(2, False), (99, True)])
def test_a_line_that_is_busy_for_a_moment_is_given_back_all_the_same(lgpio, monkeypatch, caplog, refusals, is_told):
    """lgpio's own thread may still hold it after its last edge; a program that ends must not fail at that."""
    factory = open_factory("lgpio")
    pin = factory.pin(17)
    claim, left = lgpio.gpio_claim_input, [refusals]

    def claim_input(handle: int, line: int, flags: int = 0) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise lgpio.error("GPIO busy")
        claim(handle, line, flags)

    lgpio.calls.clear()
    monkeypatch.setattr("edge.pins.header_factory.FREE_S", 0.0)
    monkeypatch.setattr(lgpio, "gpio_claim_input", claim_input)
    pin.close()
    assert (("input", 17) in lgpio.calls, "GPIO17 was not given back" in caplog.text) == (not is_told, is_told)
    monkeypatch.undo()
    factory.close()
