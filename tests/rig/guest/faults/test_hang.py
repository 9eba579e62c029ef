"""The loop hangs: only the service manager's watchdog can tell."""

import time

import pytest

from tests.rig.guest.chip import eventually
from tests.rig.guest.sorter import SERVO

RESTART_S = 40.0
"""The watchdog's 10 s, the 2 s of its abort, park, the pause between starts, a start."""
SORTING_S = 30.0
ITEM_S = 15.0


def _stop(sorter, injection):
    sorter.kill("STOP")


def _hog(sorter, injection):
    injection.ask("hog", sorter.pid)


FAULTS = {
    "the process is stopped": (_stop, "SIGSTOP"),
    "a thread never lets go of the interpreter's lock": (_hog, "a foreign function that sleeps with the lock"),
}


@pytest.mark.parametrize("is_moving", [False, True], ids=["while idle", "in mid-motion"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_loop_that_hangs_is_ended_by_the_watchdog_the_gate_parked_and_sorting_goes_on(
    fresh, sorts, chip, camera, injection, row, name, is_moving
):
    hang, injected_by = FAULTS[name]
    sorter = fresh()
    began_s = time.monotonic()
    pid = sorter.pid
    restarts = int(sorter.show("NRestarts"))
    with chip.watch(SERVO) as servo:
        if is_moving:
            camera.show("recyclable")
            servo.wait_for_pulse(ITEM_S)
            time.sleep(0.1)
        hung_s = time.monotonic()
        hang(sorter, injection)
        ended_s = eventually(lambda: sorter.pid != pid, RESTART_S, "the watchdog") - hung_s
        camera.clear()
        ready_s = sorter.wait_until_sorting(RESTART_S, but_pid=pid) - hung_s
        unpowered_s = max((pulse.fall.after_s for pulse in servo.pulses(hung_s)), default=hung_s) - hung_s
    sorts()
    is_held = ready_s <= SORTING_S and int(sorter.show("NRestarts")) == restarts + 1
    row(
        "hang",
        fault=f"{name}, {'in mid-motion' if is_moving else 'while idle'}",
        injected_by=injected_by,
        required=f"watchdog restart, sorting again within {SORTING_S:g} s",
        figure=f"ended after {ended_s:.1f} s, sorting again after {ready_s:.1f} s"
        + (f"; gate home and without power {unpowered_s:.1f} s after the fault" if is_moving else ""),
        is_held=is_held,
        wall_s=time.monotonic() - began_s,
    )
    assert is_held
