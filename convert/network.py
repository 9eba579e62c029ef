"""The network in two halves: a trunk that never learns here, and the upper layers that do.

The trunk's output of every training picture is kept, so that an epoch costs only the upper half. Keras is
imported inside the functions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.settings import Settings
from edge.errors import ConfigError

__all__ = ["MEAN", "STD", "Network", "build_network", "to_real"]

MEAN = STD = 127.5
"""Pixels 0..255 stand for -1..1, as MobileNetV2 wants them."""


@dataclass(frozen=True, slots=True)
class Network:
    """Keras models that share their weights.

    Attributes:
        trunk: pictures (N, side, side, 3) float32 -1..1 to features.
        pooled: the trunk's features to (N, channels), the layers between trunk and head.
        upper: the trunk's features to logits (N, labels); its trainable weights are those of the second phase.
        head: the last layer alone, (N, channels) to logits, with dropout.
        whole: pictures to logits, what is shipped.
    """

    trunk: Any
    pooled: Any
    upper: Any
    head: Any
    whole: Any


def build_network(settings: Settings, labels: int, weights: str | None) -> Network:
    """Build all of it. Batch normalization stays in inference mode: batches here are small.

    Args:
        weights: path, "imagenet" or None.
    Raises: ConfigError if the weights do not fit or the layer to start from does not exist.
    """
    import keras

    shape = (settings.side_px, settings.side_px, 3)
    try:
        base = keras.applications.MobileNetV2(
            input_shape=shape, alpha=settings.alpha, include_top=False, weights=weights
        )
    except (OSError, ValueError) as exc:
        raise ConfigError(f"ImageNet weights {weights} do not load ({exc}); check the file or pass --weights") from exc
    try:
        cut = base.get_layer(settings.fine_tune_from).input
    except ValueError:
        raise ConfigError(f"MobileNetV2 has no layer {settings.fine_tune_from!r}; see `fine_tune_from`") from None
    trunk = keras.Model(base.input, cut, name="trunk")
    trunk.trainable = False
    body = keras.Model(cut, base.output, name="body")
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False

    pool = keras.layers.GlobalAveragePooling2D(name="pool")
    drop = keras.layers.Dropout(settings.dropout, seed=settings.seed, name="dropout")
    dense = keras.layers.Dense(labels, name="logits")
    features = keras.Input(cut.shape[1:], name="features")
    pooled = keras.Model(features, pool(body(features)), name="pooled")
    flat = keras.Input(pooled.output.shape[1:], name="flat")
    head = keras.Model(flat, dense(drop(flat)), name="head")
    upper = keras.Model(features, dense(drop(pooled(features))), name="upper")
    picture = keras.Input(shape, name="image")
    whole = keras.Model(picture, dense(pool(base(picture))), name="waste_sorter")
    return Network(trunk, pooled, upper, head, whole)


def to_real(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, side, side, 3) uint8 RGB to the float32 that the network takes, -1..1."""
    return (pixels.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
