"""A camera that does not do its work: unplugged, wedged, frozen, black."""

import time
from collections.abc import Callable
from contextlib import contextmanager

import pytest

from tests.rig.guest.chip import eventually
from tests.rig.guest.sorter import SERVO, allowance

DETECT_S = 2.0
BACK_S = 60.0
GONE_S = 3.0
BLACK_S = 4.0
ITEM_S = 15.0


@contextmanager
def _unplugged(camera, injection, sorter):
    camera.unplug()
    yield
    camera.plug()


@contextmanager
def _drops_all(camera, injection, sorter):
    camera.drop_all(True)
    yield
    camera.drop_all(False)


@contextmanager
def _reader_hangs(camera, injection, sorter):
    injection.ask("hang", sorter.pid)
    yield


@contextmanager
def _frozen(camera, injection, sorter):
    camera.freeze()
    yield
    camera.clear()


FAULTS = {
    "unplugged": (_unplugged, "vivid unbound, so that the device node is gone"),
    "wedged: no picture comes": (_drops_all, "vivid drops every buffer"),
    "wedged: the reader hangs in the driver": (_reader_hangs, "the grabbing thread sleeps for ever"),
    "frozen": (_frozen, "the same picture again and again, bit for bit"),
}


@pytest.mark.parametrize("is_moving", [False, True], ids=["while idle", "in mid-motion"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_camera_that_fails_is_noticed_nothing_is_sorted_by_it_and_sorting_goes_on_when_it_is_back(
    fresh, sorts, chip, camera, injection, row, name, is_moving
):
    fault_of: Callable[..., object]
    fault_of, injected_by = FAULTS[name]
    sorter = fresh(source={"max_age_s": 1.0})
    began_s = time.monotonic()
    pid, boot_id = sorter.pid, sorter.status()["boot_id"]
    with chip.watch(SERVO) as servo:
        if is_moving:
            camera.show("recyclable")
            servo.wait_for_pulse(ITEM_S)
        failed_s = time.monotonic()
        with fault_of(camera, injection, sorter):
            # In mid-motion the item is named first, the fault once the gate is home.
            first = sorter.wait_for("fault", 10.0, reason="source_lost")
            detected_s = time.monotonic() - failed_s
            fault = first if first["type"] == "fault" else sorter.wait_for("fault", 10.0)
            servo.wait_for_quiet(5.0)
            quiet_s = time.monotonic()
            time.sleep(GONE_S)
        back_s = time.monotonic()
        ready_s = sorter.wait_until_sorting(BACK_S, but_pid=pid)
    moved = sum("route" in (record.get("item") or record) for record in sorter.events_of(boot_id))
    item = sorts()
    row(
        "camera",
        fault=f"camera {name}, {'in mid-motion' if is_moving else 'while idle'}",
        injected_by=f"{injected_by}; {allowance()}",
        required=f"detected within {DETECT_S:g} s, recovered or restarted, no decision on a stale frame",
        figure=f"`{fault['reason']}` told after {detected_s:.2f} s; sorting {ready_s - back_s:.1f} s after the camera "
        "was back",
        is_held=detected_s <= DETECT_S and fault["reason"] == "source_lost" and moved == is_moving,
        wall_s=time.monotonic() - began_s,
    )
    assert item["route"] == "residue"
    assert quiet_s > failed_s
    assert fault["reason"] == "source_lost"
    assert detected_s <= DETECT_S


def test_a_camera_that_turns_black_is_told_nothing_is_sorted_by_it_and_sorting_goes_on_in_the_light(
    fresh, sorts, chip, camera, row
):
    sorter = fresh()
    began_s = time.monotonic()
    pid = sorter.pid
    with chip.watch(SERVO) as servo:
        camera.black()
        try:
            dark_s = eventually(lambda: sorter.status().get("is_dark") is True, 10.0, "a status that says so") - began_s
        except AssertionError:
            dark_s = None
        time.sleep(BLACK_S)
        moved = len(servo.pulses())
        camera.clear()
    item = sorts()
    row(
        "camera",
        fault="camera black",
        injected_by=f"pictures of zeros, which is also what a night looks like; {allowance()}",
        required=f"detected within {DETECT_S:g} s, no decision on a black frame, goes on in the light",
        figure="not told" if dark_s is None else f"status `is_dark` after {dark_s:.2f} s; no motion, no restart",
        is_held=dark_s is not None and dark_s <= DETECT_S and moved == 0 and sorter.pid == pid,
        wall_s=time.monotonic() - began_s,
    )
    assert item["route"] == "residue"
    assert moved == 0
    assert sorter.pid == pid, "a night is no fault"
    assert dark_s is not None and dark_s <= DETECT_S
