"""What a step of training is fed with: targets, weights, flips and mixtures, and the learning rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.network import to_real
from convert.pictures import Example
from convert.recipe import Loss, Phase, Pictures

__all__ = ["Batch", "Shown", "batches", "class_weights", "make_batch", "rate_at", "show", "targets_of"]

_Float = npt.NDArray[np.float32]
_Rng = np.random.Generator
NO_WASTE = -1
"""Target index of a picture that belongs to no label."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One pass.

    Attributes:
        inputs: (N, side, side, 3) uint8 RGB pictures, or (N, …) float16 features of them.
        targets: (N, labels) float32, each row a distribution.
        weights: (N,) float32.
    """

    inputs: npt.NDArray[Any]
    targets: _Float
    weights: _Float


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: inputs (N, …) float32, targets (N, labels) float32, weights (N,) float32."""

    inputs: _Float
    targets: _Float
    weights: _Float


def targets_of(examples: Sequence[Example], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """(N,) int64 index of each example's label, NO_WASTE for none."""
    places = {label: place for place, label in enumerate(labels)}
    return np.array([NO_WASTE if e.label is None else places[e.label] for e in examples], dtype=np.int64)


def class_weights(targets: npt.NDArray[np.int64], labels: int, loss: Loss) -> _Float:
    """(labels,) float32, the mean over the pictures of a pass 1; a label without pictures counts as with one.

    `balanced` is in inverse proportion to the count (King & Zeng, "Logistic Regression in Rare Events Data", 2001).
    """
    counts = np.bincount(targets[targets != NO_WASTE], minlength=labels).astype(np.float64)
    power = {"none": 0.0, "balanced": 1.0, "power": loss.class_power}[loss.class_weights]
    weight = np.maximum(counts, 1) ** -power
    return np.asarray(weight * counts.sum() / (weight * counts).sum(), dtype=np.float32)


def show(inputs: npt.NDArray[Any], targets: npt.NDArray[np.int64], weight: _Float, loss: Loss) -> Shown:
    """Targets and weights of a pass; what is no waste gets the uniform distribution (Hendrycks et al., ICLR 2019)."""
    labels = len(weight)
    rows = np.full((len(targets), labels), 1 / labels, np.float32)
    is_waste = targets != NO_WASTE
    rows[is_waste] = np.eye(labels, dtype=np.float32)[targets[is_waste]]
    weights = np.full(len(targets), loss.outlier_weight, np.float32)
    weights[is_waste] = weight[targets[is_waste]]
    return Shown(inputs, rows, weights)


def batches(number: int, size: int, rng: _Rng) -> list[npt.NDArray[np.int64]]:
    """Rows of each step: shuffled, all of the same size, so that no step compiles anew; the odd rest is left out."""
    order = rng.permutation(number)
    steps = max(1, number // size)
    return [order[step * size : (step + 1) * size] for step in range(steps)]


def make_batch(shown: Shown, rows: npt.NDArray[np.int64], pictures: Pictures, loss: Loss, rng: _Rng) -> Batch:
    """Read, flip and mix some rows of a pass. Features are neither flipped nor mixed.

    Mixup is of Zhang et al., "mixup: Beyond Empirical Risk Minimization" (ICLR 2018), with one share a batch.
    """
    raw, targets, weights = shown.inputs[rows], shown.targets[rows], shown.weights[rows]
    if raw.dtype != np.uint8:
        return Batch(raw.astype(np.float32), targets, weights)
    is_turned = rng.random(len(rows)) < pictures.flip_horizontal
    raw[is_turned] = raw[is_turned, :, ::-1]
    is_turned = rng.random(len(rows)) < pictures.flip_vertical
    raw[is_turned] = raw[is_turned, ::-1]
    inputs = to_real(raw)
    if loss.mixup_alpha > 0 and rng.random() < loss.mixup_share:
        share = rng.beta(loss.mixup_alpha, loss.mixup_alpha)
        share = np.float32(max(share, 1 - share))
        other = rng.permutation(len(rows))
        inputs = share * inputs + (1 - share) * inputs[other]
        targets = share * targets + (1 - share) * targets[other]
        weights = share * weights + (1 - share) * weights[other]
    return Batch(inputs, targets, weights)


def rate_at(phase: Phase, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step of a phase, counted from 0.

    A linear warm-up from a tenth of the rate, then the rate itself, or a cosine down to `last_share` of it
    (Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts).
    """
    warm = phase.warmup_epochs * steps_per_epoch
    if step < warm:
        return phase.rate * (0.1 + 0.9 * step / warm)
    if phase.schedule == "constant":
        return phase.rate
    rest = max(1.0, phase.epochs * steps_per_epoch - warm)
    share = (1 + math.cos(math.pi * min(1.0, (step - warm) / rest))) / 2
    return phase.rate * (phase.last_share + (1 - phase.last_share) * share)
