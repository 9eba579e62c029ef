"""What every test in the guest has: the chip, the camera, the service, and a place for figures."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fault.suite.rows import Row, Rows
from tests.rig.guest.camera import Camera
from tests.rig.guest.chip import Chip
from tests.rig.guest.sorter import SERVO, Sorter


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The hook is handed every item of the run, also those of other folders.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.rig)


@pytest.fixture(scope="session")
def chip() -> Chip:
    return Chip(Path(os.environ["EDGE_SORTER_RIG_GPIO"]))


@pytest.fixture(scope="session")
def _plugged() -> Iterator[Camera]:
    camera = Camera()
    camera.start()
    yield camera
    camera.stop()


@pytest.fixture
def camera(_plugged: Camera) -> Camera:
    """The camera before an empty tray."""
    _plugged.clear()
    return _plugged


@pytest.fixture(scope="session")
def _service(chip: Chip) -> Iterator[Sorter]:
    sorter = Sorter(chip)
    yield sorter
    sorter.stop()


@pytest.fixture
def sorter(_service: Sorter, camera: Camera) -> Sorter:
    """The service, with every input at rest. It may run, with the configuration of another test."""
    _service.rest()
    return _service


@pytest.fixture
def ready(sorter: Sorter, chip: Chip) -> Callable[..., Sorter]:
    """Sees to it that the service runs with a configuration, its servo at home without power, and the tray empty."""

    def start(**changes: Any) -> Sorter:
        if sorter.configure(changes) or not sorter.is_running:
            sorter.start()
        with chip.watch(SERVO) as servo:
            sorter.wait_until_ready(servo)
        sorter.forget()
        return sorter

    return start


@pytest.fixture(scope="session")
def figure() -> Callable[[str, str, str], None]:
    """Writes down something measured: what, the figure, what must hold."""
    file = Path(os.environ["EDGE_SORTER_RIG_OUT"]) / "figures.jsonl"

    def write(what: str, measured: str, limit: str) -> None:
        with file.open("a") as lines:
            lines.write(json.dumps({"what": what, "measured": measured, "limit": limit}) + "\n")

    return write


@pytest.fixture(scope="session")
def _rows() -> Rows:
    out = Path(os.environ["EDGE_SORTER_RIG_OUT"])
    return Rows((out / "part").read_text(), out / "rows")


@pytest.fixture
def row(_rows: Rows) -> Callable[..., Row]:
    """Writes down an entry of the fault matrix, see `tests.fault.suite.rows.Rows.add`."""
    return _rows.add
