"""Looks at a camera until it is told to stop, or the camera is lost; a line of JSON for each thing that happens.

    python viewer.py INDEX [SECONDS]

Run in the guest as a process of its own, to be killed, or to have its camera taken away.
"""

import json
import os
import sys
import time
from typing import Any

from edge.config import CameraConfig
from edge.errors import SourceError
from edge.sources.live import LiveSource
from edge.sources.picamera2 import Picamera2Camera
from tests.rig.picamera import stand_ins

MAX_AGE_S = 1.2
"""More than the sorter allows: the guest's kernel draws vimc's pictures itself, a few in a second."""


def tell(what: str, **more: Any) -> None:
    """Write down what happened, and when."""
    print(json.dumps({"what": what, "at_s": time.monotonic(), **more}), flush=True)


def main(index: int, duration_s: float) -> None:
    """Open, look, close."""
    stand_ins.install()
    camera = Picamera2Camera(index, 640, 480, 30.0, CameraConfig())
    source = LiveSource(camera, f"picamera2:{index}", max_age_s=MAX_AGE_S, frozen_s=60.0)
    status = 0
    try:
        source.open()
        tell("open")
        end_s = source.clock.now_s() + duration_s
        while source.clock.now_s() < end_s:
            source.read(source.clock.now_s() + 0.1)
    except SourceError as exc:
        tell("lost", error=str(exc))
        status = exc.exit_code
    source.close()
    tell("closed", is_left_behind=source.is_left_behind)
    if source.is_left_behind:
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 600.0)
