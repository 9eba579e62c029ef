"""The steps from photographs to a bundle. Each reads what the step before left in the work folder."""

import importlib.util
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convert.dataset import RULE, Split, check_data, class_root, is_trashnet, load_split, make_split, save_split
from convert.files import write_text
from convert.provenance import (
    are_unseen,
    check_candidate,
    check_measured,
    check_training,
    measured,
    read_step,
    trained,
)
from convert.quiet import quiet
from convert.settings import Settings, Workspace, find_weights
from edge.bundle import Bundle, Thresholds, load_bundle
from edge.errors import ConfigError

__all__ = ["Job", "run_all", "run_evaluate", "run_package", "run_quantize", "run_split", "run_train"]

FIRST_CONFIDENCE, FIRST_MARGIN = 0.60, 0.20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Where a run reads and writes.

    Attributes:
        data: folder of the photographs, as the user named it.
        work: folder of intermediate files.
        settings: of the training.
        say: takes one line of progress.
        command: what the user typed, for the manifest; without paths of this machine.
    """

    data: Path
    work: Workspace
    settings: Settings
    say: Callable[[str], None]
    command: str


def run_split(job: Job) -> Split:
    """Find and split the photographs."""
    split = make_split(class_root(job.data), job.settings.seed)
    save_split(split, job.work.split)
    for part, counts in split.counts().items():
        numbers = ", ".join(f"{label} {count}" for label, count in counts.items())
        job.say(f"{part}: {sum(counts.values())} photographs ({numbers})")
    return split


def run_train(job: Job, weights: str | None) -> None:
    """Train the float model. `weights` as in `find_weights`."""
    found = find_weights(weights, job.data)
    split = load_split(job.work.split)
    job.settings.check_residue(split.labels)
    root = class_root(job.data)
    check_data(root, split)
    _need("keras", "tensorflow")
    from convert.train import train

    report = train(root, split, job.settings, found, job.work, job.say)
    record = {"command": job.command, **trained(job.work, split, found), **report}
    write_text(job.work.training, json.dumps(record, indent=1) + "\n")


def run_quantize(job: Job, name: str, version: str) -> Bundle:
    """Quantize and calibrate; writes the candidate bundle."""
    split, report = load_split(job.work.split), read_step(job.work.training, "train")
    settings = _settings_of(job.work, report)
    root = class_root(job.data)
    check_training(job.work, split, report, root)
    _need("keras", "tensorflow")
    from convert.package import Parts, candidate_parts, package_versions, write_bundle
    from convert.quantize import describe, is_wholly_delegated, load_float, quantize, representative_pictures

    float_model = load_float(job.work.float_model)
    model = describe(
        quantize(float_model, representative_pictures(job.data, split, settings)),
        name,
        version,
        split,
        settings,
    )
    if not is_wholly_delegated(model):
        _log.warning("XNNPACK does not take the whole graph: inference on a device will be slow")
    parts = Parts(
        name=name,
        version=version,
        labels=split.labels,
        model=model,
        temperature=1.0,
        thresholds=Thresholds(confidence=FIRST_CONFIDENCE, margin=FIRST_MARGIN),
        seed=settings.seed,
        data={
            "source": "TrashNet" if is_trashnet(root) else None,
            "photographs": split.counts(),
            "digest_sha256": split.digest,
            "split_seed": split.seed,
            "split_rule": RULE,
        },
        training={**report, "packages": package_versions(), "utc_date": datetime.now(UTC).date().isoformat()},
        metrics={},
    )
    bundle = write_bundle(job.work.candidate, parts, None)
    bundle = write_bundle(
        job.work.candidate, candidate_parts(bundle, **_calibrated(job, split, settings, bundle)), None
    )
    manifest = bundle.manifest
    job.say(
        f"int8 model: {len(bundle.model) / 1e6:.2f} MB, temperature {manifest.temperature}, confidence at least "
        f"{manifest.thresholds.confidence}, margin at least {manifest.thresholds.margin}"
    )
    return bundle


def _calibrated(job: Job, split: Split, settings: Settings, bundle: Bundle) -> dict[str, Any]:
    from convert.calibrate import negative_log_likelihood, route_thresholds, temperature
    from convert.evaluate import measure
    from convert.pictures import plain
    from convert.scores import softmax
    from edge.classify.tflite import TfliteClassifier

    classifier = TfliteClassifier(bundle, runtime="litert")
    found = measure(bundle, classifier, plain(class_root(job.data), split.part("val")), None)
    at = temperature(found.int8, found.targets)
    thresholds, effect = route_thresholds(softmax(found.int8, at), found.targets, split.labels, settings.residue)
    calibration = {
        "on": "validation photographs, int8",
        "n": len(found.targets),
        "nll_before": round(negative_log_likelihood(found.int8, found.targets, 1.0), 4),
        "nll_after": round(negative_log_likelihood(found.int8, found.targets, at), 4),
        **effect,
    }
    return {"temperature": at, "thresholds": thresholds, "metrics": {"calibration": calibration}}


def run_evaluate(job: Job, bundle_folder: Path | None) -> dict[str, Any]:
    """Measure a bundle, by default the candidate together with its float model.

    Args:
        bundle_folder: another bundle to measure, int8 only; `metrics.json` stays the candidate's.
    Raises: ConfigError if split, photographs, float model and candidate do not belong together.
    """
    split = load_split(job.work.split)
    root = class_root(job.data)
    if bundle_folder is None:
        report = read_step(job.work.training, "train")
        settings = _settings_of(job.work, report)
        bundle = _candidate(job.work)
        check_training(job.work, split, report, root)
        check_candidate(bundle, report)
    else:
        settings = job.settings
        bundle = load_bundle(bundle_folder)
        settings.check_residue(bundle.labels)
        check_data(root, split)
    if not set(split.labels) <= set(bundle.labels):
        raise ConfigError(
            f"the data has labels {', '.join(split.labels)}, the bundle {', '.join(bundle.labels)}; "
            "evaluate it on the data that it was made for"
        )
    from convert.evaluate import evaluate, markdown
    from convert.scenes import measure_scenes

    float_model = None
    if bundle_folder is None:
        _need("keras", "tensorflow")
        from convert.quantize import load_float

        float_model = load_float(job.work.float_model)
    is_unseen = are_unseen(bundle, split)
    if not is_unseen:
        _log.warning(
            "%s was not made from these photographs split with seed %d: it may have been trained on any of them",
            bundle.folder,
            split.seed,
        )
    metrics: dict[str, Any] = {"of": {**measured(bundle), "are_photographs_unseen": is_unseen}}
    metrics.update(evaluate(root, split, bundle, float_model, settings, job.say))
    scenes = measure_scenes(job.data / "scenes", split, bundle, settings.residue)
    if scenes:
        metrics["scenes"] = scenes
    for name, found in scenes.items():
        job.say(f"scene {name}: {found['all']}")
    if bundle_folder is None:
        write_text(job.work.metrics, json.dumps(metrics, indent=1) + "\n")
        write_text(job.work.metrics.with_suffix(".md"), markdown(metrics))
    return metrics


def run_package(job: Job, output: Path) -> Bundle:
    """Write the measured candidate as the bundle that ships, to the folder `output`."""
    from convert.card import card
    from convert.package import candidate_parts, write_bundle

    candidate = _candidate(job.work)
    metrics = read_step(job.work.metrics, "evaluate")
    check_measured(job.work, metrics, candidate)
    del metrics["of"]  # the manifest itself says of which model and calibration
    parts = candidate_parts(candidate, metrics={**candidate.manifest.metrics, **metrics})
    bundle = write_bundle(output, parts, card(parts))
    job.say(f"bundle {bundle.id.name} {bundle.id.version} written, SHA-256 {bundle.id.sha256[:12]}…")
    return bundle


def run_all(job: Job, output: Path, weights: str | None, name: str, version: str) -> Bundle:
    """Everything, from photographs to the bundle."""
    find_weights(weights, job.data)
    _need("keras", "tensorflow")
    run_split(job)
    run_train(job, weights)
    run_quantize(job, name, version)
    run_evaluate(job, None)
    return run_package(job, output)


def _need(*modules: str) -> None:
    """Import heavy packages without their chatter. Raises: ConfigError if one is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f"{module} is not installed in this environment; install the `convert` extra, or run `make model`"
            )
    with quiet():
        for module in modules:
            importlib.import_module(module)


def _candidate(work: Workspace) -> Bundle:
    if not work.candidate.is_dir():
        raise ConfigError(f"{work.candidate} is missing; run `edge-convert quantize` first")
    return load_bundle(work.candidate)


def _settings_of(work: Workspace, report: dict[str, Any]) -> Settings:
    known = {field.name for field in fields(Settings)}
    try:
        values = {name: value for name, value in report["settings"].items() if name in known}
        values["residue"] = tuple(values["residue"])
    except (KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{work.training} holds no settings ({exc!r}); run `edge-convert train` again") from exc
    return Settings(**values)
