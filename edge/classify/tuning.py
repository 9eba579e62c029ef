"""How many threads an inference gets, and whether its thread stays on one core: measured once, and remembered.

More threads are not always faster: on a busy or small machine they wait for one another, and each costs power. The
fewest threads are taken that come close to the fastest; the main thread is held on one core only where that shows.
"""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from edge.classify.interpreters import Interpreter, RuntimeName, open_interpreter

__all__ = ["DEFAULT", "Tuning", "held_on", "measure", "recall", "remember", "usable_cores"]

MOST_THREADS = 4
CLOSE_SHARE = 0.10
"""A number of threads that is slower by no more than this is taken before a larger one."""
HELD_GAIN = 0.03
"""What holding the thread on one core must gain."""
PASSES, ROUNDS, INVOKES = 2, 4, 3
_PACKAGES: dict[RuntimeName, str] = {"litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an inference is run.

    Attributes:
        threads: of the interpreter.
        core: that the main thread stays on while it sorts; None leaves it to the system.
        wall_us: what was measured, median of the rounds, by candidate (`2`, or `2 on core 3`).
    """

    threads: int
    core: int | None
    wall_us: dict[str, float]


DEFAULT = Tuning(1, None, {})


def usable_cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def measure(
    runtime: RuntimeName, model: bytes, cores: Sequence[int], clock: Callable[[], float] = time.perf_counter
) -> Tuning:
    """Try 1 to 4 threads, no more than there are cores, in turns; some tenths of a second on a laptop.

    One interpreter is open at a time, so that the memory's peak is that of one.

    Args:
        cores: that may be used.
        clock: in seconds.
    Raises: BundleError if the library does not take the model.
    """
    candidates = list(range(1, min(MOST_THREADS, len(cores)) + 1))
    if len(candidates) == 1:
        return DEFAULT
    found: dict[int, list[float]] = {threads: [] for threads in candidates}
    for number in range(PASSES):
        for threads in candidates if number % 2 == 0 else reversed(candidates):
            interpreter = open_interpreter(runtime, model, threads)
            interpreter.invoke()
            found[threads] += [_round_us(interpreter, clock) for _ in range(ROUNDS)]
    medians = {threads: statistics.median(rounds) for threads, rounds in found.items()}
    limit_us = min(medians.values()) * (1 + CLOSE_SHARE)
    threads = min(threads for threads, wall_us in medians.items() if wall_us <= limit_us)
    free_us, held_us = _held(open_interpreter(runtime, model, threads), cores[-1], clock)
    wall_us = {str(number): round(median, 1) for number, median in medians.items()}
    wall_us[f"{threads} on core {cores[-1]}"] = round(held_us, 1)
    return Tuning(threads, cores[-1] if held_us < free_us * (1 - HELD_GAIN) else None, wall_us)


def recall(path: Path, runtime: RuntimeName, model_sha256: str) -> Tuning | None:
    """What was remembered for this machine, library and model; None if nothing was, or it cannot be read."""
    try:
        found = _read(path)[_key(runtime, model_sha256)]
        tuning = Tuning(int(found["threads"]), found["core"], dict(found["wall_us"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return tuning if 1 <= tuning.threads <= MOST_THREADS else None


def remember(path: Path, runtime: RuntimeName, model_sha256: str, tuning: Tuning) -> None:
    """Keep it beside what is known of other models, whole or not at all. Raises: OSError."""
    try:
        known = _read(path)
    except (OSError, ValueError):
        known = {}
    known[_key(runtime, model_sha256)] = asdict(tuning)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(known, indent=1) + "\n")
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            os.unlink(partial)
        raise


@contextmanager
def held_on(core: int | None) -> Iterator[None]:
    """Keep the calling thread on one core; threads that are made meanwhile stay there too, so make them before.

    A core that is not there any more is no error: the thread is then left free.
    """
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _round_us(interpreter: Interpreter, clock: Callable[[], float]) -> float:
    start_s = clock()
    for _ in range(INVOKES):
        interpreter.invoke()
    return (clock() - start_s) / INVOKES * 1e6


def _held(interpreter: Interpreter, core: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Microseconds of an inference with a free thread, and with one that is held, in turns."""
    interpreter.invoke()
    free, held = [], []
    for _ in range(PASSES * ROUNDS):
        free.append(_round_us(interpreter, clock))
        with held_on(core):
            held.append(_round_us(interpreter, clock))
    return statistics.median(free), statistics.median(held)


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
