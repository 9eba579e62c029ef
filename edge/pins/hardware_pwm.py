"""A channel of the board's own PWM, through the kernel's files: its pulses do not jitter on a busy machine."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge.errors import ActuatorError
from edge.header import HARDWARE_PWM
from edge.pins.attempts import attempt_all

__all__ = ["PWM_ROOT", "PwmChannel"]

PWM_ROOT = Path("/sys/class/pwm")
_CHANNELS = {
    "20c000.pwm": HARDWARE_PWM,
    "98000.pwm": {12: 0, 13: 1, 18: 2, 19: 3},
}
"""Channel of each GPIO, by the end of the name of the chip's device: that of all boards before the Pi 5, whose address
differs in its first digits, and that of the Pi 5. The number of a chip says nothing, and a Pi 5 has further ones."""
_EXPORT_S = 2.0
"""Longest wait for udev, which gives an exported channel to group gpio."""
_LOOK_S = 0.02

Write = Callable[[Path, str], None]


def _write(path: Path, text: str) -> None:
    path.write_text(text)


class PwmChannel:
    """One channel, without pulses until `start`. The duty cycle never exceeds the period, not even between two writes.

    Hazards: the kernel goes on with the pulses when this process dies, so after SIGKILL a servo is powered until the
    gate is parked. On boards before the Pi 5 the channels share a clock with the analogue audio.

    Args:
        bcm: the GPIO that carries it.
        root: of the kernel's files.
        wait: sleeps; only while the channel is made ready.
    Raises: ActuatorError if this machine has no such PWM, or does not give it to this user.
    """

    def __init__(
        self, bcm: int, root: Path = PWM_ROOT, wait: Callable[[float], None] = time.sleep, write: Write = _write
    ) -> None:
        self._bcm = bcm
        self._write_file = write
        self._chip, self._channel = find_channel(bcm, root)
        self._folder = self._chip / f"pwm{self._channel}"
        self._period_ns = 0
        self._duty_ns = 0
        self._is_running = False
        self._export(wait)
        self._silence()

    @property
    def frequency(self) -> float | None:
        """In Hz; None while there are no pulses."""
        return 1e9 / self._period_ns if self._is_running else None

    @property
    def duty(self) -> float:
        """Share of a period that the pin is high, 0..1, as the kernel was told."""
        return self._duty_ns / self._period_ns if self._is_running else 0.0

    def start(self, frequency: float) -> None:
        """Pulses of this frequency, the duty cycle as it was, or 0. Raises: ActuatorError."""
        period_ns = round(1e9 / frequency)
        duty_ns = round(self.duty * period_ns)
        if period_ns < self._period_ns:
            self._put_duty(duty_ns)
            self._put_period(period_ns)
        else:
            self._put_period(period_ns)
            self._put_duty(duty_ns)
        self._put("enable", 1)
        self._is_running = True

    def set_duty(self, duty: float) -> None:
        """Share of a period, 0..1; without pulses it only may be 0. Raises: ActuatorError."""
        if self._is_running:
            self._put_duty(round(duty * self._period_ns))
        elif duty:
            raise ActuatorError(f"the hardware PWM of GPIO{self._bcm} was given a duty cycle before a frequency")

    def stop(self) -> None:
        """No pulses; what the kernel refuses does not keep the rest from it. Raises: ActuatorError."""
        if self._is_running:
            attempt_all(lambda: self._put_duty(0), self._disable)

    def close(self) -> None:
        """No pulses, and the channel given back. Raises: ActuatorError."""
        attempt_all(self.stop, lambda: self._put(self._chip / "unexport", self._channel))

    def _disable(self) -> None:
        self._put("enable", 0)
        self._is_running = False

    def _export(self, wait: Callable[[float], None]) -> None:
        if not self._folder.exists():
            self._put(self._chip / "export", self._channel)
        files = [self._folder / name for name in ("period", "duty_cycle", "enable")]
        for _ in range(round(_EXPORT_S / _LOOK_S)):
            if all(os.access(file, os.W_OK) for file in files):
                return
            wait(_LOOK_S)
        raise ActuatorError(
            f"the hardware PWM of GPIO{self._bcm} ({self._folder}) may not be written after {_EXPORT_S:g} s; join "
            "group gpio, and let udev give it to that group, or set pins.pwm: software"
        )

    def _silence(self) -> None:
        """End the pulses of a process that died."""
        try:
            self._period_ns = int((self._folder / "period").read_text())
            is_enabled = (self._folder / "enable").read_text().strip() == "1"
        except (OSError, ValueError) as exc:
            raise self._refused(self._folder, exc) from exc
        # The kernel takes nothing, not even 0, before there is a period.
        if self._period_ns:
            self._put_duty(0)
        if is_enabled:
            self._disable()

    def _put_period(self, period_ns: int) -> None:
        self._put("period", period_ns)
        self._period_ns = period_ns

    def _put_duty(self, duty_ns: int) -> None:
        self._put("duty_cycle", duty_ns)
        self._duty_ns = duty_ns

    def _put(self, name: str | Path, value: int) -> None:
        path = self._folder / name
        try:
            self._write_file(path, str(value))
        except OSError as exc:
            raise self._refused(path, exc) from exc

    def _refused(self, path: Path, exc: Exception) -> ActuatorError:
        return ActuatorError(
            f"the hardware PWM of GPIO{self._bcm} refused ({path}: {exc}); join group gpio, end what else uses it, or "
            "set pins.pwm: software"
        )


def find_channel(bcm: int, root: Path) -> tuple[Path, int]:
    """Folder of the chip, and the channel's number on it."""
    there = []
    for chip in sorted(root.glob("pwmchip*")):
        device = (chip / "device").resolve().name
        for end, channels in _CHANNELS.items():
            if device.endswith(end) and bcm in channels:
                return chip, channels[bcm]
        there.append(f"{chip.name} ({device})")
    found = ", ".join(there) or "none"
    raise ActuatorError(
        f"GPIO{bcm} has no hardware PWM here, of the PWM chips found ({found}); put dtoverlay=pwm-2chan (GPIO18 and "
        "19) or dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4 into /boot/firmware/config.txt and restart, or set "
        "pins.pwm: software"
    )
