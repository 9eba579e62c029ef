"""What a whole process costs: from its start to the first label, and its memory while it sorts."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edge.errors import SorterError
from edge.render import Light, Placed, Tray, render_item

__all__ = ["Memory", "measure_memory", "measure_start"]

# The kernel's own figure for this process: that of the parent's children also counts what the parent had before exec.
_REPORT_MEMORY = """
import pathlib, sys
from edge.cli import main
try:
    main()
finally:
    sys.stderr.write(pathlib.Path("/proc/self/status").read_text())
"""


def measure_start(model: Path, rounds: int) -> list[float]:
    """Seconds from the start of `edge-sorter classify` to its first line, once a round; the first one is not counted.

    Raises: SorterError if the command fails.
    """
    rng = np.random.default_rng(1)
    image = Tray(rng).compose([Placed(render_item("glass", rng), 320.0, 240.0)], Light(), rng)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "item.png"
        cv2.imwrite(str(picture), image)
        command = [sys.executable, "-m", "edge", "classify", str(picture), "--json", "--model", str(model)]
        return [_first_line_s(command) for _ in range(rounds + 1)][1:]


class Memory(NamedTuple):
    """Resident memory of a process, in MB (10^6 bytes)."""

    peak_mb: float
    end_mb: float
    """When it had done its work: what it keeps while it sorts."""


def measure_memory(model: Path, items: int) -> Memory:
    """Resident memory of `edge-sorter run` over `items` simulated items, which are drawn in the same process.

    Raises: SorterError if the command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _REPORT_MEMORY, "run", "--source", "sim", "--pace", "fast"]
        command += ["--items", str(items), "--ledger", str(Path(folder) / "ledger.db"), "--model", str(model)]
        result = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    lines = (line.split() for line in result.stderr.splitlines() if line.startswith(("VmHWM:", "VmRSS:")))
    mb = {words[0]: int(words[1]) * 1024 / 1e6 for words in lines}
    if result.returncode != 0 or len(mb) != 2:
        raise SorterError(f"{' '.join(command[3:])} ended with {result.returncode}; run it by hand to see why")
    return Memory(mb["VmHWM:"], mb["VmRSS:"])


def _first_line_s(command: list[str]) -> float:
    start_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment()) as process:
        line = process.stdout.readline() if process.stdout is not None else b""
        elapsed_s = time.perf_counter() - start_s
    if process.returncode != 0 or not line:
        raise SorterError(f"{' '.join(command[2:])} ended with {process.returncode}; run it by hand to see why")
    return elapsed_s


def _environment() -> dict[str, str]:
    """The bench may run from a checkout that is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
