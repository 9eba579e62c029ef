"""The step that measures: a candidate, another bundle, or a float model alone."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convert.dataset import Split, check_data, class_root, load_split
from convert.provenance import (
    are_unseen,
    check_candidate,
    check_training,
    measured,
    read_step,
)
from convert.steps import Job, candidate_of, float_model_of, settings_of
from edge.bundle import load_bundle
from edge.errors import ConfigError

__all__ = ["run_evaluate"]

_log = logging.getLogger(__name__)


def run_evaluate(
    job: Job,
    bundle_folder: Path | None,
    *,
    has_corruptions: bool = True,
    is_float_only: bool = False,
    stranger_folders: Sequence[Path] = (),
) -> dict[str, Any]:
    """Measure a bundle, by default the candidate together with its float model.

    Args:
        bundle_folder: another bundle to measure, int8 only; nothing is written, `metrics.json` stays the candidate's.
        has_corruptions: measure by kind and severity of corruption as well, 45 inferences a test photograph.
        is_float_only: measure the float model of the work folder alone; there need be no candidate.
        stranger_folders: photographs of what is no waste, to be measured as well.
    Returns: all figures, ready for JSON.
    Raises: ConfigError if split, photographs, float model and candidate do not belong together.
    """
    if bundle_folder is not None and is_float_only:
        raise ConfigError("a bundle holds no float model; pass either --bundle or --float-only")
    if stranger_folders and is_float_only:
        raise ConfigError("a float model alone has no thresholds to reject strangers by; leave out --float-only")
    from convert.strangers import describe, find_strangers, measure_strangers

    strangers = find_strangers(stranger_folders)
    split = load_split(job.work.split)
    root = class_root(job.data)
    if is_float_only:
        return _evaluate_float(job, split, root)
    report: dict[str, Any] = {}
    if bundle_folder is None:
        report = read_step(job.work.training, "train")
        settings = settings_of(job.work, report)
        bundle = candidate_of(job.work)
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

    float_model = float_model_of(job.work) if bundle_folder is None else None
    is_unseen = are_unseen(bundle, split)
    if not is_unseen:
        _log.warning(
            "%s was not made from these photographs split with seed %d: it may have been trained on any of them",
            bundle.folder,
            split.seed,
        )
    # First, for a folder of them may turn out to be unreadable.
    shown = measure_strangers(strangers, bundle, settings.residue, settings.seed) if strangers else None
    if shown:
        job.say(f"strangers: {describe(shown)}")
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
    if shown:
        metrics["strangers"] = shown
    if bundle_folder is None:
        save_results(job.work, metrics, found)
    return metrics


def _evaluate_float(job: Job, split: Split, root: Path) -> dict[str, Any]:
    report = read_step(job.work.training, "train")
    settings = settings_of(job.work, report)
    check_training(job.work, split, report, root)
    float_model = float_model_of(job.work)
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
