"""How the process ends: as usual, or at once where a driver that hangs would hold it up for ever.

The interpreter's own end waits for libraries to put their devices away. A camera's library whose device is gone may
never be done with that, or abort.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

__all__ = ["STOP_SIGNALS", "ask_for_hard_end", "forget_hard_end", "is_hard_end_asked", "reload_signals", "stop_signals"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)
"""What asks for an end. SIGHUP comes from a terminal that went away, the last two from Ctrl-\\ and Ctrl-Z: a process
that is dead or stopped at once would leave a motor on, and nobody would look at the emergency stop.
"""
_is_hard = False


def ask_for_hard_end() -> None:
    """End by `os._exit`, once the gate is parked and everything is written down."""
    global _is_hard
    _is_hard = True


def forget_hard_end() -> None:
    """A command begins: nothing hangs yet."""
    global _is_hard
    _is_hard = False


def is_hard_end_asked() -> bool:
    """True if a driver was left behind since the command began."""
    return _is_hard


@contextmanager
def stop_signals() -> Iterator[Callable[[], int | None]]:
    """A function that tells the signal by which a stop was asked for, or None. The handlers come back afterwards.

    A signal only sets a flag, so that it never falls into the middle of a file's writing or a pin's release.
    """
    with _noted(STOP_SIGNALS) as asked:
        yield lambda: asked[0] if asked else None


@contextmanager
def reload_signals() -> Iterator[Callable[[], bool]]:
    """Within `stop_signals`: SIGHUP asks for the configuration to be read anew. Yields: whether it came since the last
    call.
    """
    with _noted((signal.SIGHUP,)) as asked:

        def take() -> bool:
            # One that comes meanwhile is asked for at the next call.
            count = len(asked)
            del asked[:count]
            return count > 0

        yield take


@contextmanager
def _noted(numbers: Iterable[int]) -> Iterator[list[int]]:
    asked: list[int] = []
    previous = {number: signal.signal(number, lambda signum, _: asked.append(signum)) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
