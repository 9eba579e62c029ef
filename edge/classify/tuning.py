"""How many threads an inference gets, and whether its thread stays on one core: measured once, and remembered.

More threads are not always faster: on a busy or small machine they wait for one another, and each costs power. The
fewest threads are taken that come close to the fastest; the main thread is held on one core only where that shows.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from edge.classify.interpreters import Interpreter, RuntimeName, open_interpreter
from edge.paths import write_whole

__all__ = ["DEFAULT", "Tuning", "held_on", "measure", "recall", "remember", "usable_cores"]

MOST_THREADS = 4
CLOSE_SHARE = 0.20
"""A number of threads that is slower by no more than this is taken before a larger one."""
HELD_GAIN = 0.03
"""What holding the thread on one core must gain."""
LEAST_PAIRS = 3
PASSES, ROUNDS = 2, 8
PACE_S = 0.02
"""Between two inferences, as between two frames: helper threads that fell asleep must be woken, which costs time."""
BUDGET_S = 3.0
"""Trying ends then, with what is known: a slow machine must sort within a minute of power's return."""
_PACKAGES: dict[RuntimeName, str] = {"litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an inference is run.

    Attributes:
        threads: of the interpreter.
        core: that the main thread stays on while it sorts; None leaves it to the system.
        wall_us: what was measured: median of the rounds, by number of threads.
    """

    threads: int
    core: int | None
    wall_us: dict[str, float]


DEFAULT = Tuning(1, None, {})


def usable_cores() -> list[int]:
    """The cores that this process may run on."""
    return sorted(os.sched_getaffinity(0))


def measure(
    runtime: RuntimeName,
    model: bytes,
    cores: Sequence[int],
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Tuning:
    """Try 1 to 4 threads, no more than there are cores, in turns and at a camera's pace; 3 s at most.

    One interpreter is open at a time, so that the memory's peak is that of one. What could not be tried in time is not
    taken.

    Args:
        cores: that may be used.
        clock: in seconds.
        sleep: waits so many seconds of it.
    Raises: BundleError if the library does not take the model.
    """
    candidates = list(range(1, min(MOST_THREADS, len(cores)) + 1))
    if len(candidates) == 1:
        return DEFAULT
    from statistics import median  # needed at the first start of all

    until_s = clock() + BUDGET_S
    found: dict[int, list[float]] = {}
    for number in range(PASSES):
        for threads in candidates if number % 2 == 0 else reversed(candidates):
            if clock() < until_s:
                found.setdefault(threads, []).extend(_try(runtime, model, threads, until_s, clock, sleep))
    medians = {threads: median(rounds) for threads, rounds in found.items() if rounds}
    if not medians:
        return DEFAULT
    limit_us = min(medians.values()) * (1 + CLOSE_SHARE)
    threads = min(threads for threads, wall_us in medians.items() if wall_us <= limit_us)
    wall_us = {str(number): round(wall_us, 1) for number, wall_us in medians.items()}
    gains = _gains_of_holding(runtime, model, threads, cores[-1], until_s, clock)
    # In both halves: a gain of a few rounds may be chance, and the choice is kept for good.
    is_held = len(gains) >= 2 * LEAST_PAIRS and all(
        median(half) > HELD_GAIN for half in (gains[: len(gains) // 2], gains[len(gains) // 2 :])
    )
    return Tuning(threads, cores[-1] if is_held else None, wall_us)


def _try(
    runtime: RuntimeName,
    model: bytes,
    threads: int,
    until_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> list[float]:
    """Microseconds of inferences; the first one, which touches the memory, is not counted."""
    interpreter = open_interpreter(runtime, model, threads)
    interpreter.invoke()
    rounds: list[float] = []
    while len(rounds) < ROUNDS and clock() < until_s:
        sleep(PACE_S)
        rounds.append(_invoke_us(interpreter, clock))
    return rounds


def recall(path: Path, runtime: RuntimeName, model_sha256: str) -> Tuning | None:
    """What was remembered for this machine, library and model; None if nothing was, or it cannot be."""
    try:
        found = _read(path)[_key(runtime, model_sha256)]
        threads, core, wall_us = found["threads"], found["core"], dict(found["wall_us"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if threads not in range(1, MOST_THREADS + 1) or (core is not None and core not in usable_cores()):
        return None
    return Tuning(int(threads), core if core is None else int(core), wall_us)


def remember(path: Path, runtime: RuntimeName, model_sha256: str, tuning: Tuning) -> None:
    """Keep it beside what is known of other models, whole or not at all. Raises: OSError."""
    try:
        known = _read(path)
    except (OSError, ValueError, RecursionError):
        known = {}
    known[_key(runtime, model_sha256)] = asdict(tuning)
    write_whole(path, json.dumps(known, indent=1) + "\n")


@contextmanager
def held_on(core: int | None) -> Iterator[None]:
    """Keep the calling thread on one core; threads that are made meanwhile stay there too, so make them before.

    A core that is not there any more is no error: the thread is then left free.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        # A core that went away meanwhile is no reason to fail at the end of a run.
        with suppress(OSError):
            os.sched_setaffinity(0, before)


def _invoke_us(interpreter: Interpreter, clock: Callable[[], float]) -> float:
    start_s = clock()
    interpreter.invoke()
    return (clock() - start_s) * 1e6


def _gains_of_holding(
    runtime: RuntimeName, model: bytes, threads: int, core: int, until_s: float, clock: Callable[[], float]
) -> list[float]:
    """Share of an inference's time that a thread that stays on a core saves, of pairs in turns."""
    interpreter = open_interpreter(runtime, model, threads)
    interpreter.invoke()
    gains: list[float] = []
    while len(gains) < ROUNDS and clock() < until_s:
        free_us = _invoke_us(interpreter, clock)
        with held_on(core):
            interpreter.invoke()  # to move there takes time of its own
            gains.append(1.0 - _invoke_us(interpreter, clock) / free_us)
    return gains


def _read(path: Path) -> dict[str, Any]:
    known = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(known, dict):
        raise ValueError(f"{path} is no object")
    return known


def _key(runtime: RuntimeName, model_sha256: str) -> str:
    """Of what the figures hold for: the processor, the cores, the library, the model."""
    try:
        version = metadata.version(_PACKAGES[runtime])
    except metadata.PackageNotFoundError:
        version = "unknown"
    cores = ",".join(map(str, usable_cores()))
    machine = sha256(f"{_processor()} {platform.machine()} {cores}".encode()).hexdigest()[:12]
    return f"{machine}/{runtime}-{version}/{model_sha256[:12]}"


def _processor() -> str:
    """The board's name, or the processor's; a memory card may be moved to another board."""
    for path, prefix in (("/proc/device-tree/model", ""), ("/proc/cpuinfo", "model name")):
        with suppress(OSError):
            for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(prefix):
                    return line.strip("\0")
    return platform.processor()
