"""The GPIO chip from outside: levels are read and inputs driven through gpio-sim's files, never through the program."""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

__all__ = ["Chip", "Pulse", "Watch", "eventually"]

POLL_S = 0.01
PAUSE_S = 0.0002
"""Between two looks, where it only matters whether there are pulses."""
QUIET_LOOKS = 120
"""So many looks at a servo's pulses, which last a twentieth of the time or more, do not all miss them."""
SHARP_US = 200.0
SHARP_SHARE = 0.25
"""A pulse was seen well if its width is known to within both; a look takes 80 us at the best."""
SHARP_PULSES = 15


def eventually(has_happened: Callable[[], bool], limit_s: float, what: str) -> float:
    """Wait until something is so. Returns: when that was seen, in seconds of the monotonic clock."""
    end_s = time.monotonic() + limit_s
    while not has_happened():
        assert time.monotonic() < end_s, f"{what}: not within {limit_s:g} s"
        time.sleep(POLL_S)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a pin, which happened between two looks. Times are of the monotonic clock."""

    before_s: float
    after_s: float
    is_high: bool

    @property
    def at_s(self) -> float:
        return (self.before_s + self.after_s) / 2


@dataclass(frozen=True, slots=True)
class Pulse:
    """One high pulse."""

    rise: Change
    fall: Change

    @property
    def width_us(self) -> float:
        return (self.fall.at_s - self.rise.at_s) * 1e6

    @property
    def is_sharp(self) -> bool:
        error_us = sum(change.after_s - change.before_s for change in (self.rise, self.fall)) / 2 * 1e6
        return error_us <= min(SHARP_US, SHARP_SHARE * self.width_us)


class Chip:
    """A gpio-sim chip.

    Args:
        folder: with a folder `sim_gpioN` a line, such as /sys/devices/platform/gpio-sim.0/gpiochip0.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def level(self, bcm: int) -> bool:
        return (self._line(bcm) / "value").read_text().strip() == "1"

    def drive(self, bcm: int, is_high: bool) -> None:
        """Pull an input up or down, as a sensor's output would."""
        (self._line(bcm) / "pull").write_text("pull-up" if is_high else "pull-down")

    def tap(self, bcm: int, *, to_high: bool = False, for_s: float = 0.15) -> None:
        """Drive an input to a level and back: a beam that something falls through, a button."""
        self.drive(bcm, to_high)
        time.sleep(for_s)
        self.drive(bcm, not to_high)

    @contextmanager
    def watch(self, bcm: int, pause_s: float = PAUSE_S) -> Iterator["Watch"]:
        """Write down every change of a pin meanwhile, but those that fall into a pause between two looks."""
        watch = Watch(self._line(bcm) / "value", pause_s)
        try:
            yield watch
        finally:
            watch.stop()

    def _line(self, bcm: int) -> Path:
        return self._folder / f"sim_gpio{bcm}"


class Watch:
    """Every change of one pin, seen by a thread that does nothing else: gpio-sim tells nobody of an output's edges."""

    def __init__(self, value: Path, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._changes: list[Change] = []
        self._is_over = False
        self._is_fine = False
        self._looks = self._looks_at_change = 0
        self._value = os.open(value, os.O_RDONLY)
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over = True
        self._thread.join()
        os.close(self._value)

    @property
    def is_high(self) -> bool:
        return bool(self._changes) and self._changes[-1].is_high

    @property
    def last_change_s(self) -> float:
        """When the pin changed last; when the watch began, if it never did."""
        return self._changes[-1].after_s if self._changes else self._began_s

    def pulses(self, from_s: float = 0.0) -> list[Pulse]:
        """The whole pulses that began since then."""
        changes = [change for change in list(self._changes) if change.at_s >= from_s]
        return [Pulse(rise, fall) for rise, fall in pairwise(changes) if rise.is_high]

    def measure_us(self, for_s: float) -> float:
        """Median width of the pulses of the next `for_s` seconds, of those that were seen well."""
        began_s = time.monotonic()
        self._is_fine = True
        try:
            time.sleep(for_s)
        finally:
            self._is_fine = False
        widths = [pulse.width_us for pulse in self.pulses(began_s) if pulse.is_sharp]
        assert len(widths) >= SHARP_PULSES, f"{len(widths)} pulses seen well in {for_s:g} s"
        return statistics.median(widths)

    def wait_for_pulse(self, limit_s: float) -> float:
        """Wait for the next pulse. Returns: when it began."""
        asked_s = time.monotonic()
        eventually(lambda: bool(self._rises_since(asked_s)), limit_s, "a pulse")
        return self._rises_since(asked_s)[0]

    def wait_for_quiet(self, limit_s: float, quiet_s: float = 0.4) -> float:
        """Wait until the pin has been low for a while: a servo without power. Returns: when it last changed."""

        def is_quiet() -> bool:
            return (
                not self.is_high
                and time.monotonic() - self.last_change_s >= quiet_s
                and self._looks - self._looks_at_change >= QUIET_LOOKS
            )

        eventually(is_quiet, limit_s, "an end of pulses")
        return self.last_change_s

    def _rises_since(self, t_s: float) -> list[float]:
        return [change.at_s for change in list(self._changes) if change.is_high and change.at_s >= t_s]

    def _look(self) -> None:
        was_high, was_fine = False, False
        before_s = time.monotonic()
        while not self._is_over:
            is_high = os.pread(self._value, 1, 0) == b"1"
            now_s = time.monotonic()
            self._looks += 1
            if is_high is not was_high:
                self._changes.append(Change(before_s, now_s, is_high))
                self._looks_at_change = self._looks
                was_high = is_high
            if self._is_fine is not was_fine:
                was_fine = self._is_fine
                # Who looks without a pause must give way at once: the guest has one processor, and the pulses that are
                # looked at come from a thread of it.
                policy = os.SCHED_IDLE if was_fine else os.SCHED_OTHER
                os.sched_setscheduler(threading.get_native_id(), policy, os.sched_param(0))
            if not was_fine:
                time.sleep(self._pause_s)
            before_s = now_s
