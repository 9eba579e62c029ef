"""What every epoch is measured on, and how an epoch is rated by it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.dataset import Split
from convert.pictures import Example, augmented, plain, rendered_examples
from convert.scores import confusion, macro_f1, negative_log_likelihood
from convert.settings import Settings

__all__ = ["as_line", "checks_of", "figures", "merit"]

SAMPLE = 256
"""At most so many training photographs show how well the network knows what it learned from."""


def checks_of(root: Path, split: Split, settings: Settings) -> dict[str, list[Example]]:
    """What an epoch is measured on: `train`, photographs that were learned from, and sets that were not."""
    known, photos = split.part("train"), split.part("val")
    checks = {"train": plain(root, known[:: -(-len(known) // SAMPLE)]), "photos": plain(root, photos)}
    if settings.augmentation == "field":
        checks["augmented"] = augmented(root, photos, settings.seed, "val")
    # What was never shown says nothing about an epoch.
    number = settings.rendered_val if settings.rendered else 0
    simulated = rendered_examples(split.labels, number, settings.seed, "val", is_degraded=False)
    return {**checks, "rendered": simulated} if simulated else checks


def merit(found: dict[str, Any], best_by: str) -> float:
    """Rate an epoch, more is better: mean macro-F1, or minus the mean log loss, over what was not learned from."""
    kind = "_f1" if best_by == "f1" else "_loss"
    scores = [value for name, value in found.items() if name.endswith(kind) and not name.startswith("train")]
    return float(np.mean(scores)) * (1 if best_by == "f1" else -1)


def figures(name: str, logits: npt.NDArray[np.float64], targets: npt.NDArray[np.int64]) -> dict[str, float]:
    """Loss, accuracy and macro-F1 of a check, keyed by its name.

    Args:
        logits: (N, labels) float64.
        targets: (N,) index of the true label.
    """
    table = confusion(targets, logits.argmax(1), logits.shape[1])
    return {
        f"{name}_loss": round(negative_log_likelihood(logits, targets, 1.0), 4),
        f"{name}_accuracy": round(float(np.trace(table) / table.sum()), 4),
        f"{name}_f1": round(macro_f1(table), 4),
    }


def as_line(found: dict[str, float]) -> str:
    """Macro-F1 and log loss of every check, for a line of progress."""
    names = [name.removesuffix("_f1") for name in found if name.endswith("_f1")]
    return ", ".join(f"{name} F1 {found[f'{name}_f1']:.3f} loss {found[f'{name}_loss']:.3f}" for name in names)
