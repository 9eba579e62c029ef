"""Programs that hold a camera, killed or with their camera taken away; and the sorter itself on such a camera.

Run in the guest, from guest.sh, in this order. libcamera is loaded in the programs only: where a device comes or goes
it may abort the process that it is in.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.rig.picamera.figures import write_figure
from tests.rig.picamera.pictures import SIZE, TRAY_FPS, show
from tests.rig.picamera.viewer import MAX_AGE_S

VIEWER = Path(__file__).with_name("viewer.py")
VIMC = Path("/sys/bus/platform/drivers/vimc")
VIMC_NUMBER = TRAY_NUMBER = 0
"""picamera2 numbers cameras by their names, the last one first: tray, platform/vimc.0, areas."""
NOTICED_S = MAX_AGE_S + 0.5
ENDED_S = 4.0
SORT_S = 60.0
"""Longest time for three items; the tray's loop takes seven seconds."""
SORTER = (
    "import sys; from tests.rig.picamera import stand_ins; stand_ins.install(); "
    "from edge.cli import main; sys.exit(main())"
)


@contextmanager
def viewer_of(number: int) -> Iterator[subprocess.Popen[str]]:
    """A process that looks at a camera; it is killed at the end."""
    with subprocess.Popen([sys.executable, VIEWER, str(number)], stdout=subprocess.PIPE, text=True) as viewer:
        try:
            yield viewer
        finally:
            viewer.kill()


def line(viewer: subprocess.Popen[str]) -> dict:
    """The next thing that happens to it."""
    assert viewer.stdout is not None
    return json.loads(viewer.stdout.readline())


@pytest.fixture
def sorter(tmp_path) -> Iterator[Callable[[int, float], "Sorter"]]:
    """Starts the whole program on a camera, with simulated pins; it is killed at the end."""
    started = []

    def start(number: int, fps: float) -> "Sorter":
        started.append(Sorter(tmp_path, number, fps))
        return started[-1]

    yield start
    for sorter in started:
        sorter.process.kill()
        sorter.process.wait()


class Sorter:
    """The program, what it wrote down, and what it says."""

    def __init__(self, folder: Path, number: int, fps: float) -> None:
        config, self._events, self._output = folder / "config.yaml", folder / "events.jsonl", folder / "output"
        source = {"spec": f"picamera2:{number}", "width_px": SIZE[0], "height_px": SIZE[1], "fps": fps}
        config.write_text(yaml.safe_dump({"source": source | {"max_age_s": MAX_AGE_S}}))
        arguments = ["run", "--config", config, "--events", self._events, "--ledger", folder / "ledger.db", "--json"]
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SORTER, *map(str, arguments)], stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def says(self) -> str:
        return self._output.read_text()

    def events(self, type_: str) -> list[dict]:
        """Events of one type, so far."""
        if not self._events.exists():
            return []
        lines = [text for text in self._events.read_text().splitlines(keepends=True) if text.endswith("\n")]
        return [event for event in map(json.loads, lines) if event["type"] == type_]

    def wait_for(self, type_: str, count: int) -> list[dict]:
        """So many events of one type. Fails if they do not come, or the program ends before."""
        end_s = time.monotonic() + SORT_S
        while self.process.poll() is None and time.monotonic() < end_s:
            if len(self.events(type_)) >= count:
                return self.events(type_)
            time.sleep(0.05)
        pytest.fail(f"{len(self.events(type_))} events {type_}; exit {self.process.poll()}; it says:\n{self.says}")


def test_a_camera_is_free_again_after_kill_9():
    with viewer_of(VIMC_NUMBER) as first:
        assert line(first)["what"] == "open"
    killed_s = time.monotonic()
    with viewer_of(VIMC_NUMBER) as second:
        opened = line(second)
    assert opened["what"] == "open"
    write_figure("kill -9 to the first picture of the next program, s", f"{opened['at_s'] - killed_s:.2f}", "-")


def test_a_camera_that_is_taken_away_is_noticed_and_the_process_ends():
    """libcamera 0.4 aborts a process that stops a camera which is gone: the driver must not."""
    with viewer_of(VIMC_NUMBER) as viewer:
        assert line(viewer)["what"] == "open"
        time.sleep(1.0)
        taken_s = time.monotonic()
        (VIMC / "unbind").write_text("vimc.0")
        lost, closed = line(viewer), line(viewer)
        assert viewer.wait(10.0) == 3
        ended_s = time.monotonic()
    assert (lost["what"], closed["what"], closed["is_left_behind"]) == ("lost", "closed", True)
    assert re.search("stale|lost", lost["error"])
    write_figure("camera taken away to error, s", f"{lost['at_s'] - taken_s:.2f}", f"at most {NOTICED_S:g}")
    write_figure("camera taken away to the process's end, s", f"{ended_s - taken_s:.2f}", f"at most {ENDED_S:g}")
    assert 0.0 <= lost["at_s"] - taken_s <= NOTICED_S
    assert ended_s - taken_s <= ENDED_S


def test_a_camera_that_is_plugged_in_again_is_found_and_the_sorter_ends_when_it_loses_it(sorter):
    (VIMC / "bind").write_text("vimc.0")
    subprocess.run(["udevadm", "settle"], check=True)
    program = sorter(VIMC_NUMBER, 5.0)
    program.wait_for("boot", 1)
    taken_s = time.monotonic()
    (VIMC / "unbind").write_text("vimc.0")
    status = program.process.wait(10.0)
    took_s = time.monotonic() - taken_s
    assert status == 3, program.says
    assert [event["reason"] for event in program.events("fault")] == ["source_lost"], program.says
    write_figure("the sorter's camera taken away to exit 3, s", f"{took_s:.2f}", f"at most {ENDED_S:g}")
    assert took_s <= ENDED_S


def test_the_sorter_sorts_what_this_camera_sees(sorter):
    """The items on the camera's tray become events, and nothing is lost."""
    show("tray")
    program = sorter(TRAY_NUMBER, float(TRAY_FPS))
    items = program.wait_for("item", 3)
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(20.0) == 0, program.says
    assert not program.events("fault"), program.says
    write_figure("items sorted from the virtual camera's tray", str(len(items)), "at least 3")
    write_figure("rest to decision, ms", ", ".join(str(item["latency_ms"]["decide"]) for item in items), "-")
