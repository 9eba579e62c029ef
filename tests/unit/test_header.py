"""The 40-pin header: a pin has one place and one name, and what cannot be used is refused with a reason."""

import re

import pytest

from edge.header import HEADER, header_pin_of, parse_pin

PLACES = {2: 3, 3: 5, 4: 7, 14: 8, 17: 11, 18: 12, 10: 19, 25: 22, 8: 24, 5: 29, 12: 32, 13: 33, 19: 35, 26: 37, 21: 40}
"""BCM numbers and their pins, from the board's own drawing."""
GROUNDS = [6, 9, 14, 20, 25, 30, 34, 39]


@pytest.mark.parametrize(("bcm", "number"), PLACES.items())
def test_a_gpio_has_its_place(bcm: int, number: int):
    assert header_pin_of(bcm) == HEADER[number - 1]
    assert HEADER[number - 1].name == f"GPIO{bcm}"
    assert parse_pin(f"J8:{number}") == bcm


def test_the_header_has_40_pins_28_of_them_gpios():
    assert [pin.number for pin in HEADER] == list(range(1, 41))
    assert sorted(pin.bcm for pin in HEADER if pin.bcm is not None) == list(range(28))


def test_grounds_and_supplies_are_where_the_board_has_them():
    named = {name: [pin.number for pin in HEADER if pin.name == name] for name in ("GND", "3V3", "5V")}
    assert named == {"GND": GROUNDS, "3V3": [1, 17], "5V": [2, 4]}


@pytest.mark.parametrize("bcm", range(2, 28))
def test_every_spelling_of_a_pin_means_the_same(bcm: int):
    number = header_pin_of(bcm).number
    spellings = [
        bcm,
        f"GPIO{bcm}",
        f"gpio{bcm}",
        f"BCM{bcm}",
        f"J8:{number}",
        f"j8:{number}",
        f" BOARD{number} ",
    ]
    assert {parse_pin(spelling) for spelling in spellings} == {bcm}


REFUSED = [
    ("a supply", "J8:1", "J8:1 is 3V3, which carries no signal; take a GPIO"),
    ("a ground", "BOARD39", "BOARD39 is GND, which carries no signal; take a GPIO"),
    ("beyond the header", "J8:41", "J8:41 is no pin of the header, which has pins 1 to 40"),
    ("before the header", "J8:0", "J8:0 is no pin of the header"),
    ("a GPIO that the header lacks", 28, "28 is not on the header, which carries GPIO0 to GPIO27"),
    ("below zero", -1, "-1 is not on the header"),
    ("the pin of a HAT's chip", 0, "0 (GPIO0) is kept for the identification chip of a HAT; take another GPIO"),
    ("that pin by its place", "J8:28", "J8:28 (GPIO1) is kept for the identification chip of a HAT"),
    ("a number in quotes, of which nobody knows what it counts", "18", "'18' is no pin; give a BCM number such as 18"),
    ("a word", "servo", "'servo' is no pin; give a BCM number such as 18, or a header pin such as J8:12"),
    ("a number of WiringPi", "WPI1", "'WPI1' is no pin; give a BCM number such as 18"),
    ("nothing after the prefix", "J8:", "'J8:' is no pin"),
    ("a superscript", "J8:²", "'J8:²' is no pin"),
    ("a sign", "GPIO-4", "'GPIO-4' is no pin"),
    ("truth", True, "True is no pin"),
    ("a fraction", 18.0, "18.0 is no pin"),
    ("nothing", None, "None is no pin"),
]


@pytest.mark.parametrize(("value", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_usable_pin_is_refused_with_the_reason(value: object, says: str):
    with pytest.raises(ValueError, match=f"^{re.escape(says)}"):
        parse_pin(value)
