"""Channels brought to one range before quantization, so that the quiet ones are not rounded away.

An int8 activation has one scale for all of its channels. A channel that never exceeds a hundredth of the loudest one is
left with two or three levels, however much the layer behind makes of it. Where a ReLU stands between two layers, a
channel can be multiplied before it and divided by the same factor in the kernel behind it, and the network computes
the same (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section
4.1). Here the factors come from the activations' ranges rather than from the weights', which have a scale for each
channel anyway; and a ReLU6 stays one, since no channel is raised above what it cuts off.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.fold import producers
from convert.network import to_real

__all__ = ["equalize"]

HEADROOM = 1.25
"""A channel is raised to the largest value over this, so that pictures not seen here are not cut off."""
MOST = 256.0
"""Largest factor: a channel that is all but silent carries nothing."""
BATCH = 16
_Float = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Seam:
    """A convolution, the ReLU behind it, and the layer that alone reads it.

    Attributes:
        ceiling: what the ReLU cuts off at, infinity if nothing.
    """

    before: Any
    relu: Any
    after: Any
    ceiling: float


def equalize(folded: Any, pictures: npt.NDArray[np.uint8]) -> Any:
    """Raise every quiet channel to the range of the loud ones.

    Args:
        folded: Keras model without batch normalization, see `fold_batch_norm`, (N, side, side, 3) float32 -1..1 to
            logits; stays as it is.
        pictures: (N, side, side, 3) uint8 RGB, to find the ranges.
    Returns: a copy that computes the same, but for float32 rounding and values beyond HEADROOM times what was seen.
    """
    import keras

    copy = keras.models.clone_model(folded)
    copy.set_weights(folded.get_weights())
    for model in [layer for layer in copy.layers if hasattr(layer, "layers")] + [copy]:
        seams = list(_seams(model))
        if not seams:
            continue
        for seam, largest in zip(seams, _largest(copy, model, seams, pictures), strict=True):
            _rescale(seam, _factors(largest, seam.ceiling))
    return copy


def _seams(model: Any) -> Iterator[_Seam]:
    feeds = producers(model)
    readers: dict[str, list[str]] = {name: [] for name in feeds}
    for name, sources in feeds.items():
        for source in sources:
            readers[source].append(name)

    def only_reader(name: str) -> Any:
        found = readers[name]
        if len(found) != 1:
            return None
        layer = model.get_layer(found[0])
        return only_reader(layer.name) if type(layer).__name__ == "ZeroPadding2D" else layer

    for layer in model.layers:
        ceiling = _ceiling(layer)
        if ceiling is None or len(feeds[layer.name]) != 1:
            continue
        before, after = model.get_layer(feeds[layer.name][0]), only_reader(layer.name)
        is_own = readers[before.name] == [layer.name] and after is not None and len(feeds[after.name]) == 1
        if is_own and _is_kernel(before) and after is not None and _is_kernel(after):
            yield _Seam(before, layer, after, ceiling)


def _ceiling(layer: Any) -> float | None:
    """What a ReLU cuts off at; None for any other layer, also for a ReLU that lets negative values through."""
    if type(layer).__name__ != "ReLU" or float(layer.negative_slope or 0) or float(layer.threshold or 0):
        return None
    return float("inf") if layer.max_value is None else float(layer.max_value)


def _is_kernel(layer: Any) -> bool:
    kind = type(layer).__name__
    is_plain = getattr(getattr(layer, "activation", None), "__name__", "linear") == "linear"
    return is_plain and (
        (kind == "Conv2D" and layer.groups == 1) or (kind == "DepthwiseConv2D" and layer.depth_multiplier == 1)
    )


def _largest(whole: Any, model: Any, seams: list[_Seam], pictures: npt.NDArray[np.uint8]) -> list[_Float]:
    """(channels,) largest value of every seam's activation over the pictures; `model` is `whole` or a layer of it."""
    import keras

    entry = None if model is whole else whole.get_layer(producers(whole)[model.name][0]).output
    feed = None if entry is None else keras.Model(whole.input, entry)
    probe = keras.Model(model.input, [seam.relu.output for seam in seams])
    largest = [np.zeros(int(seam.relu.output.shape[-1])) for seam in seams]
    for start in range(0, len(pictures), BATCH):
        values = to_real(pictures[start : start + BATCH])
        found = probe.predict_on_batch(values if feed is None else feed.predict_on_batch(values))
        for place, activation in enumerate(found if isinstance(found, list) else [found]):
            largest[place] = np.maximum(largest[place], np.asarray(activation, np.float64).max(axis=(0, 1, 2)))
    return largest


def _factors(largest: _Float, ceiling: float) -> _Float:
    """(channels,) what each channel is multiplied by, at least 1."""
    # The range of a ReLU6 ends at 6.
    top = ceiling if np.isfinite(ceiling) else float(largest.max(initial=0.0))
    return np.clip(top / HEADROOM / np.maximum(largest, 1e-9), 1.0, MOST)


def _rescale(seam: _Seam, factors: _Float) -> None:
    """Multiply the channels in front of the ReLU, and divide behind it."""
    kernel, *bias = (np.asarray(value, np.float64) for value in seam.before.get_weights())
    is_depthwise = type(seam.before).__name__ == "DepthwiseConv2D"
    kernel = kernel * (factors[:, None] if is_depthwise else factors)
    seam.before.set_weights([value.astype(np.float32) for value in (kernel, *(one * factors for one in bias))])
    kernel, *bias = (np.asarray(value, np.float64) for value in seam.after.get_weights())
    seam.after.set_weights([value.astype(np.float32) for value in (kernel / factors[:, None], *bias)])
