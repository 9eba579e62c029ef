"""Which split, photographs, weights and model belong together, and the refusal of those that do not."""

import json
from pathlib import Path
from typing import Any

from convert.dataset import Split, check_data
from convert.files import sha256_of
from convert.settings import Workspace
from edge.bundle import Bundle
from edge.errors import ConfigError

__all__ = [
    "are_unseen",
    "check_candidate",
    "check_float",
    "check_measured",
    "check_training",
    "inherited_weights",
    "measured",
    "read_step",
    "started",
    "trained",
    "trainings_in",
]


def inherited_weights(origin: Path | None) -> Any:
    """The record of the weights that a model of ours had started from: they are in what starts from it, too."""
    return None if origin is None else read_step(origin.with_name("training.json"), "train").get("weights")


def trained(work: Workspace, split: Split, weights: str | None, inherited: Any = None) -> dict[str, Any]:
    """What a training started from and what it left, for `training.json`; arguments as in `started`."""
    return {**started(work, split, weights, inherited), "float_sha256": sha256_of(work.float_model)}


def started(work: Workspace, split: Split, weights: str | None, inherited: Any = None) -> dict[str, Any]:
    """What a training starts from. To be taken before it, for the files may be others when it ends.

    Args:
        weights: as `find_weights` found them: a path, "imagenet" (what Keras fetched is not hashed) or None.
        inherited: see `inherited_weights`, where it started from a model of ours instead.
    """
    is_file = weights is not None and Path(weights).is_file()
    return {
        "split_seed": split.seed,
        "split_sha256": sha256_of(work.split),
        "data_digest_sha256": split.digest,
        "weights": inherited
        if weights is None
        else {"file": Path(weights).name, "sha256": sha256_of(Path(weights)) if is_file else None},
    }


def trainings_in(record: dict[str, Any]) -> int:
    """Trainings that the float model of a `training.json` is the mean of; a member may be a mean itself."""
    return sum(trainings_in(member) for member in record.get("members") or []) or 1


def check_training(work: Workspace, split: Split, report: dict[str, Any], root: Path) -> None:
    """Raises: ConfigError if split, photographs or float model are no longer those that `training.json` records."""
    if (report.get("split_seed"), report.get("data_digest_sha256")) != (split.seed, split.digest):
        raise ConfigError(
            f"{work.split} has seed {split.seed} and digest {split.digest[:12]}…, {work.float_model.name} was trained "
            f"with seed {report.get('split_seed')} and {_short(report.get('data_digest_sha256'))}; "
            "run `edge-convert train` again"
        )
    if report.get("split_sha256") != sha256_of(work.split):
        raise ConfigError(f"{work.split} was changed since the training; run `edge-convert train` again")
    check_data(root, split)
    check_float(work, report)


def check_float(work: Workspace, report: dict[str, Any]) -> None:
    """Raises: ConfigError if the float model is missing, or is not the one that `training.json` records."""
    if not work.float_model.is_file():
        raise ConfigError(f"{work.float_model} is missing; run `edge-convert train` first")
    found = sha256_of(work.float_model)
    if report.get("float_sha256") != found:
        raise ConfigError(
            f"{work.float_model} has SHA-256 {found[:12]}…, {work.training.name} records "
            f"{_short(report.get('float_sha256'))}; run `edge-convert train` again"
        )


def check_candidate(bundle: Bundle, report: dict[str, Any]) -> None:
    """Raises: ConfigError if the candidate was not quantized from the float model that lies beside it."""
    found = bundle.manifest.training.get("float_sha256")
    if found != report["float_sha256"]:
        raise ConfigError(
            f"the candidate was quantized from a float model with SHA-256 {_short(found)}, the one trained last has "
            f"{_short(report['float_sha256'])}; run `edge-convert quantize` again"
        )


def are_unseen(bundle: Bundle, split: Split) -> bool:
    """True if the bundle was made from the same photographs, split alike: it never saw those of the test part.

    The numbers of photographs are compared as well, for other ratios or another rule of grouping split differently.
    """
    data = bundle.manifest.data
    found = data.get("split_seed"), data.get("digest_sha256"), data.get("photographs")
    return found == (split.seed, split.digest, split.counts())


def measured(bundle: Bundle) -> dict[str, Any]:
    """What decides a bundle's figures, for `metrics.json`."""
    manifest = bundle.manifest
    return {
        "model_sha256": manifest.sha256,
        "temperature": manifest.temperature,
        "thresholds": manifest.thresholds.model_dump(mode="json"),
    }


def check_measured(work: Workspace, metrics: dict[str, Any], bundle: Bundle) -> None:
    """Raises: ConfigError if `metrics.json` holds the figures of another model or calibration."""
    wanted = measured(bundle)
    of = metrics.get("of")
    found = {name: of.get(name) for name in wanted} if isinstance(of, dict) else None
    if found != wanted:
        raise ConfigError(
            f"{work.metrics} does not measure the candidate (SHA-256 {bundle.manifest.sha256[:12]}…) as it is now; "
            "run `edge-convert evaluate` first"
        )


def read_step(path: Path, step: str) -> dict[str, Any]:
    """The JSON object that a step left. Raises: ConfigError that names the step if it is missing or broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; run `edge-convert {step}` first") from None
    except ValueError as exc:
        raise ConfigError(f"{path} is no JSON ({exc}); run `edge-convert {step}` again") from exc
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no object; run `edge-convert {step}` again")
    return content


def _short(digest: object) -> str:
    return f"{digest[:12]}…" if isinstance(digest, str) else "none on record"
