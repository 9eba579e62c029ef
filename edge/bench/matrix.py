"""Threads x bundles x runtimes x frame sizes: each cell is this program's own classifier in a process of its own."""

import importlib.util
import itertools
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.bench.against import package_folder, speed_figures
from edge.bench.frames import still_frames
from edge.bench.peers.registry import EDGE_SORTER, LITERT_RUNTIME, TFLITE_RUNTIME, Peer, open_worker
from edge.bench.report import Contender
from edge.bench.workers import Round, interleave
from edge.bundle import Bundle, load_bundle
from edge.classify.interpreters import RuntimeName
from edge.errors import SorterError

__all__ = ["measure_matrix"]

ALIVE = 12
"""Processes that wait at the same time, each with its model in memory; a larger matrix is measured in several parts."""


class _Cell(NamedTuple):
    bundle: Bundle
    threads: int
    runtime: RuntimeName
    size_px: tuple[int, int]

    @property
    def settings(self) -> dict[str, str]:
        width_px, height_px = self.size_px
        return {
            "bundle": f"{self.bundle.id.name} {self.bundle.id.version}",
            "threads": str(self.threads),
            "runtime": self.runtime,
            "frame_px": f"{width_px}x{height_px}",
        }

    @property
    def title(self) -> str:
        named = self.settings
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{named['bundle']}, {self.runtime}, {threads}, frames of {named['frame_px']}"


def measure_matrix(
    bundles: Sequence[Path],
    threads: Sequence[int],
    runtimes: Sequence[RuntimeName],
    sizes_px: Sequence[tuple[int, int]],
    rounds: int,
    frames_a_round: int,
    progress: Callable[[str], None],
) -> tuple[Contender, ...]:
    """Measure every combination, up to twelve in turns with each other.

    Args:
        bundles: their folders.
        threads: of one inference.
        runtimes: one that this process lacks, and tflite-runtime always, gets an environment of its own on demand.
        sizes_px: width and height of the frames.
        progress: told in a few words what is being done.
    Returns: one contender a cell, bundles outermost and sizes innermost; one that could not be measured says why.
    Raises: BundleError.
    """
    loaded = [load_bundle(folder.resolve()) for folder in bundles]
    cells = [
        _Cell(bundle, count, runtime, size_px)
        for bundle, runtime, count, size_px in itertools.product(loaded, runtimes, threads, sizes_px)
    ]
    contenders: list[Contender] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        package = stack.enter_context(package_folder())
        frames: dict[tuple[int, int], Path] = {}
        for width_px, height_px in dict.fromkeys(sizes_px):
            frames[width_px, height_px] = folder / f"{width_px}x{height_px}.npy"
            np.save(frames[width_px, height_px], still_frames(width_px, height_px))
        for first in range(0, len(cells), ALIVE):
            part = cells[first : first + ALIVE]
            contenders += _measure_part(part, frames, package, rounds, frames_a_round, progress)
    return tuple(contenders)


def _measure_part(
    cells: Sequence[_Cell],
    frames: dict[tuple[int, int], Path],
    package: Path,
    rounds: int,
    frames_a_round: int,
    progress: Callable[[str], None],
) -> list[Contender]:
    missing: dict[str, str] = {}
    facts: dict[str, dict[str, str]] = {}
    start_s: dict[str, float | None] = {}
    found: dict[str, list[Round]] = {}
    with ExitStack() as stack:
        workers = []
        for number, cell in enumerate(cells):
            progress(f"sets up {cell.title}")
            argument = {
                "frames": str(frames[cell.size_px]),
                "model": str(cell.bundle.folder),
                "threads": cell.threads,
                "runtime": cell.runtime,
            }
            try:
                worker = stack.enter_context(open_worker(_peer(cell.runtime), argument, package, name=str(number)))
            except SorterError as exc:
                missing[str(number)] = str(exc)
                continue
            workers.append(worker)
            facts[worker.name], start_s[worker.name] = worker.facts, worker.start_s
        found = interleave(
            workers,
            rounds,
            frames_a_round,
            on_round=lambda number: progress(f"round {number} of {rounds}, {len(workers)} combinations"),
            on_failure=lambda worker, exc: missing.update({worker.name: str(exc)}),
        )
    return [
        Contender(
            title=cell.title,
            settings={**facts.get(name, {}), **cell.settings},
            figures=speed_figures(found[name], start_s[name]) if name in found else {},
            missing=missing.get(name),
        )
        for name, cell in ((str(number), cell) for number, cell in enumerate(cells))
    ]


def _peer(runtime: RuntimeName) -> Peer:
    if runtime == "tflite_runtime":
        return Peer("tflite_runtime", "", EDGE_SORTER.script, "tflite-runtime", TFLITE_RUNTIME)
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return EDGE_SORTER
    return Peer("litert", "", EDGE_SORTER.script, "litert", LITERT_RUNTIME)
