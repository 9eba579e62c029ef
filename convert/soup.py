"""The mean of the weights of several trainings that began alike: one network, no slower than each.

Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time" (ICML 2022). This is for finished trainings; a phase with `soup: true` in a recipe is averaged with
what it began with.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.dataset import Split
from convert.files import sha256_of
from convert.network import to_real
from convert.pictures import augmented, chunks, plain
from convert.provenance import check_float, read_step, trainings_in
from convert.quantize import load_float
from convert.scores import negative_log_likelihood
from convert.settings import Settings, Workspace
from edge.errors import ConfigError

__all__ = ["mean_weights", "stir"]

CHUNK = 64
BEGINNINGS = ("weights", "start_sha256")
"""Of `training.json`: what a training began with."""
Say = Callable[[str], None]
_Weights = list[npt.NDArray[Any]]


def mean_weights(members: Sequence[_Weights]) -> _Weights:
    """The mean of each weight. Raises: ConfigError if the networks are not of one form."""
    shapes = {tuple(value.shape for value in weights) for weights in members}
    if len(shapes) != 1:
        raise ConfigError("the trainings are of different networks; average those of one recipe's network only")
    return [np.mean(values, axis=0, dtype=np.float64).astype(values[0].dtype) for values in zip(*members, strict=True)]


def stir(
    folders: Sequence[Path], root: Path, split: Split, settings: Settings, say: Say
) -> tuple[Any, list[dict[str, Any]]]:
    """Average the float models of finished trainings.

    Args:
        folders: work folders of trainings on one split, that of the first.
        root: folder of the class folders.
    Returns: the mean, a Keras model, and a record of each member, ready for JSON.
    Raises: ConfigError if they are fewer than two, of other splits or networks, or the mean is worse on the validation
        photographs than the best of them.
    """
    if len(folders) < 2:
        raise ConfigError("an average needs two trainings or more; name their work folders")
    split_sha256 = sha256_of(Workspace(folders[0]).split)
    records = [_record(Workspace(folder), split_sha256) for folder in folders]
    starts = [_beginning(record) for record in records]
    if any(start != starts[0] for start in starts):
        raise ConfigError(
            "the trainings began with different weights or seeds; the mean of such networks does not work"
        )
    models = [load_float(Workspace(folder).float_model) for folder in folders]
    if len({model.input_shape for model in models}) != 1:
        raise ConfigError("the trainings have inputs of different sizes; average those of one recipe's network only")
    # A member that is a mean of trainings itself counts as often as trainings are in it.
    counts = [trainings_in(record) for record in records]
    averaged = mean_weights([model.get_weights() for model, n in zip(models, counts, strict=True) for _ in range(n)])
    shown = [
        (np.concatenate(list(chunks(examples, settings.side_px))), _targets(examples, split))
        for examples in (plain(root, split.part("val")), augmented(root, split.part("val"), settings.seed, "val"))
    ]
    rated = [_rate(model, shown) for model in models]
    for folder, value in zip(folders, rated, strict=True):
        say(f"{folder.name}: mean log loss of plain and bent validation photographs {value:.4f}")
    mean = models[0]
    mean.set_weights(averaged)
    value = _rate(mean, shown)
    say(f"their mean: {value:.4f}")
    if value > min(rated):
        raise ConfigError(f"the mean ({value:.4f}) is worse than the best of them ({min(rated):.4f}); take that one")
    return mean, records


def _record(member: Workspace, split_sha256: str) -> dict[str, Any]:
    report = read_step(member.training, "train")
    if report.get("split_sha256") != split_sha256:
        raise ConfigError(
            f"{member.folder} was trained on another split; split all of them with the same seed and ratios"
        )
    check_float(member, report)
    kept = ("command", "recipe", "float_sha256", "pictures_per_pass", "history", "train_s", "members", *BEGINNINGS)
    return {name: report.get(name) for name in kept}


def _beginning(record: dict[str, Any]) -> tuple[Any, ...]:
    """Weights and seed; a file counts by what is in it, not by its name."""
    weights = record["weights"] or {}
    return weights.get("sha256") or weights.get("file"), record["start_sha256"], (record["recipe"] or {}).get("seed")


def _targets(examples: Sequence[Any], split: Split) -> npt.NDArray[np.int64]:
    return np.array([split.labels.index(str(example.label)) for example in examples])


def _rate(model: Any, shown: Sequence[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]) -> float:
    """Mean log loss, as a recipe with `best_by: loss` rates an epoch."""
    losses = []
    for pictures, targets in shown:
        starts = range(0, len(pictures), CHUNK)
        parts = [np.asarray(model.predict_on_batch(to_real(pictures[start : start + CHUNK]))) for start in starts]
        logits = np.concatenate(parts)
        losses.append(negative_log_likelihood(logits.astype(np.float64), targets, 1.0))
    return float(np.mean(losses))
