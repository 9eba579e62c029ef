"""`bench --against peers`: what a user would pick instead, on the same frames and the same network."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import edge
from edge.bench.frames import still_frames
from edge.bench.noise import why_too_noisy
from edge.bench.peers.registry import BARE_INVOKE, EDGE_SORTER, Peer, choose_peers, open_worker
from edge.bench.report import Contender, Figure
from edge.bench.samples import WORDS
from edge.bench.workers import Round, Worker, interleave
from edge.bundle import Bundle, load_bundle
from edge.errors import ConfigError, SorterError

__all__ = ["Entry", "Turns", "measure_peers", "package_folder", "ratio_figure", "speed_figures", "take_turns"]

PIXEL_LESS_128 = np.arange(256) - 128


class Entry(NamedTuple):
    """Who shall measure in turns with others: a program, its script's argument, and what it is called for people."""

    peer: Peer
    argument: Mapping[str, Any]
    title: str


@dataclass(frozen=True, slots=True)
class Turns:
    """What entries measured, by their names; each is either in `rounds` or in `missing`.

    Attributes:
        missing: why there is nothing.
        settings: what each that was started says of itself.
        start_s: from the start of its process to its first label.
    """

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    start_s: dict[str, float | None] = field(default_factory=dict)

    def why_not(self, name: str, bare: str) -> str | None:
        """Why an entry's figures must not be shown: it has none, or the bare inference beside it was not steady.

        Args:
            bare: the entry of the bare inference.
        """
        if name in self.missing:
            return self.missing[name]
        if bare in self.missing:
            return f"the bare inference could not be measured beside it: {self.missing[bare]}"
        return why_too_noisy(self.rounds[bare])


def measure_peers(
    bundle_folder: Path,
    rounds: int,
    frames_a_round: int,
    names: Sequence[str] | None,
    progress: Callable[[str], None],
) -> tuple[Contender, ...]:
    """Measure this program, the bare inference and the peers in turns, on one thread each.

    Args:
        names: of peers (see `peers.registry`); None takes all.
        progress: told in a few words what is being done.
    Returns: this program, the bare inference, then the peers. One that could not be measured says why in `missing`;
        so do all of them if the machine was too noisy, and nothing of them is shown then.
    Raises: BundleError; ConfigError for an unknown name or a bundle that the peers' converters do not take.
    """
    chosen = (EDGE_SORTER, BARE_INVOKE, *choose_peers(names))
    _check_input(load_bundle(bundle_folder))
    with tempfile.TemporaryDirectory() as folder, package_folder() as package:
        frames = Path(folder) / "frames.npy"
        np.save(frames, still_frames())
        argument = {"frames": str(frames), "model": str(bundle_folder.resolve()), "threads": 1}
        entries = {peer.name: Entry(peer, argument, peer.title) for peer in chosen}
        turns = take_turns(entries, package, rounds, frames_a_round, progress)
    contenders = []
    for peer in chosen:
        why = turns.why_not(peer.name, BARE_INVOKE.name)
        contenders.append(
            Contender(
                title=peer.title,
                settings=turns.settings.get(peer.name, {}),
                figures={} if why is not None else _figures(turns, peer),
                missing=why,
            )
        )
    return tuple(contenders)


def take_turns(
    entries: Mapping[str, Entry], package: Path, rounds: int, frames_a_round: int, progress: Callable[[str], None]
) -> Turns:
    """Start a process for each entry, and let them measure in turns; one that fails is left out, and says why."""
    turns = Turns()
    with ExitStack() as stack:
        workers: list[Worker] = []
        for name, entry in entries.items():
            progress(f"sets up {entry.title}")
            try:
                worker = stack.enter_context(open_worker(entry.peer, entry.argument, package, name=name))
            except SorterError as exc:
                turns.missing[name] = str(exc)
                continue
            workers.append(worker)
            turns.settings[name], turns.start_s[name] = worker.facts, worker.start_s
        found = interleave(
            workers,
            rounds,
            frames_a_round,
            on_round=lambda number: progress(f"round {number} of {rounds}"),
            on_failure=lambda worker, exc: turns.missing.update({worker.name: str(exc)}),
        )
    turns.rounds.update(found)
    return turns


@contextmanager
def package_folder() -> Iterator[Path]:
    """A folder that holds `edge` alone, as a link: a foreign environment may import it without this one's libraries."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "edge").symlink_to(Path(edge.__file__).parent, target_is_directory=True)
        yield Path(folder)


def ratio_figure(rounds: Sequence[Round], bare: Sequence[Round], which: str, threads: int = 1) -> Figure:
    """A worker's rounds over those of the bare inference that stood beside them; `which` ends the title.

    With more than one thread by the wall, see `samples.Clock`.
    """
    pairs = list(zip(rounds, bare, strict=True))
    if threads == 1:
        word, ratios = WORDS["cpu"], [one.median_cpu_us / other.median_cpu_us for one, other in pairs]
    else:
        word, ratios = WORDS["wall"], [one.median_wall_us / other.median_wall_us for one, other in pairs]
    return Figure.of(f"frame to label / bare invoke() {which}, {word}", "ratio", ratios)


def speed_figures(rounds: Sequence[Round], start_s: float | None, threads: int = 1) -> dict[str, Figure]:
    """`label_us` (one thread), `label_wall_us`, `frames_per_s` and, where it is known, `start_s`."""
    figures = {}
    if threads == 1:
        figures["label_us"] = Figure.of("frame to label, processor time", "us", [one.median_cpu_us for one in rounds])
    figures["label_wall_us"] = Figure.of("frame to label, wall time", "us", [one.median_wall_us for one in rounds])
    figures["frames_per_s"] = Figure.of(
        "frames one after another", "frames/s", [one.frames_per_s for one in rounds], better="higher"
    )
    if start_s is not None:
        figures["start_s"] = Figure.of("start of its measuring process, model opened and warmed", "s", [start_s])
    return figures


def _figures(turns: Turns, peer: Peer) -> dict[str, Figure]:
    rounds, bare = turns.rounds[peer.name], turns.rounds[BARE_INVOKE.name]
    figures = speed_figures(rounds, turns.start_s[peer.name])
    if peer is BARE_INVOKE:
        return figures
    figures = {"label_ratio": ratio_figure(rounds, bare, "of the same round"), **figures}
    if EDGE_SORTER.name in turns.rounds:
        figures["agreement"] = _agreement(rounds, turns.rounds[EDGE_SORTER.name])
    return figures


def _agreement(rounds: Sequence[Round], ours: Sequence[Round]) -> Figure:
    shares = [
        sum(label == other for label, other in zip(one.labels, mine.labels, strict=True)) / len(mine.labels)
        for one, mine in zip(rounds, ours, strict=True)
    ]
    return Figure.of("labels equal to those of edge-sorter", "share", shares, better="higher")


def _check_input(bundle: Bundle) -> None:
    spec = bundle.manifest.input.spec()
    if spec.dtype != "int8" or not np.array_equal(spec.quantization_table(), PIXEL_LESS_128):
        raise ConfigError(
            f"{bundle.folder}: the peers measure bundles whose input is the pixel less 128 in int8; choose such a one"
        )
