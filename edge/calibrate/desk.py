"""The operator's side: lines that are typed, sentences that are said, time that passes, and a stop that is asked for.

Plain lines and Enter, no cursor control, so that it works over ssh, on a serial console and from a script's pipe.
"""

import os
import select
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from edge.clock import Clock
from edge.errors import ConfigError

__all__ = ["Desk", "Keyboard", "StoppedError"]

POLL_S = 0.02
"""Period at which a wait looks at the emergency stop, the keyboard and a request to stop."""
BLOCKED_S = 0.2
"""A question that took longer to be shown was held up by the terminal, as by Ctrl-S."""


class StoppedError(Exception):
    """Ctrl-C, SIGTERM, or a terminal that went away: what is under way ends, and every motor is without power."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class Keyboard:
    """Lines of a stream, without blocking where the stream is a terminal, a pipe or a file.

    Args:
        stream: standard input unless given. What has no file number, as in a test, is read line by line.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdin
        self._pending = b""
        self._is_ended = False

    def poll(self, timeout_s: float) -> str | None:
        """The next line without its end, or None if there is none after `timeout_s`. Raises: EOFError at the end."""
        try:
            handle = self._stream.fileno()
        except OSError:
            line = self._stream.readline()
            if not line:
                raise EOFError from None
            return line.rstrip("\r\n")
        if b"\n" not in self._pending and not self._is_ended:
            ready, _, _ = select.select([handle], [], [], timeout_s)
            if not ready:
                return None
            try:
                data = os.read(handle, 4096)
            except OSError:
                # The terminal is gone, or belongs to another program now.
                data = b""
            self._is_ended = not data
            self._pending += data
        head, newline, rest = self._pending.partition(b"\n")
        if not newline and not self._is_ended:
            return None
        if not newline and not head:
            raise EOFError
        self._pending = rest
        return head.decode("utf-8", "replace").rstrip("\r")

    def discard(self) -> None:
        """Forget what was typed so far, where a terminal is typed at. A pipe and a file keep their lines."""
        try:
            handle = self._stream.fileno()
        except OSError:
            return
        if os.isatty(handle):
            self._pending = b""
            # A process in the background may not.
            with suppress(termios.error):
                termios.tcflush(handle, termios.TCIFLUSH)


class Desk:
    """Asks and tells. Every wait ends early, with a StoppedError, when a stop is asked for.

    Args:
        is_quiet: standard output is for a program; sentences go to standard error.
        scripted: what a script says in place of typing, for the error at the input's end.
    """

    def __init__(
        self,
        clock: Clock,
        keyboard: Keyboard,
        *,
        stop_signal: Callable[[], int | None] = lambda: None,
        is_quiet: bool = False,
        scripted: str = "--yes",
    ) -> None:
        self.clock = clock
        self._keyboard = keyboard
        self._stop_signal = stop_signal
        self._is_quiet = is_quiet
        self._scripted = scripted

    def say(self, text: str = "", *, end: str = "\n") -> None:
        """A line for the operator."""
        print(text, end=end, file=sys.stderr if self._is_quiet else sys.stdout, flush=True)

    def warn(self, text: str) -> None:
        """A line that something is wrong."""
        self.say(f"! {text}")

    def ask(self, prompt: str, meanwhile: Callable[[float], None] | None = None) -> str:
        """The line that the operator types, stripped. What was typed before the question was shown is no answer to it.

        Args:
            meanwhile: called with the time, about fifty times a second, as long as nothing is typed.
        Raises: StoppedError; ConfigError if the input is at its end.
        """
        self._keyboard.discard()
        asked_s = self.clock.now_s()
        self.say(prompt, end=" ")
        if self.clock.now_s() - asked_s > BLOCKED_S:
            self._keyboard.discard()
        while True:
            line = self.typed(POLL_S)
            if line is not None:
                return line.strip()
            if meanwhile is not None:
                meanwhile(self.clock.now_s())

    def typed(self, timeout_s: float) -> str | None:
        """A line if one was typed. Raises: as `ask`."""
        self.check()
        try:
            return self._keyboard.poll(timeout_s)
        except EOFError:
            self.say()
            raise ConfigError(
                f"the input has ended where a key was expected; run it in a terminal, or add {self._scripted}"
            ) from None

    def agrees(self, question: str, meanwhile: Callable[[float], None] | None = None) -> bool:
        """True for yes, which has to be typed; Enter alone is no. Otherwise as `ask`."""
        return self.ask(f"{question} [y/N]", meanwhile).lower() in ("y", "yes")

    def wait(self, duration_s: float) -> None:
        """Let time pass."""
        end_s = self.clock.now_s() + duration_s
        while (now_s := self.clock.now_s()) < end_s:
            self.check()
            self.clock.wait_until(min(end_s, now_s + POLL_S))

    def check(self) -> None:
        """Raises: StoppedError if a stop was asked for."""
        signum = self._stop_signal()
        if signum is not None:
            raise StoppedError(signum)
