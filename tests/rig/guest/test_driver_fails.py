"""A pin refuses in mid-motion: an exception in the driver, on its way out as well as when the power is to be cut."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.guest.sorter import DROP, SERVO

ITEM_S = 10.0
SAFE_S = 1.0
BACK_S = 30.0
FOLDER = Path("/run/rig/failing")
IS_FAILING = FOLDER / "now"
DROP_IN = Path("/etc/systemd/system/edge-sorter.service.d/failing.conf")
# Python runs a module of this name at every start; the one that parks stays as it is.
CUSTOMIZE = f"""
import os
import sys

if "run" in sys.orig_argv:
    from edge.pins.header_factory import FinePin

    set_state = FinePin._set_state

    def refuse(pin, value):
        if os.path.exists("{IS_FAILING}"):
            raise OSError(5, "Input/output error")
        set_state(pin, value)

    FinePin._set_state = refuse
"""


@pytest.fixture
def failing() -> Iterator[Path]:
    """A file; while it is there, no pin of the program takes another level or duty."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    FOLDER.chmod(0o755)
    (FOLDER / "sitecustomize.py").write_text(CUSTOMIZE)
    DROP_IN.write_text(f"[Service]\nEnvironment=PYTHONPATH={FOLDER}\n")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    yield IS_FAILING
    IS_FAILING.unlink(missing_ok=True)
    DROP_IN.unlink()
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def test_a_pin_that_refuses_in_mid_motion_leaves_a_servo_without_power_and_sorting_goes_on(
    failing, sorter, chip, camera, figure
):
    sorter.configure({})
    sorter.start()
    with chip.watch(SERVO) as servo:
        sorter.wait_until_ready(servo)
        sorter.forget()
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        failing.touch()
        failed_s = time.monotonic()
        unpowered_s = servo.wait_for_quiet(5.0, quiet_s=0.15) - failed_s
        fault = sorter.wait_for("fault", 5.0)
        failing.unlink()
        camera.clear()
        sorter.wait_for("boot", BACK_S)
        sorter.rest()
        sorter.wait_until_ready(servo)
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        camera.fall()
        chip.tap(DROP)
        item = sorter.wait_for("item", 10.0)
    assert fault["reason"] == "gate_failed"
    assert "Input/output error" in fault["detail"]
    assert item["gate"]["confirmed"] is True
    figure("a pin refuses in mid-motion: to the last pulse", f"{max(0.0, unpowered_s):.2f} s", f"{SAFE_S:g} s")
    assert unpowered_s <= SAFE_S
