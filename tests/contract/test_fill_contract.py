"""What every `ports.FillSensor` promises; a new driver is done when it passes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from gpiozero import InputDevice

import edge.sensors.fill as fill
from edge.config import BeamFillConfig, UltrasonicFillConfig
from edge.errors import ActuatorError
from edge.ports import FillSensor
from edge.sensors.fill import BeamFillSensor, UltrasonicFillSensor
from tests.pin_rig import PinBench, open_bench

KEY = "bins.sensors.glass"
NEAR_S, FAR_S, PAUSE_S = 0.001, 0.03, 0.1
"""Echoes, and the pause between them: longer than gpiozero's own between pings, so that each ping begins in one. On a
real chip the bench is up to 15 ms late, or 2.6 m; the long echo is from beyond the ranger's reach."""
ECHOES = 100
"""After so many a test fails; five are enough for an answer."""


@dataclass
class Driver:
    """How to make a fill sensor on the bench, and what it sees.

    Attributes:
        see: let the sensor see a full or an empty bin until it says so, or time is up.
        pins: BCM number of each pin, by its key in the configuration.
        needs_answer: it knows nothing until it has heard something.
    """

    bench: PinBench
    make: Callable[[], FillSensor]
    see: Callable[[FillSensor, bool], None]
    pins: dict[str, int]
    needs_answer: bool


def beam(active_high: bool) -> Callable[[PinBench], Driver]:
    config = BeamFillConfig(kind="beam", pin=16, active_high=active_high)

    def build(bench: PinBench) -> Driver:
        return Driver(
            bench,
            make=lambda: BeamFillSensor(config, bench.factory, KEY),
            see=lambda sensor, is_full: bench.drive(16, is_full is active_high),
            pins={f"{KEY}.pin": 16},
            needs_answer=False,
        )

    return build


def ultrasonic(bench: PinBench) -> Driver:
    config = UltrasonicFillConfig(kind="ultrasonic", trigger_pin=20, echo_pin=21, full_m=3.5)
    an_echo_lasts = threading.Event()

    def see(sensor: FillSensor, is_full: bool) -> None:
        # A chip of the kernel stamps edges with its own time: here an echo takes as long as it does.
        for _ in range(ECHOES):
            bench.drive(21, True)
            an_echo_lasts.wait(NEAR_S if is_full else FAR_S)
            bench.drive(21, False)
            an_echo_lasts.wait(PAUSE_S)
            if sensor.is_full() is is_full:
                return

    return Driver(
        bench,
        make=lambda: UltrasonicFillSensor(config, bench.factory, KEY),
        see=see,
        pins={f"{KEY}.trigger_pin": 20, f"{KEY}.echo_pin": 21},
        needs_answer=True,
    )


DRIVERS = {"beam, high when broken": beam(True), "beam, low when broken": beam(False), "ultrasonic": ultrasonic}


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def driver(request, monkeypatch) -> Iterator[Driver]:
    monkeypatch.setattr(fill, "PING_S", 0.001)
    with closing(open_bench()) as bench:
        yield request.param(bench)


@pytest.fixture
def sensor(driver: Driver) -> Iterator[FillSensor]:
    sensor = driver.make()
    sensor.open()
    yield sensor
    sensor.close()


def test_full_and_empty_are_told_apart_again_and_again(driver, sensor):
    for is_full in (True, False, True, False):
        driver.see(sensor, is_full)
        assert sensor.is_full() is is_full


def test_before_anything_is_known_it_does_not_say_that_the_bin_is_full(driver, sensor):
    assert sensor.is_full() is (None if driver.needs_answer else False)


def test_a_sensor_that_is_not_open_knows_nothing(driver):
    sensor = driver.make()
    assert sensor.is_full() is None
    with closing(sensor):
        sensor.open()
        driver.see(sensor, True)
    assert sensor.is_full() is None


def test_closing_twice_or_unopened_is_allowed_and_what_was_seen_before_is_forgotten(driver):
    sensor = driver.make()
    sensor.close()
    for _ in range(2):
        with closing(sensor):
            sensor.open()
            assert sensor.is_full() is None or not driver.needs_answer
            driver.see(sensor, True)
            assert sensor.is_full()
        sensor.close()


def test_a_closed_sensor_frees_its_pins(driver):
    first = driver.make()
    first.open()
    first.close()
    with closing(driver.make()) as second:
        second.open()
        driver.see(second, True)
        assert second.is_full()


def test_a_second_sensor_on_the_same_pins_is_refused_and_the_first_works_on(driver, sensor):
    second = driver.make()
    with pytest.raises(ActuatorError, match="refused"):
        second.open()
    second.close()
    assert second.is_full() is None
    driver.see(sensor, True)
    assert sensor.is_full()


def test_each_pin_that_is_taken_is_refused_by_name_and_leaves_none_claimed(driver):
    for key, pin in driver.pins.items():
        holder = InputDevice(pin, pin_factory=driver.bench.factory)
        sensor = driver.make()
        with pytest.raises(ActuatorError, match=rf"on .*GPIO{pin} \(J8:\d+\).* refused: .*check .*{key}") as refused:
            sensor.open()
        assert refused.value.__cause__ is not None
        for other in set(driver.pins.values()) - {pin}:
            InputDevice(other, pin_factory=driver.bench.factory).close()
        sensor.close()
        holder.close()
        again = driver.make()
        again.open()
        again.close()
