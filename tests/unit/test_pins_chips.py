"""The chip of the header by its label, whatever its number; and what is refused."""

import os
from pathlib import Path

import pytest

import edge.pins.chips
from edge.errors import ActuatorError, ConfigError
from edge.pins import open_factory
from edge.pins.chips import Chip, find_chip, list_chips, read_label


@pytest.fixture
def dev(tmp_path: Path):
    """Makes chips of these labels in a folder like /dev; a label is what their file holds."""

    def make(**labels: str) -> Path:
        for name, label in labels.items():
            (tmp_path / name).write_text(label)
        return tmp_path

    return make


def read(device: Path) -> str:
    label = device.read_text()
    if label == "forbidden":
        raise PermissionError(13, "Permission denied")
    return label


PI4 = {"gpiochip0": "pinctrl-bcm2711", "gpiochip1": "raspberrypi-exp-gpio"}
PI5_2023 = {"gpiochip0": "gpio-brcmstb@107d508500", "gpiochip4": "pinctrl-rp1", "gpiochip10": "gpio-brcmstb@107d517c00"}
PI5_NOW = {"gpiochip0": "pinctrl-rp1", "gpiochip10": "gpio-brcmstb@107d508500"}


@pytest.mark.parametrize(
    ("chips", "number"),
    [
        ({"gpiochip0": "pinctrl-bcm2835", "gpiochip1": "raspberrypi-exp-gpio"}, 0),
        (PI4, 0),
        (PI5_2023, 4),
        (PI5_NOW, 0),
    ],
    ids=["Pi 3", "Pi 4", "Pi 5 in 2023", "Pi 5"],
)
def test_the_chip_of_the_header_is_found_by_its_label(dev, chips, number):
    assert find_chip(None, dev(**chips), read).number == number


def test_a_link_from_an_old_name_is_not_another_chip(dev):
    folder = dev(**PI5_NOW)
    (folder / "gpiochip4").symlink_to("gpiochip0")
    assert [chip.name for chip in list_chips(folder, read)] == ["gpiochip0", "gpiochip10"]
    assert find_chip("gpiochip4", folder, read).number == 0


@pytest.mark.parametrize(
    ("wanted", "number"), [("gpiochip10", 10), ("gpio-brcmstb@107d508500", 10), ("pinctrl-rp1", 0)]
)
def test_a_chip_is_taken_by_its_name_or_its_label(dev, wanted, number):
    assert find_chip(wanted, dev(**PI5_NOW), read).number == number


def test_other_files_are_no_chips(dev):
    folder = dev(**PI4)
    (folder / "gpiochip").touch()
    (folder / "gpiochipX").touch()
    assert [chip.number for chip in list_chips(folder, read)] == [0, 1]


def test_what_is_there_is_told_when_the_header_is_not(dev):
    with pytest.raises(
        ActuatorError,
        match=r"no GPIO chip is labelled pinctrl-bcm2835 or .*; there are: gpiochip0 \(gpio-mockup-A\); .*pins\.chip",
    ):
        find_chip(None, dev(gpiochip0="gpio-mockup-A"), read)


def test_a_machine_without_a_chip_says_so(tmp_path):
    with pytest.raises(ActuatorError, match=r"there are: none at all; .*set pins\.factory: mock"):
        find_chip(None, tmp_path)


def test_a_chip_that_may_not_be_asked_says_why(dev):
    folder = dev(gpiochip0="forbidden")
    assert list_chips(folder, read) == (Chip("gpiochip0", "", "Permission denied"),)
    for wanted in (None, "gpiochip0"):
        with pytest.raises(ActuatorError, match=r"gpiochip0 \(Permission denied\); on a Raspberry Pi join group gpio"):
            find_chip(wanted, folder, read)


def test_a_chip_that_was_named_and_is_not_there_is_told(dev):
    with pytest.raises(
        ActuatorError, match=r"no GPIO chip is gpiochip7; there are: gpiochip0 \(pinctrl-bcm2711\), gpio"
    ):
        find_chip("gpiochip7", dev(**PI4), read)


def test_the_kernel_is_asked_for_name_label_and_lines(tmp_path, monkeypatch):
    device = tmp_path / "gpiochip0"
    device.touch()
    asked = []

    def ioctl(descriptor: int, request: int, argument: bytes) -> bytes:
        asked.append((os.readlink(f"/proc/self/fd/{descriptor}"), request, len(argument)))
        return b"gpiochip0".ljust(32, b"\0") + b"pinctrl-rp1".ljust(32, b"\0") + (54).to_bytes(4, "little")

    monkeypatch.setattr(edge.pins.chips.fcntl, "ioctl", ioctl)
    assert read_label(device) == "pinctrl-rp1"
    # GPIO_GET_CHIPINFO_IOCTL is _IOR(0xB4, 1, struct gpiochip_info).
    assert asked == [(str(device), 2 << 30 | 68 << 16 | 0xB4 << 8 | 1, 68)]


def test_a_file_that_is_no_chip_is_refused_by_the_kernel(tmp_path):
    (tmp_path / "gpiochip0").touch()
    with pytest.raises(ActuatorError, match="Inappropriate ioctl"):
        find_chip(None, tmp_path)


@pytest.mark.parametrize("choice", [{"chip": "gpiochip0"}, {"pwm": "hardware"}])
@pytest.mark.parametrize("factory", ["rpigpio", "pigpio"])
def test_a_factory_without_a_choice_of_chips_or_pwm_refuses_it(factory, choice):
    with pytest.raises(ConfigError, match=rf"need pins\.factory: lgpio, not {factory}"):
        open_factory(factory, **choice)


def test_simulated_pins_make_all_pulses_alike():
    open_factory("mock", pwm="hardware").close()
