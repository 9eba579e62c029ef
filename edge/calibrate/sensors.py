"""Tests every sensor, switch and button: its level, and each change of it."""

import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from edge.calibrate.desk import POLL_S, Desk
from edge.calibrate.guard import claimed_pins
from edge.config import BeamFillConfig, Config, SwitchConfig
from edge.contact import Contact, pin_name
from edge.errors import ConfigError
from edge.pins import PinFactory
from edge.sensors.fill import UltrasonicFillSensor

__all__ = ["Change", "WatchedSwitch", "switches_of", "watch_sensors"]

BOUNCE_S = 0.02
"""An edge so soon after a contact was seen actuated is that actuation, told late by gpiozero's thread, or a bounce."""
_WORDS: dict[bool | None, str] = {True: "actuated", False: "at rest", None: "no answer"}


@dataclass(frozen=True, slots=True)
class Change:
    """A sensor's new level. `is_actuated` is None while a ranger hears no echo; a full bin actuates its sensor."""

    t_s: float
    is_actuated: bool | None


def switches_of(config: Config) -> dict[str, SwitchConfig]:
    """Every input with one wire, by its place in the configuration."""
    found: dict[str, SwitchConfig] = {}
    if config.drop_sensor.kind != "none":
        found["drop_sensor"] = config.drop_sensor.switch
    if config.presence.beam is not None:
        found["presence.beam"] = config.presence.beam
    found |= {f"gate.{key}": switch for key, switch in config.gate.switches().items()}
    found |= {f"panel.{key}": switch for key, switch in config.panel.switches().items()}
    return found | {
        f"bins.sensors.{name}": sensor
        for name, sensor in config.bins.sensors.items()
        if isinstance(sensor, BeamFillConfig)
    }


class WatchedSwitch:
    """A switch whose every actuation is noted, also one that is over before anybody asks.

    Args:
        now_s: the time; asked in gpiozero's thread.
    """

    def __init__(self, key: str, config: SwitchConfig, factory: PinFactory, now_s: Callable[[], float]) -> None:
        self._edges_s: deque[float] = deque(maxlen=1000)
        self._contact = Contact(config, factory, "sensor", key, on_actuated=lambda: self._edges_s.append(now_s()))
        self._is_actuated = False
        self._since_s = -math.inf

    @property
    def is_actuated(self) -> bool:
        """The level at the last `poll`."""
        return self._is_actuated

    def open(self, stack: ExitStack) -> None:
        """Claim the pin; `stack` gives it back. Raises: ActuatorError."""
        stack.callback(self._contact.close)
        self._contact.open()
        self._is_actuated = self._contact.is_actuated()

    def poll(self, now_s: float) -> Iterator[Change]:
        """What changed since the last call, in order. Raises: ActuatorError if the pin does not answer."""
        while self._edges_s:
            edge_s = self._edges_s.popleft()
            if self._is_actuated:
                if edge_s - self._since_s < BOUNCE_S:
                    continue
                # It was released and actuated again between two looks.
                yield self._changed(edge_s, False)
            yield self._changed(edge_s, True)
        is_actuated = self._contact.is_actuated()
        if is_actuated is not self._is_actuated:
            yield self._changed(now_s, is_actuated)

    def _changed(self, t_s: float, is_actuated: bool) -> Change:
        self._is_actuated, self._since_s = is_actuated, t_s
        return Change(t_s, is_actuated)


class _WatchedRanger:
    def __init__(self, sensor: UltrasonicFillSensor) -> None:
        self._sensor = sensor
        self._is_full: bool | None = None

    @property
    def is_actuated(self) -> bool | None:
        return self._is_full

    def open(self, stack: ExitStack) -> None:
        stack.callback(self._sensor.close)
        self._sensor.open()

    def poll(self, now_s: float) -> Iterator[Change]:
        is_full = self._sensor.is_full()
        if is_full is not self._is_full:
            self._is_full = is_full
            yield Change(now_s, is_full)


def watch_sensors(config: Config, desk: Desk, *, duration_s: float | None, as_json: bool) -> tuple[str, ...]:
    """Tell the level of every sensor and each change; at the end, which never changed.

    Args:
        duration_s: how long; None until the operator presses Enter.
    Returns: the keys of those that never changed.
    Raises: ConfigError if there is no sensor; ActuatorError if a pin refuses; StoppedError.
    """
    with ExitStack() as stack:
        factory = stack.enter_context(claimed_pins(config, desk))
        pins = {key: pin_name(switch.pin) for key, switch in switches_of(config).items()}
        watched: dict[str, WatchedSwitch | _WatchedRanger] = {
            key: WatchedSwitch(key, switch, factory, desk.clock.now_s) for key, switch in switches_of(config).items()
        }
        for name, sensor in config.bins.sensors.items():
            if not isinstance(sensor, BeamFillConfig):
                key = f"bins.sensors.{name}"
                pins[key] = f"{pin_name(sensor.trigger_pin)} and {pin_name(sensor.echo_pin)}"
                watched[key] = _WatchedRanger(UltrasonicFillSensor(sensor, factory, key))
        if not watched:
            raise ConfigError("the configuration has no sensor, switch or button; there is nothing to test")
        for device in watched.values():
            device.open(stack)
        report = _Report(desk, pins, as_json=as_json)
        for key, device in watched.items():
            report.level(key, device.is_actuated)
        if duration_s is None:
            desk.say("Actuate each one. Enter ends.")
        _follow(watched, report, desk, duration_s)
        return report.summary()


def _follow(
    watched: dict[str, WatchedSwitch | _WatchedRanger], report: "_Report", desk: Desk, duration_s: float | None
) -> None:
    start_s = now_s = desk.clock.now_s()
    while True:
        for key, device in watched.items():
            for change in device.poll(now_s):
                report.change(key, change, max(change.t_s - start_s, 0.0))
        if duration_s is None:
            if desk.typed(POLL_S) is not None:
                return
        elif now_s - start_s >= duration_s:
            return
        else:
            desk.wait(min(POLL_S, max(start_s + duration_s - now_s, 0.001)))
        now_s = desk.clock.now_s()


class _Report:
    """Lines for people, or JSON lines: `level` for each sensor, `change` for each change, `summary` at the end."""

    def __init__(self, desk: Desk, pins: dict[str, str], *, as_json: bool) -> None:
        self._desk = desk
        self._pins = pins
        self._as_json = as_json
        self._changes = dict.fromkeys(pins, 0)

    def level(self, key: str, is_actuated: bool | None) -> None:
        self._write("level", key, is_actuated, 0.0, f"  {key} on {self._pins[key]}: {_WORDS[is_actuated]}")

    def change(self, key: str, change: Change, t_s: float) -> None:
        self._changes[key] += 1
        self._write("change", key, change.is_actuated, t_s, f"  {t_s:8.3f} s  {key}: {_WORDS[change.is_actuated]}")

    def summary(self) -> tuple[str, ...]:
        mute = tuple(key for key, count in self._changes.items() if count == 0)
        if self._as_json:
            print(json.dumps({"type": "summary", "changes": self._changes, "never_changed": mute}), flush=True)
        elif mute:
            self._desk.warn(f"never seen to change: {', '.join(mute)}. Look at wire, supply, pin and active_high.")
        else:
            self._desk.say("Every sensor was seen to change.")
        return mute

    def _write(self, type_: str, key: str, is_actuated: bool | None, t_s: float, line: str) -> None:
        if not self._as_json:
            self._desk.say(line)
            return
        record = {
            "type": type_,
            "t_s": round(t_s, 4),
            "sensor": key,
            "pin": self._pins[key],
            "is_actuated": is_actuated,
        }
        print(json.dumps(record), flush=True)
