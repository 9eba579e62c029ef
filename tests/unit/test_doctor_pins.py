"""What doctor says of the pins: chip, access, who holds them, hardware PWM, what the firmware gave away."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from edge.board.gpiochip import Line, read_line
from edge.board.processes import Program
from edge.board.video import read_video_node
from edge.config import Config
from edge.doctor.boot import boot_lines, claims
from edge.doctor.pins import check_pins
from edge.errors import ActuatorError
from tests.doctor_rig import PI_USER, a_pi, found, is_good, pi_config, pins_that

CONFIG_TXT = "boot/firmware/config.txt"
NOBODY = replace(PI_USER, groups=frozenset(), listed_in=frozenset())


def pins(machine, config=None, sorter=None):
    return list(check_pins(machine, config or pi_config(), sorter))


def test_the_pins_of_a_pi_in_good_order_are_ok(tmp_path):
    findings = pins(a_pi(tmp_path))
    assert is_good(findings)
    assert "pinctrl-bcm2711" in found(findings, "gpio.chip").found
    assert "2 pins" in found(findings, "gpio.lines").found
    assert found(findings, "gpio.library").level == "ok"


def test_simulated_pins_are_a_note_and_nothing_else_is_asked(tmp_path):
    (finding,) = pins(a_pi(tmp_path, chip_label=None, line=None, open_pins=None), Config())
    assert finding.level == "note"
    assert "nothing moves" in finding.found
    assert "lgpio" in finding.remedy


def test_simulated_pins_on_a_laptop_need_no_remedy(tmp_path):
    (finding,) = pins(a_pi(tmp_path, {"proc/device-tree/model": None}), Config())
    assert (finding.level, finding.remedy) == ("note", "")


def test_a_machine_without_gpio_is_told_so(tmp_path):
    machine = a_pi(tmp_path, {"dev/gpiochip0": None, "dev/gpiochip1": None}, has_module=lambda name: False)
    findings = pins(machine)
    assert {finding.check for finding in findings} == {"gpio.library", "gpio.chip"}
    assert {finding.level for finding in findings} == {"blocker"}
    assert all(finding.remedy for finding in findings)


def test_a_user_who_may_not_use_the_chips_learns_which_group_to_join(tmp_path):
    finding = found(pins(a_pi(tmp_path, user=NOBODY, may=lambda path, mode: False)), "gpio.chip")
    assert finding.level == "blocker"
    assert finding.remedy == "run: sudo adduser pi gpio; then log in again"


def test_a_group_that_was_joined_after_the_login_only_needs_a_new_one(tmp_path):
    user = replace(NOBODY, listed_in=frozenset({"gpio"}))
    finding = found(pins(a_pi(tmp_path, user=user, may=lambda path, mode: False)), "gpio.chip")
    assert finding.remedy.startswith("log out and in again")


def test_the_chip_is_found_by_its_label_wherever_it_is(tmp_path):
    labels = {"gpiochip0": "brcmvirt-gpio", "gpiochip1": "pinctrl-rp1"}
    asked = []

    def line(device, offset):
        asked.append((device.name, offset))
        return Line(False, "")

    findings = pins(a_pi(tmp_path, chip_label=lambda device: labels[device.name], line=line))
    assert is_good(findings)
    assert asked == [("gpiochip1", 18), ("gpiochip1", 23)]


@pytest.mark.parametrize("wanted", ["raspberrypi-exp-gpio", "gpiochip1"])
def test_a_chip_that_the_configuration_names_is_taken(tmp_path, wanted):
    config = pi_config().model_copy(update={"pins": pi_config().pins.model_copy(update={"chip": wanted})})
    assert "/dev/gpiochip1 is raspberrypi-exp-gpio" in found(pins(a_pi(tmp_path), config), "gpio.chip").found


@pytest.mark.parametrize(("wanted", "words"), [("pinctrl-none", "no GPIO chip is pinctrl-none"), (None, "pinctrl-rp1")])
def test_a_chip_that_is_not_there_is_a_blocker_that_names_those_that_are(tmp_path, wanted, words):
    config = pi_config().model_copy(update={"pins": pi_config().pins.model_copy(update={"chip": wanted})})
    finding = found(pins(a_pi(tmp_path, chip_label=lambda device: "gpio-mockup"), config), "gpio.chip")
    assert finding.level == "blocker"
    assert words in finding.found
    assert "gpiochip0 (gpio-mockup)" in finding.found


def test_a_pin_that_somebody_holds_is_a_blocker(tmp_path):
    lines = {18: Line(True, "spi0 CS0"), 23: Line(False, "")}
    findings = pins(a_pi(tmp_path, line=lambda device, offset: lines[offset], open_pins=None))
    finding = found(findings, "gpio.lines")
    assert finding.level == "blocker"
    assert finding.found == "GPIO18 (gate.servo_pin) is held by spi0 CS0"


def test_pins_that_the_running_sorter_holds_are_no_fault_and_are_left_alone(tmp_path):
    machine = a_pi(tmp_path, line=lambda device, offset: Line(True, "lg"), open_pins=None)
    findings = pins(machine, sorter=Program(1234, "run"))
    assert is_good(findings)
    assert "in use by process 1234 (edge-sorter run)" in found(findings, "gpio.lines").found


def test_a_chip_that_lacks_a_line_is_a_blocker(tmp_path):
    def line(device, offset):
        raise OSError(errno.EINVAL, "Invalid argument")

    levels = [finding for finding in pins(a_pi(tmp_path, line=line)) if finding.level == "blocker"]
    assert [finding.check for finding in levels] == ["gpio.lines", "gpio.lines"]
    assert "no such line" in levels[0].found


def test_the_pin_librarys_own_refusal_is_passed_on(tmp_path):
    error = ActuatorError("pins.factory lgpio does not work here (unknown board); join group gpio")
    finding = found(pins(a_pi(tmp_path, open_pins=pins_that(error))), "gpio.library")
    assert (finding.level, finding.remedy) == ("blocker", "join group gpio")


def test_the_pin_library_leaves_nothing_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = []

    class Pins:
        def __enter__(self):
            folders.append(Path.cwd())

        def __exit__(self, *_):
            return None

    pins(a_pi(tmp_path / "root", open_pins=lambda config: Pins()))
    assert folders[0] != tmp_path
    assert Path.cwd() == tmp_path
    assert not folders[0].exists()


def with_pwm(root, files, **changes):
    """A Pi with the overlay's PWM."""
    machine = a_pi(root, {"sys/class/pwm/pwmchip0/npwm": "2\n", **files}, **changes)
    (root / "sys/devices/fe20c000.pwm").mkdir()
    (root / "sys/class/pwm/pwmchip0/device").symlink_to(root / "sys/devices/fe20c000.pwm")
    return machine


def hardware():
    return pi_config().model_copy(update={"pins": pi_config().pins.model_copy(update={"pwm": "hardware"})})


def test_hardware_pwm_without_the_overlay_is_a_blocker(tmp_path):
    finding = found(pins(a_pi(tmp_path), hardware()), "gpio.pwm")
    assert finding.level == "blocker"
    assert "dtoverlay" in finding.remedy


def test_hardware_pwm_that_this_user_may_not_use_is_a_blocker(tmp_path):
    machine = with_pwm(tmp_path, {}, user=NOBODY, may=lambda path, mode: path.name != "export")
    finding = found(pins(machine, hardware()), "gpio.pwm")
    assert finding.level == "blocker"
    assert "gpio" in finding.remedy


def test_hardware_pwm_in_good_order_is_ok_with_its_overlay(tmp_path):
    machine = with_pwm(tmp_path, {CONFIG_TXT: "dtoverlay=pwm-2chan,pin=18,func=2\n"})
    assert is_good(pins(machine, hardware()))


def test_a_pwm_of_something_else_is_no_pwm_for_a_servo(tmp_path):
    finding = found(pins(a_pi(tmp_path, {"sys/class/pwm/pwmchip0/npwm": "2\n"}), hardware()), "gpio.pwm")
    assert finding.level == "blocker"


def test_sound_on_the_same_pwm_is_a_warning(tmp_path):
    machine = with_pwm(tmp_path, {CONFIG_TXT: "dtparam=audio=on\n"})
    assert found(pins(machine, hardware()), "gpio.boot").level == "warning"
    assert is_good(pins(machine))


@pytest.mark.parametrize(
    ("lines", "bcm"),
    [
        ("dtparam=spi=on", {7, 8, 9, 10, 11}),
        ("dtparam=i2c_arm=on,i2s=on", {2, 3, 18, 19, 20, 21}),
        ("dtparam=spi=off", set()),
        ("#dtparam=spi=on", set()),
        ("enable_uart=1  # console", {14, 15}),
        ("enable_uart=0", set()),
        ("dtoverlay=w1-gpio", {4}),
        ("dtoverlay=w1-gpio,gpiopin=17", {17}),
        ("dtoverlay=gpio-fan,gpiopin=x", {12}),
        ("dtoverlay=gpio-key", set()),
        ("dtoverlay=gpio-key,gpio=5,label=stop", {5}),
        ("dtoverlay=pwm-2chan,pin=12,func=4", {12, 19}),
        ("dtoverlay=vc4-kms-v3d", set()),
        ("[none]\ndtparam=spi=on\n[all]\ndtoverlay=gpio-shutdown", {3}),
    ],
)
def test_which_pins_the_firmware_gives_away(tmp_path, lines, bcm):
    machine = a_pi(tmp_path, {CONFIG_TXT: lines})
    assert {claim.bcm for claim in claims(boot_lines(machine))} == bcm


def test_a_pin_that_the_firmware_gives_away_is_a_warning_that_names_the_line(tmp_path):
    finding = found(pins(a_pi(tmp_path, {CONFIG_TXT: "dtoverlay=gpio-ir\n"})), "gpio.boot")
    assert finding.level == "warning"
    assert finding.found == "config.txt gives GPIO18 away (dtoverlay=gpio-ir), which is gate.servo_pin here"


def test_the_older_place_of_config_txt_is_known(tmp_path):
    files = {CONFIG_TXT: None, "boot/config.txt": "dtoverlay=gpio-ir\n"}
    assert found(pins(a_pi(tmp_path, files)), "gpio.boot").level == "warning"


def test_a_serial_console_disturbs_only_who_uses_its_pins(tmp_path):
    machine = a_pi(tmp_path, {"boot/firmware/cmdline.txt": "console=serial0,115200 console=tty1\n"})
    config = pi_config("presence: {beam: {pin: 14}}")
    assert found(pins(machine, config), "gpio.boot").level == "warning"
    assert is_good(pins(machine))


def test_files_that_are_no_devices_are_refused_by_the_kernel(tmp_path):
    path = tmp_path / "gpiochip0"
    path.touch()
    for ask in (read_video_node, lambda device: read_line(device, 18)):
        with pytest.raises(OSError):
            ask(path)
