"""What the service does about itself: a storm of restarts, a new configuration, a bad one."""

import json
import subprocess
import time

from tests.rig.guest.chip import eventually
from tests.rig.guest.sorter import CONFIG, DEVICE, RED, SERVO, STARTS

STORM_S = 150.0
LAMP = {"lamp": {"red_pin": RED}}
BLINK_S = 3.0
HEALTH = {"stable_s": 2.0}
RELOAD_S = 20.0
ITEM_S = 15.0
KEPT = STARTS.parent / "last-good" / "config" / CONFIG.name


def test_a_storm_of_restarts_ends_in_safe_mode_which_moves_nothing_and_says_why(sorter, chip, camera, figure):
    sorter.configure({"source": {"spec": "v4l2:/dev/video99"}, "panel": LAMP})
    began_s = time.monotonic()
    sorter.begin()

    def is_safe() -> bool:
        return bool((sorter.status().get("safe_mode") or {}).get("is_on"))

    try:
        safe_s = eventually(is_safe, STORM_S, "safe mode") - began_s
        with chip.watch(SERVO) as servo:
            eventually(lambda: chip.level(RED), BLINK_S, "the red lamp")
            time.sleep(5.0)
            assert not servo.pulses(), "nothing moves"
        status = sorter.status()
        fault = [record for record in sorter.events() if record["type"] == "fault"][-1]
        assert (sorter.show("ActiveState"), sorter.show("SubState")) == ("active", "running")
        assert "safe mode" in sorter.show("StatusText")
        assert status["fault"]["reason"] == fault["reason"] == "restart_storm"
        assert "/dev/video99" in fault["detail"]
        assert fault["starts"] == 6
    finally:
        sorter.stop()
    assert sorter.last_end == "success 6"
    figure("camera missing at every start: to safe mode", f"{safe_s:.0f} s", "")


def test_a_new_configuration_is_taken_over_between_items_by_sighup(fresh, sorts, sorter, chip, camera, figure):
    fresh(health=HEALTH)
    pid = sorter.pid
    sorter.configure({"health": HEALTH, "gate": {"hold_s": 1.6}})
    asked_s = time.monotonic()
    _reload(sorter)
    sorter.wait_for("boot", RELOAD_S)
    reloaded_s = time.monotonic() - asked_s
    assert sorter.status()["reload"]["is_ok"] is True
    with chip.watch(SERVO) as servo:
        servo.wait_for_pulse(5.0)  # the gate goes home anew
        sorter.rest()
        sorter.wait_until_ready(servo)
    item = sorts()
    assert item["gate"]["duration_s"] > 1.6, "the gate stays open as the new configuration says"
    assert sorter.pid == pid
    figure("reload: SIGHUP to the first event with the new configuration", f"{reloaded_s:.1f} s", "")


def test_a_bad_configuration_is_refused_whole_by_a_reload(fresh, sorts, sorter, camera):
    fresh(health=HEALTH)
    pid = sorter.pid
    CONFIG.write_text(CONFIG.read_text().replace("servo_pin: 18", "servo_pin: 99"))
    _reload(sorter)
    fault = sorter.wait_for("fault", 5.0)
    assert (fault["reason"], sorter.status()["reload"]["is_ok"]) == ("config_refused", False)
    assert "servo_pin" in fault["detail"]
    item = sorts()
    assert item["route"] == "residue"
    assert sorter.pid == pid


def test_after_a_bad_edit_the_next_start_works_with_the_last_good_configuration(fresh, sorts, sorter, camera):
    fresh(health=HEALTH)
    eventually(lambda: json.loads(STARTS.read_text())["count"] == 0, 20.0, "a start that counts as sound")
    # It is kept in a thread of its own.
    eventually(lambda: KEPT.exists() and KEPT.read_text() == CONFIG.read_text(), 20.0, "a configuration that is kept")
    CONFIG.write_text(f"source: {{spec: 'v4l2:{DEVICE}', max_age_s: soon}}\n")
    pid = sorter.pid
    subprocess.run(["systemctl", "restart", "--no-block", "edge-sorter"], check=True)
    sorter.wait_until_sorting(60.0, but_pid=pid)
    status = sorter.status()
    fault = sorter.wait_for("fault", 5.0)
    assert status["config"]["is_last_good"] is True
    assert fault["reason"] == "config_refused"
    item = sorts()
    assert item["route"] == "residue"


def _reload(sorter) -> None:
    """Ask for it, and wait until it is answered."""
    subprocess.run(["systemctl", "reload", "--no-block", "edge-sorter"], check=True)
    eventually(lambda: bool(sorter.status().get("reload")), RELOAD_S, "an answer to the reload")
