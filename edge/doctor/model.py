"""The model: the library that runs it, its delegate, the bundle and its golden images."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from edge.bundle import Bundle, load_bundle
from edge.classify.interpreters import RuntimeName, resolve_runtime
from edge.classify.tflite import TfliteClassifier
from edge.classify.tuning import DEFAULT, recall
from edge.config import Config
from edge.configfile import check_labels, check_model_path
from edge.doctor.findings import Finding, blocker, note, ok, refused, warning
from edge.doctor.machine import Machine
from edge.doctor.overheard import overheard
from edge.errors import SorterError
from edge.paths import model_path, tuning_path

__all__ = ["check_model"]

INFERENCES = 5
UNTESTED_FRAMES = 3
"""Frames that must agree for a bundle that knows no noise of frames, see `vote.min_frames`."""


def check_model(machine: Machine, config: Config, file: Path | None) -> Iterator[Finding]:
    """Args: file: where the configuration was read, for errors."""
    with overheard("edge.classify"):
        yield from _check_model(machine, config, file)


def _check_model(machine: Machine, config: Config, file: Path | None) -> Iterator[Finding]:
    try:
        runtime = resolve_runtime(config.model.runtime)
    except SorterError as exc:
        yield refused("model.runtime", exc)
        return
    try:
        check_model_path(config, file)
        bundle = load_bundle(model_path(config))
        check_labels(config, bundle.labels, file)
    except SorterError as exc:
        yield refused("model.bundle", exc)
        return
    yield ok("model.bundle", f"{bundle.id.name} {bundle.id.version}: its hash and {len(bundle.labels)} labels hold")
    known = recall(tuning_path(), runtime, bundle.id.sha256)
    threads = config.model.threads or (known or DEFAULT).threads
    try:
        classifier = TfliteClassifier(bundle, runtime, threads)
    except SorterError as exc:
        yield refused("model.golden", exc)
        return
    except Exception as exc:  # a native library that does not fit this processor or system raises anything
        yield blocker("model.runtime", f"{runtime} cannot be loaded ({exc})", "install it again in this environment")
        return
    yield _runtime(runtime, classifier.is_delegated)
    yield ok(
        "model.golden", f"all {len(bundle.manifest.golden)} golden images give the outputs that the bundle promises"
    )
    yield _threads(config, known is not None)
    yield _pace(machine, config, bundle, classifier, threads)
    classifier.close()


def _runtime(runtime: RuntimeName, is_delegated: bool) -> Finding:
    if is_delegated:
        return ok("model.runtime", f"{runtime}, XNNPACK takes the graph")
    return warning(
        "model.runtime",
        f"{runtime}, no delegate takes the graph: inference is many times slower",
        "install ai-edge-litert, which has XNNPACK, on a 64-bit system (docs/runtimes.md)",
    )


def _threads(config: Config, is_known: bool) -> Finding:
    if config.model.threads is not None:
        return ok("model.threads", f"model.threads is {config.model.threads}")
    if is_known:
        return ok("model.threads", "how many threads are best is known for this machine")
    return note("model.threads", "how many threads are best is not known yet: the first run measures it, in 3 s")


def _pace(machine: Machine, config: Config, bundle: Bundle, classifier: TfliteClassifier, threads: int) -> Finding:
    took_ms: list[float] = []
    for _ in range(INFERENCES):
        start_s = machine.clock_s()
        classifier.invoke()
        took_ms.append(1e3 * (machine.clock_s() - start_s))
    inference_ms = statistics.median(took_ms)
    plural = "" if threads == 1 else "s"
    found = f"an inference takes {inference_ms:.1f} ms with {threads} thread{plural}"
    is_tested = bundle.manifest.thresholds.frames is not None
    frames = config.vote.min_frames if is_tested else max(config.vote.min_frames, UNTESTED_FRAMES)
    if frames * inference_ms > 1e3 * config.vote.deadline_s:
        return warning(
            "model.pace",
            f"{found}: {frames} frames do not fit into vote.deadline_s ({config.vote.deadline_s:g} s)",
            "take a smaller model or a faster board, or raise vote.deadline_s",
        )
    return ok("model.pace", found)
