"""What the tests of the fault matrix have besides: faults inside the process, and an item that proves that it sorts."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.rig.guest.camera import Camera
from tests.rig.guest.chip import Chip
from tests.rig.guest.inject import Injection
from tests.rig.guest.sorter import DROP, SERVO, Sorter

ITEM_S = 15.0


@pytest.fixture(scope="session")
def injection() -> Iterator[Injection]:
    injection = Injection()
    injection.install()
    yield injection
    injection.remove()


@pytest.fixture
def fresh(injection: Injection, sorter: Sorter, chip: Chip) -> Callable[..., Sorter]:
    """Starts the service anew, with a configuration and no failed start behind it, and waits until it could sort."""

    def start(**changes: object) -> Sorter:
        sorter.configure(changes)
        sorter.start()
        sorter.wait_until_sorting(60.0)
        sorter.rest()
        with chip.watch(SERVO) as servo:
            sorter.wait_until_ready(servo)
        sorter.forget()
        return sorter

    return start


@pytest.fixture
def sorts(sorter: Sorter, chip: Chip, camera: Camera) -> Callable[[], dict[str, object]]:
    """Has one item sorted and confirmed. Returns: its event."""

    def sort() -> dict[str, object]:
        sorter.rest()
        time.sleep(0.7)
        sorter.forget()
        with chip.watch(SERVO) as servo:
            camera.show("residue")
            servo.wait_for_pulse(ITEM_S)
            # What is seen in the first tenth of a second confirms nothing.
            time.sleep(0.2)
            chip.tap(DROP)
            camera.fall()
            item = sorter.wait_for("item", ITEM_S)
        assert item["gate"]["confirmed"] is True
        return item

    return sort
