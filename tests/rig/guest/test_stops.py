"""What makes it stand still: the emergency stop, a full bin."""

import time

from tests.rig.guest.sorter import BIN_FULL, DROP, ESTOP, RESUME, SERVO

ITEM_S = 10.0
STOP_S = 1.0
PANEL = {"estop": {"pin": ESTOP}, "resume_button": {"pin": RESUME}}
RELEASED_S = 0.8


def test_the_emergency_stop_ends_the_pulses_and_only_the_resume_button_lets_it_go_on(sorter, chip, camera, figure):
    sorter.configure({"panel": PANEL})
    with chip.watch(SERVO) as servo:
        sorter.start()
        # Its pull-up was switched on before the bench closed the contact: a wire that is cut reads the same.
        assert sorter.wait_for("pause", 5.0)["reason"] == "e_stop"
        _go_on(sorter, chip)
        sorter.wait_until_ready(servo)

        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        time.sleep(0.1)
        pressed_s = time.monotonic()
        chip.drive(ESTOP, True)
        stopped_s = max(0.0, servo.wait_for_quiet(5.0) - pressed_s)
        pause = sorter.wait_for("pause", 2.0)

        chip.drive(ESTOP, False)
        time.sleep(1.5)
        assert not servo.pulses(pressed_s + stopped_s), "releasing the stop moves nothing"
        camera.clear()
        _go_on(sorter, chip)
        sorter.wait_until_ready(servo)
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        camera.fall()
        chip.tap(DROP)
        item = sorter.wait_for("item", 10.0)
    assert (pause["reason"], pause["item"]["route"]) == ("e_stop", "recyclable")
    assert item["gate"]["confirmed"] is True
    figure("emergency stop in mid-motion: press to the last pulse", f"{stopped_s:.3f} s", f"{STOP_S:g} s")
    assert stopped_s <= STOP_S


def test_a_full_bin_pauses_the_sorting_until_it_is_emptied(ready, chip, camera):
    sorter = ready()
    with chip.watch(SERVO) as servo:
        chip.drive(BIN_FULL, False)
        full = sorter.wait_for("bin_full", 5.0)
        sorter.wait_for("pause", 5.0)
        asked_s = time.monotonic()
        camera.show("recyclable")
        time.sleep(2.5)
        assert not servo.pulses(asked_s), "nothing is sorted into a full bin"
        camera.clear()
        chip.drive(BIN_FULL, True)
        sorter.wait_for("recovered", 5.0)
        sorter.wait_until_ready(servo)
        camera.show("recyclable")
        servo.wait_for_pulse(ITEM_S)
        camera.fall()
        chip.tap(DROP)
        item = sorter.wait_for("item", 10.0)
    assert full["bin"] == "residue"
    assert item["gate"]["confirmed"] is True


def _go_on(sorter, chip):
    """Release time, then the button, until the program says that it goes on."""
    time.sleep(RELEASED_S)
    chip.tap(RESUME, for_s=0.3)
    assert sorter.wait_for("recovered", 5.0)["reason"] == "e_stop"
