"""The whole program on a live camera that is a double: the simulated tray, in real time.

    python -m tests.fault.suite.live SETTINGS [edge-sorter run options]

SETTINGS is JSON: `pins`, the file for what the pins are told (`pinlog`); `items`, how many come; `gap_s`, between two
of them; `hog_after_s`, when a thread takes the interpreter's lock and does not give it back (none unless given);
`spoiler`, a promise to break (`spoilers.py`).

A live source runs on the machine's monotonic clock, which is what faults of clocks and hangs are about. Everything but
the camera and the pins is the real thing.
"""

import itertools
import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import edge.drivers
import edge.sources.v4l2 as v4l2
from edge.cli import main
from edge.records import BgrImage
from edge.sources.sim import Simulation
from edge.sources.sim_script import Item
from tests.fault.suite.pinlog import note, record_pins
from tests.fault.suite.spoilers import spoil

__all__ = ["hog", "install_camera", "run_live"]

KINDS = (("glass", "bottle_brown"), ("trash", "crisp_bag"), ("plastic", "pet_bottle"), ("metal", "drinks_can"))
"""Items that the packaged model is sure of, for either bin."""


def run_live(settings: dict[str, Any], options: list[str]) -> None:
    """Run the program until its end."""
    if "pins" in settings:
        record_pins(Path(settings["pins"]))
    spoil(settings.get("spoiler"))
    install_camera(settings.get("items", 1_000_000), settings.get("gap_s", 0.6))
    if "hog_after_s" in settings:
        timer = threading.Timer(settings["hog_after_s"], hog)
        timer.daemon = True
        timer.start()
    sys.argv = ["edge-sorter", "run", "--source", "v4l2:/dev/null", *options]
    main()


def install_camera(items: int, gap_s: float) -> None:
    """Put a camera in the place of the real driver that shows the simulated tray; items leave when the gate opens."""
    gates: list[Any] = []
    make_gate = edge.drivers.make_gate

    def make_and_keep(*arguments: Any) -> Any:
        gates.append(make_gate(*arguments))
        return gates[-1]

    edge.drivers.make_gate = make_and_keep
    script = [Item(*kind, gap_s=gap_s) for kind in itertools.islice(itertools.cycle(KINDS), items)]

    class TrayCamera:
        opens_aside = True

        def __init__(self, device: Path, width_px: int, height_px: int, fps: float, settings: Any) -> None:
            self._tray = Simulation(
                seed=7, items=0, fps=fps, width_px=width_px, height_px=height_px, script=iter(script), open_to=self._way
            )
            self._period_s = 1 / fps
            self._due_s = 0.0

        def _way(self) -> str | None:
            return gates[-1].open_to if gates else None

        def open(self) -> None:
            self._tray.open()
            self._due_s = time.monotonic()

        def grab(self, out: BgrImage | None = None) -> BgrImage:
            self._due_s = max(self._due_s + self._period_s, time.monotonic() - self._period_s)
            time.sleep(max(0.0, self._due_s - time.monotonic()))
            return self._tray.take().image

        def limit_rate(self, fps: float | None) -> None:
            """As many pictures as ever."""

        def close(self) -> None:
            self._tray.close()

    v4l2.V4l2Camera = TrayCamera  # type: ignore[assignment,misc]  # the double looks at a drawn tray


def hog() -> None:
    """Take the interpreter's lock and keep it: a pattern that backtracks for longer than anyone waits.

    Unlike a loop in Python it lets no other thread in: nothing runs any more, no signal handler either.
    """
    note("hog")
    re.match(r"(a+)+$", "a" * 64 + "b")


if __name__ == "__main__":
    run_live(json.loads(sys.argv[1]), sys.argv[2:])
