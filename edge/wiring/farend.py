"""What stands at the far end of a wire, told from where the configuration names it.

Resistors and supplies are those of usual circuits for 3.3 V logic; nothing here knows the part that is really built in.
"""

from dataclasses import dataclass, replace
from typing import Literal

from edge.config import Config, PinUse
from edge.wiring.starting import why_misplaced

__all__ = ["FarEnd", "Rail", "far_end"]

Rail = Literal["GND", "3V3", "5V"]

_PULLED_DOWN = "10 kohm from there to ground"


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The far end of a signal wire.

    Attributes:
        device: the part of the configuration that its supply wires belong to, such as `drop_sensor`.
        connect: what the signal wire goes to.
        rails: further wires that the device needs from the header, each with what it goes to.
    """

    device: str
    connect: str
    rails: tuple[tuple[Rail, str], ...]


def far_end(use: PinUse, config: Config) -> FarEnd:
    """What a wire of this configuration goes to: nothing, where the pin would switch on what hangs there."""
    end = _by_signal(use, config)
    if why_misplaced(use) is None:
        return end
    return replace(end, connect="nothing: the board itself switches this pin on while it starts; take another")


def _by_signal(use: PinUse, config: Config) -> FarEnd:
    if use.signal == "servo":
        device = use.key.removesuffix("_pin").removesuffix(".pin")
        connect = "signal wire of the servo, through 330 ohm; its plus to a supply of its own"
        return FarEnd(device, connect, (("GND", "minus of the servo and of its supply"),))
    if use.key.startswith("bins.sensors."):
        return _fill_sensor(use)
    if use.key.startswith("panel.lamp."):
        return _lamp(use)
    if use.key.startswith("gate.bin_pins."):
        return _load(use, "gate.bin_pins", "coil")
    return _by_key(use, config)


def _by_key(use: PinUse, config: Config) -> FarEnd:
    device = use.key.removesuffix(".pin")
    switches = {
        "gate.home_switch": "the gate is at home",
        "panel.estop": "the emergency stop is pressed",
        "panel.lid": "the lid is open",
        "panel.pause_button": "the button is pressed",
        "panel.resume_button": "the button is pressed",
    }
    if device in switches:
        return _contact(use, device, switches[device])
    if device == "drop_sensor" and config.drop_sensor.kind == "switch":
        return _contact(use, device, "an item passes")
    if device == "gate.belt_pin":
        return _load(use, "gate.belt", "belt's motor")
    if device == "panel.buzzer":
        return _buzzer(use)
    if use.signal == "output":
        return _stepper(use, config)
    told = "a tooth passes" if device == "gate.turn_sensor" else "the beam is broken"
    return _sensor(use, device, told)


def _contact(use: PinUse, device: str, told: str) -> FarEnd:
    """A switch between the pin and whatever its resistor does not pull it to."""
    is_to_ground = use.pull == "up" or (use.pull == "none" and not use.active_high)
    closes = use.active_high != is_to_ground
    own = f", and 10 kohm to {'3.3 V' if is_to_ground else 'ground'}" if use.pull == "none" else ""
    connect = f"contact that {'closes' if closes else 'opens'} when {told}{own}"
    rail: Rail = "GND" if is_to_ground else "3V3"
    rails: list[tuple[Rail, str]] = [(rail, "other side of the contact")]
    if own:
        rails.append(("3V3" if is_to_ground else "GND", "the resistor"))
    return FarEnd(device, connect, tuple(rails))


def _sensor(use: PinUse, device: str, told: str) -> FarEnd:
    kind = "open-collector OUT" if use.pull == "up" else "3.3 V OUT"
    connect = f"{kind} of the sensor: {'high' if use.active_high else 'low'} when {told}"
    return FarEnd(device, connect, (("3V3", "plus of the sensor"), ("GND", "minus of the sensor")))


def _fill_sensor(use: PinUse) -> FarEnd:
    if use.key.endswith(".pin"):
        return _sensor(use, use.key.removesuffix(".pin"), "the bin is full")
    device = use.key.removesuffix(".trigger_pin").removesuffix(".echo_pin")
    rails: tuple[tuple[Rail, str], ...] = (("5V", "VCC of the ranger"), ("GND", "GND of the ranger and the divider"))
    if use.key.endswith(".trigger_pin"):
        return FarEnd(device, "TRIG of the ranger", rails)
    return FarEnd(device, "ECHO through 1 kohm, and 1.8 kohm from the pin to ground", rails)


def _lamp(use: PinUse) -> FarEnd:
    colour = use.key.removeprefix("panel.lamp.").removesuffix("_pin")
    if use.active_high:
        return FarEnd("panel.lamp", f"{colour} LED's plus, through 330 ohm", (("GND", "minus of the LEDs"),))
    return FarEnd("panel.lamp", f"{colour} LED's minus, through 330 ohm", (("3V3", "plus of the LEDs"),))


def _buzzer(use: PinUse) -> FarEnd:
    if use.active_high:
        connect = "base of an NPN transistor, through 1 kohm; the buzzer in its collector"
        return FarEnd("panel.buzzer", connect, (("5V", "plus of the buzzer"), ("GND", "emitter of the transistor")))
    # A module for 5 V would pull the pin above 3.3 V while it is silent.
    connect = "input of a 3.3 V buzzer module"
    return FarEnd("panel.buzzer", connect, (("3V3", "plus of the module"), ("GND", "minus of the module")))


def _load(use: PinUse, device: str, load: str) -> FarEnd:
    if use.active_high:
        connect = f"driver of the {load}: MOSFET's gate through 100 ohm, {_PULLED_DOWN}"
        return FarEnd(device, connect, (("GND", "MOSFET's source, minus of the motor supply"),))
    connect = f"driver of the {load}: relay module with opto-coupler, 10 kohm to 3.3 V"
    return FarEnd(device, connect, (("3V3", "VCC of the module's inputs"),))


def _stepper(use: PinUse, config: Config) -> FarEnd:
    name = {"gate.step_pin": "STEP", "gate.direction_pin": "DIR"}.get(use.key, "ENABLE")
    idle = "" if name != "ENABLE" else f", {_PULLED_DOWN}" if use.active_high else ", 10 kohm from there to 3.3 V"
    is_finer = config.gate.kind == "carousel" and config.gate.microsteps > 1
    rails: tuple[tuple[Rail, str], ...] = (
        ("3V3", "VDD of the driver, if it has one; the 10 kohm" + ("; its microstep pins" if is_finer else "")),
        ("GND", "both GND of the driver, minus of the motor supply"),
    )
    return FarEnd("gate.stepper", f"{name} of the stepper driver{idle}", rails)
