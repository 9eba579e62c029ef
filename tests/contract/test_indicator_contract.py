"""What every `ports.Indicator` promises; a new driver is done when it passes."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from gpiozero import InputDevice

from edge.config import BuzzerConfig, LampConfig
from edge.errors import ActuatorError
from edge.indicators.buzzer import Buzzer
from edge.indicators.lamp import StatusLamp
from edge.ports import Indicator
from edge.records import Status
from tests.pin_rig import MockBench, PinBench, open_bench

LONG_S = 70.0
STEP_S = 0.1
"""As seldom as `show` may be called."""


@dataclass
class Driver:
    """How to make an indicator on the bench, and how to look at it.

    Attributes:
        pins: BCM number of each output, by its key in the configuration.
    """

    bench: PinBench
    make: Callable[[], Indicator]
    pins: dict[str, int]
    active_high: bool

    def lit(self) -> set[int]:
        """The outputs that are on."""
        return {pin for pin in self.pins.values() if self.bench.level(pin) is self.active_high}


def lamp(active_high: bool, **pins: int) -> Callable[[PinBench], Driver]:
    config = LampConfig(**pins, active_high=active_high)

    def build(bench: PinBench) -> Driver:
        keys = {f"panel.lamp.{name}": pin for name, pin in pins.items()}
        return Driver(bench, lambda: StatusLamp(config, bench.factory), keys, active_high)

    return build


def buzzer(active_high: bool) -> Callable[[PinBench], Driver]:
    config = BuzzerConfig(pin=12, active_high=active_high)
    return lambda bench: Driver(bench, lambda: Buzzer(config, bench.factory), {"panel.buzzer.pin": 12}, active_high)


DRIVERS = {
    "lamp": lamp(True, green_pin=5, yellow_pin=6, red_pin=13),
    "lamp, lit when low": lamp(False, green_pin=5, yellow_pin=6, red_pin=13),
    "lamp of one colour": lamp(True, red_pin=13),
    "buzzer": buzzer(True),
    "buzzer, sounds when low": buzzer(False),
}


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def driver(request) -> Iterator[Driver]:
    with closing(open_bench()) as bench:
        driver = request.param(bench)
        for pin in driver.pins.values():
            bench.drive(pin, not driver.active_high)  # the resistor that holds it off while nobody drives it
        yield driver


@pytest.fixture
def indicator(driver: Driver) -> Iterator[Indicator]:
    indicator = driver.make()
    indicator.open()
    yield indicator
    indicator.close()


def test_opening_switches_nothing_on(driver, indicator):
    assert driver.lit() == set()


def test_a_fault_is_told_at_once_and_goes_on_being_told(driver, indicator):
    indicator.show(Status.READY, 5.0)
    indicator.show(Status.FAULT, 10.0)
    assert driver.lit()
    told_s = []
    for step in range(1, round(LONG_S / STEP_S)):
        indicator.show(Status.FAULT, 10.0 + step * STEP_S)
        if driver.lit():
            told_s.append(step * STEP_S)
    assert told_s[-1] > LONG_S - 15.0


def test_no_status_is_an_error_and_one_output_at_most_is_on(driver, indicator):
    for index, status in enumerate(Status):
        for step in range(11):
            indicator.show(status, index * 10.0 + step * STEP_S)
            assert len(driver.lit()) <= 1


def test_what_is_shown_depends_on_the_status_and_the_time_alone(driver, indicator):
    runs = []
    for start_s in (100.0, 300.0):
        indicator.show(Status.READY, start_s)
        shown = []
        for step in range(40):
            indicator.show(Status.FAULT, start_s + 1.0 + step * 0.125)
            shown.append(driver.lit())
        runs.append(shown)
    assert runs[0] == runs[1]


def test_nothing_changes_by_itself(driver, indicator):
    indicator.show(Status.FAULT, 1.0)
    lit = driver.lit()
    indicator.show(Status.FAULT, 1.0)
    assert driver.lit() == lit


def test_closing_switches_off(driver):
    indicator = driver.make()
    indicator.open()
    indicator.show(Status.FAULT, 1.0)
    assert driver.lit()
    indicator.close()
    indicator.close()
    if isinstance(driver.bench, MockBench) and not driver.active_high:
        pytest.skip("a simulated pin falls low when it is given back; the unit tests see what was written before")
    assert driver.lit() == set()


def test_an_indicator_that_is_not_open_shows_nothing_and_raises_nothing(driver):
    indicator = driver.make()
    indicator.show(Status.FAULT, 1.0)
    assert driver.lit() == set()
    indicator.open()
    indicator.close()
    after_close = driver.lit()
    indicator.show(Status.FAULT, 2.0)
    assert driver.lit() == after_close


def test_a_closed_indicator_frees_its_pins_and_can_be_opened_again(driver):
    first = driver.make()
    for _ in range(2):
        first.open()
        first.show(Status.FAULT, 1.0)
        assert driver.lit()
        first.close()
    second = driver.make()
    second.open()
    second.show(Status.FAULT, 2.0)
    assert driver.lit()
    second.close()


def test_each_pin_that_is_taken_is_refused_by_name_and_leaves_none_claimed(driver):
    for key, pin in driver.pins.items():
        holder = InputDevice(pin, pin_factory=driver.bench.factory)
        indicator = driver.make()
        with pytest.raises(ActuatorError, match=rf"on GPIO{pin} \(J8:\d+\) refused: .*check {key}$") as refused:
            indicator.open()
        assert refused.value.__cause__ is not None
        for other in set(driver.pins.values()) - {pin}:
            InputDevice(other, pin_factory=driver.bench.factory).close()
        indicator.show(Status.FAULT, 1.0)
        indicator.close()
        holder.close()
        again = driver.make()
        again.open()
        again.close()
