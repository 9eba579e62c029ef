"""Whether a machine was wired anew: what counts as a wire, and what a refused file says of it."""

import pytest

from edge.config import Config
from edge.configfile import parse_config
from edge.rewired import has_same_wires, names_other_wires
from tests.fault.suite.mutants import ODD_TEXTS, TANGLED, sound_configs

BASE = """\
gate: {servo_pin: 18, hold_s: 0.8, home_switch: {pin: 22}}
drop_sensor: {kind: beam, pin: 23}
presence: {beam: {pin: 24}}
bins: {sensors: {residue: {kind: beam, pin: 25}}}
panel: {estop: {pin: 16}, resume_button: {pin: 6}, lamp: {red_pin: 5}, buzzer: {pin: 12}}
pins: {factory: lgpio}
"""
SOLENOID = "gate: {kind: solenoid, bin_pins: {recyclable: 17, residue: null}}\n"
CONVEYOR = "gate: {kind: conveyor, belt_pin: 17, diverter: {pin: 18}, bins_deg: {recyclable: 140, residue: 40}}\n"
CAROUSEL = (
    "gate: {kind: carousel, step_pin: 17, direction_pin: 27, enable_pin: 22, home_switch: {pin: 4}, "
    "bins_deg: {recyclable: 90, residue: 180}}\n"
)
TYPO = "vote: {dead_line_s: 1}\n"

OTHER = [
    ("the gate's pin", BASE, "servo_pin: 18", "servo_pin: 13"),
    ("its home switch", BASE, "home_switch: {pin: 22}", "home_switch: {pin: 22, active_high: true}"),
    ("a sensor's kind", BASE, "kind: beam, pin: 23", "kind: switch, pin: 23"),
    ("a sensor's level", BASE, "pin: 23", "pin: 23, active_high: true"),
    ("the tray's beam", BASE, "pin: 24", "pin: 26"),
    ("a fill sensor", BASE, "pin: 25", "pin: 25, active_high: true"),
    ("a resistor", BASE, "pin: 6", "pin: 6, pull: none"),
    ("the emergency stop", BASE, "pin: 16", "pin: 19"),
    ("a new lid", BASE, "panel: {", "panel: {lid: {pin: 20}, "),
    ("the lamp's level", BASE, "red_pin: 5", "red_pin: 5, active_high: false"),
    ("the buzzer's level", BASE, "buzzer: {pin: 12}", "buzzer: {pin: 12, active_high: false}"),
    ("what drives the pins", BASE, "lgpio", "mock"),
    ("the chip", BASE, "lgpio", "lgpio, chip: gpiochip4"),
    ("who makes the pulses", BASE, "lgpio", "lgpio, pwm: hardware"),
    ("another servo", BASE, "servo_pin: 18", "servo_pin: 18, min_pulse_us: 1000"),
    ("the coils' level", SOLENOID, "solenoid", "solenoid, active_high: false"),
    ("another coil", SOLENOID, "17", "27"),
    ("the belt's level", CONVEYOR, "belt_pin", "belt_active_high: false, belt_pin"),
    ("a driver with PWM", CONVEYOR, "belt_pin", "belt_pwm_hz: 100, belt_pin"),
    ("the driver's level", CAROUSEL, "kind: carousel", "kind: carousel, enable_active_high: true"),
    ("the driver's steps", CAROUSEL, "kind: carousel", "kind: carousel, microsteps: 16"),
]
SAME = [
    ("nothing", BASE, "", ""),
    ("a pin by its place", BASE, "servo_pin: 18", "servo_pin: J8:12"),
    ("a default that is written out", BASE, "pin: 6", "pin: 6, active_high: false"),
    ("a limit with a point", BASE, "servo_pin: 18", "servo_pin: 18, min_pulse_us: 500"),
    ("a time", BASE, "hold_s: 0.8", "hold_s: 1.5"),
    ("an angle", BASE, "hold_s: 0.8", "home_deg: 95"),
    ("tries", BASE, "kind: beam, pin: 23", "kind: beam, pin: 23, retries: 3"),
    ("what a full bin does", BASE, "bins: {", "bins: {when_full: warn, "),
    ("how long a coil is on", SOLENOID, "solenoid", "solenoid, hold_s: 0.5, max_on_s: 1.5"),
]


def changed(text: str, was: str, now: str) -> str:
    assert was in text
    return text.replace(was, now, 1)


def config(text: str) -> Config:
    return parse_config(text, "test.yaml")


@pytest.mark.parametrize(("base", "was", "now"), [row[1:] for row in OTHER], ids=[row[0] for row in OTHER])
def test_a_wire_that_differs_is_seen_in_sound_and_in_refused_files(base, was, now):
    text = changed(base, was, now)
    assert not has_same_wires(config(text), config(base))
    assert not has_same_wires(config(base), config(text))
    assert names_other_wires(text + TYPO, config(base), base)


@pytest.mark.parametrize(("base", "was", "now"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_what_is_tuned_is_no_wire(base, was, now):
    text = changed(base, was, now)
    assert has_same_wires(config(text), config(base))
    assert not names_other_wires(text + TYPO, config(base), base)


@pytest.mark.parametrize("text", sound_configs())
def test_a_packaged_configuration_with_a_slip_has_its_own_wires(text):
    assert not names_other_wires(text + "slip: 1\n", config(text), text)


def test_wherever_a_file_was_cut_off_it_never_names_a_wire_that_it_had_not():
    """A number that was cut in two is the only exception, and on the safe side."""
    kept = config(BASE)
    told = [cut for cut in range(len(BASE)) if names_other_wires(BASE[:cut], kept, BASE)]
    assert all(BASE[cut - 1 : cut + 1].isalnum() or BASE[cut - 1] in ":J" for cut in told), told


@pytest.mark.parametrize(
    ("text", "is_other"),
    [
        ("gate: {servo_pn: 13}\n", True),
        ("gate: {servo_pn: 18}\n", False),
        ("gate: {hold: 2}\n", False),
        ("gate:\nservo_pin: 13\n", True),
        ("gatte: {servo_pin: 13}\n", True),
        ("panel: {notaus: {pin: 19}}\n", True),
        ("panel: {lid: {}}\n", True),
        ("panel: {estop: null}\n", True),
        ("panel:\n", False),
        ("panel: none\n", True),
        ("bins: {sensors: {}}\n", True),
        ("gate: {servo_pin: 13\n", True),
        ("gate: {servo_pin: 18\n", False),
        ("gate: {servo_pin: 18}\ngate: {servo_pin: 13}\n", True),
        ("# servo_pin: 13\nvote: [\n", False),
        ("vote: {\n", False),
        ("", False),
        ("just a word", False),
    ],
)
def test_slips_of_the_pen(text, is_other):
    assert names_other_wires(text, config(BASE), BASE) is is_other


def test_a_coil_is_found_in_what_is_no_yaml():
    assert names_other_wires(SOLENOID.replace("17", "27").replace("}}", "}"), config(SOLENOID), SOLENOID)
    assert not names_other_wires(SOLENOID.replace("}}", "}"), config(SOLENOID), SOLENOID)


BUTTON = "panel: {pause_button: {pin: 6, active_high: false}}\n"
SWAPPED = BASE.replace("estop: {pin: 16}", "estop: {pin: 23}").replace("kind: beam, pin: 23", "kind: beam, pin: 16")


@pytest.mark.parametrize(
    ("base", "text"),
    [
        (SOLENOID + BUTTON, SOLENOID.replace("solenoid", "solenoid, active_high: false") + BUTTON),
        (SOLENOID, SOLENOID.replace("solenoid", "solenoid, active_high: false")),
        (BASE, SWAPPED),
    ],
    ids=["coils inverted, a button is low too", "coils inverted", "emergency stop and drop sensor changed places"],
)
@pytest.mark.parametrize("slip", [TYPO, "vote: [\n"], ids=["a slip", "no YAML"])
def test_a_level_or_pin_that_stands_elsewhere_in_the_file_is_no_excuse(base, text, slip):
    assert names_other_wires(text + slip, config(base), base)
    assert not names_other_wires(base + slip, config(base), base)


@pytest.mark.parametrize(
    "text",
    [
        BASE + "routes: {can_lid: recyclable}\n",
        BASE.replace("hold_s: 0.8", "bins_deg: {can_lid: 140, residue: 40}"),
        BASE.replace("servo_pin: 18", "servo_pin: 0x12"),
    ],
    ids=["a label like a wire", "a bin like a wire", "a pin in hexadecimal"],
)
def test_what_only_looks_like_another_wire_is_none(text):
    assert not names_other_wires(text + TYPO, config(BASE), BASE)


@pytest.mark.parametrize("odd", (*ODD_TEXTS, "-", "?", "!!set", "0x" + "f" * 6000))
def test_odd_texts_are_answered(odd):
    for text in (odd, f"gate: {{servo_pin: {odd}}}\n", f"gate:\n  servo_pin: {odd}\n", f"{odd}: 1\n"):
        assert names_other_wires(text, config(BASE), BASE) in (True, False)


@pytest.mark.parametrize(("text", "is_other"), list(zip(TANGLED, (True, True, False), strict=True)))
def test_of_a_tangled_text_only_what_can_be_read_counts(text, is_other):
    assert names_other_wires(text, config(BASE), BASE) is is_other
