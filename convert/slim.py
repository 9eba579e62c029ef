"""A narrower MobileNetV2 cut out of a wide one: the channels that carry most are kept, with their weights.

Weights trained on ImageNet exist for some widths only, and a width without them would start from noise. Importance is
the L1 norm of the filters scaled by batch normalization, after Li et al., "Pruning Filters for Efficient
ConvNets" (ICLR 2017), and Liu et al., "Learning Efficient Convolutional Networks through Network Slimming" (ICCV 2017).
Channels that a residual addition ties together are kept or dropped together.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError

__all__ = ["slim_into"]

_Kept = npt.NDArray[np.int64]
_BLOCK = re.compile(r"block_(\d+)_")


def slim_into(narrow: Any, wide: Any) -> None:
    """Fill `narrow` with the weights of the channels of `wide` that matter most.

    Args:
        narrow, wide: Keras MobileNetV2 bodies (as of `keras.applications`, without top), of any input size; `narrow` is
            changed.
    Raises: ConfigError if a layer of `narrow` has more channels than that of `wide`, or `wide` lacks it.
    """
    places = _stages(narrow)
    kept_of: dict[str, _Kept] = {}
    for name, size in _outputs(narrow).items():
        members = [other for other, stage in places.items() if stage == places.get(name, name)] or [name]
        if members[0] != name and members[0] in kept_of:
            kept_of[name] = kept_of[members[0]]
            continue
        importance = np.sum([_importance(wide, member) for member in members], axis=0)
        if len(importance) < size:
            raise ConfigError(f"layer {name} has {size} channels, the wide network {len(importance)}; take it wider")
        kept_of[name] = np.sort(np.argsort(-importance, kind="stable")[:size])
    for layer in narrow.layers:
        if layer.weights:
            _copy(layer, _layer(wide, layer.name), kept_of)


def _outputs(model: Any) -> dict[str, int]:
    """Ordinary convolutions in order, with their number of output channels."""
    return {layer.name: layer.kernel.shape[-1] for layer in model.layers if type(layer).__name__ == "Conv2D"}


def _stages(model: Any) -> dict[str, str]:
    """Name of the projections' first of their stage: those that residual additions tie together."""
    stages: dict[str, str] = {}
    first = ""
    names = {layer.name for layer in model.layers}
    for name in _outputs(model):
        if not name.endswith("_project"):
            continue
        block = name.removesuffix("_project")
        first = first if f"{block}_add" in names and first else name
        stages[name] = first
    return stages


def _importance(wide: Any, convolution: str) -> npt.NDArray[np.float64]:
    """(channels,): L1 norm of each filter, scaled as batch normalization scales its output."""
    kernel = np.asarray(_layer(wide, convolution).kernel, dtype=np.float64)
    gamma, _, _, variance = (np.asarray(value, dtype=np.float64) for value in _normalization(wide, convolution).weights)
    scale = np.abs(gamma) / np.sqrt(variance + 1e-3)
    return np.asarray(np.abs(kernel).sum(axis=(0, 1, 2)) * scale, dtype=np.float64)


def _normalization(model: Any, convolution: str) -> Any:
    """The batch normalization behind a convolution, by the names that Keras gives them."""
    candidates = (f"{convolution}_BN", f"bn_{convolution}", f"{convolution}_bn")
    names = {layer.name: layer for layer in model.layers}
    for name in candidates:
        if name in names:
            return names[name]
    raise ConfigError(f"the wide network has no batch normalization for {convolution}; is it a MobileNetV2?")


def _layer(model: Any, name: str) -> Any:
    try:
        return model.get_layer(name)
    except ValueError:
        raise ConfigError(f"the wide network has no layer {name!r}; is it a MobileNetV2?") from None


def _input_of(name: str, kept_of: dict[str, _Kept]) -> str | None:
    """The convolution whose channels a layer takes; None for the picture itself."""
    order = list(kept_of)
    if name in ("Conv1",):
        return None
    if name in order:
        return order[order.index(name) - 1]
    if name in ("bn_Conv1", "expanded_conv_depthwise", "expanded_conv_depthwise_BN"):
        return "Conv1"
    match = _BLOCK.match(name)
    if match and "depthwise" in name:
        return f"block_{match[1]}_expand"
    for suffix in ("_BN", "_bn"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    raise ConfigError(f"layer {name!r} is not known of a MobileNetV2; only that family can be slimmed")


def _copy(layer: Any, source: Any, kept_of: dict[str, _Kept]) -> None:
    before = _input_of(layer.name, kept_of)
    values = [np.asarray(value) for value in source.get_weights()]
    kind = type(layer).__name__
    if kind == "Conv2D":
        values[0] = values[0][..., kept_of[layer.name]]
        if before is not None:
            values[0] = values[0][:, :, kept_of[before], :]
    elif before is None:
        raise ConfigError(f"layer {layer.name!r} is not known of a MobileNetV2; only that family can be slimmed")
    elif kind == "DepthwiseConv2D":
        values[0] = values[0][:, :, kept_of[before], :]
    else:
        values = [value[kept_of[before]] for value in values]
    layer.set_weights(values)
