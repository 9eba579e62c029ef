"""The servo's pulses, measured from outside while nothing else runs: the guest has one processor."""

import os
import subprocess
import sys
import time

import pytest

from tests.rig.guest.sorter import SERVO, pulse_us

DWELL_S = 8.0
RAMP_S = 0.6
HOLD = """
import sys, time
from edge.config import ServoFlapConfig
from edge.gates.servo_flap import ServoFlap
from edge.pins import open_factory

angle_deg, dwell_s = float(sys.argv[1]), float(sys.argv[2])
home_deg = 180.0 if angle_deg != 180.0 else 0.0
config = ServoFlapConfig(home_deg=home_deg, bins_deg={"there": angle_deg}, hold_s=dwell_s)
flap = ServoFlap(config, open_factory("lgpio"))
flap.open()
flap.route("there", time.monotonic())
while flap.tick(time.monotonic()) is None:
    time.sleep(0.01)
flap.close()
"""
"""The program's own driver, which holds an angle."""


@pytest.mark.parametrize("angle_deg", [40.0, 90.0, 140.0])
def test_the_median_pulse_is_within_5_percent_of_the_commanded_one(sorter, chip, camera, figure, angle_deg):
    sorter.stop()
    camera.stop()
    try:
        with chip.watch(SERVO) as servo:
            command = [sys.executable, "-c", HOLD, str(angle_deg), str(DWELL_S)]
            with subprocess.Popen(command, cwd=os.getcwd()) as holding:
                servo.wait_for_pulse(15.0)
                time.sleep(RAMP_S)
                seen_us = servo.measure_us(DWELL_S - 2 * RAMP_S)
            assert holding.returncode == 0
            assert not chip.level(SERVO)
    finally:
        camera.start()
    commanded_us = pulse_us(angle_deg)
    figure(
        f"pulse for {angle_deg:g} degrees, {commanded_us:.0f} us",
        f"{seen_us:.0f} us ({100 * (seen_us / commanded_us - 1):+.1f} %)",
        "median within 5 %",
    )
    assert seen_us == pytest.approx(commanded_us, rel=0.05)
