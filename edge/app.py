"""The composition root: opens what a run is made of, in order."""

import logging
import math
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

import edge
from edge.bundle import Bundle, load_bundle
from edge.classify.interpreters import RuntimeName, resolve_runtime
from edge.classify.tflite import TfliteClassifier
from edge.classify.tuning import DEFAULT, Tuning, held_on, measure, recall, remember, usable_cores
from edge.config import Config
from edge.configfile import check_labels, check_model_path
from edge.drivers import open_hardware, open_source
from edge.ledger import SqliteLedger
from edge.machine import Rules
from edge.memory import release_file_pages, settle
from edge.paths import ledger_path, model_path, tuning_path
from edge.policy import VotePolicy
from edge.ports import Classifier
from edge.runtime import Parts, Runtime, Watcher
from edge.sources.replay import Pace

__all__ = ["Session", "open_classifier", "open_session", "vote_policy"]

UNTESTED_FRAMES = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that is open during a run."""

    runtime: Runtime
    parts: Parts
    truth: Any
    """`sources.sim.Simulation`, which knows what it showed; None for every other source."""


def open_classifier(config: Config, file: Path | None = None) -> tuple[Bundle, TfliteClassifier]:
    """Load, check and warm the model; the routes must fit its labels.

    Threads that the config leaves open are those that a run found out before; one, as long as none has.

    Args:
        file: where the configuration was read, for errors.
    Raises: BundleError, ConfigError.
    """
    bundle = _open_bundle(config, file)
    runtime = resolve_runtime(config.model.runtime)
    threads = config.model.threads or (recall(tuning_path(), runtime, bundle.id.sha256) or DEFAULT).threads
    return bundle, TfliteClassifier(bundle, runtime, threads)


def _open_tuned(config: Config, file: Path | None) -> tuple[Bundle, TfliteClassifier, Tuning]:
    """As `open_classifier`; what is not known of this machine is measured, and remembered."""
    bundle = _open_bundle(config, file)
    runtime = resolve_runtime(config.model.runtime)
    if config.model.threads is not None:
        tuning = Tuning(config.model.threads, None, {})
    else:
        tuning = recall(tuning_path(), runtime, bundle.id.sha256) or _tune(runtime, bundle)
    return bundle, TfliteClassifier(bundle, runtime, tuning.threads), tuning


def _tune(runtime: RuntimeName, bundle: Bundle) -> Tuning:
    tuning = measure(runtime, bundle.model, usable_cores())
    try:
        remember(tuning_path(), runtime, bundle.id.sha256, tuning)
    except OSError as exc:
        _log.warning(
            "cannot remember in %s how many threads are best (%s); it is measured at every start unless model.threads "
            "is set",
            tuning_path(),
            exc.strerror,
        )
    return tuning


def _open_bundle(config: Config, file: Path | None) -> Bundle:
    # The pictures are small: OpenCV's own threads would cost more than they bring.
    cv2.setNumThreads(1)
    check_model_path(config, file)
    bundle = load_bundle(model_path(config))
    check_labels(config, bundle.labels, file)
    return bundle


def vote_policy(config: Config, bundle: Bundle) -> VotePolicy:
    """The config's voting rules; thresholds it leaves open are the bundle's calibrated ones."""
    vote, calibrated = config.vote, bundle.manifest.thresholds
    min_energy = calibrated.energy if vote.min_energy is None else vote.min_energy
    frames = calibrated.frames
    return VotePolicy(
        routes=config.routes,
        bins=config.bin_names,
        uncertain_route=config.uncertain_route,
        max_frames=vote.max_frames,
        # Without a test that two are enough, three must agree, as before there was one.
        min_frames=vote.min_frames
        if frames is not None
        else min(vote.max_frames, max(vote.min_frames, UNTESTED_FRAMES)),
        agreement=vote.agreement,
        min_confidence=calibrated.confidence if vote.min_confidence is None else vote.min_confidence,
        min_margin=calibrated.margin if vote.min_margin is None else vote.min_margin,
        min_energy=-math.inf if min_energy is None else min_energy,
        noise=None if frames is None else frames.noise(),
    )


@contextmanager
def open_session(
    config: Config, pace: Pace | None, watchers: Sequence[Watcher], file: Path | None = None
) -> Iterator[Session]:
    """Open everything a run needs, in order; close it in reverse, even half-built.

    Args:
        pace: None takes `realtime`; only a replayed source has another.
        file: where the configuration was read, for errors.
    Raises: any SorterError, before anything has moved.
    """
    with ExitStack() as stack:
        # Before the model, and before the source, bring their own libraries and buffers: the peak is lower by what was
        # read only to start.
        release_file_pages()
        ledger = SqliteLedger(ledger_path(config))
        ledger.open()
        stack.callback(ledger.close)
        # Soon, since a run that was killed may have left a motor on: claiming its pin takes the power off.
        hardware = stack.enter_context(open_hardware(config, file))
        bundle, classifier, tuning = _open_tuned(config, file)
        stack.callback(classifier.close)
        bundle = bundle.without_model()
        release_file_pages()
        source, truth = stack.enter_context(open_source(config, pace, lambda: hardware.gate.open_to))
        parts = Parts(
            source, hardware.presence, classifier, hardware.gate, hardware.drop_sensor, ledger, hardware.panel
        )
        rules = Rules(
            settle=config.settle,
            rearm=config.rearm,
            drop=config.drop_sensor,
            deadline_s=config.vote.deadline_s,
            policy=vote_policy(config, bundle),
            park_limit_s=config.gate.park_limit_s,
            is_paused_when_full=config.bins.when_full == "pause",
        )
        runtime = Runtime(parts, rules, _boot_body(config, classifier), watchers)
        settle()
        # Last, when the camera's thread and the pins' are there: threads that are made on one core stay on it.
        stack.enter_context(held_on(tuning.core))
        yield Session(runtime, parts, truth)


def _boot_body(config: Config, classifier: Classifier) -> dict[str, Any]:
    model = classifier.model
    return {
        "version": edge.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "source": config.source.spec,
        "pins": config.pins.factory,
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
    }
