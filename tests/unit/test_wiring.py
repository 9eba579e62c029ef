"""The wires of a configuration: every device with its supply, and a remark for what burns or starts by itself."""

import pytest

from edge.config import Config, PinUse
from edge.configfile import parse_config
from edge.errors import ConfigError
from edge.header import HEADER
from edge.wiring import WiringRow, wiring_remarks, wiring_rows, wiring_text
from edge.wiring.starting import why_misplaced
from tests.wiring_rig import FULL_MACHINE


def config(text: str) -> Config:
    return parse_config(text, "c.yaml")


def signal(text: str, key: str) -> WiringRow:
    (row,) = (row for row in wiring_rows(config(text)) if row.key == key)
    return row


def test_every_signal_of_the_configuration_has_a_row_at_its_own_pin():
    machine = config(FULL_MACHINE)
    rows = [row for row in wiring_rows(machine) if row.signal not in ("ground", "supply")]
    assert sorted((row.key, row.name, row.signal) for row in rows) == sorted(
        (use.key, f"GPIO{use.bcm}", use.signal) for use in machine.pin_uses()
    )
    assert len({row.number for row in rows}) == len(rows) == len(machine.pin_uses())


def test_every_row_names_a_pin_that_the_header_has_by_that_name():
    for row in wiring_rows(config(FULL_MACHINE)):
        assert HEADER[row.number - 1].name == row.name
        assert row.pin == f"J8:{row.number}"
        assert {"ground": "GND"}.get(row.signal, row.name) == row.name


def test_a_device_of_several_wires_has_one_ground():
    rows = wiring_rows(config(FULL_MACHINE))
    for device in ("bins.sensors.residue", "panel.lamp", "gate.diverter"):
        assert [row.signal for row in rows if row.key == device].count("ground") == 1


def test_a_ground_is_near_and_its_own_where_there_is_room():
    (ground,) = (row for row in wiring_rows(Config()) if row.signal == "ground")
    assert (ground.key, ground.pin) == ("gate.servo", "J8:14")
    few = "panel: {pause_button: {pin: J8:11}, resume_button: {pin: J8:13}}"
    numbers = [row.number for row in wiring_rows(config(few)) if row.signal == "ground"]
    assert len(set(numbers)) == len(numbers) == 3


CONNECTIONS = [
    (
        "a button to ground",
        "panel: {pause_button: {pin: 5}}",
        "panel.pause_button.pin",
        "contact that closes when the button is pressed",
        {"GND"},
    ),
    (
        "a button to 3.3 V",
        "panel: {pause_button: {pin: 5, active_high: true}}",
        "panel.pause_button.pin",
        "contact that closes when the button is pressed",
        {"3V3"},
    ),
    (
        "a stop that opens",
        "panel: {estop: {pin: 5}, resume_button: {pin: 6}}",
        "panel.estop.pin",
        "contact that opens when the emergency stop is pressed",
        {"GND"},
    ),
    (
        "a lid that opens towards 3.3 V",
        "panel: {lid: {pin: 5, active_high: false, pull: down}}",
        "panel.lid.pin",
        "contact that opens when the lid is open",
        {"3V3"},
    ),
    (
        "a button with its own resistor",
        "panel: {pause_button: {pin: 5, pull: none}}",
        "panel.pause_button.pin",
        "contact that closes when the button is pressed, and 10 kohm to 3.3 V",
        {"GND", "3V3"},
    ),
    (
        "a beam with an open collector",
        "drop_sensor: {kind: beam}",
        "drop_sensor.pin",
        "open-collector OUT of the sensor: low when the beam is broken",
        {"3V3", "GND"},
    ),
    (
        "a beam that is driven both ways",
        "drop_sensor: {kind: beam, active_high: true}",
        "drop_sensor.pin",
        "3.3 V OUT of the sensor: high when the beam is broken",
        {"3V3", "GND"},
    ),
    (
        "a switch in the chute",
        "drop_sensor: {kind: switch}",
        "drop_sensor.pin",
        "contact that closes when an item passes",
        {"GND"},
    ),
    (
        "an echo of 5 V",
        "bins: {sensors: {residue: {kind: ultrasonic, trigger_pin: 5, echo_pin: 6, full_m: 0.2}}}",
        "bins.sensors.residue.echo_pin",
        "ECHO through 1 kohm, and 1.8 kohm from the pin to ground",
        {"5V", "GND"},
    ),
    (
        "a bin whose name has a dot",
        "gate: {bins_deg: {a.pin: 10.0, residue: 20.0, recyclable: 30.0}}\n"
        "bins: {sensors: {a.pin: {kind: beam, pin: 5}}}",
        "bins.sensors.a.pin.pin",
        "open-collector OUT of the sensor: low when the bin is full",
        {"3V3", "GND"},
    ),
    (
        "LEDs to ground",
        "panel: {lamp: {red_pin: 5}}",
        "panel.lamp.red_pin",
        "red LED's plus, through 330 ohm",
        {"GND"},
    ),
    (
        "LEDs to 3.3 V",
        "panel: {lamp: {red_pin: 5, active_high: false}}",
        "panel.lamp.red_pin",
        "red LED's minus, through 330 ohm",
        {"3V3"},
    ),
    (
        "a buzzer",
        "panel: {buzzer: {pin: 26}}",
        "panel.buzzer.pin",
        "base of an NPN transistor, through 1 kohm; the buzzer in its collector",
        {"5V", "GND"},
    ),
    (
        "a buzzer that must not see 5 V",
        "panel: {buzzer: {pin: 26, active_high: false}}",
        "panel.buzzer.pin",
        "input of a 3.3 V buzzer module",
        {"3V3", "GND"},
    ),
    (
        "a coil",
        "gate: {kind: solenoid, bin_pins: {recyclable: 13, residue: null}}",
        "gate.bin_pins.recyclable",
        "driver of the coil: MOSFET's gate through 100 ohm, 10 kohm from there to ground",
        {"GND"},
    ),
    (
        "a relay",
        "gate: {kind: solenoid, active_high: false, bin_pins: {recyclable: 13, residue: null}}",
        "gate.bin_pins.recyclable",
        "driver of the coil: relay module with opto-coupler, 10 kohm to 3.3 V",
        {"3V3"},
    ),
]


@pytest.mark.parametrize(
    ("text", "key", "connect", "rails"), [row[1:] for row in CONNECTIONS], ids=[row[0] for row in CONNECTIONS]
)
def test_a_wire_goes_to_what_its_level_and_pull_ask_for(text: str, key: str, connect: str, rails: set[str]):
    row = signal(text, key)
    assert row.connect == connect
    rows = wiring_rows(config(text))
    device = max((rail.key for rail in rows if rail.name in ("GND", "3V3", "5V") and key.startswith(rail.key)), key=len)
    assert {rail.name for rail in rows if rail.key == device} == rails


STEPPER = (
    "gate: {kind: carousel, step_pin: 13, direction_pin: 19, enable_pin: %s, home_switch: {pin: 21}, "
    "bins_deg: {recyclable: 90.0, residue: 180.0}}"
)
REMARKS = [
    ("simulated pins", "pins: {factory: mock}", "pins.factory is mock: the pins are simulated, nothing moves"),
    (
        "no stop",
        "pins: {factory: mock}",
        "there is no panel.estop: a switch within reach must still break the plus of the servo supply",
    ),
    (
        "no stop and two supplies",
        FULL_MACHINE.replace("  estop: {pin: 5}\n", ""),
        "must still break the plus of the servo supply and that of the belt supply",
    ),
    (
        "a stop",
        "panel: {estop: {pin: 5}, resume_button: {pin: 6}}",
        "the emergency stop needs two contacts that open: one breaks the plus of the servo supply, the other is",
    ),
    (
        "a stop of a coil",
        "panel: {estop: {pin: 5}, resume_button: {pin: 6}}\n"
        "gate: {kind: solenoid, bin_pins: {recyclable: 13, residue: null}}",
        "the emergency stop needs two contacts that open: one breaks the plus of the coil supply, the other is",
    ),
    (
        "a stop of a belt and a servo, which no single contact breaks",
        FULL_MACHINE,
        "three contacts that open: one breaks the plus of the servo supply, one that of the belt supply, the third is",
    ),
    (
        "a stop of a stepper without a door",
        "panel: {estop: {pin: 5}, resume_button: {pin: 6}}\n" + STEPPER % 12,
        "the emergency stop needs two contacts that open: one breaks the plus of the stepper supply, the other is",
    ),
    (
        "eighth steps",
        STEPPER % 12,
        "gate.microsteps is 8: tie MS1 and MS2 (A4988) or M0 and M1 (DRV8825) to 3.3 V, and leave the third open",
    ),
    (
        "sixteenth steps, by other pins of each carrier",
        STEPPER % "12, microsteps: 16, steps_per_turn: 3200",
        "gate.microsteps is 16: tie MS1, MS2 and MS3 (A4988) to 3.3 V, or M2 alone (DRV8825)",
    ),
    (
        "steps that neither carrier makes",
        STEPPER % "12, microsteps: 64, steps_per_turn: 12800, max_speed_deg_s: 45.0",
        "gate.microsteps is 64: set the driver as its data sheet says; no A4988 or DRV8825 can",
    ),
    (
        "an echo",
        "bins: {sensors: {residue: {kind: ultrasonic, trigger_pin: 5, echo_pin: 6, full_m: 0.2}}}",
        "ECHO of an ultrasonic ranger is a 5 V signal",
    ),
    ("I2C", "gate: {servo_pin: 2}", "J8:3 GPIO2 (gate.servo_pin) is I2C SDA as well: switch I2C off in raspi-config"),
    ("SPI", "gate: {servo_pin: 9}", "J8:21 GPIO9 (gate.servo_pin) is SPI MISO as well: switch SPI off"),
    ("UART", "gate: {servo_pin: 15}", "J8:10 GPIO15 (gate.servo_pin) is UART RX as well: switch the serial console"),
    (
        "a buzzer that sounds while the board starts",
        "panel: {buzzer: {pin: 5}}",
        "J8:29 GPIO5 is pulled up while the board starts, which switches panel.buzzer.pin on: "
        "hold it off with 10 kohm to ground",
    ),
    (
        "a motor that has its current while the board starts",
        STEPPER % 12,
        "J8:32 GPIO12 is pulled down while the board starts, which switches gate.enable_pin on: "
        "hold it off with 10 kohm to 3.3 V",
    ),
    (
        "one channel of hardware PWM",
        "pins: {pwm: hardware}\ngate: {servo_pin: 13}",
        "pins.pwm is hardware: /boot/firmware/config.txt needs dtoverlay=pwm,pin=13,func=4;",
    ),
    (
        "two channels of hardware PWM",
        "pins: {pwm: hardware}\ngate: {kind: two_servos, diverter: {pin: 19}, door: {pin: 12}, "
        "bins_deg: {recyclable: 30.0, residue: 60.0}}",
        "needs dtoverlay=pwm-2chan,pin=12,func=4,pin2=19,func2=2;",
    ),
    (
        "a servo and a belt with pulses by the hardware",
        "pins: {pwm: hardware}\n" + FULL_MACHINE.removeprefix("pins: {factory: lgpio}\n"),
        "needs dtoverlay=pwm-2chan,pin=18,func=2,pin2=13,func2=4;",
    ),
    ("a shared pin", FULL_MACHINE, "several wires meet at J8:"),
]


@pytest.mark.parametrize(("text", "says"), [row[1:] for row in REMARKS], ids=[row[0] for row in REMARKS])
def test_what_an_installer_must_know_is_said_once(text: str, says: str):
    assert [says in remark for remark in wiring_remarks(config(text))].count(True) == 1


QUIET = [
    ("real pins are not called simulated", "pins: {factory: lgpio}", "simulated"),
    ("hardware PWM is a role without harm", "gate: {servo_pin: 18}", "as well"),
    ("no stepper, no microsteps", FULL_MACHINE, "microsteps"),
    ("the level of STEP moves nothing", (STEPPER % 12).replace("13", "5"), "GPIO5 is pulled up"),
    ("an input at the serial console", "drop_sensor: {kind: beam, pin: 14}", "no resistor"),
    ("a relay that the board's pull-up holds off", "panel: {buzzer: {pin: 2, active_high: false}}", "no resistor"),
    ("a buzzer that is held off", "panel: {buzzer: {pin: 26}}", "while the board starts"),
    ("an enable that idles low", STEPPER % "12, enable_active_high: true", "while the board starts"),
    ("a servo in software", "gate: {servo_pin: 18}", "dtoverlay"),
    ("no servo", "pins: {pwm: hardware}\n" + STEPPER % "4, hold_s: 1.0", "dtoverlay"),
    ("room for everybody", "pins: {factory: mock}", "several wires"),
]


@pytest.mark.parametrize(("text", "word"), [row[1:] for row in QUIET], ids=[row[0] for row in QUIET])
def test_no_remark_without_its_reason(text: str, word: str):
    assert not [remark for remark in wiring_remarks(config(text)) if word in remark]


@pytest.mark.parametrize("bcm", [2, 3, 14])
@pytest.mark.parametrize("key", ["gate.bin_pins.recyclable", "gate.belt_pin", "gate.enable_pin"])
def test_what_moves_must_not_be_where_no_resistor_holds_it_off(key: str, bcm: int):
    why = why_misplaced(PinUse(key, bcm, "output"))
    assert why is not None
    assert f"GPIO{bcm} " in why
    assert key in why
    assert why.endswith("take another pin")


def test_a_serial_console_also_switches_what_a_low_level_or_a_pulse_moves():
    for use in (
        PinUse("gate.bin_pins.recyclable", 14, "output", active_high=False),
        PinUse("gate.step_pin", 14, "output"),
        PinUse("gate.servo_pin", 14, "servo"),
    ):
        assert "moves by itself" in (why_misplaced(use) or "")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("gate: {kind: solenoid, bin_pins: {recyclable: 14, residue: null}}", "gate.bin_pins.recyclable"),
        ("panel: {buzzer: {pin: 2}}", "panel.buzzer.pin"),
    ],
    ids=["a coil at the serial console", "a buzzer at a pin that is pulled up by 1.8 kohm"],
)
def test_a_misplaced_output_is_told_first_and_offered_no_resistor(text: str, key: str):
    remarks = wiring_remarks(config("pins: {factory: lgpio}\n" + text))
    assert key in remarks[0]
    assert remarks[0].endswith("take another pin")
    assert not [remark for remark in remarks[1:] if key in remark]
    row = signal("pins: {factory: lgpio}\n" + text, key)
    assert row.is_misplaced
    assert row.connect == "nothing: the board itself switches this pin on while it starts; take another"


def test_a_steppers_supply_of_3v3_feeds_its_microstep_pins():
    for microsteps, is_fed in ((1, False), (8, True)):
        text = STEPPER % f"12, microsteps: {microsteps}, steps_per_turn: {200 * microsteps}"
        (rail,) = (row for row in wiring_rows(config(text)) if (row.key, row.name) == ("gate.stepper", "3V3"))
        assert ("microstep pins" in rail.connect) == is_fed


def test_the_table_is_markdown_with_one_line_a_wire():
    head, rule, *lines = wiring_text(config(FULL_MACHINE)).splitlines()
    rows = wiring_rows(config(FULL_MACHINE))
    assert [cell.strip() for cell in head.strip("| ").split("|")] == ["pin", "name", "device", "signal", "connect to"]
    assert set(rule) == {"|", "-", " "}
    table, remarks = lines[: len(rows)], lines[len(rows) + 1 :]
    assert lines[len(rows)] == ""
    assert {len(line) for line in (head, rule, *table)} == {len(head)}
    for row, line in zip(rows, table, strict=True):
        assert line.split("|")[1].strip() == row.pin
    assert [line[:2] for line in remarks] == ["- "] * len(wiring_remarks(config(FULL_MACHINE)))


def test_the_name_of_a_bin_cannot_break_the_table():
    text = wiring_text(config('gate: {kind: solenoid, bin_pins: {"a|b": 13, recyclable: 19, residue: null}}'))
    assert "gate.bin_pins.a\\|b" in text


def test_the_name_of_a_bin_holds_no_control_characters():
    with pytest.raises(ConfigError, match="visible characters"):
        config('gate: {kind: solenoid, bin_pins: {"a\\n\\e[31m": 13, recyclable: 19, residue: null}}')
