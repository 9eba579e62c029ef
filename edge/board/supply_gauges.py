"""What the kernel tells of supply and heat, read again and again beside the sorting.

What a machine does not tell is None: never an error, and never a value that nobody measured.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.board.sysfiles import ROOT, Run, number, run_command, text
from edge.board.throttling import (
    OCCURRED_BIT,
    UNDERVOLTAGE,
    degrees,
    find_alarm,
    find_temperature,
    find_throttled,
    parse_bits,
)

__all__ = ["SupplyGauges", "SupplyReading"]

KERNEL_POLL_S = 2.0
"""How often the kernel's driver asks the firmware; the alarm it leaves speaks of the time since it asked before."""
COMMAND_EVERY_S = 5.0
"""How often `vcgencmd` is run, at most: a process each time."""
LOOK_AGAIN_S = 10.0
LOOK_AGAIN_MOST_S = 600.0
"""A driver may be loaded after this program; what is not there is looked for ever more rarely."""


class SupplyReading(NamedTuple):
    """What the supply and the processor's heat are like; each None where nothing tells it.

    Attributes:
        bits: the firmware's word, see `throttling.describe_throttled`. From the kernel's file its upper half speaks of
            the two seconds before the kernel's last question only, from the command of the time since the machine's
            start.
        is_low: the voltage was too low (below 4.63 V) within `covers_s`.
        covers_s: how far back, from now, lies what `is_low` may be newly about.
    """

    bits: int | None = None
    is_low: bool | None = None
    temperature_c: float | None = None
    covers_s: float = KERNEL_POLL_S


class SupplyGauges:
    """Reads the few files of the kernel that tell of supply and heat, again and again, for as long as the machine runs.

    Nothing is touched before the first `read`. Files that vanish are looked for again. The command `vcgencmd` is run
    only where the kernel has no driver for the supply, since it needs a process and `/dev/vcio` each time.

    Hazard: a read may hang as long as the firmware does not answer the kernel; call it in a thread of its own.

    Args:
        root: what stands for `/`.
        run: how the command is run.
        clock: seconds, monotonic.
    """

    def __init__(self, root: Path = ROOT, run: Run = run_command, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._run, self._clock = root, run, clock
        self._alarm: Path | None = None
        self._throttled: Path | None = None
        self._temperature: Path | None = None
        self._has_command = False
        self._command_bits: int | None = None
        self._command_at_s = 0.0
        self._read_at_s: float | None = None
        self._look_at_s: float | None = None
        self._look_again_s = LOOK_AGAIN_S

    def read(self) -> SupplyReading:
        """What they say now. Never raises for what a machine lacks."""
        now_s = self._clock()
        since_s = 0.0 if self._read_at_s is None else now_s - self._read_at_s
        self._read_at_s = now_s
        if self._look_at_s is None or now_s >= self._look_at_s:
            self._look(now_s)
        temperature_c = None if self._temperature is None else degrees(self._temperature)
        if self._alarm is None:
            return self._ask_command(now_s)._replace(temperature_c=temperature_c)
        alarm = number(self._alarm)
        if alarm is None:
            # Its driver was taken out, or has another number now.
            self._look_again(now_s)
        # Without the driver that asks the firmware, this file shows what somebody asked once.
        bits = None if self._throttled is None or alarm is None else parse_bits(text(self._throttled))
        is_low = None if alarm is None else alarm > 0 or bool((bits or 0) & UNDERVOLTAGE)
        return SupplyReading(bits, is_low, temperature_c, KERNEL_POLL_S + since_s)

    def _look(self, now_s: float) -> None:
        root = self._root
        self._temperature = find_temperature(root)
        self._alarm = find_alarm(root)
        self._throttled = None if self._alarm is None else find_throttled(root)
        self._has_command = self._alarm is None and self._asked_bits() is not None
        self._look_again_s = min(self._look_again_s * 2, LOOK_AGAIN_MOST_S)
        is_complete = self._temperature is not None and self._alarm is not None
        self._look_at_s = now_s + (LOOK_AGAIN_MOST_S if is_complete else self._look_again_s)

    def _look_again(self, now_s: float) -> None:
        self._look_again_s = LOOK_AGAIN_S
        self._look_at_s = now_s

    def _ask_command(self, now_s: float) -> SupplyReading:
        if not self._has_command:
            return SupplyReading()
        before = self._command_bits
        if before is not None and now_s - self._command_at_s < COMMAND_EVERY_S:
            return SupplyReading(before)
        bits = self._asked_bits()
        covers_s = COMMAND_EVERY_S if before is None else now_s - self._command_at_s
        self._command_bits, self._command_at_s = bits, now_s
        if bits is None:
            return SupplyReading()
        # What occurred stays set until the machine restarts: only its coming tells anything of now.
        came = 0 if before is None else bits & ~before
        is_low = bool((bits | came >> OCCURRED_BIT) & UNDERVOLTAGE)
        return SupplyReading(bits, is_low, covers_s=covers_s)

    def _asked_bits(self) -> int | None:
        told = (self._run(("vcgencmd", "get_throttled")) or "").strip()
        return parse_bits(told) if told.startswith("throttled=") else None
