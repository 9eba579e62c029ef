"""Gates and their pins: a mistake is told with its line and a way to mend it; every kind is read as it is written."""

import pytest
from pydantic import ValidationError

from edge.config import (
    CarouselConfig,
    Config,
    ConveyorConfig,
    ServoFlapConfig,
    SolenoidConfig,
    TwoServosConfig,
)
from edge.configfile import parse_config
from edge.errors import ConfigError

TWO_SERVOS = """\
gate:
  kind: two_servos
  diverter: {pin: 12}
  door: {pin: 13}
  bins_deg: {recyclable: 30.0, residue: 60.0}
"""
CAROUSEL = """\
gate:
  kind: carousel
  step_pin: 13
  direction_pin: 19
  enable_pin: 12
  home_switch: {pin: 21}
  bins_deg: {recyclable: 90.0, residue: 180.0}
"""
SOLENOID = """\
gate:
  kind: solenoid
  bin_pins: {recyclable: 13, residue: null}
"""
CONVEYOR = """\
gate:
  kind: conveyor
  belt_pin: 13
  diverter: {pin: 12}
  bins_deg: {recyclable: 30.0, residue: 60.0}
"""
KINDS = {
    "servo_flap": ("gate:\n  kind: servo_flap\n", ServoFlapConfig),
    "two_servos": (TWO_SERVOS, TwoServosConfig),
    "carousel": (CAROUSEL, CarouselConfig),
    "solenoid": (SOLENOID, SolenoidConfig),
    "conveyor": (CONVEYOR, ConveyorConfig),
}


def with_line(text: str, line: str) -> str:
    """The text with a line that is added at its end, or that takes the place of the one of the same key."""
    key = line.split(":")[0]
    kept = [old for old in text.splitlines() if not old.startswith(f"{key}:")]
    return "\n".join([*kept, line]) + "\n"


def config(text: str) -> Config:
    return parse_config(text, "c.yaml")


@pytest.mark.parametrize(("text", "model"), KINDS.values(), ids=KINDS.keys())
def test_the_kind_chooses_the_section(text: str, model: type):
    read = config(text)
    assert type(read.gate) is model
    assert read.bin_names == ("recyclable", "residue")
    assert Config.model_validate(read.model_dump()) == read


def test_a_gate_without_a_kind_is_a_servo_flap():
    assert type(config("gate: {hold_s: 1.0}\n").gate) is ServoFlapConfig


GATE_MISTAKES = [
    ("a kind that is none", "gate:\n  kind: catapult\n", 2, "gate: kind must be one of servo_flap, two_servos, carou"),
    ("a kind that is no word", "gate:\n  kind: 7\n", 2, "gate: kind must be one of servo_flap"),
    ("a key of another kind", with_line(SOLENOID, "  servo_pin: 18"), 4, "unknown key 'gate.servo_pin'"),
    ("a key misspelt", with_line(SOLENOID, "  max_on: 1.0"), 4, "'gate.max_on', did you mean 'max_on_s'?"),
    (
        "a key of a servo misspelt",
        with_line(TWO_SERVOS, "  door: {pin: 13, stepdeg: 1.0}"),
        5,
        "did you mean 'step_deg'",
    ),
    ("no servo", with_line(TWO_SERVOS, "  door: {}"), 5, "gate.door.pin is missing; add it"),
    ("no bins", "gate:\n  kind: solenoid\n", 1, "gate.bin_pins is missing; add it"),
    ("no home switch", CAROUSEL.replace("  home_switch: {pin: 21}\n", ""), 1, "gate.home_switch is missing; add it"),
    (
        "a switch that is null",
        with_line(CAROUSEL, "  home_switch: null"),
        7,
        "gate.home_switch is None: input should be",
    ),
    ("null for a number", "gate:\n  hold_s:\n", 2, "gate.hold_s is None: input should be a valid number"),
    (
        "text for truth",
        with_line(SOLENOID, "  active_high: high"),
        4,
        "gate.active_high is 'high': input should be a va",
    ),
    ("a fraction for a count", with_line(SOLENOID, "  jam_retries: 1.0"), 4, "gate.jam_retries is 1.0: input should"),
    ("too many retries", "gate:\n  jam_retries: 11\n", 2, "gate.jam_retries is 11: input should be less than or equal"),
    (
        "a servo without reach",
        with_line(TWO_SERVOS, "  door: {pin: 13, min_angle_deg: 180.0}"),
        5,
        "below max_angle_deg",
    ),
    (
        "a servo without pulses",
        with_line(TWO_SERVOS, "  door: {pin: 13, max_pulse_us: 400.0}"),
        5,
        "min_pulse_us must be",
    ),
    (
        "a chute beyond its servo",
        with_line(TWO_SERVOS, "  bins_deg: {recyclable: 30.0, residue: 200.0}"),
        5,
        "residue is 200, outside 0 to 180 degrees; mend it, or min_angle_deg and max_angle_deg",
    ),
    (
        "home beyond the servo",
        with_line(TWO_SERVOS, "  diverter_home_deg: 181.0"),
        6,
        "diverter_home_deg is 181, outside",
    ),
    ("a door beyond its servo", with_line(TWO_SERVOS, "  door_open_deg: -1.0"), 6, "door_open_deg is -1, outside 0 to"),
    (
        "a door that never opens",
        with_line(TWO_SERVOS, "  door_open_deg: 0.0"),
        1,
        "door_closed_deg and door_open_deg are",
    ),
    (
        "two bins at one angle",
        with_line(TWO_SERVOS, "  bins_deg: {recyclable: 30.0, residue: 30.0}"),
        5,
        "bins_deg gives two bins the same angle",
    ),
    ("no bin at all", with_line(TWO_SERVOS, "  bins_deg: {}"), 5, "bins_deg names no bin"),
    ("a bin called home", with_line(CONVEYOR, "  bins_deg: {home: 30.0}"), 5, "bins_deg names a bin 'home'"),
    (
        "a full turn",
        with_line(CAROUSEL, "  bins_deg: {recyclable: 90.0, residue: 360.0}"),
        7,
        "bins_deg.residue is 360, expected 0 to less than 360 degrees from the switch",
    ),
    (
        "before the switch",
        with_line(CAROUSEL, "  bins_deg: {recyclable: -1.0, residue: 90.0}"),
        7,
        "bins_deg.recyclable is -1, expected 0",
    ),
    (
        "one place for two bins",
        with_line(CAROUSEL, "  bins_deg: {recyclable: 90.0, residue: 90.0}"),
        7,
        "bins_deg gives two bins the same angle",
    ),
    (
        "a way that is always open",
        with_line(CAROUSEL, "  bins_deg: {recyclable: 0.0, residue: 90.0}"),
        7,
        "bins_deg has a bin at 0 degrees, where the carousel parks; without a door it is always open",
    ),
    (
        "a carousel's door that never opens",
        with_line(CAROUSEL, "  door: {pin: 18}") + "  door_open_deg: 0.0\n",
        1,
        "door_closed_deg and door_open_deg are the same; the door would never open",
    ),
    (
        "a carousel's door beyond its servo",
        with_line(CAROUSEL, "  door: {pin: 18, max_angle_deg: 60.0}"),
        1,
        "door_open_deg is 90, outside 0 to 60 degrees",
    ),
    (
        "a turn of no steps",
        with_line(CAROUSEL, "  steps_per_turn: 0"),
        8,
        "gate.steps_per_turn is 0: input should be g",
    ),
    (
        "two springs",
        with_line(SOLENOID, "  bin_pins: {a: 13, b: null, c: null}"),
        3,
        "bin_pins leaves two bins without a",
    ),
    (
        "no coil",
        with_line(SOLENOID, "  bin_pins: {recyclable: null}"),
        3,
        "bin_pins names no pin; a gate without a coil",
    ),
    ("no bin for a coil", with_line(SOLENOID, "  bin_pins: {}"), 3, "bin_pins names no bin"),
    (
        "a coil that burns",
        with_line(SOLENOID, "  hold_s: 1.9"),
        4,
        "hold_s is 1.9, above 1.8, which max_on_s (2) leaves: hold_s and 0.2 s must pass before",
    ),
    (
        "a coil that burns while its switch is waited for",
        with_line(SOLENOID, "  hold_s: 1.5") + "  home_switch: {pin: 21}\n",
        4,
        "hold_s is 1.5, above 1.3, which max_on_s (2) leaves: hold_s, home_timeout_s and 0.2 s must pass before",
    ),
    (
        "a coil that rests for ever",
        with_line(SOLENOID, "  rest_s: 61.0"),
        4,
        "gate.rest_s is 61.0: input should be less",
    ),
    ("a coil that is never on", with_line(SOLENOID, "  hold_s: 0.0"), 4, "gate.hold_s is 0.0: input should be greater"),
    (
        "a belt that runs on",
        with_line(CONVEYOR, "  run_s: 5.9"),
        1,
        "max_run_s is 6, expected at least 6.1: run_s with its ramps and 0.2 s must pass before the belt stops",
    ),
    (
        "a belt's ramps count",
        with_line(CONVEYOR, "  run_s: 5.5\n  belt_pwm_hz: 100"),
        1,
        "max_run_s is 6, expected at least 6.7",
    ),
    (
        "a stall that has power for long",
        "gate:\n  home_timeout_s: 2.5\n",
        2,
        "gate.home_timeout_s is 2.5: input should be less than or equal to 2",
    ),
    (
        "a way home that nobody waits for",
        with_line(CAROUSEL, "  search_speed_deg_s: 10.0"),
        1,
        "the way home may take 40.4 s, and with 2 retries the gate is cut off only after 246 s, expected 120 at most; "
        "let it turn faster, or lower jam_retries or jam_pause_s",
    ),
    (
        "retries that nobody waits for",
        "gate: {jam_retries: 10, jam_pause_s: 30.0}\n",
        1,
        "with 10 retries the gate is cut off only after",
    ),
    (
        "more full steps at once than a rotor follows",
        with_line(CAROUSEL, "  microsteps: 1"),
        1,
        "steps_per_turn and microsteps make 4.0 full steps at once at 90 degrees a second, above 2",
    ),
    (
        "microsteps that no driver has",
        with_line(CAROUSEL, "  microsteps: 3"),
        8,
        "gate.microsteps is 3: input should be 1, 2, 4, 8, 16, 32, 64, 128 or 256",
    ),
    (
        "a bin without a name",
        with_line(SOLENOID, "  bin_pins: {'': 13, residue: null}"),
        3,
        "bin_pins names a bin ''; giv",
    ),
    (
        "a bin with a blank",
        with_line(TWO_SERVOS, "  bins_deg: {recyclable: 30.0, 'residue ': 60.0}"),
        5,
        "bins_deg names a bin 'residue '; give it a name without blanks around it",
    ),
    (
        "a diverter beyond its servo",
        with_line(CONVEYOR, "  diverter_home_deg: 270.0"),
        6,
        "diverter_home_deg is 270, out",
    ),
    (
        "a conveyor's two bins at one angle",
        with_line(CONVEYOR, "  bins_deg: {recyclable: 30.0, residue: 30.0}"),
        5,
        "bins_deg gives two bins the same angle",
    ),
    (
        "a route to no bin of the coils",
        with_line(SOLENOID, "  bin_pins: {paper: 13, residue: null}"),
        1,
        "routes.cardboard is 'recyclable', which is no bin of gate.bin_pins (paper, residue)",
    ),
]
PIN_MISTAKES = [
    (
        "a pin that is none",
        "gate:\n  servo_pin: 28\n",
        2,
        "gate.servo_pin: 28 is not on the header, which carries GPIO0",
    ),
    ("the pin of a HAT's chip", "gate:\n  servo_pin: J8:27\n", 2, "J8:27 (GPIO0) is kept for the identification chip"),
    ("a ground for a signal", "drop_sensor:\n  kind: beam\n  pin: J8:6\n", 3, "J8:6 is GND, which carries no signal"),
    ("a word for a pin", "drop_sensor:\n  pin: beam\n", 2, "drop_sensor.pin: 'beam' is no pin; give a BCM number"),
    ("a coil's pin that is none", with_line(SOLENOID, "  bin_pins: {recyclable: 40}"), 3, "40 is not on the header"),
    ("null for a pin", "panel:\n  buzzer:\n    pin:\n", 3, "panel.buzzer.pin: none is no pin"),
    (
        "a pull that the board cannot give",
        "panel:\n  pause_button: {pin: 3, active_high: true}\n",
        2,
        "pin GPIO3 has a pull-up soldered to the board and cannot be pulled down; take another pin, or pull: up",
    ),
    (
        "a pull that is none",
        "panel:\n  lid: {pin: 5, pull: left}\n",
        2,
        "panel.lid.pull is 'left': input should be 'auto'",
    ),
    (
        "one pin for two devices",
        "gate:\n  servo_pin: J8:16\ndrop_sensor:\n  kind: beam\n",
        2,
        "gate.servo_pin and drop_sensor.pin are both GPIO23; give each device its own pin",
    ),
    (
        "one pin for a coil and a lamp",
        SOLENOID + "panel: {lamp: {red_pin: 13}}\n",
        3,
        "gate.bin_pins.recyclable and panel.lamp.red_pin are both GPIO13",
    ),
    (
        "a servo out of hardware PWM's reach",
        "pins: {pwm: hardware}\ngate:\n  servo_pin: 17\n",
        3,
        "gate.servo_pin is GPIO17, which has no hardware PWM; take GPIO12, 13, 18 or 19, or pins.pwm: software",
    ),
    (
        "two servos on one channel",
        "pins: {pwm: hardware}\n" + with_line(TWO_SERVOS, "  door: {pin: 18}"),
        4,
        "gate.diverter.pin and gate.door.pin (GPIO12 and GPIO18) share a hardware PWM channel, and would move together",
    ),
]
BELT_PWM = "pins: {pwm: hardware}\n" + CONVEYOR + "  belt_pwm_hz: 100\n"
PIN_MISTAKES += [
    (
        "a servo and a belt on one channel",
        BELT_PWM.replace("belt_pin: 13", "belt_pin: 18"),
        5,
        "gate.diverter.pin and gate.belt_pin (GPIO12 and GPIO18) share a hardware PWM channel, and would move "
        "together; take GPIO12 or 18 for one and GPIO13 or 19 for the other",
    ),
]
MISTAKES = GATE_MISTAKES + PIN_MISTAKES


@pytest.mark.parametrize(("text", "line", "says"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_with_its_line(text: str, line: int, says: str):
    with pytest.raises(ConfigError) as refused:
        config(text)
    message = str(refused.value)
    assert says in message
    assert message.startswith(f"c.yaml:{line}: ")
    assert "\n" not in message


@pytest.mark.parametrize(("text", "model"), KINDS.values(), ids=KINDS.keys())
def test_a_gate_has_time_for_every_way_home_before_it_is_cut_off(text: str, model: type):
    gate = config(text).gate
    assert isinstance(gate, model)
    assert gate.park_limit_s >= 2.0 + (1 + gate.jam_retries) * gate.slowest_home_s


@pytest.mark.parametrize(
    "text",
    [
        BELT_PWM,
        BELT_PWM.replace("belt_pin: 13", "belt_pin: 17"),
        BELT_PWM.replace("belt_pin: 13", "belt_pin: 18").replace("  belt_pwm_hz: 100\n", ""),
    ],
    ids=["a channel of its own", "pulses by software", "a relay"],
)
def test_a_belt_beside_a_servo_on_hardware_pwm(text: str):
    assert config(text).gate.kind == "conveyor"


def test_a_home_switch_and_more_retries_give_more_time():
    plain = config(TWO_SERVOS).gate.park_limit_s
    assert config(with_line(TWO_SERVOS, "  jam_retries: 5")).gate.park_limit_s > plain
    assert config(with_line(TWO_SERVOS, "  home_switch: {pin: 5}")).gate.park_limit_s > plain


def test_a_gate_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError, match="frozen"):
        config(SOLENOID).gate.hold_s = 3.0
