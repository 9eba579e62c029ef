"""The steps from photographs to a bundle. Each reads what the step before left in the work folder."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convert.dataset import RULE, Split, class_root, load_split, make_split, save_split
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
    _need("keras", "tensorflow")
    from convert.train import train

    report = train(class_root(job.data), split, job.settings, found, job.work, job.say)
    job.work.training.write_text(json.dumps({"command": job.command, **report}, indent=1) + "\n", encoding="utf-8")


def run_quantize(job: Job, name: str, version: str) -> Bundle:
    """Quantize and calibrate; writes the candidate bundle."""
    split, report = load_split(job.work.split), _read(job.work.training, "train")
    settings = _settings_of(report)
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
        bundle_folder: another bundle to measure, int8 only.
    """
    split = load_split(job.work.split)
    bundle = load_bundle(bundle_folder or job.work.candidate)
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
    settings = job.settings if bundle_folder else _settings_of(_read(job.work.training, "train"))
    root = class_root(job.data)
    metrics = evaluate(root, split, bundle, float_model, settings, job.say)
    scenes = measure_scenes(job.data / "scenes", split, bundle, settings.residue)
    if scenes:
        metrics["scenes"] = scenes
    for name, found in scenes.items():
        job.say(f"scene {name}: {found['all']}")
    job.work.metrics.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    job.work.metrics.with_suffix(".md").write_text(markdown(metrics), encoding="utf-8")
    return metrics


def run_package(job: Job, output: Path) -> Bundle:
    """Write the measured candidate as the bundle that ships, to the folder `output`."""
    from convert.card import card
    from convert.package import candidate_parts, write_bundle

    candidate = load_bundle(job.work.candidate)
    metrics = {**candidate.manifest.metrics, **_read(job.work.metrics, "evaluate")}
    parts = candidate_parts(candidate, metrics=metrics)
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
    """Raises: ConfigError if a heavy package is missing."""
    import importlib.util

    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f"{module} is not installed in this environment; install the `convert` extra, or run `make model`"
            )


def _read(path: Path, step: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; run `edge-convert {step}` first") from None
    except ValueError as exc:
        raise ConfigError(f"{path} is no JSON ({exc}); run `edge-convert {step}` again") from exc
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no object; run `edge-convert {step}` again")
    return content


def _settings_of(report: dict[str, Any]) -> Settings:
    known = {field.name for field in fields(Settings)}
    values = {name: value for name, value in report["settings"].items() if name in known}
    values["residue"] = tuple(values["residue"])
    return Settings(**values)
