"""An output that goes off by itself: a coil or a motor that must not stay on, whatever becomes of the loop."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from edge.errors import ActuatorError

__all__ = ["LimitedOutput", "StartTimer", "Timer", "start_timer"]


class Timer(Protocol):
    """A timer under way."""

    def cancel(self) -> None: ...


StartTimer = Callable[[float, Callable[[], None]], Timer]
"""Calls a function once after so many seconds of real time, in another thread."""


def start_timer(limit_s: float, expire: Callable[[], None]) -> Timer:
    """A thread of its own, since the loop's clock stands still when the loop does."""
    timer = threading.Timer(limit_s, expire)
    timer.daemon = True
    timer.start()
    return timer


class LimitedOutput:
    """A gpiozero output that is never on for longer than `limit_s` of real time after `start`.

    Hazards: the timer is a thread of this process, so it does not help against SIGKILL or a kernel that hangs: the pin
    keeps its level until the gate is parked, which the service does after every end of the program. What burns within
    that time needs a limit in hardware.

    Args:
        make: makes the gpiozero device, off.
        name: what it is in messages, such as `coil on GPIO5 (J8:29)`.
        key: where the configuration has its pin, such as `gate.belt_pin`.
    """

    def __init__(
        self, make: Callable[[], Any], limit_s: float, name: str, key: str, start_timer: StartTimer = start_timer
    ) -> None:
        self._make = make
        self._limit_s = limit_s
        self._name = name
        self._key = key
        self._start_timer = start_timer
        self._lock = threading.Lock()
        self._device: Any = None
        self._timer: Timer | None = None
        self._started = object()
        self._has_expired = False
        self._failure: Exception | None = None

    @property
    def is_on(self) -> bool:
        """True from `start` until it went off."""
        return self._timer is not None and not self._has_expired

    def claim(self, stack: ExitStack) -> None:
        """Claim the pin, off. Raises: ActuatorError if it is taken, or cannot do what it must."""
        try:
            self._device = self._make()
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} refused: {exc}; check {self._key}") from exc
        stack.callback(self._close)

    def start(self, value: float = 1.0) -> None:
        """Switch on, and begin to count. Raises: ActuatorError if the pin does not obey."""
        with self._lock:
            self._cut()
            started = self._started = object()
            self._has_expired = False
            # The timer first: without it nothing goes on.
            self._timer = self._start_timer(self._limit_s, lambda: self._expire(started))
            self._write(value)

    def drive(self, value: float) -> bool:
        """Change the level, 0..1, while it is on; False if it went off by itself meanwhile.

        Raises: ActuatorError if the pin does not obey, or did not when it should have gone off by itself.
        """
        with self._lock:
            if self._failure is not None:
                raise ActuatorError(
                    f"{self._name} did not go off after {self._limit_s:g} s; take its power off"
                ) from self._failure
            if not self.is_on:
                return False
            self._write(value)
            return True

    def cut(self) -> None:
        """Switch off at once. Raises: ActuatorError if the pin does not obey."""
        with self._lock:
            if self._device is not None:
                self._cut()

    def _cut(self) -> None:
        timer, self._timer = self._timer, None
        self._write(0.0)
        self._failure = None
        # Only now: a pin that did not obey is tried once more by the timer.
        if timer is not None:
            timer.cancel()

    def _expire(self, started: object) -> None:
        with self._lock:
            if started is not self._started or self._device is None:
                return
            self._has_expired = True
            try:
                self._write(0.0)
            except ActuatorError as exc:
                self._failure = exc

    def _write(self, value: float) -> None:
        try:
            self._device.value = value
        except Exception as exc:  # every pin library has its own errors
            raise ActuatorError(f"{self._name} did not go to {value:.0%}: {exc}; check its wiring") from exc

    def _close(self) -> None:
        with self._lock:
            device, self._device = self._device, None
        device.close()
