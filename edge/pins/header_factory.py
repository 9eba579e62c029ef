"""gpiozero's lgpio pins, on the chip of the 40-pin header, with pulses as fine as the hardware makes them.

Imported only where lgpio is wanted: the library is on a Raspberry Pi and nowhere else.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Literal

import lgpio
from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin

from edge.header import HARDWARE_PWM
from edge.pins.attempts import attempt_all
from edge.pins.chips import find_chip
from edge.pins.hardware_pwm import PwmChannel

__all__ = ["HeaderFactory", "find_chip"]

_log = logging.getLogger(__name__)
FREE_S = 0.005
"""Pause before a line that is busy is given back again."""
OpenChannel = Callable[[int], PwmChannel]


class HeaderFactory(LGPIOFactory):  # type: ignore[misc]  # gpiozero ships no types
    """The pins of the header.

    Args:
        chip: label or name of the GPIO chip; None: the one of the header.
        pwm: what makes the pulses of GPIO12, 13, 18 and 19; two pins of one channel (`edge.header.HARDWARE_PWM`) would
            have the same ones, which the configuration refuses.
        open_channel: opens the hardware PWM of a GPIO.
    Raises: ActuatorError if there is no such chip, lgpio.error if it is taken.
    """

    def __init__(
        self, chip: str | None, pwm: Literal["software", "hardware"], open_channel: OpenChannel = PwmChannel
    ) -> None:
        super().__init__(chip=find_chip(chip).number)
        self._pwm = pwm
        self._open_channel = open_channel
        self.pin_class = self._make_pin

    def close(self) -> None:
        # gpiozero's own leaves all others open after a pin that refuses.
        pins = list(self.pins.values())
        self.pins.clear()
        attempt_all(*(pin.close for pin in pins), super().close)

    def _make_pin(self, factory: "HeaderFactory", info: Any) -> Any:
        if self._pwm == "hardware" and int(info.name.removeprefix("GPIO")) in HARDWARE_PWM:
            return HardwarePwmPin(factory, info, self._open_channel)
        return FinePin(factory, info)


class FinePin(LGPIOPin):  # type: ignore[misc]  # gpiozero ships no types
    """A pin that takes any duty cycle, and that becomes an output with its level at once.

    gpiozero's own cuts the duty cycle to whole hundredths, which is 200 us of a servo's period, or 18 degrees of many.
    And it makes an output low before it sets its level, which is a click of a relay that a low level switches on.
    """

    _pwm: Any
    """Frequency in Hz and duty cycle in percent; None without pulses."""

    def close(self) -> None:
        # gpiozero's own leaves the callback with lgpio, whose thread dies of it when another factory uses the line.
        self.when_changed = None
        for is_last in (False, False, False, True):
            try:
                super().close()
                return
            except lgpio.error as exc:
                # lgpio's own thread may hold the line for a moment after its last edge.
                if is_last:
                    _log.warning("GPIO%d was not given back (%s); it is once the program ends", self._number, exc)
                else:
                    time.sleep(FREE_S)

    def output_with_state(self, state: float) -> None:
        self.when_changed = None
        lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))

    def _set_state(self, value: float) -> None:
        if self._pwm is None:
            super()._set_state(value)
            return
        frequency, _ = self._pwm
        lgpio.tx_pwm(self.factory._handle, self._number, frequency, value * 100)
        self._pwm = (frequency, value * 100)


class HardwarePwmPin(FinePin):
    """A pin whose pulses come from the board's PWM. Without pulses it is a pin like any other.

    Its line is not claimed until it is needed as a plain input or output: claiming takes it from the PWM for good.
    """

    def __init__(self, factory: HeaderFactory, info: Any, open_channel: OpenChannel) -> None:
        # All that LGPIOPin's own constructor does, but for claiming the line.
        super(LGPIOPin, self).__init__(factory, info)
        self._pwm = None
        self._bounce = None
        self._callback = None
        self._edges = lgpio.BOTH_EDGES
        self._open_channel = open_channel
        self._channel: PwmChannel | None = None
        self._is_claimed = False
        self._is_output = False

    def close(self) -> None:
        channel, self._channel = self._channel, None
        self._is_output = False
        attempt_all(
            *([] if channel is None else [channel.close]),
            *([super().close] if self._is_claimed else []),
        )

    def output_with_state(self, state: float) -> None:
        self._is_claimed = True
        super().output_with_state(state)

    def _get_function(self) -> str:
        if self._is_claimed:
            return str(super()._get_function())
        return "output" if self._is_output else "input"

    def _set_function(self, value: str) -> None:
        self._is_output = value == "output"
        # An output waits for what comes first, a frequency or a level.
        if self._is_claimed or not self._is_output:
            self._is_claimed = True
            super()._set_function(value)

    def _get_state(self) -> float:
        if self._channel is not None:
            return self._channel.duty
        return float(super()._get_state()) if self._is_claimed else 0.0

    def _set_state(self, value: float) -> None:
        if self._channel is not None:
            self._channel.set_duty(value)
            return
        if not self._is_claimed:
            self._is_claimed = True
            super()._set_function("output")
        super()._set_state(value)

    def _get_frequency(self) -> float | None:
        return None if self._channel is None else self._channel.frequency

    def _set_frequency(self, value: float | None) -> None:
        if value:
            if self._channel is None:
                self._channel = self._open_channel(self._number)
            self._channel.start(value)
        elif self._channel is not None:
            self._channel.stop()
