"""Threads x bundles x runtimes x frame sizes: each cell is this program's own classifier in a process of its own.

Beside the cells stand their yardsticks: the bare inference of the same bundle, threads and runtime, in the same turns.
"""

import importlib.util
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.bench.against import Entry, package_folder, ratio_figure, speed_figures, take_turns
from edge.bench.frames import still_frames
from edge.bench.peers.registry import BARE_INVOKE, EDGE_SORTER, LITERT_RUNTIME, TFLITE_RUNTIME, Peer
from edge.bench.report import Contender
from edge.bundle import Bundle, load_bundle
from edge.classify.interpreters import RuntimeName

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
        return f"{self._inference}, frames of {self.settings['frame_px']}"

    @property
    def yardstick(self) -> str:
        """What its bare inference is called: cells of the same bundle, runtime and threads share it."""
        return f"bare inference of {self._inference} ({self.bundle.id.sha256[:8]})"

    @property
    def _inference(self) -> str:
        named = self.settings
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{named['bundle']}, {self.runtime}, {threads}"


def measure_matrix(
    bundles: Sequence[Path],
    threads: Sequence[int],
    runtimes: Sequence[RuntimeName],
    sizes_px: Sequence[tuple[int, int]],
    rounds: int,
    frames_a_round: int,
    progress: Callable[[str], None],
) -> tuple[Contender, ...]:
    """Measure every combination, up to twelve processes in turns with each other.

    Args:
        bundles: their folders.
        threads: of one inference.
        runtimes: one that this process lacks, and tflite-runtime always, gets an environment of its own on demand.
        sizes_px: width and height of the frames.
        progress: told in a few words what is being done.
    Returns: one contender a cell, bundles outermost and sizes innermost; one that could not be measured, or whose
        yardstick was not steady, says why in `missing` and has no figures.
    Raises: BundleError.
    """
    loaded = [load_bundle(folder.resolve()) for folder in bundles]
    cells = [
        _Cell(bundle, count, runtime, size_px)
        for bundle, runtime, count, size_px in itertools.product(loaded, runtimes, threads, sizes_px)
    ]
    contenders: list[Contender] = []
    with tempfile.TemporaryDirectory() as folder, package_folder() as package:
        frames: dict[tuple[int, int], Path] = {}
        for width_px, height_px in dict.fromkeys(sizes_px):
            frames[width_px, height_px] = Path(folder) / f"{width_px}x{height_px}.npy"
            np.save(frames[width_px, height_px], still_frames(width_px, height_px))
        for part in _parts(cells):
            contenders += _measure_part(part, frames, package, rounds, frames_a_round, progress)
    return tuple(contenders)


def _parts(cells: Sequence[_Cell]) -> Iterator[list[_Cell]]:
    """Cells in their order, as many at a time as may be alive with their yardsticks."""
    part: list[_Cell] = []
    for cell in cells:
        if part and len(part) + 1 + len({each.yardstick for each in [*part, cell]}) > ALIVE:
            yield part
            part = []
        part.append(cell)
    if part:
        yield part


def _measure_part(
    cells: Sequence[_Cell],
    frames: dict[tuple[int, int], Path],
    package: Path,
    rounds: int,
    frames_a_round: int,
    progress: Callable[[str], None],
) -> list[Contender]:
    entries: dict[str, Entry] = {}
    for number, cell in enumerate(cells):
        argument = {
            "frames": str(frames[cell.size_px]),
            "model": str(cell.bundle.folder),
            "threads": cell.threads,
            "runtime": cell.runtime,
        }
        yardstick = Entry(_in_runtime(BARE_INVOKE, cell.runtime), argument, cell.yardstick)
        entries.setdefault(cell.yardstick, yardstick)
        entries[f"cell {number}"] = Entry(_in_runtime(EDGE_SORTER, cell.runtime), argument, cell.title)
    turns = take_turns(entries, package, rounds, frames_a_round, progress)
    contenders = []
    for number, cell in enumerate(cells):
        name = f"cell {number}"
        why = turns.why_not(name, cell.yardstick)
        figures = {}
        if why is None:
            bare = turns.rounds[cell.yardstick]
            which = "of the same model, runtime and threads"
            figures["label_ratio"] = ratio_figure(turns.rounds[name], bare, which, cell.threads)
            figures |= speed_figures(turns.rounds[name], turns.start_s[name], cell.threads)
        settings = {**turns.settings.get(name, {}), **cell.settings}
        contenders.append(Contender(title=cell.title, settings=settings, figures=figures, missing=why))
    return contenders


def _in_runtime(peer: Peer, runtime: RuntimeName) -> Peer:
    """The same program in an environment that has the runtime: this one, where it has."""
    if runtime == "tflite_runtime":
        return replace(peer, library="tflite-runtime", requirements=TFLITE_RUNTIME)
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return peer
    return replace(peer, library="litert", requirements=LITERT_RUNTIME)
