"""Which pin a configuration uses for what, and what cannot be wired so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from edge.config.base import SwitchConfig
from edge.config.devices import BeamFillConfig, BinsConfig, DropSensorConfig, LampConfig, PanelConfig
from edge.config.gates import GateConfig
from edge.header import HARDWARE_PWM, PULLED_UP

__all__ = ["PinUse", "pin_uses", "refuse_conflicts", "refuse_software_only", "refuse_started_motors"]


@dataclass(frozen=True, slots=True)
class PinUse:
    """One wire.

    Attributes:
        key: where the configuration names it, such as `gate.servo_pin`.
        bcm: BCM number.
        signal: `servo` pulses, an `output` that is switched, or an `input`.
        active_high: the level that actuates; True for a servo.
        pull: the board's resistor that is switched on; `none` for outputs.
        has_pulses: pulses come out of it, a servo's, or those that set the speed of a motor.
    """

    key: str
    bcm: int
    signal: Literal["servo", "output", "input"]
    active_high: bool = True
    pull: Literal["up", "down", "none"] = "none"
    has_pulses: bool = False

    @property
    def is_hardware_pwm(self) -> bool:
        """Its pulses come from the board's PWM where `pins.pwm` is `hardware`."""
        return self.has_pulses and self.bcm in HARDWARE_PWM


def pin_uses(
    gate: GateConfig, drop: DropSensorConfig, tray_beam: SwitchConfig | None, bins: BinsConfig, panel: PanelConfig
) -> tuple[PinUse, ...]:
    """Every wire, in the order of the configuration."""
    return (
        *_gate_uses(gate),
        *([_input("drop_sensor.pin", drop.switch)] if drop.kind != "none" else []),
        *([_input("presence.beam.pin", tray_beam)] if tray_beam is not None else []),
        *_bin_uses(bins),
        *(_input(f"panel.{key}.pin", switch) for key, switch in panel.switches().items()),
        *(_lamp_uses(panel.lamp) if panel.lamp is not None else []),
        *([PinUse("panel.buzzer.pin", panel.buzzer.pin, "output", panel.buzzer.active_high)] if panel.buzzer else []),
    )


def refuse_conflicts(uses: tuple[PinUse, ...]) -> None:
    """Raises: ValueError that begins with a key if two wires want the same pin."""
    owner: dict[int, str] = {}
    for use in uses:
        if use.bcm in owner:
            raise ValueError(f"{owner[use.bcm]} and {use.key} are both GPIO{use.bcm}; give each device its own pin")
        owner[use.bcm] = use.key


def refuse_software_only(uses: tuple[PinUse, ...]) -> None:
    """Raises: ValueError that begins with a key if a servo is where no hardware PWM reaches it, or if it has the same
    pulses as another servo or motor.
    """
    owner: dict[int, PinUse] = {}
    for use in uses:
        if use.signal == "servo" and not use.is_hardware_pwm:
            raise ValueError(
                f"{use.key} is GPIO{use.bcm}, which has no hardware PWM; take GPIO12, 13, 18 or 19, or "
                "pins.pwm: software"
            )
        if not use.is_hardware_pwm:
            continue
        channel = HARDWARE_PWM[use.bcm]
        if channel in owner:
            other = owner[channel]
            raise ValueError(
                f"{other.key} and {use.key} (GPIO{other.bcm} and GPIO{use.bcm}) share a hardware PWM channel, and "
                "would move together; take GPIO12 or 18 for one and GPIO13 or 19 for the other"
            )
        owner[channel] = use


def refuse_started_motors(uses: tuple[PinUse, ...]) -> None:
    """Raises: ValueError that begins with a key if a motor or coil would be on until the program starts."""
    for use in uses:
        is_switched = use.signal == "output" and use.key.startswith("gate.")
        # A steady level on these two moves nothing.
        is_step = use.key in ("gate.step_pin", "gate.direction_pin")
        if is_switched and use.active_high and use.bcm in PULLED_UP and not is_step:
            raise ValueError(
                f"{use.key} is GPIO{use.bcm}, which the board pulls up by 1.8 kohm: it would be on until the program "
                "starts, and no resistor holds it off; take another pin"
            )


def _gate_uses(gate: GateConfig) -> Iterator[PinUse]:
    for key, pin in gate.servo_pins().items():
        yield PinUse(f"gate.{key}", pin, "servo", has_pulses=True)
    levels: Mapping[str, bool] = {
        "enable_pin": getattr(gate, "enable_active_high", True),
        "belt_pin": getattr(gate, "belt_active_high", True),
    }
    for key, pin in gate.output_pins().items():
        has_pulses = key == "belt_pin" and getattr(gate, "belt_pwm_hz", None) is not None
        level = levels.get(key, getattr(gate, "active_high", True))
        yield PinUse(f"gate.{key}", pin, "output", level, has_pulses=has_pulses)
    for key, switch in gate.switches().items():
        yield _input(f"gate.{key}.pin", switch)


def _bin_uses(bins: BinsConfig) -> Iterator[PinUse]:
    for name, sensor in bins.sensors.items():
        key = f"bins.sensors.{name}"
        if isinstance(sensor, BeamFillConfig):
            yield _input(f"{key}.pin", sensor)
        else:
            yield PinUse(f"{key}.trigger_pin", sensor.trigger_pin, "output")
            yield PinUse(f"{key}.echo_pin", sensor.echo_pin, "input")


def _lamp_uses(lamp: LampConfig) -> Iterator[PinUse]:
    for colour in ("green", "yellow", "red"):
        pin = getattr(lamp, f"{colour}_pin")
        if pin is not None:
            yield PinUse(f"panel.lamp.{colour}_pin", pin, "output", lamp.active_high)


def _input(key: str, switch: SwitchConfig) -> PinUse:
    return PinUse(key, switch.pin, "input", switch.active_high, switch.resolved_pull)
