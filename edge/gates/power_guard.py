"""A second process that ends the program if it stands still while a motor has power.

Run as a script by `edge.gates.guarded`, never imported by the loop; standard library only, since it has to be small and
must be there before the first motion. On its standard input it hears `1` many times a second while the gate moves, and
`0` once it rests. Silence while the gate moves means that the loop stands still: a library that holds the interpreter's
lock, a disk that does not answer, a process that was stopped. Nothing inside of that process can be relied on then.
"""

import os
import select
import sys
import time

__all__ = ["LIMIT_S", "POWERED", "READY", "RESTING", "watch"]

POWERED, RESTING = b"1", b"0"
READY = b"r"
"""Said once on the standard output, before anything is read."""
LIMIT_S = 0.6
"""With what the end of the process takes, a motor is without power within a second."""
_SLICES = 6
"""The silence is counted in so many pieces, each of which this process must have slept through itself: where the whole
machine stood still, for a suspend or a virtual machine's pause, it counts one piece and not all of them."""
_ABORT, _KILL = 6, 9
"""Numbers of signals, signal(7). To load `signal` for their names, and `contextlib`, would be a quarter of this
process's start, which a computer with one core takes from the program's."""
_LAST_WORDS_S = 0.1
_WHY = (
    f"edge-sorter: the loop stood still for {LIMIT_S:g} s while the gate had power; the program was ended, so that the "
    "power goes off: see where it stood, and run `edge-sorter park` unless a service does\n"
)


def watch(beats: int, program: int) -> bool:
    """Listen until the other end is closed, or the program has to be ended.

    Args:
        beats: file descriptor that is read.
        program: process that is watched, the parent of this one.
    Returns: whether it was ended.
    """
    is_powered, silent = False, 0
    while True:
        if select.select([beats], [], [], LIMIT_S / _SLICES if is_powered else None)[0]:
            said = os.read(beats, 4096)
            if not said:
                return False
            is_powered, silent = said.endswith(POWERED), 0
            continue
        silent += 1
        if silent >= _SLICES:
            _end(program)
            return True


def _end(program: int) -> None:
    # It has not been waited for by anybody as long as it is this one's parent: the number is still its own.
    if os.getppid() != program:
        return
    # With faulthandler it writes down where each thread stands; a process that was stopped does not hear it.
    os.kill(program, _ABORT)
    time.sleep(_LAST_WORDS_S)
    if os.getppid() == program:
        os.kill(program, _KILL)
    _tell()


def _tell() -> None:
    """Say why. What held the loop up may be the very stream that this goes to: nobody waits for it."""
    try:
        if select.select([], [sys.stderr.fileno()], [], 0.0)[1]:
            os.write(sys.stderr.fileno(), _WHY.encode())
    except Exception:  # noqa: S110 - nobody is there to be told
        pass


if __name__ == "__main__":
    # It ends with the program, not before it: whoever starts it holds back the signals that ask for an end.
    try:  # noqa: SIM105 - see _ABORT
        os.write(sys.stdout.fileno(), READY)
    except BrokenPipeError:
        pass
    sys.exit(watch(sys.stdin.fileno(), int(sys.argv[1])))
