"""The classifier of a configuration, opened and checked against its routes, and how its votes are weighed."""

import logging
import math
from pathlib import Path

import cv2

from edge.bundle import Bundle, load_bundle
from edge.classify.interpreters import RuntimeName, resolve_runtime
from edge.classify.tflite import TfliteClassifier
from edge.classify.tuning import DEFAULT, Tuning, measure, recall, remember, usable_cores
from edge.config import Config
from edge.configfile import check_labels, check_model_path
from edge.paths import model_path, tuning_path
from edge.policy import VotePolicy

__all__ = ["check_bundle", "open_classifier", "open_tuned", "vote_policy"]

UNTESTED_FRAMES = 3
_log = logging.getLogger(__name__)


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


def open_tuned(config: Config, file: Path | None) -> tuple[Bundle, TfliteClassifier, Tuning]:
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


def check_bundle(config: Config, file: Path | None = None) -> None:
    """Check a configuration's model and routes, with the files of the model. Raises: BundleError, ConfigError."""
    _open_bundle(config, file)
