"""Quantization-aware fine-tuning: the network learns with int8 rounding in its way, so that it bears it.

It learns from its own float twin (distillation, Hinton et al. 2015, arXiv:1503.02531): what changes is how well it
bears rounding, not what it was taught. Afterwards the ordinary conversion quantizes the tuned weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.fold import producers
from convert.network import to_real
from convert.scores import softmax

__all__ = ["QatSettings", "fine_tune", "rounding_model"]

WARMUP_SHARE = 0.25
"""Adam's first steps are as long as all others, though it knows least there: without a warm-up they do harm."""
Say = Callable[[str], None]
_SILENT = {"InputLayer", "Identity", "Dropout", "Flatten", "Reshape", "ZeroPadding2D", "MaxPooling2D"}
"""Layers whose output lies on the grid of their input."""
_FUSING = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense", "Add"}
"""Layers that take an activation behind them in: only the activation's output is ever rounded."""
_ACTIVATIONS = {"ReLU", "Activation"}


@dataclass(frozen=True, slots=True)
class QatSettings:
    """Of a fine-tuning.

    Attributes:
        pictures: of the training part, drawn as in training.
        epochs: passes over them.
        rate: largest learning rate; it rises linearly over the first WARMUP_SHARE of the steps, then falls as a cosine.
        batch: pictures a step.
        seed: of the order of the pictures.
    """

    pictures: int = 1024
    epochs: int = 4
    rate: float = 1e-5
    batch: int = 16
    seed: int = 1


def rounding_model(folded: Any) -> tuple[Any, list[tuple[Any, Any]], list[Any]]:
    """A copy of a network that rounds weights and activations as the int8 network will.

    Args:
        folded: Keras model without batch normalization, see `fold_batch_norm`.
    Returns: the copy; (layer, its copy) for every layer with weights; the FakeQuant layers, without ranges as yet.
    """
    import keras

    from convert.fake_quant import FakeQuant, RoundedConv2D, RoundedDense, RoundedDepthwiseConv2D

    rounded = {"Conv2D": RoundedConv2D, "DepthwiseConv2D": RoundedDepthwiseConv2D, "Dense": RoundedDense}
    if isinstance(folded, keras.Sequential):
        folded = keras.Model(folded.inputs, folded.outputs, name=folded.name)
    ends: set[int] = set()
    _find_rounded(folded, ends)
    pairs: list[tuple[Any, Any]] = []
    points: list[Any] = []
    behind: dict[int, Any] = {}

    def clone(layer: Any) -> Any:
        kind = rounded.get(type(layer).__name__, type(layer))
        copy = kind.from_config(layer.get_config())
        copy.trainable = True
        pairs.append((layer, copy))
        if id(layer) in ends:
            behind[id(copy)] = FakeQuant(name=f"{layer.name}_int8")
            points.append(behind[id(copy)])
        return copy

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        outputs = layer(*inputs, **options)
        return behind[id(layer)](outputs) if id(layer) in behind else outputs

    copy = keras.models.clone_model(folded, clone_function=clone, call_function=call, recursive=True)
    for layer, twin in pairs:
        twin.set_weights(layer.get_weights())
    return copy, [(layer, twin) for layer, twin in pairs if layer.weights], points


def fine_tune(
    folded: Any,
    pictures: npt.NDArray[np.uint8],
    representative: npt.NDArray[np.uint8],
    settings: QatSettings,
    say: Say,
) -> Any:
    """Tune a network for int8.

    Args:
        folded: Keras model without batch normalization, (N, side, side, 3) float32 -1..1 to logits; stays as it is.
        pictures: (N, side, side, 3) uint8 RGB to learn from; no labels are needed.
        representative: the same, to find the ranges of the activations.
        say: takes one line of progress.
    Returns: a plain float Keras model with the tuned weights, to be quantized as any other.
    """
    import keras

    targets = softmax(_predict(folded, pictures, settings.batch).astype(np.float64), 1.0).astype(np.float32)
    model, pairs, points = rounding_model(folded)
    _calibrate(model, points, representative, settings.batch)
    steps = settings.epochs * -(-len(pictures) // settings.batch)
    warmup = int(WARMUP_SHARE * steps)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps - warmup, warmup_target=settings.rate, warmup_steps=warmup)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    floor = float(-(targets * np.log(np.maximum(targets, 1e-12))).sum(axis=1).mean())
    rng = np.random.default_rng([settings.seed, 4])
    for epoch in range(settings.epochs):
        order = rng.permutation(len(pictures))
        losses = []
        for start in range(0, len(order), settings.batch):
            rows = order[start : start + settings.batch]
            losses.append(float(model.train_on_batch(to_real(pictures[rows]), targets[rows])))
        # Cross-entropy less the entropy of the targets: the divergence from the float network.
        say(f"quantization-aware epoch {epoch + 1}/{settings.epochs}: divergence {np.mean(losses) - floor:.4f}")
    tuned = keras.models.clone_model(folded)
    tuned.set_weights(folded.get_weights())
    twins = {id(layer): twin for layer, twin in pairs}
    for layer, copy in zip(_leaves(folded), _leaves(tuned), strict=True):
        if id(layer) in twins:
            copy.set_weights(twins[id(layer)].get_weights())
    return tuned


def _find_rounded(model: Any, ends: set[int]) -> None:
    """Collect the ids of the layers whose output the int8 network rounds to a grid of its own."""
    feeds = producers(model)
    readers: dict[str, list[str]] = {name: [] for name in feeds}
    for name, sources in feeds.items():
        for source in sources:
            readers[source].append(name)
    for layer in model.layers:
        kind = type(layer).__name__
        if hasattr(layer, "layers"):
            _find_rounded(layer, ends)
            continue
        behind = [type(model.get_layer(name)).__name__ for name in readers[layer.name]]
        is_fused = kind in _FUSING and bool(behind) and set(behind) <= _ACTIVATIONS
        if kind not in _SILENT and not is_fused:
            ends.add(id(layer))


def _leaves(model: Any) -> list[Any]:
    """The layers of a model and of those inside it, in order."""
    found: list[Any] = []
    for layer in model.layers:
        found += _leaves(layer) if hasattr(layer, "layers") else [layer]
    return found


def _calibrate(model: Any, points: list[Any], pictures: npt.NDArray[np.uint8], batch: int) -> None:
    """Let every FakeQuant see the smallest and largest value that passes it, as the converter's calibration does."""
    for point in points:
        point.is_calibrating = True
    for start in range(0, len(pictures), batch):
        model(to_real(pictures[start : start + batch]), training=False)
    for point in points:
        point.is_calibrating = False


def _predict(model: Any, pictures: npt.NDArray[np.uint8], batch: int) -> npt.NDArray[Any]:
    return np.concatenate(
        [
            np.asarray(model.predict_on_batch(to_real(pictures[start : start + batch])))
            for start in range(0, len(pictures), batch)
        ]
    )
