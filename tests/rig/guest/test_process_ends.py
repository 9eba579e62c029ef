"""The program is killed, or told to end, while the servo moves."""

import time

from tests.rig.guest.chip import eventually
from tests.rig.guest.sorter import DROP, SERVO

ITEM_S = 10.0
SAFE_S = 1.0
BACK_S = 30.0


def test_after_kill_9_in_mid_motion_the_servo_has_no_power_is_parked_and_sorting_goes_on(ready, chip, camera, figure):
    sorter = ready()
    restarts = int(sorter.show("NRestarts"))
    with chip.watch(SERVO) as servo:
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        time.sleep(0.2)
        killed_s = sorter.kill("KILL")
        unpowered_s = servo.wait_for_quiet(2.0, quiet_s=0.15) - killed_s
        camera.clear()
        assert not chip.level(SERVO), "the pin is left inactive"
        parking_s = servo.wait_for_pulse(15.0)
        parked_s = servo.wait_for_quiet(5.0, quiet_s=0.15) - parking_s
        sorter.wait_for("boot", BACK_S)
        sorter.rest()
        sorting_s = time.monotonic() - killed_s
        sorter.wait_until_ready(servo)
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        camera.fall()
        chip.tap(DROP)
        item = sorter.wait_for("item", 10.0)
    assert item["gate"]["confirmed"] is True
    assert int(sorter.show("NRestarts")) == restarts + 1
    figure("kill -9 in mid-motion: to the last pulse", f"{max(0.0, unpowered_s):.3f} s", f"{SAFE_S:g} s")
    figure("kill -9 in mid-motion: park's first pulse to its last", f"{parked_s:.2f} s", f"{SAFE_S:g} s")
    figure("kill -9 in mid-motion: to the next start's first event", f"{sorting_s:.1f} s", "")
    assert unpowered_s <= SAFE_S
    assert parked_s <= SAFE_S


def test_sigterm_in_mid_motion_parks_names_the_item_and_exits_0(ready, chip, camera, figure):
    sorter = ready()
    with chip.watch(SERVO) as servo:
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        time.sleep(0.1)
        told_s = sorter.kill("TERM")
        unpowered_s = servo.wait_for_quiet(5.0, quiet_s=0.15) - told_s
        eventually(lambda: sorter.show("ActiveState") == "inactive", 15.0, "the end of the unit")
        assert not chip.level(SERVO)
    pause = sorter.wait_for("pause", 1.0)
    assert pause["item"]["route"] == "recyclable"
    assert sorter.last_end == "success 0"
    figure("SIGTERM in mid-motion: to a servo at home without power", f"{unpowered_s:.2f} s", f"{SAFE_S:g} s")
    assert unpowered_s <= SAFE_S
