"""The steps from photographs to a bundle. Each reads what the step before left in the work folder."""

import importlib.util
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convert.choices import Format
from convert.dataset import Split, check_data, class_root, is_trashnet, load_split, make_split, save_split
from convert.dealing import SHARES, Part
from convert.files import write_text
from convert.provenance import (
    are_unseen,
    check_candidate,
    check_measured,
    check_training,
    inherited_weights,
    measured,
    read_step,
    trained,
)
from convert.quiet import quiet
from convert.recipe import Recipe, changed, load_recipe
from convert.risk import RiskTarget
from convert.settings import Settings, Workspace, find_weights
from convert.split_report import split_report
from edge.bundle import Bundle, Thresholds, load_bundle
from edge.errors import ConfigError

__all__ = [
    "Job",
    "run_all",
    "run_evaluate",
    "run_export",
    "run_package",
    "run_quantize",
    "run_soup",
    "run_split",
    "run_train",
    "run_variants",
]

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
        risk: how clean the recyclable bin shall be.
        recipe: of the training; None for the default one.
    """

    data: Path
    work: Workspace
    settings: Settings
    say: Callable[[str], None]
    command: str
    risk: RiskTarget = field(default_factory=RiskTarget)
    recipe: Recipe | None = None


def run_split(job: Job, shares: Mapping[Part, float] = SHARES) -> Split:
    """Find and split the photographs. `shares` as in `make_split`."""
    split = make_split(class_root(job.data), job.settings.seed, shares)
    save_split(split, job.work.split)
    write_text(job.work.split.with_suffix(".md"), split_report(split))
    for part, counts in split.counts().items():
        numbers = ", ".join(f"{label} {count}" for label, count in counts.items())
        job.say(f"{part}: {sum(counts.values())} photographs ({numbers})")
    return split


def run_train(job: Job, weights: str | None, *, restarts: bool = False, keeps_cache: bool = False) -> None:
    """Train the float model, or go on with a training that was interrupted.

    Args:
        weights: as in `find_weights`.
        restarts: begin anew in any case.
        keeps_cache: leave the drawn pictures in the work folder.
    """
    recipe = job.recipe or load_recipe()
    found = _first_weights(job, weights)
    split = load_split(job.work.split)
    job.settings.check_residue(split.labels)
    root = class_root(job.data)
    check_data(root, split)
    _need("keras", os.environ.get("KERAS_BACKEND", "tensorflow"))
    from convert.train import forget_training, train

    inherited = inherited_weights(recipe.origin)
    residue = job.settings.residue
    report = train(root, split, recipe, found, job.work, job.say, residue=residue, restarts=restarts)
    record = {"command": job.command, **trained(job.work, split, found, inherited), **report}
    write_text(job.work.training, json.dumps(record, indent=1) + "\n")
    forget_training(job.work, split, recipe, keeps_cache=keeps_cache)


def _first_weights(job: Job, weights: str | None) -> str | None:
    """As `find_weights`; None where the recipe starts from a model of ours. Raises: ConfigError if both are given."""
    recipe = job.recipe or load_recipe()
    if recipe.origin is None:
        return find_weights(weights, job.data, recipe.network.family)
    if weights is not None:
        raise ConfigError(f"recipe {recipe.name} starts from {recipe.origin}; leave --weights out")
    if not recipe.origin.is_file():
        raise ConfigError(f"{recipe.origin} is missing; train it first: recipe {recipe.name} starts from it")
    return None


def run_soup(job: Job, folders: Sequence[Path]) -> None:
    """Average finished trainings into the work folder; see `soup.stir`."""
    first = Workspace(folders[0])
    report = read_step(first.training, "train")
    split = load_split(first.split)
    root = class_root(job.data)
    check_data(root, split)
    _need("keras", "tensorflow")
    from convert.soup import stir

    for name in (job.work.split, job.work.split.with_suffix(".md")):
        write_text(name, first.split.with_suffix(name.suffix).read_text(encoding="utf-8"))
    members = stir(folders, job.work, root, split, _settings_of(first, report), job.say)
    started = {name: report.get(name) for name in ("weights", "teacher_sha256", "start_sha256")}
    record = {**report, "command": job.command, **trained(job.work, split, None), **started, "members": members}
    record["train_s"] = sum(int(member["train_s"] or 0) for member in members)
    write_text(job.work.training, json.dumps(record, indent=1) + "\n")


def run_quantize(job: Job, name: str, version: str, qat: str = "auto", *, allow_undelegated: bool = False) -> Bundle:
    """Quantize and calibrate; writes the candidate bundle, other number formats and the account of the loss.

    Args:
        qat, allow_undelegated: as in `convert.quantization.best_int8`.
    """
    split, report = load_split(job.work.split), read_step(job.work.training, "train")
    settings = _settings_of(job.work, report)
    root = class_root(job.data)
    check_training(job.work, split, report, root)
    _need("keras", "tensorflow")
    from convert.package import Parts, candidate_parts, package_versions, write_bundle
    from convert.quantization import best_int8, write_account
    from convert.quantize import describe, load_float

    float_model = load_float(job.work.float_model)
    chosen = best_int8(float_model, job.data, split, settings, qat, job.say, allow_undelegated=allow_undelegated)
    write_account(chosen, float_model, split, settings, job.work.folder, job.say)
    model = describe(chosen.model, name, version, split, settings)
    report["quantization"] = chosen.record
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
            "split_rule": split.rule,
        },
        training={**report, "packages": package_versions(), "utc_date": datetime.now(UTC).date().isoformat()},
        metrics={},
    )
    # Calibrated elsewhere, so that a stop leaves no candidate whose thresholds mean nothing.
    with tempfile.TemporaryDirectory() as elsewhere:
        draft = write_bundle(Path(elsewhere) / name, parts, None)
        calibrated = candidate_parts(draft, **_calibrated(job, split, settings, draft))
    bundle = write_bundle(job.work.candidate, calibrated, None)
    manifest = bundle.manifest
    job.say(
        f"int8 model: {len(bundle.model) / 1e6:.2f} MB, temperature {manifest.temperature}, confidence at least "
        f"{manifest.thresholds.confidence}, margin at least {manifest.thresholds.margin}"
    )
    return bundle


def _calibrated(job: Job, split: Split, settings: Settings, bundle: Bundle) -> dict[str, Any]:
    from convert.calibrate import calibrate, describe
    from convert.evidence import collect

    evidence = collect(class_root(job.data), split, settings, bundle)
    at, thresholds, report = calibrate(evidence, split.labels, settings.residue, job.risk)
    job.say(describe(report))
    return {"temperature": at, "thresholds": thresholds, "metrics": {"calibration": report}}


def run_evaluate(
    job: Job, bundle_folder: Path | None, *, has_corruptions: bool = True, is_float_only: bool = False
) -> dict[str, Any]:
    """Measure a bundle, by default the candidate together with its float model.

    Args:
        bundle_folder: another bundle to measure, int8 only; nothing is written, `metrics.json` stays the candidate's.
        has_corruptions: measure by kind and severity of corruption as well, 45 inferences a test photograph.
        is_float_only: measure the float model of the work folder alone; there need be no candidate.
    Raises: ConfigError if split, photographs, float model and candidate do not belong together.
    """
    if bundle_folder is not None and is_float_only:
        raise ConfigError("a bundle holds no float model; pass either --bundle or --float-only")
    split = load_split(job.work.split)
    root = class_root(job.data)
    if is_float_only:
        return _evaluate_float(job, split, root)
    report: dict[str, Any] = {}
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
    from convert.evaluate import evaluate
    from convert.report import recipe_name
    from convert.results import save_results
    from convert.robustness import robustness
    from convert.scenes import measure_scenes

    float_model = _float_model(job.work) if bundle_folder is None else None
    is_unseen = are_unseen(bundle, split)
    if not is_unseen:
        _log.warning(
            "%s was not made from these photographs split with seed %d: it may have been trained on any of them",
            bundle.folder,
            split.seed,
        )
    found = evaluate(root, split, bundle, float_model, settings, job.say)
    metrics: dict[str, Any] = {
        "of": {
            "name": bundle.id.name,
            "recipe": recipe_name(report),
            **measured(bundle),
            "are_photographs_unseen": is_unseen,
            "data_digest_sha256": split.digest,
            "split_seed": split.seed,
        },
        **found.metrics,
    }
    if has_corruptions:
        metrics["corruptions"] = robustness(root, split.part("test"), bundle, settings.residue, settings.seed, job.say)
    scenes = measure_scenes(job.data / "scenes", split, bundle, settings.residue)
    if scenes:
        metrics["scenes"] = scenes
    for name, scene in scenes.items():
        job.say(f"scene {name}: {scene['all']}")
    if bundle_folder is None:
        save_results(job.work, metrics, found)
    return metrics


def _evaluate_float(job: Job, split: Split, root: Path) -> dict[str, Any]:
    report = read_step(job.work.training, "train")
    settings = _settings_of(job.work, report)
    check_training(job.work, split, report, root)
    float_model = _float_model(job.work)
    from convert.evaluate import evaluate_float
    from convert.report import recipe_name
    from convert.results import save_results

    found = evaluate_float(root, split, float_model, settings, job.say)
    of = {
        "recipe": recipe_name(report),
        "float_sha256": report["float_sha256"],
        "are_photographs_unseen": True,
        "data_digest_sha256": split.digest,
        "split_seed": split.seed,
    }
    metrics = {"of": of, **found.metrics}
    save_results(job.work, metrics, found)
    return metrics


def _float_model(work: Workspace) -> Any:
    _need("keras", "tensorflow")
    from convert.quantize import load_float

    return load_float(work.float_model)


def run_package(job: Job, output: Path) -> Bundle:
    """Write the measured candidate as the bundle that ships, to the folder `output`."""
    from convert.card import card
    from convert.package import candidate_parts, write_bundle
    from convert.results import brief

    candidate = _candidate(job.work)
    metrics = read_step(job.work.metrics, "evaluate")
    check_measured(job.work, metrics, candidate)
    del metrics["of"]  # the manifest itself says of which model and calibration
    parts = candidate_parts(candidate, metrics={**candidate.manifest.metrics, **metrics})
    bundle = write_bundle(output, replace(parts, metrics=brief(parts.metrics)), card(parts))
    job.say(f"bundle {bundle.id.name} {bundle.id.version} written, SHA-256 {bundle.id.sha256[:12]}…")
    return bundle


def run_variants(job: Job, sizes: Sequence[tuple[float, int]]) -> str:
    """Compare widths and input sizes; see `variants.measure_variants`.

    Returns: the table, which is also left in the work folder.
    Raises: ConfigError if the larger model that they start from is not there.
    """
    recipe = job.recipe or load_recipe("variants")
    if recipe.origin is None:
        recipe = changed(recipe, [f"start={job.work.float_model}"])
    _first_weights(replace(job, recipe=recipe), None)
    split = load_split(job.work.split)
    job.settings.check_residue(split.labels)
    check_data(class_root(job.data), split)
    _need("keras", "tensorflow")
    from convert.variants import as_json, markdown, measure_variants

    folder = job.work.folder / "sizes"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "split.json", job.work.split.read_text(encoding="utf-8"))
    rows = measure_variants(job.data, split, recipe, sizes, folder, job.say, job.settings.residue)
    n = len(split.part("val"))
    table = markdown(rows, n)
    write_text(folder / "variants.json", json.dumps({"command": job.command, **as_json(rows, n)}, indent=1) + "\n")
    write_text(folder / "variants.md", table)
    return table


def run_export(job: Job, format_: Format, output: Path, converter: Path | None) -> None:
    """Write the float model for other tools, to the folder `output`; see `exports.export`."""
    from convert.exports import export, find_source, find_tfjs_converter

    source = find_source(job.work, job.command)
    program = find_tfjs_converter(converter) if format_ is Format.TFJS else None
    _need("keras", "tensorflow")
    export(source, format_, output, program, job.say)


def run_all(
    job: Job,
    output: Path,
    weights: str | None,
    name: str,
    version: str,
    qat: str = "auto",
    *,
    allow_undelegated: bool = False,
    restarts: bool = False,
    keeps_cache: bool = False,
) -> Bundle:
    """Everything, from photographs to the bundle."""
    _first_weights(job, weights)
    _need("keras", "tensorflow")
    run_split(job)
    run_train(job, weights, restarts=restarts, keeps_cache=keeps_cache)
    run_quantize(job, name, version, qat, allow_undelegated=allow_undelegated)
    run_evaluate(job, None)
    return run_package(job, output)


def _need(*modules: str) -> None:
    """Import heavy packages without their chatter. Raises: ConfigError if one is missing."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if "tensorflow" in modules and backend != "tensorflow":
        raise ConfigError(f"KERAS_BACKEND is {backend}, but only `train` works with it; conversion needs tensorflow")
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f"{module} is not installed in this environment; run `make setup-convert`, then "
                "`. .venv-convert/bin/activate`"
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
