"""Training by a recipe: phase after phase, resumable at the end of every epoch.

Only Keras's backend-neutral interface is used; the pictures come as NumPy batches.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert import slim
from convert.batches import class_weights, targets_of
from convert.cache import ArrayCache, drawing_key
from convert.checkpoint import load_progress
from convert.checks import checks_of
from convert.curves import draw_curves, gaps
from convert.dataset import Split
from convert.distill import body_of, check_teacher, open_float, open_teacher
from convert.files import replacing, sha256_of, sources_digest
from convert.fit import Fit
from convert.network import build_network, to_real
from convert.pictures import Example, chunks, training_pass
from convert.recipe import BACKBONES, Recipe
from convert.settings import Settings, Workspace
from edge.errors import ConfigError

__all__ = ["TRAINERS", "forget_training", "train", "training_key"]

TRAINERS = tuple(
    f"convert.{name}"
    for name in (
        *("average", "batches", "checks", "distill", "fit", "fold"),
        *("network", "scores", "slim", "soup", "train"),
    )
)
"""Modules that decide, besides those that draw, what comes of a training."""
Say = Callable[[str], None]


def train(
    root: Path,
    split: Split,
    recipe: Recipe,
    weights: str | None,
    work: Workspace,
    say: Say,
    *,
    residue: tuple[str, ...] = ("trash",),
    restarts: bool = False,
) -> dict[str, Any]:
    """Train and write the float model and the curves into the work folder; goes on where an earlier call stopped.

    What resuming needs stays until `forget_training`, so that nothing is lost before the record is written.

    Args:
        root: folder of the class folders.
        weights: ImageNet weights, see `find_weights`.
        say: takes one line of progress.
        restarts: begins anew in any case.
    Returns: settings, recipe, class weights, history and time, ready for JSON.
    Raises: ConfigError if weights, recipe, checkpoint or the room on the disk do not do.
    """
    import keras

    settings = recipe.settings(residue)
    # Before the training, which is long: the files may be others when it ends.
    learned_from, key = _hashes(recipe), training_key(split, recipe, weights)
    if restarts:
        work.checkpoint.unlink(missing_ok=True)
    progress = load_progress(work.checkpoint, key)
    keras.utils.set_random_seed(recipe.seed)
    teacher = None
    if recipe.distill is not None:
        teacher = open_teacher(Path(recipe.distill.teacher), recipe.distill, len(split.labels))
        check_teacher(Path(recipe.distill.teacher), work)
    sample = functools.partial(_sample, training_pass(root, split, settings, 0), settings.side_px)
    wide = _wide(recipe, work)
    # What a training goes on from has weights of its own.
    start = (weights, wide, sample) if progress is None else (None,)
    network = build_network(recipe, len(split.labels), *start)
    say(f"recipe {recipe.name}: {_device_line()}")
    if weights is None and recipe.origin is None and recipe.network.family in BACKBONES:
        say(
            f"no ImageNet weights for {recipe.network.family}: it learns from random ones, and its figures mean "
            "little; pass --weights FILE"
        )
    if progress is None and work.checkpoint.is_file():
        say("the unfinished training in the work folder is of another recipe, data, weights or code: beginning anew")
    weight = _weights_of_classes(root, split, recipe, settings)
    cache = ArrayCache(work.cache, drawing_key(split, settings), settings.side_px)
    fit = Fit(
        recipe=recipe,
        network=network,
        labels=split.labels,
        weight=weight,
        passes=lambda number: training_pass(root, split, settings, number),
        checks=checks_of(root, split, settings),
        cache=cache,
        say=say,
        teacher=teacher,
        save_to=(work.checkpoint, key),
        progress=progress,
    )
    try:
        fit.run()
    except KeyboardInterrupt:
        if fit.is_saved:
            say("stopped; the same command, without --restart, goes on after the last whole epoch")
        raise
    finally:
        cache.close(keeps=True)
    history = fit.progress.history
    with replacing(work.float_model) as partial:
        network.whole.save(partial)
    draw_curves(history, recipe.name, work.curves, say)
    return {
        "recipe": recipe.record(),
        **learned_from,
        "settings": asdict(settings),
        "backend": keras.backend.backend(),
        "class_weights": {label: round(float(one), 3) for label, one in zip(split.labels, weight, strict=True)},
        "pictures_per_pass": len(training_pass(root, split, settings, 0)),
        "history": history,
        "gaps": gaps(history),
        "train_s": round(fit.progress.trained_s),
    }


def forget_training(work: Workspace, split: Split, recipe: Recipe, *, keeps_cache: bool = False) -> None:
    """Remove what resuming needed. The cache of pictures stays for another trial if it is to."""
    work.checkpoint.unlink(missing_ok=True)
    settings = recipe.settings()
    ArrayCache(work.cache, drawing_key(split, settings), settings.side_px).close(keeps=keeps_cache)


def training_key(split: Split, recipe: Recipe, weights: str | None) -> str:
    """What must be the same for a training to go on: recipe, split, photographs, weights and code. Hexadecimal."""
    is_file = weights is not None and Path(weights).is_file()
    parts = [
        recipe.model_dump(mode="json"),
        split.digest,
        [(photo.file, photo.part) for photo in split.photos],
        sha256_of(Path(weights)) if is_file and weights is not None else weights,
        drawing_key(split, recipe.settings()),
        _hashes(recipe),
        sources_digest(TRAINERS),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _wide(recipe: Recipe, work: Workspace) -> Any:
    """The trained body that the network is cut out of, if the recipe names one."""
    if recipe.origin is None:
        return None
    check_teacher(recipe.origin, work)
    return body_of(open_float(recipe.origin, "start"))


def _sample(examples: Sequence[Example], side_px: int) -> npt.NDArray[np.float32]:
    """SAMPLE pictures of a pass, evenly spaced; (N, side, side, 3) -1..1."""
    places = np.linspace(0, len(examples) - 1, min(len(examples), slim.SAMPLE)).astype(int)
    chosen = [examples[place] for place in places]
    return np.concatenate([to_real(pixels) for pixels in chunks(chosen, side_px)])


def _hashes(recipe: Recipe) -> dict[str, str | None]:
    """Of the models that are learned from."""
    return {
        "teacher_sha256": None if recipe.distill is None else _hash_of(Path(recipe.distill.teacher)),
        "start_sha256": None if recipe.origin is None else _hash_of(recipe.origin),
    }


def _hash_of(model: Path) -> str:
    try:
        return sha256_of(model)
    except OSError as exc:
        raise ConfigError(
            f"{model} cannot be read ({exc.strerror}); train it first, or pass --set start=FILE or "
            "--set distill.teacher=FILE"
        ) from exc


def _weights_of_classes(root: Path, split: Split, recipe: Recipe, settings: Settings) -> Any:
    targets = targets_of(training_pass(root, split, settings, 0), split.labels)
    return class_weights(targets, len(split.labels), recipe.loss)


def _device_line() -> str:
    """Backend and devices, as Keras names them."""
    import keras

    try:
        devices = ", ".join(str(device) for device in keras.distribution.list_devices())
    except (AttributeError, NotImplementedError, RuntimeError):
        devices = "device unknown"
    return f"Keras {keras.__version__} on {keras.backend.backend()}, {devices}"
