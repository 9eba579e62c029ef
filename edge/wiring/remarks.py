"""What an installer must know beside the wires: what would burn, what starts by itself, what else a pin is used for."""

from collections.abc import Iterator

from edge.config import Config, PinUse, UltrasonicFillConfig
from edge.header import HARDWARE_PWM, header_pin_of
from edge.wiring.rows import wiring_rows
from edge.wiring.starting import pulled_on, why_misplaced

__all__ = ["wiring_remarks"]

_MICROSTEP_PINS = {
    1: "leave MS1 to MS3 (A4988) or M0 to M2 (DRV8825) open",
    2: "tie MS1 (A4988) or M0 (DRV8825) to 3.3 V, and leave the other two open",
    4: "tie MS2 (A4988) or M1 (DRV8825) to 3.3 V, and leave the other two open",
    8: "tie MS1 and MS2 (A4988) or M0 and M1 (DRV8825) to 3.3 V, and leave the third open",
    16: "tie MS1, MS2 and MS3 (A4988) to 3.3 V, or M2 alone (DRV8825)",
    32: "tie M0 and M2 (DRV8825) to 3.3 V, and leave M1 open; an A4988 cannot",
}
"""How the two usual carriers are set (tables of their data sheets): all of their pins are pulled down."""
_OVERLAY_FUNCTION = {12: 4, 13: 4, 18: 2, 19: 2}
"""`func` of the firmware's overlays pwm and pwm-2chan (their README)."""


def wiring_remarks(config: Config) -> tuple[str, ...]:
    """Sentences for the installer, hazards first."""
    return (
        *_simulated(config),
        *_misplaced(config),
        "no motor or coil is fed from the header, its 5 V pins included: it has a fused supply of its own, whose minus "
        "is joined to a ground pin of the header",
        "no GPIO stands more than 3.3 V, or gives more than 16 mA; take all power away while you connect",
        *_stops(config),
        *_rangers(config),
        *_starts(config),
        *_microsteps(config),
        *_double_roles(config),
        *_hardware_pwm(config),
        *_shared_rails(config),
    )


def _simulated(config: Config) -> Iterator[str]:
    if config.pins.factory == "mock":
        yield "pins.factory is mock: the pins are simulated, nothing moves; on a Raspberry Pi set pins.factory: lgpio"


def _misplaced(config: Config) -> Iterator[str]:
    yield from filter(None, map(why_misplaced, config.pin_uses()))


def _stops(config: Config) -> Iterator[str]:
    supplies = _motor_supplies(config)
    if config.panel.estop is None:
        pluses = " and that of ".join(supplies)
        yield f"there is no panel.estop: a switch within reach must still break the plus of {pluses}"
    elif len(supplies) == 1:
        yield (
            f"the emergency stop needs two contacts that open: one breaks the plus of {supplies[0]}, the other is "
            "panel.estop; the program alone is no emergency stop"
        )
    else:
        yield (
            f"the emergency stop needs three contacts that open: one breaks the plus of {supplies[0]}, one that of "
            f"{supplies[1]}, the third is panel.estop; or two, of which one feeds a contactor with a pole for each "
            "supply. One contact for both would join them; the program alone is no emergency stop"
        )


def _motor_supplies(config: Config) -> list[str]:
    """What the motors are fed from: servos stand no more than 5 to 6 V, other motors and coils seldom go by that."""
    gate = config.gate
    supplies = ["the servo supply"] if gate.servo_pins() else []
    if gate.output_pins():
        load = {"carousel": "stepper", "conveyor": "belt", "solenoid": "coil"}.get(gate.kind, "motor")
        supplies.append(f"the {load} supply")
    return supplies


def _rangers(config: Config) -> Iterator[str]:
    if any(isinstance(sensor, UltrasonicFillConfig) for sensor in config.bins.sensors.values()):
        yield "ECHO of an ultrasonic ranger is a 5 V signal: without its divider it destroys the pin"


def _starts(config: Config) -> Iterator[str]:
    """Outputs that a pin's own resistor switches on before the program has it."""
    for use in config.pin_uses():
        pulled = pulled_on(use)
        if pulled is not None and why_misplaced(use) is None:
            against = "ground" if pulled == "up" else "3.3 V"
            yield (
                f"{_named(use)} is pulled {pulled} while the board starts, which switches {use.key} on: "
                f"hold it off with 10 kohm to {against}"
            )


def _microsteps(config: Config) -> Iterator[str]:
    gate = config.gate
    if gate.kind != "carousel":
        return
    how = _MICROSTEP_PINS.get(gate.microsteps, "set the driver as its data sheet says; no A4988 or DRV8825 can")
    yield (
        f"gate.microsteps is {gate.microsteps}: {how}. A driver that is set otherwise turns another way than "
        "gate.steps_per_turn says, which the home switch may not reveal: try it without load"
    )


def _double_roles(config: Config) -> Iterator[str]:
    for use in config.pin_uses():
        role = header_pin_of(use.bcm).role
        bus = role.split(" ")[0]
        if bus not in ("I2C", "SPI", "UART") or why_misplaced(use) is not None:
            continue
        switch = "the serial console" if bus == "UART" else bus
        yield (f"{_named(use)} ({use.key}) is {role} as well: switch {switch} off in raspi-config, or take another pin")


def _hardware_pwm(config: Config) -> Iterator[str]:
    if config.pins.pwm != "hardware":
        return
    # That a servo's pin has a channel, and each of them one of its own, the configuration has checked.
    pins = sorted((use.bcm for use in config.pin_uses() if use.is_hardware_pwm), key=HARDWARE_PWM.__getitem__)
    if not pins:
        return
    written = ",".join(
        f"pin{suffix}={bcm},func{suffix}={_OVERLAY_FUNCTION[bcm]}" for bcm, suffix in zip(pins, ("", "2"), strict=False)
    )
    overlay = "pwm" if len(pins) == 1 else "pwm-2chan"
    yield (
        f"pins.pwm is hardware: /boot/firmware/config.txt needs dtoverlay={overlay},{written}; "
        "before the Pi 5 also dtparam=audio=off"
    )


def _shared_rails(config: Config) -> Iterator[str]:
    numbers = [row.number for row in wiring_rows(config) if row.signal in ("ground", "supply")]
    shared = sorted({number for number in numbers if numbers.count(number) > 1})
    if shared:
        pins = ", ".join(f"J8:{number}" for number in shared)
        yield f"several wires meet at {pins}: join them at a terminal strip, and lead one wire to the pin"


def _named(use: PinUse) -> str:
    pin = header_pin_of(use.bcm)
    return f"J8:{pin.number} {pin.name}"
