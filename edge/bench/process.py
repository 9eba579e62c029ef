"""What a whole process costs: from its start to the first label, to sorting, and its memory while it sorts."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from edge.bench.report import Figure
from edge.bundle import MODEL_NAME
from edge.classify.interpreters import RuntimeName
from edge.config import Config, PinsConfig
from edge.errors import SorterError

__all__ = ["Memory", "ProcessFindings", "figures_of", "measure_process"]

GOALS = {"label_s": 0.45, "sorting_s": 0.7, "memory_mb": 90.0}
MEMORY_ITEMS = 20
MEMORY_RUNS = 3
LIMIT_S = 300.0
"""A process that has not ended by then hangs."""
# The kernel's own figure for this process: that of the parent's children also counts what the parent had before exec.
_REPORT_MEMORY = """
import pathlib, sys
from edge.cli import main
try:
    main()
finally:
    sys.stderr.write(pathlib.Path("/proc/self/status").read_text())
"""


class Memory(NamedTuple):
    """Resident memory of a process, in MB (10^6 bytes)."""

    peak_mb: float
    end_mb: float
    """When it had done its work: what it keeps while it sorts."""


class ProcessFindings(NamedTuple):
    """Seconds of wall time, a value a round, and the memory of one run.

    Attributes:
        label_s: from the start of `classify` to its line.
        least_s: of a process that imports OpenCV and the runtime, opens the model, classifies once, and nothing else.
        sorting_s, ready_s: from the start of `run` to its first frame, and to its being ready for an item.
    """

    label_s: list[float]
    least_s: list[float]
    sorting_s: list[float]
    ready_s: list[float]
    memory: list[Memory]


def measure_process(
    config: Config, model: Path, still: npt.NDArray[np.uint8], runtime: RuntimeName, rounds: int
) -> ProcessFindings:
    """Start `classify` and `run` in turns, and let runs sort a few items.

    They run by the given configuration, but on the simulated tray and simulated pins, whatever it names: nothing here
    moves a gate. The first start of each is not counted, since it reads from disk. Memory is that of a first run, which
    also finds out how many threads are best.

    Args:
        model: folder of the bundle.
        still: (H, W, 3) uint8 BGR, what `classify` is shown.
        runtime: that it runs on.
        rounds: one at least.
    Raises: SorterError if a command fails.
    """
    with TemporaryDirectory() as folder:
        place = Path(folder)
        picture = place / "item.png"
        cv2.imwrite(str(picture), still)
        settings = _written(config, model, place / "config.yaml")
        label_s, least_s, sorting_s, ready_s = [], [], [], []
        for number in range(rounds + 1):
            first_s = _first_line_s(["-m", "edge", "classify", str(picture), "--json", "--config", str(settings)])
            smallest_s = _first_line_s(["-c", _LEAST, str(model / MODEL_NAME), runtime])
            began_s, is_ready_s = _sorting_s(settings, place / "ledger.db")
            if number > 0:
                label_s.append(first_s)
                least_s.append(smallest_s)
                sorting_s.append(began_s)
                ready_s.append(is_ready_s)
        untuned = config.model_copy(update={"model": config.model.model_copy(update={"threads": None})})
        first_run = _written(untuned, model, place / "first.yaml")
        memory = [_memory(first_run, place / f"memory{number}") for number in range(min(rounds, MEMORY_RUNS))]
        return ProcessFindings(label_s, least_s, sorting_s, ready_s, memory)


def _written(config: Config, model: Path, path: Path) -> Path:
    """The configuration on the simulated tray, as a file for other processes."""
    parts = {
        "source": config.source.model_copy(update={"spec": "sim"}),
        "pins": PinsConfig(factory="mock"),
        "drop_sensor": config.drop_sensor.model_copy(update={"kind": "none"}),
        "model": config.model.model_copy(update={"path": str(model.resolve())}),
    }
    path.write_text(yaml.safe_dump(config.model_copy(update=parts).model_dump(mode="json")), encoding="utf-8")
    return path


def figures_of(found: ProcessFindings) -> dict[str, Figure]:
    """What is claimed of the process."""
    return {
        "start_to_label_s": Figure.of("process start -> first label", "s", found.label_s, goal=GOALS["label_s"]),
        "start_ratio": Figure.of(
            "process start -> first label / the same with OpenCV and the runtime alone",
            "ratio",
            [ours / least for ours, least in zip(found.label_s, found.least_s, strict=True)],
        ),
        "start_to_sorting_s": Figure.of(
            "process start -> first frame looked at by `run`, all open", "s", found.sorting_s, goal=GOALS["sorting_s"]
        ),
        "start_to_ready_s": Figure.of(
            "process start -> gate home, tray seen empty for half a second, ready", "s", found.ready_s
        ),
        "memory_peak_mb": Figure.of(
            "largest resident memory of `run`, at its first start",
            "MB",
            [one.peak_mb for one in found.memory],
            goal=GOALS["memory_mb"],
        ),
        "memory_mb": Figure.of(
            "resident memory of `run` when it has sorted", "MB", [one.end_mb for one in found.memory]
        ),
    }


def _first_line_s(arguments: Sequence[str]) -> float:
    """Seconds until a Python process with these arguments prints a line."""
    command = [sys.executable, *arguments]
    start_s = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        watch = threading.Timer(LIMIT_S, process.kill)
        watch.start()
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            elapsed_s = time.perf_counter() - start_s
            _, told = process.communicate()
        finally:
            watch.cancel()
    if process.returncode != 0 or not line:
        raise _failure(
            " ".join(arguments[2:4]) if arguments[0] == "-m" else "the least program", process.returncode, told
        )
    return elapsed_s


# What a program that names one picture cannot do without.
_LEAST = """
import importlib, sys
import cv2, numpy
module = {"litert": "ai_edge_litert", "tflite_runtime": "tflite_runtime"}[sys.argv[2]]
interpreter = importlib.import_module(f"{module}.interpreter").Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
interpreter.invoke()
print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].argmax(), flush=True)
"""


# `run` itself, which tells when it has looked at the first frame, and when it is ready; then it ends.
_MARK_SORTING = """
import sys, time
from edge.cli import main
from edge.runtime import Runtime

look, waiting = Runtime._look, ["sorting", "ready"]

def mark(self, frame):
    look(self, frame)
    while waiting and (waiting[0] == "sorting" or self.machine.state.value == waiting[0]):
        print(f'{{"mark": "{waiting.pop(0)}", "at_s": {time.clock_gettime(time.CLOCK_MONOTONIC)}}}', flush=True)
    if not waiting:
        sys.exit(0)

Runtime._look = mark
main()
"""


def _sorting_s(settings: Path, ledger: Path) -> tuple[float, float]:
    """Seconds until `run` has looked at its first frame, and until it is ready for an item, in real time."""
    start_s = time.clock_gettime(time.CLOCK_MONOTONIC)
    result = _run(_MARK_SORTING, ["--json", "--items", "1", "--ledger", str(ledger), "--config", str(settings)])
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith('{"mark"')]
    marks = {line["mark"]: line["at_s"] - start_s for line in lines}
    if set(marks) != {"sorting", "ready"}:
        raise _failure("run", result.returncode, result.stderr)
    return marks["sorting"], marks["ready"]


def _memory(settings: Path, folder: Path) -> Memory:
    """Of a first run over simulated items, which are drawn in the same process."""
    arguments = ["--pace", "fast", "--items", str(MEMORY_ITEMS), "--ledger", str(folder / "ledger.db")]
    result = _run(_REPORT_MEMORY, [*arguments, "--config", str(settings)], {"XDG_STATE_HOME": str(folder)})
    lines = (line.split() for line in result.stderr.splitlines() if line.startswith(("VmHWM:", "VmRSS:")))
    mb = {words[0]: int(words[1]) * 1024 / 1e6 for words in lines}
    if result.returncode != 0 or len(mb) != 2:
        raise _failure("run", result.returncode, result.stderr)
    return Memory(mb["VmHWM:"], mb["VmRSS:"])


def _run(
    program: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`edge-sorter run` with these arguments, within `program`. Raises: SorterError if it does not end."""
    command = [sys.executable, "-c", program, "run", *arguments]
    settings = {**_environment(), **(environment or {})}
    try:
        return subprocess.run(command, capture_output=True, text=True, env=settings, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as exc:
        raise SorterError(f"edge-sorter run did not end within {LIMIT_S:g} s; run it by hand to see why") from exc


def _failure(command: str, code: int, told: str) -> SorterError:
    """What a child said last is why it ended."""
    lines = [line for line in told.splitlines() if line.strip() and not line.startswith("Vm")]
    why = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "it said nothing")
    return SorterError(f"edge-sorter {command} ended with {code} ({why.strip()}); run it by hand to see more")


def _environment() -> dict[str, str]:
    """The bench may run from a checkout that is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
