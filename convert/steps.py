"""What the steps from photographs to a bundle share: the job, and what the step before left in the work folder."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from convert.quiet import quiet
from convert.recipe import Recipe, load_recipe
from convert.risk import RiskTarget
from convert.settings import Settings, Workspace, find_weights
from edge.bundle import Bundle, load_bundle
from edge.errors import ConfigError

__all__ = ["Job", "candidate_of", "first_weights", "float_model_of", "need", "settings_of"]


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


def first_weights(job: Job, weights: str | None) -> str | None:
    """As `find_weights`; None where the recipe starts from a model of ours. Raises: ConfigError if both are given."""
    recipe = job.recipe or load_recipe()
    if recipe.origin is None:
        return find_weights(weights, job.data, recipe.network.family)
    if weights is not None:
        raise ConfigError(f"recipe {recipe.name} starts from {recipe.origin}; leave --weights out")
    if not recipe.origin.is_file():
        raise ConfigError(f"{recipe.origin} is missing; train it first: recipe {recipe.name} starts from it")
    return None


def need(*modules: str) -> None:
    """Import heavy packages without their chatter. Raises: ConfigError if one is missing."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if "tensorflow" in modules and backend != "tensorflow":
        raise ConfigError(f"KERAS_BACKEND is {backend}, but only `train` works with it; conversion needs tensorflow")
    for module in modules:
        if importlib.util.find_spec(module) is None and module == backend != "tensorflow":
            raise ConfigError(
                f"KERAS_BACKEND is {backend}, which is not installed; run `pip install {module}` in the environment of "
                "edge-convert, or leave KERAS_BACKEND out"
            )
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f"{module} is not installed in this environment; run `make setup-convert`, then "
                "`. .venv-convert/bin/activate`"
            )
    with quiet():
        for module in modules:
            importlib.import_module(module)


def float_model_of(work: Workspace) -> Any:
    """The trained Keras model. Raises: ConfigError if TensorFlow is missing."""
    need("keras", "tensorflow")
    from convert.quantize import load_float

    return load_float(work.float_model)


def candidate_of(work: Workspace) -> Bundle:
    """The quantized bundle, not measured yet. Raises: ConfigError if it is missing, BundleError if damaged."""
    if not work.candidate.is_dir():
        raise ConfigError(f"{work.candidate} is missing; run `edge-convert quantize` first")
    return load_bundle(work.candidate)


def settings_of(work: Workspace, report: dict[str, Any]) -> Settings:
    """The settings that a training recorded. Raises: ConfigError if there are none."""
    known = {field.name for field in fields(Settings)}
    try:
        values = {name: value for name, value in report["settings"].items() if name in known}
        values["residue"] = tuple(values["residue"])
    except (KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{work.training} holds no settings ({exc!r}); run `edge-convert train` again") from exc
    return Settings(**values)
