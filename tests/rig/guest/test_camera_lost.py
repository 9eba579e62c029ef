"""A camera that is unplugged and comes back."""

import time

import pytest

from tests.rig.guest.sorter import DROP, SERVO

ITEM_S = 10.0
DETECT_S = 2.0
SAFE_S = 1.0
BACK_S = 40.0


@pytest.mark.parametrize("is_moving", [False, True], ids=["while idle", "in mid-motion"])
def test_a_camera_that_is_unplugged_is_noticed_the_gate_parked_and_sorting_goes_on_when_it_is_back(
    ready, chip, camera, figure, is_moving
):
    sorter = ready()
    with chip.watch(SERVO) as servo:
        if is_moving:
            camera.show("recyclable")
            servo.wait_for_pulse(ITEM_S)
        unplugged_s = camera.unplug()
        try:
            unpowered_s = max(0.0, servo.wait_for_quiet(5.0) - unplugged_s) if is_moving else 0.0
            fault = sorter.wait_for("fault", 10.0)
            detected_s = time.monotonic() - unplugged_s
            # Stays away for a while: a start or more is in vain.
            time.sleep(5.0)
        finally:
            camera.plug()
        sorter.wait_for("boot", BACK_S)
        sorter.rest()
        sorter.wait_until_ready(servo)
        camera.show("residue")
        servo.wait_for_pulse(ITEM_S)
        camera.fall()
        chip.tap(DROP)
        item = sorter.wait_for("item", 10.0)
    assert fault["reason"] == "source_lost"
    assert item["gate"]["confirmed"] is True
    if is_moving:
        figure("camera unplugged in mid-motion: to a servo at home without power", f"{unpowered_s:.2f} s", "1 s")
        assert unpowered_s <= SAFE_S
    else:
        figure("camera unplugged while idle: to the fault in the event book", f"{detected_s:.2f} s", f"{DETECT_S:g} s")
        assert detected_s <= DETECT_S
