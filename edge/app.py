"""The composition root: the one module that knows the concrete drivers."""

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
from edge.errors import ConfigError
from edge.gates.servo_flap import ServoFlap
from edge.ledger import SqliteLedger
from edge.machine import Rules
from edge.memory import release_file_pages, settle
from edge.paths import ledger_path, model_path, tuning_path
from edge.pins import open_factory
from edge.policy import VotePolicy
from edge.ports import Classifier, Source
from edge.presence.local_contrast import LocalContrastDetector
from edge.runtime import Parts, Runtime, Watcher
from edge.sensors.beam import BeamSensor
from edge.sources.replay import Pace, ReplaySource

__all__ = ["Session", "open_classifier", "open_session", "vote_policy"]

UNTESTED_FRAMES = 3
_log = logging.getLogger(__name__)
SOURCE_KINDS = "sim[:SEED], video:PATH, images:DIR or v4l2:DEVICE"


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
        bins=config.bins,
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
        bundle, classifier, tuning = _open_tuned(config, file)
        stack.callback(classifier.close)
        bundle = bundle.without_model()
        ledger = SqliteLedger(ledger_path(config))
        ledger.open()
        stack.callback(ledger.close)
        factory = open_factory(config.pins.factory)
        stack.callback(factory.close)
        gate = ServoFlap(config.gate, factory)
        stack.callback(gate.close)
        gate.open()
        sensor = BeamSensor(config.drop_sensor, factory) if config.drop_sensor.kind == "beam" else None
        if sensor is not None:
            stack.callback(sensor.close)
            sensor.open()
        release_file_pages()
        source, truth = _make_source(config, pace, gate)
        stack.callback(source.close)
        source.open()
        presence = LocalContrastDetector(config.presence)
        parts = Parts(source, presence, classifier, gate, sensor, ledger)
        rules = Rules(
            settle=config.settle,
            rearm=config.rearm,
            drop=config.drop_sensor,
            deadline_s=config.vote.deadline_s,
            policy=vote_policy(config, bundle),
            park_limit_s=_park_limit_s(config),
        )
        runtime = Runtime(parts, rules, _boot_body(config, classifier), watchers)
        settle()
        # Last, when the camera's thread and the pins' are there: threads that are made on one core stay on it.
        stack.enter_context(held_on(tuning.core))
        yield Session(runtime, parts, truth)


def _park_limit_s(config: Config) -> float:
    """Twice what the longest way home takes, and two seconds."""
    gate = config.gate
    ramp_s = (gate.max_angle_deg - gate.min_angle_deg) / gate.step_deg * gate.step_s
    return 2.0 * (ramp_s + gate.settle_s) + 2.0


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


def _make_source(config: Config, pace: Pace | None, gate: ServoFlap) -> tuple[Source, Any]:
    settings = config.source
    kind, _, argument = settings.spec.partition(":")
    if kind == "v4l2":
        from edge.sources.live import LiveSource
        from edge.sources.v4l2 import V4l2Camera

        if pace == "fast":
            raise ConfigError("--pace fast needs a recorded source; a camera runs in real time")
        device = Path(_required(argument, "v4l2:DEVICE"))
        camera = V4l2Camera(device, settings.width_px, settings.height_px, settings.fps)
        return LiveSource(
            camera,
            settings.spec,
            max_age_s=settings.max_age_s,
            frozen_s=settings.frozen_s,
            dark_level=config.presence.dark_level,
        ), None
    speed: Pace = pace or "realtime"
    if kind == "sim":
        from edge.sources.sim import Simulation

        simulation = Simulation(
            seed=_seed(argument),
            items=settings.sim_items,
            fps=settings.fps,
            width_px=settings.width_px,
            height_px=settings.height_px,
            open_to=lambda: gate.open_to,
        )
        return ReplaySource(simulation, speed), simulation
    if kind == "video":
        from edge.sources.video import VideoRecording

        return ReplaySource(VideoRecording(Path(_required(argument, "video:PATH"))), speed), None
    if kind == "images":
        from edge.sources.images import ImagesRecording

        folder = Path(_required(argument, "images:DIR"))
        pictures = ImagesRecording(folder, settings.width_px, settings.height_px, settings.fps, settings.image_s)
        return ReplaySource(pictures, speed), None
    raise ConfigError(f"source {settings.spec!r} is none of {SOURCE_KINDS}; check --source or source.spec")


def _required(argument: str, form: str) -> str:
    if not argument:
        raise ConfigError(f"source {form} needs what comes after the colon; check --source or source.spec")
    return argument


def _seed(argument: str) -> int:
    if not argument:
        return 1
    if not argument.isdecimal() or len(argument) > 18:
        raise ConfigError(f"sim:{argument} is no seed; give a whole number of at most 18 digits, such as sim:7")
    return int(argument)
