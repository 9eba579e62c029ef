"""What the mechanics can do wrong: every fault ends with a servo without power, and says so."""

import time

import pytest

from tests.rig.guest.sorter import DROP, HOME_SWITCH, SERVO

ITEM_S = 10.0
SAFE_S = 1.0
"""A single fault leaves the motor without power within so long (DESIGN.md)."""


@pytest.mark.parametrize("is_broken", [False, True], ids=["nothing falls", "the beam is stuck broken"])
def test_a_drop_that_is_not_seen_is_tried_again_and_then_a_fault_that_mends_itself(
    ready, chip, camera, figure, is_broken
):
    sorter = ready()
    chip.drive(DROP, not is_broken)
    with chip.watch(SERVO) as servo:
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        item = sorter.wait_for("item", 10.0)
        fault = sorter.wait_for("fault", 2.0)
        seen_s = time.monotonic()
        unpowered_s = max(0.0, servo.wait_for_quiet(5.0) - seen_s)
        chip.drive(DROP, True)
        camera.clear()
        sorter.wait_for("recovered", 5.0)
        sorter.wait_until_ready(servo)
        camera.show("residue")
        servo.wait_for_pulse(ITEM_S)
        camera.fall()
        chip.tap(DROP)
        again = sorter.wait_for("item", 10.0)
    assert (item["gate"]["confirmed"], item["gate"]["retries"]) == (False, 1)
    assert fault["reason"] == "drop_unconfirmed"
    assert again["gate"]["confirmed"] is True
    what = "the beam is stuck broken" if is_broken else "nothing falls"
    figure(f"{what}: fault to a servo without power", f"{unpowered_s:.2f} s", f"{SAFE_S:g} s")
    assert unpowered_s <= SAFE_S


def test_a_home_switch_that_never_closes_is_a_jam_after_bounded_retries_and_mends_itself(sorter, chip, figure):
    home = {"home_switch": {"pin": HOME_SWITCH}, "home_timeout_s": 0.5, "jam_retries": 1}
    sorter.configure({"gate": home})
    sorter.start()
    with chip.watch(SERVO) as servo:
        fault = sorter.wait_for("fault", 15.0)
        seen_s = time.monotonic()
        # Well before it is tried again.
        unpowered_s = max(0.0, servo.wait_for_quiet(2.0) - seen_s)
        chip.drive(HOME_SWITCH, False)
        sorter.wait_for("recovered", 10.0)
        servo.wait_for_quiet(10.0)
        time.sleep(1.0)
    assert fault["reason"] == "gate_jammed"
    assert sorter.show("ActiveState") == "active"
    assert [event["type"] for event in sorter.events()][-2:] == ["fault", "recovered"], "and it did not jam again"
    figure("the home switch never closes: fault to a servo without power", f"{unpowered_s:.2f} s", f"{SAFE_S:g} s")
    assert unpowered_s <= SAFE_S


def test_a_jam_that_stays_ends_the_program_with_exit_3_and_a_servo_without_power(sorter, chip):
    home = {"home_switch": {"pin": HOME_SWITCH}, "home_timeout_s": 0.3, "jam_retries": 0}
    sorter.configure({"gate": home, "rearm": {"max_recoveries": 0}})
    sorter.start()
    with chip.watch(SERVO) as servo:
        fault = sorter.wait_for("fault", 10.0)
        sorter.wait_for_exit(10.0)
        servo.wait_for_quiet(10.0)
    assert fault["reason"] == "gate_jammed"
    assert sorter.last_end == "exit-code 3"
