"""Cameras, sensors and the panel: a mistake in their sections is told with its line and a way to mend it."""

import pytest

from edge.config import Config, FailSafeSwitchConfig, SwitchConfig
from edge.configfile import parse_config
from edge.errors import ConfigError


def config(text: str) -> Config:
    return parse_config(text, "c.yaml")


CONVEYOR = """gate:
  kind: conveyor
  belt_pin: {belt}
  diverter: {{pin: 18}}
  bins_deg: {{recyclable: 140, residue: 40}}
"""
DEVICE_MISTAKES = [
    (
        "a drop that cannot be seen in time",
        CONVEYOR.format(belt=17) + "  run_s: 4.0\ndrop_sensor:\n  kind: beam\n  timeout_s: 3.0\n",
        9,
        "drop_sensor.timeout_s is 3, below gate.run_s (4): it counts from the start of the belt",
    ),
    (
        "a belt that runs until the program starts",
        CONVEYOR.format(belt=2),
        3,
        "gate.belt_pin is GPIO2, which the board pulls up by 1.8 kohm: it would be on until the program starts",
    ),
    (
        "a stop that starts by itself",
        "panel:\n  estop: {pin: 5}\n",
        2,
        "panel: estop needs a resume_button: releasing an emergency stop must not start a motion by itself",
    ),
    (
        "a lamp without a colour",
        "panel:\n  lamp: {active_high: true}\n",
        2,
        "panel.lamp: lamp names no pin; give green",
    ),
    ("a buzzer without a pin", "panel:\n  buzzer: {}\n", 2, "panel.buzzer.pin is missing; add it"),
    ("a sensor of no kind", "drop_sensor:\n  kind: scale\n", 2, "drop_sensor.kind is 'scale': input should be 'none'"),
    (
        "a drop that is never due",
        "drop_sensor:\n  timeout_s: 0.0\n",
        2,
        "drop_sensor.timeout_s is 0.0: input should be",
    ),
    (
        "a sensor of a bin that is none",
        "bins:\n  sensors:\n    glass: {kind: beam, pin: 5}\n",
        3,
        "bins.sensors.glass names no bin of gate.bins_deg (recyclable, residue)",
    ),
    ("a fill sensor of no kind", "bins:\n  sensors:\n    residue: {kind: scale}\n", 3, "bins.sensors.residue"),
    (
        "a ranger that is full from the start",
        "bins:\n  sensors:\n    residue: {kind: ultrasonic, trigger_pin: 5, echo_pin: 6, full_m: 0.02}\n",
        3,
        "bins.sensors.residue.full_m is 0.02: input should be greater than 0.02",
    ),
    (
        "a ranger without an echo",
        "bins:\n  sensors:\n    residue: {kind: ultrasonic, trigger_pin: 5, full_m: 0.2}\n",
        3,
        "bins.sensors.residue.echo_pin is missing; add it",
    ),
    ("what a full bin does", "bins:\n  when_full: stop\n", 2, "bins.when_full is 'stop': input should be 'pause' or"),
    (
        "a stop that a torn wire silences",
        "panel:\n  estop: {pin: 5, active_high: false}\n  resume_button: {pin: 6}\n",
        2,
        "panel.estop: active_high: false with pull: up does not tell a torn wire from a contact in good order; take a "
        "contact that opens when actuated: from the pin to ground with active_high: true and pull: up",
    ),
    (
        "a lid pulled to where it is closed",
        "panel:\n  lid: {pin: 5, pull: down}\n",
        2,
        "panel.lid: active_high: true with pull: down does not tell",
    ),
    (
        "a lid pulled against its actuated level",
        "panel:\n  lid: {pin: 5, pull: auto}\n",
        2,
        "panel.lid: active_high: true with pull: auto does not tell",
    ),
    (
        "a lid that floats",
        "panel:\n  lid: {pin: 5, pull: none}\n",
        2,
        "panel.lid: active_high: true with pull: none does not tell",
    ),
    ("pulses of no kind", "pins:\n  pwm: fast\n", 2, "pins.pwm is 'fast': input should be 'software' or 'hardware'"),
]
CAMERA_MISTAKES = [
    (
        "a slanted camera",
        "source:\n  camera: {rotation_deg: 45}\n",
        2,
        "source.camera.rotation_deg is 45: input should be",
    ),
    (
        "beyond the picture",
        "source:\n  camera: {roi_xywh: [0.5, 0, 0.6, 1]}\n",
        2,
        "must lie within the picture: x + width",
    ),
    ("before the picture", "source:\n  camera: {roi_xywh: [-0.1, 0, 0.6, 1]}\n", 2, "must lie within the picture"),
    ("too narrow a region", "source:\n  camera: {roi_xywh: [0, 0, 0.04, 1]}\n", 2, "sides at least 0.05"),
    ("pixels for shares", "source:\n  camera: {roi_xywh: [10, 10, 300, 300]}\n", 2, "must lie within the picture"),
    ("three numbers for a region", "source:\n  camera: {roi_xywh: [0, 0, 1]}\n", 2, "source.camera.roi_xywh"),
    (
        "text for a region",
        "source:\n  camera: {roi_xywh: all}\n",
        2,
        "source.camera.roi_xywh is 'all': input should be",
    ),
    (
        "an exposure longer than a frame",
        "source:\n  fps: 30.0\n  camera: {exposure_us: 40000}\n",
        3,
        "camera.exposure_us is 40000, longer than a frame at 30 frames/s (33333 us)",
    ),
    (
        "gains for a USB camera",
        "source:\n  spec: v4l2:/dev/video0\n  camera: {white_balance: [1.5, 2.0]}\n",
        3,
        "camera.white_balance is for picamera2",
    ),
    (
        "kelvin for a Pi's camera",
        "source:\n  spec: picamera2\n  camera: {white_balance_k: 4000}\n",
        3,
        "camera.white_balance_k is for v4l2",
    ),
    ("words in a region", "source:\n  camera: {roi_xywh: [a, b, c, d]}\n", 2, "source.camera.roi_xywh"),
    (
        "no light at all",
        "source:\n  camera: {exposure_us: 0}\n",
        2,
        "source.camera.exposure_us is 0: input should be gre",
    ),
    ("a gain of nothing", "source:\n  camera: {white_balance: [0, 2]}\n", 2, "gains must be above 0 and at most 32"),
    ("one gain", "source:\n  camera: {white_balance: [2.0]}\n", 2, "source.camera.white_balance"),
    (
        "a cold light",
        "source:\n  camera: {white_balance_k: 100}\n",
        2,
        "source.camera.white_balance_k is 100: input should",
    ),
    ("a number for a camera", "source:\n  camera: 1\n", 2, "source.camera is 1: input should be a valid dictionary"),
]
MISTAKES = DEVICE_MISTAKES + CAMERA_MISTAKES


@pytest.mark.parametrize(("text", "line", "says"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_with_its_line(text: str, line: int, says: str):
    with pytest.raises(ConfigError) as refused:
        config(text)
    message = str(refused.value)
    assert says in message
    assert message.startswith(f"c.yaml:{line}: ")
    assert "\n" not in message


PULLS = [
    ("a switch to ground", SwitchConfig(pin=5), "up"),
    ("a switch to 3.3 V", SwitchConfig(pin=5, active_high=True), "down"),
    ("a contact that opens", FailSafeSwitchConfig(pin=5), "up"),
    ("one that is told", SwitchConfig(pin=5, active_high=True, pull="none"), "none"),
    ("the I2C pins' own", SwitchConfig(pin=2), "up"),
]


@pytest.mark.parametrize(("switch", "pull"), [row[1:] for row in PULLS], ids=[row[0] for row in PULLS])
def test_a_switch_is_pulled_against_its_actuated_level(switch: SwitchConfig, pull: str):
    assert switch.resolved_pull == pull


def test_a_torn_wire_at_a_fail_safe_contact_reads_as_actuated():
    switch = config("panel: {lid: {pin: 5}}\n").panel.lid
    assert switch is not None
    assert switch.active_high
    assert switch.resolved_pull == "up"
    to_plus = config("panel: {lid: {pin: 5, active_high: false, pull: down}}\n").panel.lid
    assert to_plus is not None
    assert to_plus.resolved_pull == "down"


@pytest.mark.parametrize(
    "value",
    ["[0, 0, 1, 1]", "[0.0, 0.25, 1.0, 0.75]", "[0.7, 0.9, 0.3, 0.1]"],
    ids=["whole numbers", "a band", "a corner"],
)
def test_a_region_is_a_list_of_shares(value: str):
    roi = config(f"source: {{camera: {{roi_xywh: {value}}}}}\n").source.camera.roi_xywh
    assert roi == tuple(float(part) for part in value.strip("[]").split(","))
