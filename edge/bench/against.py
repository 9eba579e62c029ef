"""`bench --against peers`: what a user would pick instead, on the same frames and the same network."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

import edge
from edge.bench.frames import still_frames
from edge.bench.peers.registry import BARE_INVOKE, EDGE_SORTER, choose_peers, open_worker
from edge.bench.report import Contender, Figure
from edge.bench.workers import Round, Worker, interleave
from edge.bundle import Bundle, load_bundle
from edge.errors import ConfigError, SorterError

__all__ = ["measure_peers", "package_folder", "speed_figures"]

PIXEL_LESS_128 = np.arange(256) - 128


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
    Returns: this program, the bare inference, then the peers; one that could not be measured says why in `missing`.
    Raises: BundleError; ConfigError for an unknown name or a bundle that the peers' converters do not take.
    """
    chosen = (EDGE_SORTER, BARE_INVOKE, *choose_peers(names))
    _check_input(load_bundle(bundle_folder))
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        np.save(folder / "frames.npy", still_frames())
        package = stack.enter_context(package_folder())
        argument = {"frames": str(folder / "frames.npy"), "model": str(bundle_folder.resolve()), "threads": 1}
        workers: dict[str, Worker] = {}
        for peer in chosen:
            progress(f"sets up {peer.title}")
            try:
                workers[peer.name] = stack.enter_context(open_worker(peer, argument, package))
            except SorterError as exc:
                missing[peer.name] = str(exc)
        found = interleave(
            list(workers.values()),
            rounds,
            frames_a_round,
            on_round=lambda number: progress(f"round {number} of {rounds}"),
            on_failure=lambda worker, exc: missing.update({worker.name: str(exc)}),
        )
    bare, ours = found.get(BARE_INVOKE.name), found.get(EDGE_SORTER.name)
    contenders = []
    for peer in chosen:
        worker = workers.get(peer.name)
        settings = {} if worker is None else worker.facts
        figures: dict[str, Figure] = {}
        if worker is not None and peer.name in found:
            is_bare = peer is BARE_INVOKE
            figures = _figures(found[peer.name], None if is_bare else bare, None if is_bare else ours, worker.start_s)
        contenders.append(
            Contender(title=peer.title, settings=settings, figures=figures, missing=missing.get(peer.name))
        )
    return tuple(contenders)


@contextmanager
def package_folder() -> Iterator[Path]:
    """A folder that holds `edge` alone, as a link: a foreign environment may import it without this one's libraries."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "edge").symlink_to(Path(edge.__file__).parent, target_is_directory=True)
        yield Path(folder)


def speed_figures(rounds: Sequence[Round], start_s: float | None) -> dict[str, Figure]:
    """`label_us`, `label_wall_us`, `frames_per_s` and, where it is known, `start_s`, of a worker's rounds."""
    figures = {
        "label_us": Figure.of("processor time from a frame to its label", "us", [one.median_cpu_us for one in rounds]),
        "label_wall_us": Figure.of("time from a frame to its label", "us", [one.median_wall_us for one in rounds]),
        "frames_per_s": Figure.of(
            "frames one after another", "frames/s", [one.frames_per_s for one in rounds], better="higher"
        ),
    }
    if start_s is not None:
        figures["start_s"] = Figure.of("start of the process to its first label", "s", [start_s])
    return figures


def _figures(
    rounds: Sequence[Round], bare: Sequence[Round] | None, ours: Sequence[Round] | None, start_s: float | None
) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    if bare is not None:
        ratios = [one.median_cpu_us / other.median_cpu_us for one, other in zip(rounds, bare, strict=True)]
        title = "processor time from a frame to its label, over the bare invoke() of the same round"
        figures["label_ratio"] = Figure.of(title, "ratio", ratios)
    figures |= speed_figures(rounds, start_s)
    if ours is not None:
        shares = [
            sum(label == other for label, other in zip(one.labels, mine.labels, strict=True)) / len(mine.labels)
            for one, mine in zip(rounds, ours, strict=True)
        ]
        figures["agreement"] = Figure.of("labels equal to those of edge-sorter", "share", shares, better="higher")
    return figures


def _check_input(bundle: Bundle) -> None:
    spec = bundle.manifest.input.spec()
    if spec.dtype != "int8" or not np.array_equal(spec.quantization_table(), PIXEL_LESS_128):
        raise ConfigError(
            f"{bundle.folder}: the peers measure bundles whose input is the pixel less 128 in int8; choose such a one"
        )
