"""The bench that contract tests of gates and sensors stand on: simulated pins, or a real GPIO chip in the rig.

A test drives inputs and looks at outputs through a `PinBench` only, never at gpiozero's mock pins, so the same test
runs on a real character device: `make rig-test` sets `EDGE_SORTER_RIG_GPIO` to the folder of a gpio-sim chip.
"""

import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from edge.pins import PinFactory, open_factory

__all__ = ["PinBench", "is_on_a_chip", "open_bench"]

GPIO_VARIABLE = "EDGE_SORTER_RIG_GPIO"
"""Names the folder of a gpio-sim chip, such as /sys/devices/platform/gpio-sim.0/gpiochip0; unset: simulated pins."""
SPARE_LINE = 53
"""A line beyond the 40-pin header, by which the bench knows that earlier edges have arrived."""
SAMPLE_S = 0.085
"""Four periods of a servo's pulses: long enough to see whether there are any."""
DUTY_S = 0.4
"""Twenty, of which single ones may be late in a guest with one processor."""
EDGE_S = 2.0
"""Longest wait for an edge's way through the kernel and lgpio; it passes only when a test fails."""


class PinBench(Protocol):
    """Pins seen from outside. Numbers are BCM numbers."""

    @property
    def factory(self) -> PinFactory:
        """Where the drivers under test claim their pins."""
        ...

    def drive(self, bcm: int, is_high: bool) -> None:
        """Put a level on an input, as a sensor would; callbacks have run when this returns."""
        ...

    def level(self, bcm: int) -> bool:
        """True if the pin is high now. Of a pin with pulses it says little: ask `duty`."""
        ...

    def is_pulsed(self, bcm: int) -> bool:
        """True if pulses come out of the pin."""
        ...

    def duty(self, bcm: int) -> float:
        """Share of time that the pin is high, 0..1: of a pulse's period, or 0 and 1 of a steady level."""
        ...

    def watch(self, bcm: int, see: Callable[[float], None]) -> None:
        """Call `see` with the level or duty of an output at every change that a driver makes, in the driver's call."""
        ...

    def close(self) -> None:
        """Close the factory, after the devices on it."""
        ...


def is_on_a_chip() -> bool:
    """True inside the rig, where pins are those of a real chip."""
    return GPIO_VARIABLE in os.environ


def open_bench() -> PinBench:
    """Simulated pins, or those of the chip that the environment names."""
    folder = os.environ.get(GPIO_VARIABLE)
    return MockBench() if folder is None else GpioSimBench(Path(folder))


class MockBench:
    """gpiozero's simulated pins, which change at once."""

    def __init__(self) -> None:
        self.factory = open_factory("mock")

    def drive(self, bcm: int, is_high: bool) -> None:
        pin = self.factory.pin(bcm)
        if is_high:
            pin.drive_high()
        else:
            pin.drive_low()

    def level(self, bcm: int) -> bool:
        return bool(self.factory.pin(bcm).state)

    def is_pulsed(self, bcm: int) -> bool:
        pin = self.factory.pin(bcm)
        return pin.frequency is not None and pin.state > 0

    def duty(self, bcm: int) -> float:
        return float(self.factory.pin(bcm).state)

    def watch(self, bcm: int, see: Callable[[float], None]) -> None:
        pin = self.factory.pin(bcm)
        change = pin._change_state

        def changed(state: float) -> bool:
            has_changed = bool(change(state))
            if has_changed:
                see(float(pin.state))
            return has_changed

        pin._change_state = changed

    def close(self) -> None:
        self.factory.close()


class GpioSimBench:
    """A chip of the kernel's gpio-sim: drivers go through /dev/gpiochip*, the bench through sysfs.

    Args:
        folder: of the chip in sysfs, with a `sim_gpioN` folder a line.
    """

    def __init__(self, folder: Path) -> None:
        import lgpio

        self._folder = folder
        self._values: dict[int, int] = {}
        self.factory = open_factory("lgpio")
        self._has_arrived = threading.Event()
        self._handle = lgpio.gpiochip_open(int(folder.name.removeprefix("gpiochip")))
        lgpio.gpio_claim_alert(self._handle, SPARE_LINE, lgpio.BOTH_EDGES)
        self._callback = lgpio.callback(self._handle, SPARE_LINE, lgpio.BOTH_EDGES, self._arrived)
        self._is_spare_high = self.level(SPARE_LINE)

    def drive(self, bcm: int, is_high: bool) -> None:
        import lgpio

        self._pull(bcm, is_high)
        # lgpio holds back all edges once a line that it watched was given up, until one is claimed.
        lgpio.gpio_claim_alert(self._handle, SPARE_LINE, lgpio.BOTH_EDGES)
        # lgpio hands edges over one after the other: once the spare line's is here, the one before it is, too.
        self._has_arrived.clear()
        self._is_spare_high = not self._is_spare_high
        self._pull(SPARE_LINE, self._is_spare_high)
        if not self._has_arrived.wait(EDGE_S):
            raise AssertionError(f"no edge of GPIO{SPARE_LINE} came within {EDGE_S:g} s")

    def level(self, bcm: int) -> bool:
        return os.pread(self._value(bcm), 1, 0) == b"1"

    def is_pulsed(self, bcm: int) -> bool:
        return len(self._changes(bcm, SAMPLE_S, enough=2)) > 1

    def duty(self, bcm: int) -> float:
        changes = self._changes(bcm, DUTY_S)
        rises = [t_s for t_s, is_high in changes if is_high]
        widths = [end_s - start_s for (start_s, is_high), (end_s, _) in itertools.pairwise(changes) if is_high]
        periods = [after_s - before_s for before_s, after_s in itertools.pairwise(rises)]
        if not widths or not periods:
            return float(self.level(bcm))
        return statistics.median(widths) / statistics.median(periods)

    def watch(self, bcm: int, see: Callable[[float], None]) -> None:
        pin = self.factory.pin(bcm)
        last = [0.0]

        def told(call: Callable[..., None]) -> Callable[..., None]:
            def then_tell(*arguments: Any) -> None:
                call(*arguments)
                # What the kernel has is the bench's to read; of pulses only the driver knows the duty.
                state = pin._pwm[1] / 100 if pin._pwm is not None else float(self.level(bcm))
                if state != last[0]:
                    last[0] = state
                    see(state)

            return then_tell

        for name in ("_set_state", "_set_frequency", "_set_function", "output_with_state"):
            setattr(pin, name, told(getattr(pin, name)))

    def close(self) -> None:
        import lgpio

        self._callback.cancel()
        lgpio.gpiochip_close(self._handle)
        self.factory.close()
        while self._values:
            os.close(self._values.popitem()[1])

    def _changes(self, bcm: int, for_s: float, enough: int = 1_000_000) -> list[tuple[float, bool]]:
        """When the pin changes in the next time, or until that is seen often enough, and to what."""
        changes: list[tuple[float, bool]] = []
        was_high = self.level(bcm)
        end_s = time.perf_counter() + for_s
        while (now_s := time.perf_counter()) < end_s and len(changes) < enough:
            is_high = self.level(bcm)
            if is_high is not was_high:
                changes.append((now_s, is_high))
                was_high = is_high
        return changes

    def _value(self, bcm: int) -> int:
        """The file of a line's level, kept open: pulses are looked at without a pause."""
        if bcm not in self._values:
            self._values[bcm] = os.open(self._line(bcm) / "value", os.O_RDONLY)
        return self._values[bcm]

    def _pull(self, bcm: int, is_high: bool) -> None:
        (self._line(bcm) / "pull").write_text("pull-up" if is_high else "pull-down")

    def _line(self, bcm: int) -> Path:
        return self._folder / f"sim_gpio{bcm}"

    def _arrived(self, *_: Any) -> None:
        self._has_arrived.set()
