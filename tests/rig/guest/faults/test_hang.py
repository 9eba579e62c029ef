"""The loop hangs: the power has to go off without it, and somebody else has to end it."""

import time

import pytest

from tests.rig.guest.chip import eventually
from tests.rig.guest.sorter import SERVO, allowance

RESTART_S = 40.0
"""The watchdog's 10 s, the 2 s of its abort, park, the pause between starts, a start."""
SORTING_S = 30.0
SAFE_S = 1.0
ITEM_S = 15.0


def _stop(sorter, injection):
    return sorter.kill("STOP")


def _hog(sorter, injection):
    pid = sorter.pid
    asked_s = time.monotonic()
    injection.ask("hog", pid)
    return asked_s


FAULTS = {
    "the process is stopped": (_stop, "SIGSTOP"),
    "a thread never lets go of the interpreter's lock": (_hog, "a foreign function that sleeps with the lock"),
}


@pytest.mark.parametrize("is_moving", [False, True], ids=["while idle", "in mid-motion"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_loop_that_hangs_leaves_the_gate_without_power_within_a_second_is_restarted_and_sorting_goes_on(
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
        hung_s = hang(sorter, injection)
        ended_s = eventually(lambda: sorter.pid != pid, RESTART_S, "an end of the process") - hung_s
        camera.clear()
        ready_s = sorter.wait_until_sorting(RESTART_S, but_pid=pid) - hung_s
    # Later pulses are the next process's, which brings the gate home.
    own = [pulse for pulse in servo.pulses() if pulse.rise.at_s < hung_s + ended_s]
    unpowered_s = max(0.0, max((pulse.fall.after_s for pulse in own), default=hung_s) - hung_s)
    sorts()
    is_restarted = ready_s <= SORTING_S and int(sorter.show("NRestarts")) == restarts + 1
    is_safe = unpowered_s <= SAFE_S
    row(
        "hang",
        fault=f"{name}, {'in mid-motion' if is_moving else 'while idle'}",
        injected_by=f"{injected_by}; {allowance()}",
        required=f"motor unpowered within {SAFE_S:g} s, restarted once, sorting again within {SORTING_S:g} s",
        figure=f"ended after {ended_s:.1f} s, sorting again after {ready_s:.1f} s"
        + (f"; last pulse {unpowered_s:.2f} s after the fault" if is_moving else ""),
        is_held=is_restarted and is_safe,
        wall_s=time.monotonic() - began_s,
    )
    assert is_safe, f"the servo's last pulse ended {unpowered_s:.2f} s after the fault"
    assert is_restarted
