"""The wall clock is set while an item is in flight: nothing but what is written down for people may change."""

import subprocess
import time
from itertools import pairwise

import pytest

from tests.rig.guest.sorter import DROP, SERVO

ITEM_S = 15.0
YEAR_S = 365.25 * 86400
STEPS = {
    # Not its first minutes: the kernel refuses a clock from before the machine's start.
    "to 1970": lambda now_s: 86400.0,
    "10 years ahead": lambda now_s: now_s + 10 * YEAR_S,
    "an hour back": lambda now_s: now_s - 3600.0,
}
LATE_S = 0.5
"""A guest with one processor is not exact."""


@pytest.mark.parametrize("name", STEPS)
def test_a_clock_that_is_set_in_mid_item_changes_no_order_no_duration_and_restarts_nothing(
    fresh, sorts, sorter, chip, camera, row, name
):
    fresh()
    began_s = time.monotonic()
    pid, usual = sorter.pid, sorts()
    real_s, real_since_s = time.time(), time.monotonic()
    try:
        time.sleep(0.7)
        with chip.watch(SERVO) as servo:
            camera.show("residue")
            opening_s = servo.wait_for_pulse(ITEM_S)
            _set_clock(STEPS[name](time.time()))
            time.sleep(0.2)
            chip.tap(DROP)
            camera.fall()
            item = sorter.wait_for("item", ITEM_S)
            closed_s = servo.wait_for_quiet(ITEM_S)
        after = sorts()
    finally:
        _set_clock(real_s + time.monotonic() - real_since_s)
    told = sorts()
    records = [record for record in sorter.events() if record["boot_id"] == item["boot_id"]]
    steps = [record["step_s"] for record in records if record["type"] == "clock"]
    is_ordered = all(a["seq"] + 1 == b["seq"] for a, b in pairwise(records)) and all(
        a["t_s"] <= b["t_s"] for a, b in pairwise([usual, item, after, told])
    )
    lasted_s = item["gate"]["duration_s"]
    is_right = abs(lasted_s - (closed_s - opening_s)) <= LATE_S and abs(lasted_s - usual["gate"]["duration_s"]) <= 1.0
    is_same = sorter.pid == pid
    row(
        "clock",
        fault=f"clock set {name} in mid-item, and back",
        injected_by="the guest's clock, after the item's first pulse",
        required="order and durations right, no restart",
        figure=f"gate's duration {lasted_s:.2f} s in the event, {closed_s - opening_s:.2f} s seen on the pin; "
        f"{len(records)} events in order; `clock` events tell steps of "
        + ", ".join(f"{step_s:+.0f}" for step_s in steps)
        + " s",
        is_held=is_ordered and is_right and is_same and len(steps) == 2,
        wall_s=time.monotonic() - began_s,
    )
    assert is_same, "nothing is restarted"
    assert is_ordered
    assert is_right
    assert len(steps) == 2


def _set_clock(utc_s: float) -> None:
    subprocess.run(["date", "--set", f"@{utc_s:.3f}"], check=True, capture_output=True)
