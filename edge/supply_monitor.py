"""Supply and heat, read in a slow thread of its own that the loop never waits for."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from edge.board.supply_gauges import SupplyReading
from edge.machine_io import Input
from edge.records import Event
from edge.supply import Supply

__all__ = ["SupplyMonitor"]

PERIOD_S = 1.0
NOTHING_PERIOD_S = 60.0
"""A machine that tells neither supply nor heat is asked so rarely."""
THREAD_NAME = "supply"
END_S = 0.1
"""A thread that was told to end and has not by then hangs in the kernel."""
SILENT_S = 10.0
"""A reading that is so late hangs in the kernel."""
WAITING_READINGS = 64
"""More than a minute of them: a loop that stood still so long was ended by its watchdog before."""
_log = logging.getLogger(__name__)


class SupplyMonitor:
    """Reads once a second and hands over, when polled, what the machine has to know and what is to be written down.

    Nothing in it can stop the sorting: a reading that hangs is left behind with its thread, told once, and holds
    nothing back; one that fails is tried again a minute later. At most one reads in a process. Only for a live source:
    a replay's seconds are not the supply's.

    Args:
        read: such as `SupplyGauges().read`; called in the monitor's thread only.
        undervoltage_hold, hot_c, cool_c: see `Supply`.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        read: Callable[[], SupplyReading],
        *,
        undervoltage_hold: bool = True,
        hot_c: float = 80.0,
        cool_c: float = 72.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._clock = read, clock
        self._supply = Supply(undervoltage_hold=undervoltage_hold, hot_c=hot_c, cool_c=cool_c)
        self._readings: deque[tuple[float, SupplyReading]] = deque(maxlen=WAITING_READINGS)
        self._expected_s = 0.0
        self._is_silence_told = False
        self._is_failure_told = False
        self._closing = threading.Event()
        self._former: threading.Thread | None = None
        self._is_open = False

    def open(self) -> None:
        """Begin to read. One that still hangs in this process, from a monitor before, stays the only one until it ends;
        `poll` begins then.
        """
        self._expected_s, self._is_open = self._clock(), True
        self._former = next((thread for thread in threading.enumerate() if thread.name == THREAD_NAME), None)
        if self._former is not None:
            self._former.join(END_S)
            if self._former.is_alive():
                return
        self._begin()

    def poll(
        self, now_s: float, state: str, motion: str | None, item: Mapping[str, Any] | None = None
    ) -> list[Input | Event]:
        """What changed since the last call; quick, and it never raises.

        Args:
            now_s: of the source's clock.
            state: of the machine, for the book.
            motion: the bin that the gate is moving to, or `home`; None while it does not move.
            item: `label` and `route` of the one in flight, for the book; None without one.
        """
        if self._former is not None and not self._former.is_alive():
            # Where no thread can be had now, the next call tries again.
            with suppress(RuntimeError):
                self._begin()
        supply, clock_s = self._supply, self._clock()
        supply.watch(now_s, state, motion, item)
        while self._readings:
            read_at_s, reading = self._readings.popleft()
            self._is_silence_told = False
            supply.take(reading, now_s - (clock_s - read_at_s))
        if self._is_open and clock_s - self._expected_s > SILENT_S:
            self._tell_silence()
            supply.lose()
        return supply.due(now_s)

    def report(self) -> dict[str, Any]:
        """What is known now, ready for JSON: the part `supply` of the status file."""
        return self._supply.report()

    def close(self) -> None:
        """Let the thread end; nobody waits for it, since it may hang."""
        self._closing.set()
        self._former = None

    def _begin(self) -> None:
        closing = threading.Event()
        threading.Thread(target=self._run, args=(closing,), name=THREAD_NAME, daemon=True).start()
        self._closing, self._former, self._expected_s = closing, None, self._clock()

    def _run(self, closing: threading.Event) -> None:
        while not closing.is_set():
            try:
                reading = self._read()
            except Exception:
                # Nothing that is read here is worth a stop of the sorting: the silence is told.
                if not self._is_failure_told:
                    self._is_failure_told = True
                    _log.exception("supply and heat cannot be read; it is tried again once a minute")
                closing.wait(NOTHING_PERIOD_S)
                continue
            now_s = self._clock()
            self._readings.append((now_s, reading))
            is_nothing = reading.bits is None and reading.is_low is None and reading.temperature_c is None
            period_s = NOTHING_PERIOD_S if is_nothing else PERIOD_S
            self._expected_s = now_s + period_s
            closing.wait(period_s)

    def _tell_silence(self) -> None:
        if not self._is_silence_told:
            self._is_silence_told = True
            _log.warning("the kernel does not answer when asked for supply and heat; it is sorted without these")
