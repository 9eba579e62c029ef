"""A gate whose power goes off even if this whole process stands still in mid-motion."""

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from edge.ending import STOP_SIGNALS
from edge.errors import ActuatorError
from edge.gates import power_guard
from edge.gates.motion import HOME
from edge.gates.power_guard import POWERED, READY, RESTING
from edge.ports import Gate
from edge.records import GateReport

__all__ = ["Guard", "GuardedGate", "PowerGuard"]

BEAT_S = 0.05
_START_S = 5.0
_END_S = 1.0
_log = logging.getLogger(__name__)


class Guard(Protocol):
    """Somebody who takes the power off when nobody says any more that all is well."""

    def powered(self) -> bool:
        """The gate moves, and the loop goes on. To be said many times a second.

        Returns: False if it took its time, so that what the caller takes for now is past.
        Raises: ActuatorError.
        """
        ...

    def resting(self) -> None:
        """No motor has power."""
        ...

    def close(self) -> None: ...


class PowerGuard:
    """The process of `power_guard`, which ends this one after `LIMIT_S` of silence in mid-motion.

    The end of the process ends a servo's software pulses at once. Pulses of the board's PWM and the level of a relay
    outlive it: `edge-sorter park`, which the service runs whenever the program has ended, takes them off.

    Args:
        clock: monotonic seconds, for how often it is told.
    Raises: ActuatorError if the process cannot be started.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._next_s = 0.0
        self._is_powered = self._is_replaced = False
        self._open()

    def powered(self) -> bool:
        now_s = self._clock()
        if self._is_powered and now_s < self._next_s:
            return True
        self._is_powered, self._next_s = True, now_s + BEAT_S
        is_prompt = self._is_ready
        try:
            self._say(POWERED)
        except OSError as exc:
            if self._is_replaced:
                raise ActuatorError("the guard of the gate's power ends again and again; see why in the log") from exc
            self._is_replaced = True
            is_prompt = False
            self._mourn()
            self._say(POWERED)
        return is_prompt

    def resting(self) -> None:
        if self._is_powered:
            self._is_powered = self._is_replaced = False
            try:
                self._say(RESTING)
            except OSError:
                self._mourn()

    def close(self) -> None:
        process, self._process = self._process, None
        self._is_powered = self._is_ready = False
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _open(self) -> None:
        command = [sys.executable, "-I", "-S", str(Path(power_guard.__file__)), str(os.getpid())]
        try:
            with _deaf_children():
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as exc:
            raise ActuatorError(f"cannot start the guard of the gate's power: {exc.strerror}") from exc
        assert self._process.stdin is not None
        # It reads what it is told at once; one that does not must not hold up the loop.
        os.set_blocking(self._process.stdin.fileno(), False)

    def _mourn(self) -> None:
        _log.warning("the guard of the gate's power has ended; another one takes its place")
        is_powered = self._is_powered
        self.close()
        self._open()
        self._is_powered = is_powered

    def _say(self, word: bytes) -> None:
        """Raises: OSError if nobody hears it, ActuatorError if nobody is there to hear it."""
        process = self._process
        if process is None:
            raise ActuatorError("the guard of the gate's power is closed")
        assert process.stdin is not None and process.stdout is not None
        # It was started while other things were opened; by now it has long been there.
        if not self._is_ready:
            is_said = select.select([process.stdout], [], [], _START_S)[0]
            if not is_said or process.stdout.read(1) != READY:
                self.close()
                raise ActuatorError(f"the guard of the gate's power did not start within {_START_S:g} s; see the log")
            self._is_ready = True
        process.stdin.write(word)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """A process started within it never hears what asks for an end, such as Ctrl-C, which comes to a whole group.

    This one hears it as soon as it is over.
    """
    former = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


class GuardedGate:
    """Fills `ports.Gate` for another gate, and tells a guard whether a motor has power.

    The guard knows of a motion before its first step, and until the gate is home: an open way may be held by a motor.
    Until then `tick` is called as often as in a motion. A gate is at rest where it is home, and where it was stopped;
    one that cannot be stopped is not: unless the program ends by itself, the guard ends it.
    """

    def __init__(self, gate: Gate, guard: Guard) -> None:
        self._gate = gate
        self._guard = guard
        self._is_away = self._is_late = False

    @property
    def bins(self) -> tuple[str, ...]:
        return self._gate.bins

    @property
    def is_moving(self) -> bool:
        return self._gate.is_moving

    @property
    def open_to(self) -> str | None:
        return self._gate.open_to

    def open(self) -> None:
        self._gate.open()

    def home(self, now_s: float) -> None:
        self._gate.home(now_s)
        self._leave()

    def route(self, target: str, now_s: float) -> None:
        self._gate.route(target, now_s)
        self._leave()

    def tick(self, now_s: float) -> GateReport | None:
        with self._cut_on_failure():
            if self._is_away:
                self._is_late |= not self._guard.powered()
                if self._is_late:
                    # A step that is taken for one of a moment ago would be over before its time.
                    self._is_late = False
                    return None
            report = self._gate.tick(now_s)
        if report is not None and report.target == HOME:
            self._rest()
        return report

    def stop(self) -> None:
        self._gate.stop()
        self._rest()

    def close(self) -> None:
        try:
            self._gate.close()
        finally:
            self._is_away = False
            self._guard.close()

    def _leave(self) -> None:
        self._is_away = True
        with self._cut_on_failure():
            self._is_late = not self._guard.powered()

    @contextmanager
    def _cut_on_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            # No motor has power then, unless its pin refuses, as it may just have done.
            with suppress(ActuatorError):
                self.stop()
            raise

    def _rest(self) -> None:
        self._is_away = False
        self._guard.resting()
