"""What an installer must know beside the wires: what would burn, what starts by itself, what else a pin is used for."""

from collections.abc import Iterator

from edge.config import Config, PinUse, UltrasonicFillConfig
from edge.header import HARDWARE_PWM, header_pin_of
from edge.wiring.rows import wiring_rows

__all__ = ["wiring_remarks"]

PULLED_UP_AT_START = range(2, 9)
"""GPIOs that are pulled up until the program claims them, the others are pulled down (BCM2835 ARM Peripherals, table
6-31; the RP1 of the Pi 5 starts the same way)."""
_OVERLAY_FUNCTION = {12: 4, 13: 4, 18: 2, 19: 2}
"""`func` of the firmware's overlays pwm and pwm-2chan (their README)."""


def wiring_remarks(config: Config) -> tuple[str, ...]:
    """Sentences for the installer, hazards first."""
    return (
        *_simulated(config),
        "no motor or coil is fed from the header, its 5 V pins included: it has a fused supply of its own, whose minus "
        "is joined to a ground pin of the header",
        "no GPIO stands more than 3.3 V, or gives more than 16 mA; take all power away while you connect",
        *_stops(config),
        *_rangers(config),
        *_starts(config),
        *_double_roles(config),
        *_hardware_pwm(config),
        *_shared_rails(config),
    )


def _simulated(config: Config) -> Iterator[str]:
    if config.pins.factory == "mock":
        yield "pins.factory is mock: the pins are simulated, nothing moves; on a Raspberry Pi set pins.factory: lgpio"


def _stops(config: Config) -> Iterator[str]:
    panel = config.panel
    if panel.estop is None:
        yield (
            "there is no panel.estop: a switch within reach must still cut the supply of whatever moves, in both poles "
            "or in its plus"
        )
    else:
        yield (
            "the emergency stop needs two contacts that open: one breaks the plus of the motor supply, the other is "
            "panel.estop; the program alone is no emergency stop"
        )
    for key, switch in (("estop", panel.estop), ("lid", panel.lid)):
        if switch is not None and switch.active_high != (switch.resolved_pull == "up"):
            yield (
                f"a torn wire at panel.{key} goes unnoticed; take a contact that opens, with active_high: true and "
                "pull: up"
            )


def _rangers(config: Config) -> Iterator[str]:
    if any(isinstance(sensor, UltrasonicFillConfig) for sensor in config.bins.sensors.values()):
        yield "ECHO of an ultrasonic ranger is a 5 V signal: without its divider it destroys the pin"


def _starts(config: Config) -> Iterator[str]:
    """Outputs that a pin's own resistor switches on before the program has it."""
    for use in config.pin_uses():
        is_pulled_up = use.bcm in PULLED_UP_AT_START
        if use.signal == "output" and use.active_high == is_pulled_up and not use.key.endswith(".trigger_pin"):
            pulled, against = ("up", "ground") if is_pulled_up else ("down", "3.3 V")
            yield (
                f"{_named(use)} is pulled {pulled} while the board starts, which switches {use.key} on: "
                f"hold it off with 10 kohm to {against}"
            )


def _double_roles(config: Config) -> Iterator[str]:
    for use in config.pin_uses():
        role = header_pin_of(use.bcm).role
        bus = role.split(" ")[0]
        if bus not in ("I2C", "SPI", "UART"):
            continue
        switch = "the serial console" if bus == "UART" else bus
        yield (f"{_named(use)} ({use.key}) is {role} as well: switch {switch} off in raspi-config, or take another pin")


def _hardware_pwm(config: Config) -> Iterator[str]:
    if config.pins.pwm != "hardware":
        return
    # That a servo's pin has a channel, and one of its own, the configuration has checked.
    pins = sorted((use.bcm for use in config.pin_uses() if use.signal == "servo"), key=HARDWARE_PWM.__getitem__)
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
