"""What every `ports.DropSensor` promises; a new driver is done when it passes."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from edge.config import DropSensorConfig
from edge.errors import ActuatorError
from edge.ports import DropSensor
from edge.sensors.beam import BeamSensor
from tests.pin_rig import PinBench, open_bench


@dataclass
class Driver:
    """How to make a sensor on the bench, and how to let something pass it: `block` and `free`."""

    make: Callable[[], DropSensor]
    block: Callable[[], None]
    free: Callable[[], None]

    def drop(self) -> None:
        self.block()
        self.free()


def beam(kind: str, active_high: bool) -> Callable[[PinBench], Driver]:
    config = DropSensorConfig(kind=kind, active_high=active_high)

    def build(bench: PinBench) -> Driver:
        return Driver(
            make=lambda: BeamSensor(config, bench.factory),
            block=lambda: bench.drive(config.pin, active_high),
            free=lambda: bench.drive(config.pin, not active_high),
        )

    return build


DRIVERS = {
    "beam, low when broken": beam("beam", False),
    "beam, high when broken": beam("beam", True),
    "switch, low when actuated": beam("switch", False),
    "switch, high when actuated": beam("switch", True),
}


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def driver(request) -> Iterator[Driver]:
    with closing(open_bench()) as bench:
        yield request.param(bench)


@pytest.fixture
def sensor(driver: Driver) -> Iterator[DropSensor]:
    sensor = driver.make()
    sensor.open()
    sensor.arm()
    yield sensor
    sensor.close()


def test_nothing_has_dropped_before_anything_drops(sensor):
    assert not sensor.has_dropped()


def test_a_drop_is_seen_however_short_and_remembered_until_armed_again(driver, sensor):
    driver.drop()
    assert [sensor.has_dropped() for _ in range(3)] == [True, True, True]
    sensor.arm()
    assert not sensor.has_dropped()


def test_a_drop_is_seen_when_it_begins(driver, sensor):
    driver.block()
    assert sensor.has_dropped()


def test_several_drops_are_as_good_as_one(driver, sensor):
    for _ in range(3):
        driver.drop()
    assert sensor.has_dropped()
    sensor.arm()
    assert not sensor.has_dropped()


def test_what_dropped_before_arming_does_not_count(driver, sensor):
    driver.drop()
    sensor.arm()
    assert not sensor.has_dropped()
    driver.drop()
    assert sensor.has_dropped()


def test_what_hangs_in_the_beam_is_no_drop_until_it_is_gone_and_something_else_falls(driver, sensor):
    driver.block()
    sensor.arm()
    assert not sensor.has_dropped()
    driver.free()
    assert not sensor.has_dropped(), "what leaves the beam is not what was waited for"
    driver.drop()
    assert sensor.has_dropped()


def test_a_closed_sensor_sees_nothing_and_its_pin_is_free(driver):
    sensor = driver.make()
    sensor.open()
    sensor.arm()
    sensor.close()
    sensor.close()
    driver.drop()
    assert not sensor.has_dropped()
    second = driver.make()
    second.open()
    second.arm()
    driver.drop()
    assert second.has_dropped()
    second.close()


def test_closing_a_sensor_that_was_never_opened_is_allowed(driver):
    sensor = driver.make()
    sensor.close()
    sensor.close()
    assert not sensor.has_dropped()


def test_a_closed_sensor_can_be_opened_again(driver):
    sensor = driver.make()
    for _ in range(2):
        sensor.open()
        sensor.arm()
        driver.drop()
        assert sensor.has_dropped()
        sensor.close()


def test_a_second_sensor_on_the_same_pin_is_refused_and_the_first_works_on(driver, sensor):
    second = driver.make()
    with pytest.raises(
        ActuatorError, match=r"drop sensor on GPIO23 \(J8:16\) refused: .*check drop_sensor\.pin"
    ) as refused:
        second.open()
    assert refused.value.__cause__ is not None
    second.close()
    driver.drop()
    assert sensor.has_dropped()
