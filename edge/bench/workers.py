"""Measuring processes that take turns: each has its own environment and library, and one at a time works.

The other end of the talk is `edge/bench/peers/_child.py`: JSON, a line each, on its standard input and output.
"""

import json
import math
import os
import random
import re
import select
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from edge.errors import ConfigError, SorterError

__all__ = ["Round", "Worker", "clean_environment", "interleave", "without_places"]

START_TIMEOUT_S = 300.0
"""Importing TensorFlow from an SD card takes a while."""
TURN_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 1.0
TAIL_BYTES = 4096
ANSWER_BYTES = 64 << 20
SEED = 1
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Round:
    """What a worker did in one turn: one value a frame, from the frame in memory to its label.

    Attributes:
        cpu_us: processor time of the whole process, helper threads included.
        wall_us: time that went by.
        labels: what it called the frames.
    """

    cpu_us: tuple[float, ...]
    wall_us: tuple[float, ...]
    labels: tuple[str, ...]

    @property
    def median_cpu_us(self) -> float:
        return statistics.median(self.cpu_us)

    @property
    def median_wall_us(self) -> float:
        return statistics.median(self.wall_us)

    @property
    def frames_per_s(self) -> float:
        """Frames over the time in which they were classified, one after another."""
        return len(self.wall_us) / sum(self.wall_us) * 1e6


class Worker:
    """A measuring process; entering starts it and waits until it is warm, leaving ends it.

    A process that dies, falls silent or says something else gives one sentence, and the parent never hangs.

    Args:
        name: for `interleave` and for errors.
        command: what to start; the argument is added as its last word.
        argument: see `peers/_child.py`; `started_s` is added.
        environment: all of the process's variables; see `clean_environment`.
        start_timeout_s: from its start until it is warm.
        turn_timeout_s: of one `measure`.
    Raises: SorterError, on entering, if it does not become ready.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        argument: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        turn_timeout_s: float = TURN_TIMEOUT_S,
    ) -> None:
        self.name = name
        self.facts: dict[str, str] = {}
        """What it says of itself: library with its version, precision, threads."""
        self.start_s: float | None = None
        """From the start of the process to its first label, where it says so."""
        self._command = list(command)
        self._argument = dict(argument)
        self._environment = dict(clean_environment() if environment is None else environment)
        self._start_timeout_s = start_timeout_s
        self._turn_timeout_s = turn_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: IO[bytes] | None = None
        self._unread = bytearray()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def measure(self, frames: int) -> Round:
        """Classify the next `frames` frames. Raises: SorterError; the worker is of no use after it."""
        process = self._running()
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"measure": frames}).encode() + b"\n")
            process.stdin.flush()
        except OSError as exc:
            raise self._died("between two turns") from exc
        return self._round(self._answer(self._turn_timeout_s, f"while it measured {frames} frames"), frames)

    def close(self) -> None:
        """End the process: it is told so, and killed if it does not listen. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                process.wait(STOP_TIMEOUT_S if self.facts else 0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._messages is not None:
            self._messages.close()
            self._messages = None

    def _start(self) -> None:
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        argument = json.dumps({**self._argument, "started_s": time.monotonic()})
        try:
            self._process = subprocess.Popen(
                [*self._command, argument],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._messages,
                env=self._environment,
                bufsize=0,
            )
        except OSError as exc:
            raise SorterError(f"{self.name} cannot be started ({exc.strerror}); set its environment up again") from exc
        ready = self._answer(self._start_timeout_s, "before it was ready").get("ready")
        if not isinstance(ready, dict):
            raise SorterError(f"{self.name} did not say that it is ready; its script does not fit this program")
        start_s = ready.pop("start_s", None)
        self.start_s = float(start_s) if isinstance(start_s, int | float) else None
        self.facts = {str(key): str(value) for key, value in ready.items()}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise SorterError(f"{self.name} does not run; enter it before measuring")
        return self._process

    def _answer(self, timeout_s: float, when: str) -> dict[str, Any]:
        line = self._line(timeout_s, when)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            words = without_places(line.decode("utf-8", "replace").strip()[:80])
            raise SorterError(f"{self.name} said {words!r} {when}, expected a line of JSON; its script is no worker's")
        return answer

    def _line(self, timeout_s: float, when: str) -> bytes:
        stdout = self._running().stdout
        assert stdout is not None
        poll = select.poll()
        poll.register(stdout, select.POLLIN | select.POLLHUP)
        deadline_s = time.monotonic() + timeout_s
        while (end := self._unread.find(b"\n")) < 0:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise SorterError(f"{self.name} gave no answer within {timeout_s:g} s {when}; {self._last_words()}")
            read = os.read(stdout.fileno(), 1 << 16)
            if not read:
                raise self._died(when)
            self._unread += read
            if len(self._unread) > ANSWER_BYTES:
                raise SorterError(f"{self.name} said more than {ANSWER_BYTES} bytes {when}; its script is no worker's")
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line

    def _died(self, when: str) -> SorterError:
        process = self._running()
        try:
            status = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return SorterError(f"{self.name} closed its output {when}; {self._last_words()}")
        ended = f"ended with status {status}"
        if status < 0:
            ended = f"was ended by signal {-status} ({signal.strsignal(-status)})"
            if status == -signal.SIGKILL:
                ended += ", as the system does for want of memory,"
        return SorterError(f"{self.name} {ended} {when}; {self._last_words()}")

    def _last_words(self) -> str:
        assert self._messages is not None
        size = self._messages.seek(0, os.SEEK_END)
        self._messages.seek(max(0, size - TAIL_BYTES))
        lines = [line.strip() for line in self._messages.read().decode("utf-8", "replace").splitlines()]
        last = next((line for line in reversed(lines) if line), None)
        return "it left no message" if last is None else f"its last message: {without_places(last)[:200]}"

    def _round(self, answer: dict[str, Any], frames: int) -> Round:
        cpu_us, wall_us, labels = (answer.get(key) for key in ("cpu_us", "wall_us", "labels"))
        if _are_times(cpu_us, frames) and _are_times(wall_us, frames) and isinstance(labels, list):
            found = tuple(str(label) for label in labels)
            if len(found) == frames:
                return Round(tuple(map(float, cpu_us or ())), tuple(map(float, wall_us or ())), found)
        raise SorterError(f"{self.name} did not answer with {frames} times and labels; its script is no worker's")


def interleave(
    workers: Sequence[Worker],
    rounds: int,
    frames: int,
    *,
    on_round: Callable[[int], None] | None = None,
    on_failure: Callable[[Worker, SorterError], None] | None = None,
) -> dict[str, list[Round]]:
    """Let the workers measure in turns: one works, the others wait; each round has its own order, from a fixed seed.

    Args:
        frames: that each classifies in a round.
        on_round: told the number of the round that begins, from 1.
        on_failure: told of a worker that failed, which is then ended and left out; without it, the error goes up.
    Returns: a list of `rounds` rounds for each worker by its name, without those that failed.
    Raises: SorterError; ConfigError without a round or a frame.
    """
    if rounds < 1 or frames < 1:
        raise ConfigError(f"{rounds} rounds of {frames} frames measure nothing; ask for one of each at least")
    found: dict[str, list[Round]] = {worker.name: [] for worker in workers}
    if len(found) != len(workers):
        raise ValueError("two workers have the same name")
    shuffled = random.Random(SEED)  # noqa: S311 - the same order at every measurement
    order = list(workers)
    for number in range(1, rounds + 1):
        if on_round is not None:
            on_round(number)
        shuffled.shuffle(order)
        for worker in list(order):
            try:
                found[worker.name].append(worker.measure(frames))
            except SorterError as exc:
                if on_failure is None:
                    raise
                worker.close()
                on_failure(worker, exc)
                order.remove(worker)
                del found[worker.name]
    return found


def clean_environment(package: os.PathLike[str] | None = None) -> dict[str, str]:
    """This process's variables without those that would let a foreign environment import this one's packages.

    Args:
        package: a folder that the process shall import from besides its own.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return kept if package is None else {**kept, "PYTHONPATH": os.fspath(package)}


def without_places(text: str) -> str:
    """A message of a library or of pip, fit for a report: without addresses, hosts and folders of this machine."""
    text = re.sub(r"https?://\S+", "(address)", text)
    text = re.sub(r"host='[^']*'", "host", text)
    return re.sub(r"(?<![\w.])~?/(?:[^\s/:'\",)]+/)+([^\s/:'\",)]*)", r"\1", text)


def _are_times(values: Any, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(value, int | float) and math.isfinite(value) and value >= 0 for value in values)
    )
