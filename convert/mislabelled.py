"""Photographs whose label something else contradicts: photographs of like colours, or a trained model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convert.similar import Looks
from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import ConfigError
from edge.preprocess import fit_frame
from edge.records import BgrImage

__all__ = ["Suspicion", "by_colours", "by_model"]

MIN_MARGIN = 1.3
"""Least lead of another label over the given one, where 2 lies between a sure yes and a sure no. With 100 of TrashNet's
labels exchanged, 64 photographs reach it, 47 of them exchanged ones; with none exchanged, 20."""
MIN_PHOTOGRAPHS = 50
MIN_PROBABILITY, MAX_OWN_PROBABILITY = 0.9, 0.05
_FOLDS, _LANDMARKS, _WIDTH, _RIDGE, _SEED = 5, 1500, 0.5, 0.5, 0


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A photograph that looks like another label.

    Attributes:
        file: relative path.
        label: what it looks like.
        reason: how sure that is.
    """

    file: str
    label: str
    reason: str


def by_colours(files: Sequence[str], looks: Sequence[Looks]) -> list[Suspicion]:
    """Contradictions of a kernel ridge regression on colours, each photograph judged by those of the other folds.

    The method is the subset of regressors (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
    section 8.3.1). It knows colours only: what it finds is worth a look, what it does not find may be wrong too.

    Args:
        files: relative paths, the label first.
        looks: of the same photographs.
    Returns: the surest first; nothing for fewer than 50 photographs or two labels, which prove nothing.
    """
    given = [file.split("/", 1)[0] for file in files]
    labels = sorted(set(given))
    if len(files) < MIN_PHOTOGRAPHS or len(labels) < 2:
        return []
    targets = np.array([labels.index(label) for label in given])
    scores = _out_of_fold(np.stack([look.colours for look in looks]), np.eye(len(labels))[targets] * 2 - 1)
    own = scores[np.arange(len(files)), targets]
    margins = scores.max(axis=1) - own
    order = [int(place) for place in np.argsort(-margins, kind="stable") if margins[place] >= MIN_MARGIN]
    return [
        Suspicion(files[place], labels[int(scores[place].argmax())], f"ahead by {margins[place]:.2f} in colours")
        for place in order
    ]


def _out_of_fold(features: npt.NDArray[np.float32], targets: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scores (N, labels) of each row by a regression that has not seen it; `features` are of length 1."""
    rng = np.random.default_rng(_SEED)
    count = len(features)
    landmarks = features[rng.permutation(count)[:_LANDMARKS]]
    kernel = np.exp((features @ landmarks.T - 1.0) * (2 / _WIDTH)).astype(np.float64)
    among = np.exp((landmarks @ landmarks.T - 1.0) * (2 / _WIDTH)).astype(np.float64)
    penalty = _RIDGE * among + 1e-6 * np.eye(len(landmarks))
    folds = rng.permutation(count) % _FOLDS
    scores = np.zeros_like(targets)
    for fold in range(_FOLDS):
        seen = folds != fold
        rows, mean = kernel[seen], targets[seen].mean(axis=0)
        weights = np.linalg.solve(rows.T @ rows + penalty, rows.T @ (targets[seen] - mean))
        scores[~seen] = kernel[~seen] @ weights + mean
    return scores


def by_model(folder: Path, labels: Sequence[str]) -> Callable[[str, str, BgrImage], Suspicion | None]:
    """A judge of labels: it takes file, label and photograph, and gives a suspicion or None.

    It suspects where the model gives the label at most 5 % and another at least 90 %. A model has learnt the wrong
    labels of its own training photographs and finds few of those.

    Raises: ConfigError if the model has none of the labels; BundleError if the bundle is refused.
    """
    bundle = load_bundle(folder)
    if not set(labels) & set(bundle.labels):
        raise ConfigError(
            f"the bundle {folder} knows {', '.join(bundle.labels)}, the data has {', '.join(labels)}; take another "
            "--bundle, or none"
        )
    classifier = TfliteClassifier(bundle, runtime="litert")

    def judge(file: str, label: str, image: BgrImage) -> Suspicion | None:
        if label not in bundle.labels:
            return None
        probabilities = classifier.classify(fit_frame(image)).probabilities
        found = dict(zip(bundle.labels, probabilities, strict=True))
        best = max(found, key=lambda name: found[name])
        if found[best] < MIN_PROBABILITY or found[label] > MAX_OWN_PROBABILITY:
            return None
        return Suspicion(file, best, f"{found[best]:.1%} against {found[label]:.1%}")

    return judge
