"""What every `ports.Switch` promises; a new driver is done when it passes."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from edge.config import FailSafeSwitchConfig, SwitchConfig
from edge.contact import Contact
from edge.errors import ActuatorError
from edge.ports import Switch
from tests.pin_rig import PinBench, open_bench

PIN, OTHER_PIN = 16, 20
NAME = r"lid on GPIO16 \(J8:36\)"


@dataclass
class Driver:
    """How to make a switch on the bench, and how to actuate it.

    Attributes:
        make: a switch on the pin that is given.
        actuate: put the level on a pin that actuates, or the other one.
        reads_when_cut: what a wire that is cut reads as; None: nothing pulls the pin.
    """

    make: Callable[..., Switch]
    actuate: Callable[..., None]
    reads_when_cut: bool | None


def contact(config: SwitchConfig) -> Callable[[PinBench], Driver]:
    def build(bench: PinBench) -> Driver:
        def make(pin: int = PIN) -> Switch:
            return Contact(config.model_copy(update={"pin": pin}), bench.factory, "lid", "panel.lid")

        def actuate(is_actuated: bool, pin: int = PIN) -> None:
            bench.drive(pin, is_actuated is config.active_high)

        pull = config.resolved_pull
        return Driver(make, actuate, None if pull == "none" else (pull == "up") is config.active_high)

    return build


DRIVERS = {
    f"contact, actuated {'high' if active_high else 'low'}, pull {pull}": contact(
        SwitchConfig(pin=PIN, active_high=active_high, pull=pull)
    )
    for active_high in (True, False)
    for pull in ("auto", "up", "down", "none")
} | {"contact that fails safe": contact(FailSafeSwitchConfig(pin=PIN))}


@pytest.fixture
def bench() -> Iterator[PinBench]:
    with closing(open_bench()) as bench:
        yield bench


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def driver(request, bench: PinBench) -> Driver:
    return request.param(bench)


@pytest.fixture
def switch(driver: Driver) -> Iterator[Switch]:
    switch = driver.make()
    switch.open()
    yield switch
    switch.close()


def test_a_switch_tells_the_level_of_this_moment_however_often_it_is_asked(driver, switch):
    for is_actuated in (True, False, True, False):
        driver.actuate(is_actuated)
        assert [switch.is_actuated() for _ in range(3)] == [is_actuated] * 3


def test_what_was_pressed_and_released_between_two_looks_is_forgotten(driver, switch):
    driver.actuate(False)
    driver.actuate(True)
    driver.actuate(False)
    assert not switch.is_actuated()


def test_a_wire_that_is_cut_reads_as_the_resistor_has_it(driver, switch):
    if driver.reads_when_cut is None:
        pytest.skip("nothing pulls the pin, so that a cut wire reads as anything")
    assert switch.is_actuated() is driver.reads_when_cut


def test_a_switch_that_is_not_open_is_an_error_and_not_a_level(driver):
    switch = driver.make()
    with pytest.raises(ActuatorError, match=rf"{NAME} is not open; call open\(\)"):
        switch.is_actuated()
    switch.open()
    switch.close()
    with pytest.raises(ActuatorError, match="not open"):
        switch.is_actuated()


def test_closing_twice_or_unopened_is_allowed_and_a_closed_switch_can_be_opened_again(driver):
    switch = driver.make()
    switch.close()
    for _ in range(2):
        switch.open()
        driver.actuate(True)
        assert switch.is_actuated()
        switch.close()
        switch.close()


def test_a_closed_switch_frees_its_pin(driver):
    first = driver.make()
    first.open()
    first.close()
    second = driver.make()
    second.open()
    driver.actuate(True)
    assert second.is_actuated()
    second.close()


def test_a_pin_that_is_taken_is_refused_by_name_and_the_first_switch_works_on(driver, switch):
    second = driver.make()
    with pytest.raises(ActuatorError, match=rf"{NAME} refused: .*check panel\.lid\.pin") as refused:
        second.open()
    assert refused.value.__cause__ is not None
    second.close()
    driver.actuate(True)
    assert switch.is_actuated()


def test_two_switches_know_nothing_of_one_another(driver, switch):
    other = driver.make(OTHER_PIN)
    other.open()
    for is_actuated in (True, False):
        driver.actuate(is_actuated)
        driver.actuate(not is_actuated, OTHER_PIN)
        assert (switch.is_actuated(), other.is_actuated()) == (is_actuated, not is_actuated)
    other.close()
