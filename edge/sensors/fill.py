"""Fill sensors: a light beam across the top of a bin, or an ultrasonic ranger (HC-SR04) above it."""

import logging
import statistics
import threading
import warnings
from collections.abc import Callable
from typing import Any

from edge.config import BeamFillConfig, UltrasonicFillConfig
from edge.contact import Contact, pin_name
from edge.errors import ActuatorError
from edge.pins import PinFactory

__all__ = ["BeamFillSensor", "UltrasonicFillSensor"]

_log = logging.getLogger(__name__)

PING_S = 0.2
"""Pause between pings beside gpiozero's own 0.06 s: four pings a second, which is often enough for a bin to fill."""
WINDOW = 5
"""Pings that are judged together: the middle one counts, so that one stray echo does nothing."""
ANSWERS = 3
"""So many of them must have been answered; with fewer nothing is known."""
REACH_M = 5.0
"""What is farther counts as this far. The ranger itself sees 4 m, and answers with a longer echo beyond."""
LEAST_M = 0.01
"""Half of the least that a ranger measures (HC-SR04 data sheet: 2 cm). A shorter echo is none: a wire that hangs loose
picks up the trigger's own pulse."""
SILENT_PINGS = 20
"""Pings in a row after which nothing is known until it is told: about seven seconds without an echo."""
STEADY_PINGS = 600
"""Pings in a row after which something was known until silence is told anew: about two and a half minutes."""


class BeamFillSensor:
    """Full while the beam is broken, also for the moment in which an item falls through it.

    Hazards: as of `sensors.beam`. With `pull: auto` a cut wire reads as "not full", so that the bin overflows; a beam
    whose output is low while it is whole (`active_high: true, pull: up`) reads as full then.

    Args:
        key: where the configuration has it, such as `bins.sensors.glass`.
    """

    def __init__(self, config: BeamFillConfig, factory: PinFactory, key: str) -> None:
        self._contact = Contact(config, factory, "fill sensor", key)
        self._is_open = False
        self._is_told = False

    def open(self) -> None:
        """Claim the pin. Raises: ActuatorError if it is taken."""
        self._contact.open()
        self._is_open = True

    def is_full(self) -> bool | None:
        """None while the sensor is closed, or its pin does not answer, which is logged once."""
        if not self._is_open:
            return None
        try:
            return self._contact.is_actuated()
        except ActuatorError as exc:
            if not self._is_told:
                self._is_told = True
                _log.warning("%s", exc)
            return None

    def close(self) -> None:
        self._is_open = False
        self._contact.close()


class UltrasonicFillSensor:
    """Full while the content is nearer than `full_m`. gpiozero's thread pings about four times a second.

    Two rangers never ping at the same time, since gpiozero holds a lock over all of them. What lies nearer than 2 cm,
    soft waste, and a slope that throws the sound aside may give no echo or a late one.

    Hazards: the echo is a 5 V signal, which destroys a pin that stands 3.3 V: divide it (1 kohm from the ranger to the
    pin, 1.8 kohm from the pin to ground: 3.2 V).

    Args:
        key: where the configuration has it, such as `bins.sensors.glass`.
    """

    def __init__(self, config: UltrasonicFillConfig, factory: PinFactory, key: str) -> None:
        self._config = config
        self._factory = factory
        self._key = key
        self._name = f"ultrasonic ranger on {pin_name(config.trigger_pin)} and {pin_name(config.echo_pin)}"
        self._readings: _Readings | None = None
        self._device: Any = None

    def open(self) -> None:
        """Claim both pins and begin to ping. Raises: ActuatorError if one is taken."""
        readings = _Readings(f"{self._name} gives no echo (%s); check its supply, its wires and {self._key}")
        try:
            self._device = _open_ranger(self._config, self._factory, readings.note)
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(
                f"{self._name} refused: {exc}; check {self._key}.trigger_pin and {self._key}.echo_pin"
            ) from exc
        self._readings = readings

    def is_full(self) -> bool | None:
        """None until three pings were answered, and again as soon as fewer than three of the last five were."""
        distance_m = None if self._readings is None else self._readings.distance_m()
        return None if distance_m is None else distance_m < self._config.full_m

    def close(self) -> None:
        self._readings = None
        if self._device is not None:
            device, self._device = self._device, None
            device.close()


class _Readings:
    """The last echoes. Written in gpiozero's thread, read in the loop's; what they share is replaced whole.

    Args:
        silence: what to log, once, when nothing is known for long; `%s` is the reason.
    """

    def __init__(self, silence: str) -> None:
        self._silence = silence
        self._recent: tuple[float | None, ...] = ()
        self._unknown_pings = self._known_pings = 0
        self._is_told = False

    def distance_m(self) -> float | None:
        answered = [distance_m for distance_m in self._recent if distance_m is not None]
        return statistics.median_high(answered) if len(answered) >= ANSWERS else None

    def note(self, distance_m: float | None, reason: str) -> None:
        """Take the result of one ping; None, and the reason, if there is none."""
        if distance_m is not None and distance_m < LEAST_M:
            distance_m, reason = None, "its echo is too short to be one"
        self._recent = (*self._recent[-(WINDOW - 1) :], distance_m)
        if self.distance_m() is not None:
            self._unknown_pings, self._known_pings = 0, self._known_pings + 1
            self._is_told = self._is_told and self._known_pings < STEADY_PINGS
            return
        self._unknown_pings, self._known_pings = self._unknown_pings + 1, 0
        if self._unknown_pings >= SILENT_PINGS and distance_m is None and not self._is_told:
            self._is_told = True
            _log.warning(self._silence, reason)


def _open_ranger(config: UltrasonicFillConfig, factory: PinFactory, note: Callable[[float | None, str], None]) -> Any:
    """A gpiozero device that hands every reading to `note`, also a failed one.

    gpiozero's own `distance` leaves failed readings out: it is the last good one for ever, and 0 before there is one.
    """
    from gpiozero import DistanceSensor
    from gpiozero.exc import DistanceSensorNoEcho, PWMSoftwareFallback

    class Ranger(DistanceSensor):  # type: ignore[misc]  # gpiozero ships no types
        def __init__(self) -> None:
            self._is_closing = threading.Event()
            super().__init__(
                echo=config.echo_pin,
                trigger=config.trigger_pin,
                queue_len=1,
                max_distance=REACH_M,
                partial=True,
                pin_factory=factory,
            )

        def _read(self) -> float | None:
            if self._is_closing.wait(PING_S):
                return None
            try:
                share = super()._read()
            except Exception as exc:  # a ranger that fails is silent; its thread must live on
                note(None, str(exc))
                return None
            if share is None:
                note(None, "the echo's beginning was missed")
                return None
            note(share * REACH_M, "")
            return float(share)

        def close(self) -> None:
            self._is_closing.set()
            super().close()

    # The advice to take pigpio is not for an operator, and every missing echo is told by a warning that `_read` can
    # only catch when it is raised. It comes in gpiozero's thread, out of reach of `catch_warnings`.
    warnings.filterwarnings("ignore", category=PWMSoftwareFallback)
    warnings.filterwarnings("error", category=DistanceSensorNoEcho)
    return Ranger()
