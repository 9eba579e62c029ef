"""Makes the drivers that a configuration names; the one module that knows them all, each imported where it is named."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.config import BeamFillConfig, Config, FailSafeSwitchConfig, GateConfig, LampConfig, PanelConfig
from edge.config.sorting import NEEDS_ARGUMENT, SOURCE_FORMS
from edge.contact import Contact
from edge.ending import ask_for_hard_end
from edge.errors import ConfigError
from edge.gates.guarded import GuardedGate, PowerGuard
from edge.latch import StopLatch
from edge.panel import Panel
from edge.paths import stop_path
from edge.pins import PinFactory, is_simulated, open_factory
from edge.ports import DropSensor, FillSensor, Gate, Indicator, PresenceDetector, Source, Switch

if TYPE_CHECKING:
    from edge.sources.replay import Pace

__all__ = [
    "Hardware",
    "guarded",
    "make_gate",
    "make_panel",
    "open_hardware",
    "open_pins",
    "open_source",
    "put_in_order",
]

SWITCH_NAMES = {
    "estop": "emergency stop",
    "lid": "lid contact",
    "pause_button": "pause button",
    "resume_button": "resume button",
}

STOPS = ("estop", "lid")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What hangs on the pins, opened."""

    gate: Gate
    drop_sensor: DropSensor | None
    presence: PresenceDetector
    panel: Panel | None


@contextmanager
def open_pins(config: Config) -> Iterator[PinFactory]:
    """The pin factory of the configuration. Raises: ActuatorError if it does not work here."""
    factory = open_factory(config.pins.factory, chip=config.pins.chip, pwm=config.pins.pwm)
    try:
        yield factory
    finally:
        factory.close()


@contextmanager
def open_hardware(config: Config, file: Path | None = None) -> Iterator[Hardware]:
    """Claim all pins, the gate's first; nothing moves. They are given back in reverse, even half-built.

    Args:
        file: where the configuration was read; beside it lies the picture of the empty tray, if there is one.
    Raises: ActuatorError if a pin refuses.
    """
    with ExitStack() as stack:
        factory = stack.enter_context(open_pins(config))
        gate = guarded(make_gate(config.gate, factory), factory)
        stack.callback(gate.close)
        gate.open()
        drop_sensor = _make_drop_sensor(config, factory)
        if drop_sensor is not None:
            stack.callback(drop_sensor.close)
            drop_sensor.open()
        panel = make_panel(config, factory)
        if panel is not None:
            stack.callback(panel.close)
            panel.open()
        put_in_order(config.panel, factory)
        yield Hardware(gate, drop_sensor, _open_presence(config, file, factory, stack), panel)


def put_in_order(panel: PanelConfig, factory: PinFactory) -> None:
    """Close simulated contacts of stop and lid, as wired ones are, once they are open; real pins are left alone."""
    if not is_simulated(factory):
        return
    for switch in panel.switches().values():
        if isinstance(switch, FailSafeSwitchConfig):
            pin = factory.pin(switch.pin)
            (pin.drive_low if switch.active_high else pin.drive_high)()


def make_gate(config: GateConfig, factory: PinFactory) -> Gate:
    """The gate of a kind, not open yet."""
    match config.kind:
        case "servo_flap":
            from edge.gates.servo_flap import ServoFlap

            return ServoFlap(config, factory)
        case "two_servos":
            from edge.gates.two_servos import TwoServos

            return TwoServos(config, factory)
        case "carousel":
            from edge.gates.carousel import Carousel

            return Carousel(config, factory)
        case "solenoid":
            from edge.gates.solenoid import Solenoids

            return Solenoids(config, factory)
        case "conveyor":
            from edge.gates.conveyor import Conveyor

            return Conveyor(config, factory)


def guarded(gate: Gate, factory: PinFactory) -> Gate:
    """The gate with a guard beside the loop, on pins that something is wired to. Raises: ActuatorError."""
    return gate if is_simulated(factory) else GuardedGate(gate, PowerGuard())


def make_panel(config: Config, factory: PinFactory, *, only_stops: bool = False) -> Panel | None:
    """Switches, bins' sensors, lamp and buzzer, not open yet; None where there is none of them.

    Args:
        only_stops: no more than what forbids a motion.
    """
    settings = config.panel
    switches: dict[str, Switch] = {
        key: Contact(switch, factory, SWITCH_NAMES[key], f"panel.{key}") for key, switch in settings.switches().items()
    }
    latch = None if settings.estop is None else StopLatch(stop_path(config))
    if only_stops:
        stops = {key: switch for key, switch in switches.items() if key in STOPS}
        return Panel(stops, {}, [], settings, config.bins, latch) if stops else None
    fills = {name: _make_fill(name, config, factory) for name in config.bins.sensors}
    indicators: list[Indicator] = []
    if settings.lamp is not None:
        indicators.append(_make_lamp(settings.lamp, factory))
    if settings.buzzer is not None:
        from edge.indicators.buzzer import Buzzer

        indicators.append(Buzzer(settings.buzzer, factory))
    if not (switches or fills or indicators):
        return None
    return Panel(switches, fills, indicators, settings, config.bins, latch)


@contextmanager
def open_source(
    config: Config, pace: "Pace | None", open_to: Callable[[], str | None], *, wait: bool = True
) -> Iterator[tuple[Source, Any]]:
    """The source of frames, opened, and the simulation's truth; None for every other source.

    Args:
        pace: None takes `realtime`; only a replayed source has another.
        open_to: the bin whose way is open, which the simulation's items fall into.
        wait: see `ports.Source.open`.
    Raises: ConfigError, SourceError.
    """
    source, truth = _make_source(config, pace, open_to)
    try:
        source.open(wait=wait)
        yield source, truth
    finally:
        source.close()
        if getattr(source, "is_left_behind", False):
            ask_for_hard_end()


def _make_drop_sensor(config: Config, factory: PinFactory) -> DropSensor | None:
    if config.drop_sensor.kind == "none":
        return None
    from edge.sensors.beam import BeamSensor

    return BeamSensor(config.drop_sensor, factory)


def _make_fill(name: str, config: Config, factory: PinFactory) -> FillSensor:
    from edge.sensors.fill import BeamFillSensor, UltrasonicFillSensor

    settings, key = config.bins.sensors[name], f"bins.sensors.{name}"
    if isinstance(settings, BeamFillConfig):
        return BeamFillSensor(settings, factory, key)
    return UltrasonicFillSensor(settings, factory, key)


def _make_lamp(settings: LampConfig, factory: PinFactory) -> Indicator:
    from edge.indicators.lamp import StatusLamp

    return StatusLamp(settings, factory)


def _open_presence(config: Config, file: Path | None, factory: PinFactory, stack: ExitStack) -> PresenceDetector:
    from edge.presence.local_contrast import LocalContrastDetector
    from edge.presence.tray_picture import load_tray_picture

    stored = load_tray_picture(file, config.source)
    pictures = LocalContrastDetector(config.presence, stored=stored)
    if config.presence.beam is None:
        return pictures
    from edge.presence.tray_beam import TrayBeamDetector

    beam = Contact(config.presence.beam, factory, "tray beam", "presence.beam")
    stack.callback(beam.close)
    beam.open()
    return TrayBeamDetector(beam, pictures)


def _make_source(config: Config, pace: "Pace | None", open_to: Callable[[], str | None]) -> tuple[Source, Any]:
    settings = config.source
    kind, _, argument = settings.spec.partition(":")
    # The command line may name what the configuration would have refused.
    if kind not in NEEDS_ARGUMENT:
        raise ConfigError(f"source {settings.spec!r} is none of {SOURCE_FORMS}; check --source or source.spec")
    if NEEDS_ARGUMENT[kind] and not argument:
        form = next(form for form in SOURCE_FORMS.replace(" or ", ", ").split(", ") if form.startswith(kind))
        raise ConfigError(f"source {form} needs what comes after the colon; check --source or source.spec")
    from edge.sources.replay import ReplaySource

    if kind in ("v4l2", "picamera2"):
        if pace == "fast":
            raise ConfigError("--pace fast needs a recorded source; a camera runs in real time")
        return _make_camera(config, kind, argument), None
    speed: Pace = pace or "realtime"
    if kind == "sim":
        from edge.sources.sim import Simulation

        simulation = Simulation(
            seed=_seed(argument),
            items=settings.sim_items,
            fps=settings.fps,
            width_px=settings.width_px,
            height_px=settings.height_px,
            open_to=open_to,
        )
        return ReplaySource(simulation, speed), simulation
    if kind == "video":
        from edge.sources.video import VideoRecording

        return ReplaySource(VideoRecording(Path(argument)), speed), None
    from edge.sources.images import ImagesRecording

    pictures = ImagesRecording(Path(argument), settings.width_px, settings.height_px, settings.fps, settings.image_s)
    return ReplaySource(pictures, speed), None


def _make_camera(config: Config, kind: str, argument: str) -> Source:
    from edge.sources.live import Camera, LiveSource

    settings = config.source
    size = (settings.width_px, settings.height_px, settings.fps)
    camera: Camera
    if kind == "v4l2":
        from edge.sources.v4l2 import V4l2Camera

        camera = V4l2Camera(Path(argument), *size, settings.camera)
    else:
        from edge.sources.picamera2 import Picamera2Camera

        camera = Picamera2Camera(_camera_index(argument), *size, settings.camera)
    return LiveSource(
        camera,
        settings.spec,
        max_age_s=settings.max_age_s,
        frozen_s=settings.frozen_s,
        dark_level=config.presence.dark_level,
    )


def _camera_index(argument: str) -> int:
    if not argument:
        return 0
    if not argument.isdecimal() or len(argument) > 2:
        raise ConfigError(f"picamera2:{argument} is no camera; give its number, such as picamera2:0")
    return int(argument)


def _seed(argument: str) -> int:
    if not argument:
        return 1
    if not argument.isdecimal() or len(argument) > 18:
        raise ConfigError(f"sim:{argument} is no seed; give a whole number of at most 18 digits, such as sim:7")
    return int(argument)
