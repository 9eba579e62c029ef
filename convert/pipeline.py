"""The steps from photographs to a bundle. Each reads what the step before left in the work folder."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convert.choices import Format
from convert.dataset import (
    Split,
    check_data,
    class_folders,
    class_root,
    is_trashnet,
    load_split,
    make_split,
    save_split,
)
from convert.dealing import SHARES, Part
from convert.files import replacing, sha256_of, write_text
from convert.measure import run_evaluate
from convert.provenance import (
    check_measured,
    check_training,
    inherited_weights,
    read_step,
    started,
    trained,
)
from convert.recipe import Recipe, load_recipe
from convert.settings import Settings, Workspace
from convert.split_report import split_report
from convert.steps import Job, candidate_of, first_weights, need, settings_of
from edge.bundle import Bundle, Thresholds
from edge.errors import ConfigError

__all__ = [
    "run_all",
    "run_export",
    "run_package",
    "run_quantize",
    "run_soup",
    "run_split",
    "run_train",
    "run_variants",
]

FIRST_CONFIDENCE, FIRST_MARGIN = 0.60, 0.20


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
    """Train the float model, or go on with a training that was interrupted; one that is finished is not repeated.

    Args:
        weights: as in `find_weights`.
        restarts: begin anew in any case.
        keeps_cache: leave the drawn pictures in the work folder.
    """
    recipe = job.recipe or load_recipe()
    found = first_weights(job, weights)
    split = load_split(job.work.split)
    job.settings.check_residue(split.labels)
    root = class_root(job.data)
    check_data(root, split)
    need("keras", os.environ.get("KERAS_BACKEND", "tensorflow"))
    from convert.train import forget_training, train, training_key

    key = training_key(split, recipe, found)
    if not restarts and _is_trained(job, split, key):
        job.say(f"{job.work.float_model} is trained by this recipe on these photographs; --restart trains it anew")
        return
    if not restarts:
        _refuse_other(job.work, recipe)
    origin = started(job.work, split, found, inherited_weights(recipe.origin))
    residue = job.settings.residue
    report = train(root, split, recipe, found, job.work, job.say, residue=residue, restarts=restarts)
    after = {"float_sha256": sha256_of(job.work.float_model), "key": key}
    record = {"command": job.command, **origin, **after, **report}
    write_text(job.work.training, json.dumps(record, indent=1) + "\n")
    forget_training(job.work, split, recipe, keeps_cache=keeps_cache)


def _is_trained(job: Job, split: Split, key: str) -> bool:
    """True if the work folder holds the finished float model of this very training, by its `training_key`."""
    if not job.work.training.is_file():
        return False
    from convert.checkpoint import load_progress

    if load_progress(job.work.checkpoint, key) is not None:
        return False  # it is being trained again
    try:
        report = read_step(job.work.training, "train")
        check_training(job.work, split, report, class_root(job.data))
    except ConfigError:
        return False
    return report.get("key") == key and report["settings"]["residue"] == list(job.settings.residue)


def _refuse_other(work: Workspace, recipe: Recipe) -> None:
    """Raises: ConfigError if the work folder holds hours of another recipe, which would be lost."""
    from convert.checkpoint import recipe_of

    unfinished = recipe_of(work.checkpoint)
    if unfinished is not None and not recipe.is_recorded_as(unfinished):
        raise ConfigError(
            f"{work.folder} holds an unfinished training of {_called(unfinished, recipe)}; finish it, pass another "
            "--work, or give it up with --restart"
        )
    try:
        finished = read_step(work.training, "train").get("recipe")
    except ConfigError:
        return
    if unfinished is None and finished is not None and not recipe.is_recorded_as(finished):
        raise ConfigError(
            f"{work.folder} holds the finished training of {_called(finished, recipe)}; pass another --work, or "
            "replace it with --restart"
        )


def _called(record: Any, recipe: Recipe) -> str:
    name = record.get("name") if isinstance(record, dict) else None
    return f"recipe {name} with other values" if name == recipe.name else f"recipe {name or 'unknown'}"


def run_soup(job: Job, folders: Sequence[Path]) -> None:
    """Average finished trainings into the work folder; see `soup.stir`."""
    first = Workspace(folders[0])
    if job.work.folder.resolve() in {folder.resolve() for folder in folders}:
        raise ConfigError(f"--work {job.work.folder} holds one of the trainings; pass another folder for their mean")
    report = read_step(first.training, "train")
    split = load_split(first.split)
    root = class_root(job.data)
    check_data(root, split)
    need("keras", "tensorflow")
    from convert.soup import stir

    mean, members = stir(folders, root, split, settings_of(first, report), job.say)
    # The record of an earlier training goes first: stopped half-way, the folder lacks it and says nothing wrong.
    job.work.training.unlink(missing_ok=True)
    with replacing(job.work.float_model) as partial:
        mean.save(partial)
    for name in (first.split, first.split.with_suffix(".md")):
        if name.is_file():
            write_text(job.work.folder / name.name, name.read_text(encoding="utf-8"))
    began = {name: report.get(name) for name in ("weights", "teacher_sha256", "start_sha256")}
    # The mean is no training of its own: what the members went through stands with each of them.
    report = {name: value for name, value in report.items() if name not in ("key", "history", "gaps")}
    record = {**report, "command": job.command, **trained(job.work, split, None), **began, "members": members}
    record["train_s"] = sum(int(member["train_s"] or 0) for member in members)
    write_text(job.work.training, json.dumps(record, indent=1) + "\n")


def run_quantize(job: Job, name: str, version: str, qat: str = "auto", *, allow_undelegated: bool = False) -> Bundle:
    """Quantize and calibrate; writes the candidate bundle, other number formats and the account of the loss.

    Args:
        qat, allow_undelegated: as in `convert.quantization.best_int8`.
    """
    split, report = load_split(job.work.split), read_step(job.work.training, "train")
    settings = settings_of(job.work, report)
    root = class_root(job.data)
    check_training(job.work, split, report, root)
    need("keras", "tensorflow")
    from convert.package import Parts, candidate_parts, package_versions, write_bundle
    from convert.quantization import account_of, best_int8, write_account
    from convert.quantize import describe, load_float

    float_model = load_float(job.work.float_model)
    chosen = best_int8(float_model, job.data, split, settings, qat, job.say, allow_undelegated=allow_undelegated)
    account = account_of(chosen, float_model, split, settings, job.say)
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
    # Both in the end, when nothing that takes long can be stopped any more; the account says of which candidate it is.
    bundle = write_bundle(job.work.candidate, calibrated, None, "--work")
    write_account(account, job.work.folder, bundle.id.sha256)
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


def run_package(job: Job, output: Path) -> Bundle:
    """Write the measured candidate as the bundle that ships, to the folder `output`."""
    from convert.card import card
    from convert.package import candidate_parts, write_bundle
    from convert.results import brief

    candidate = candidate_of(job.work)
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
        recipe = Recipe.model_validate({**recipe.model_dump(mode="json"), "start": str(job.work.float_model)})
    first_weights(replace(job, recipe=recipe), None)
    split = load_split(job.work.split)
    job.settings.check_residue(split.labels)
    check_data(class_root(job.data), split)
    need("keras", "tensorflow")
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
    need("keras", "tensorflow")
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
    shares: Mapping[Part, float] = SHARES,
    restarts: bool = False,
    keeps_cache: bool = False,
) -> Bundle:
    """Everything, from photographs to the bundle; a training that is finished is not begun again."""
    class_folders(class_root(job.data))
    first_weights(job, weights)  # before the split is written
    need("keras", "tensorflow")
    if not restarts:
        _refuse_other(job.work, job.recipe or load_recipe())  # before its split is replaced
    run_split(job, shares)
    run_train(job, weights, restarts=restarts, keeps_cache=keeps_cache)
    run_quantize(job, name, version, qat, allow_undelegated=allow_undelegated)
    run_evaluate(job, None)
    return run_package(job, output)
