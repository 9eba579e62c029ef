"""Hardware PWM through the kernel's files: which channel, in which order, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ActuatorError
from edge.pins.hardware_pwm import PwmChannel
from tests.pwm_rig import FakePwm

PI3 = {"3f20c000.pwm": 2}
PI4 = {"fe20c000.pwm": 2}
PI5_2023 = {"107d517a80.pwm": 2, "1f00098000.pwm": 4, "1f0009c000.pwm": 4}
PI5_NOW = {"1f00098000.pwm": 4, "1f0009c000.pwm": 4}


def channel(pwm: FakePwm, bcm: int = 18) -> PwmChannel:
    return PwmChannel(bcm, pwm.root, pwm.wait, pwm.write)


@pytest.fixture
def pwm(tmp_path) -> FakePwm:
    return FakePwm(tmp_path, PI4)


@pytest.mark.parametrize(
    ("devices", "bcm", "path"),
    [
        (PI3, 18, "pwmchip0/pwm0"),
        (PI3, 12, "pwmchip0/pwm0"),
        (PI4, 13, "pwmchip0/pwm1"),
        (PI4, 19, "pwmchip0/pwm1"),
        (PI5_2023, 12, "pwmchip1/pwm0"),
        (PI5_2023, 13, "pwmchip1/pwm1"),
        (PI5_NOW, 18, "pwmchip0/pwm2"),
        (PI5_NOW, 19, "pwmchip0/pwm3"),
    ],
)
def test_each_gpio_has_its_channel_on_each_board(tmp_path, devices, bcm, path):
    pwm = FakePwm(tmp_path, devices)
    channel(pwm, bcm)
    assert pwm.is_exported(path)


def test_pulses_begin_at_nothing_and_have_the_width_that_was_asked_for(pwm):
    servo = channel(pwm)
    assert servo.frequency is None
    servo.start(50)
    assert (servo.frequency, servo.duty) == (50.0, 0.0)
    servo.set_duty(0.075)
    assert pwm.value("pwmchip0/pwm0/period") == 20_000_000
    assert pwm.value("pwmchip0/pwm0/duty_cycle") == 1_500_000
    assert pwm.value("pwmchip0/pwm0/enable") == 1
    assert servo.duty == pytest.approx(0.075)


def test_stopping_ends_the_pulse_first_and_closing_gives_the_channel_back(pwm):
    servo = channel(pwm)
    servo.start(50)
    servo.set_duty(0.1)
    pwm.writes.clear()
    servo.stop()
    assert pwm.writes == [("pwmchip0/pwm0/duty_cycle", "0"), ("pwmchip0/pwm0/enable", "0")]
    assert (servo.frequency, servo.duty) == (None, 0.0)
    servo.set_duty(0.0)
    servo.close()
    assert not pwm.is_exported("pwmchip0/pwm0")


def test_closing_while_pulses_come_ends_them(pwm):
    servo = channel(pwm)
    servo.start(50)
    servo.set_duty(0.1)
    pwm.writes.clear()
    servo.close()
    assert [text for _, text in pwm.writes] == ["0", "0", "0"]
    assert pwm.writes[1] == ("pwmchip0/pwm0/enable", "0")


@given(steps=st.lists(st.tuples(st.integers(10, 1000), st.floats(0, 1)), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_no_order_of_frequencies_and_duties_is_refused_by_the_kernel(tmp_path_factory, steps):
    pwm = FakePwm(tmp_path_factory.mktemp("pwm"), PI4)
    servo = channel(pwm)
    for frequency, duty in steps:
        before = servo.duty
        servo.start(frequency)
        assert servo.duty == pytest.approx(before, abs=1e-6), "a new frequency keeps the duty cycle"
        servo.set_duty(duty)
        assert pwm.value("pwmchip0/pwm0/period") == round(1e9 / frequency)
        assert servo.duty == pytest.approx(duty, abs=1e-5)
    servo.close()


def test_a_channel_that_a_dead_process_left_with_pulses_is_silenced(pwm):
    pwm.publish("pwmchip0/pwm0", period_ns=20_000_000, duty_ns=1_500_000, enable=1)
    servo = channel(pwm)
    assert pwm.writes == [("pwmchip0/pwm0/duty_cycle", "0"), ("pwmchip0/pwm0/enable", "0")]
    assert servo.frequency is None
    servo.start(100)
    assert servo.duty == 0.0


def test_udev_is_waited_for_and_not_for_ever(tmp_path):
    pwm = FakePwm(tmp_path, PI4, udev_looks=7)
    channel(pwm)
    assert pwm.waits == 7


def test_a_channel_that_never_may_be_written_is_refused_by_where_it_is(tmp_path):
    pwm = FakePwm(tmp_path, PI4, udev_looks=10_000)
    with pytest.raises(
        ActuatorError, match=r"PWM of GPIO18 \(.*pwmchip0/pwm0\) may not be written after 2 s; join group"
    ):
        channel(pwm)
    assert 50 <= pwm.waits <= 200


@pytest.mark.parametrize("devices", [{}, {"1f0009c000.pwm": 4}, {"pwm-fan": 1}])
def test_a_board_without_the_overlay_is_told_what_to_write_where(tmp_path, devices):
    pwm = FakePwm(tmp_path, devices)
    with pytest.raises(
        ActuatorError, match=r"GPIO18 has no hardware PWM here.*dtoverlay=pwm-2chan .*config\.txt"
    ) as told:
        channel(pwm)
    assert all(device in str(told.value) for device in devices)


def test_a_gpio_that_no_pwm_reaches_is_refused(pwm):
    with pytest.raises(ActuatorError, match="GPIO17 has no hardware PWM"):
        channel(pwm, 17)


def test_a_channel_that_something_else_holds_is_told(pwm, monkeypatch):
    def busy(path, text):
        raise OSError(16, "Device or resource busy")

    with pytest.raises(
        ActuatorError, match=r"PWM of GPIO18 refused \(.*export.*busy\); join group gpio, end what else"
    ):
        PwmChannel(18, pwm.root, pwm.wait, busy)


def test_a_duty_cycle_before_a_frequency_is_refused(pwm):
    servo = channel(pwm)
    with pytest.raises(ActuatorError, match="before a frequency"):
        servo.set_duty(0.5)


@pytest.mark.parametrize("refused", [{"duty_cycle"}, {"enable"}, {"duty_cycle", "enable"}, {"duty_cycle", "unexport"}])
def test_what_the_kernel_refuses_keeps_nothing_else_from_being_stopped_and_given_back(pwm, refused):
    servo = channel(pwm)
    servo.start(50)
    servo.set_duty(0.1)
    pwm.writes.clear()
    pwm.refuses = refused
    with pytest.raises(ActuatorError, match=f"PWM of GPIO18 refused .*{min(refused)}: "):
        servo.close()
    assert [path.rpartition("/")[2] for path, _ in pwm.writes] == ["duty_cycle", "enable", "unexport"]


def test_a_stop_that_failed_is_tried_again(pwm):
    servo = channel(pwm)
    servo.start(50)
    servo.set_duty(0.1)
    pwm.refuses = {"enable"}
    with pytest.raises(ActuatorError):
        servo.stop()
    pwm.refuses = set()
    servo.stop()
    assert (pwm.value("pwmchip0/pwm0/enable"), servo.frequency) == (0, None)
    servo.start(50)
    assert servo.duty == 0.0
