"""The network of a recipe: a trunk, a head, and for each phase the part of them that learns.

Where only upper layers learn, the rest gives the same features for a picture every time; they are kept, so that an
epoch costs only the upper part. Keras is imported inside the functions; only its backend-neutral interface is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.recipe import Head, Phase, Recipe
from edge.errors import ConfigError

__all__ = ["MEAN", "STD", "Learner", "Network", "build_network", "learner", "to_real"]

MEAN = STD = 127.5
"""Pixels 0..255 stand for -1..1, as MobileNetV2 and Xception want them."""
BATCH_NORM_MOMENTUM = 0.99
"""Of statistics that learn: Keras's 0.999 would take longer than a training to forget ImageNet's."""
VGG_MEAN_BGR = (103.939, 116.779, 123.68)
"""What the weights of VGG16 expect subtracted from pixels 0..255 (Simonyan & Zisserman, ICLR 2015)."""
CNN_FILTERS = (32, 64, 128)
_Sample = Callable[[], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Network:
    """Keras models and layers that share their weights.

    Attributes:
        base: pictures, as its family wants them, to a map (N, h, w, channels).
        cuts: places in `base.layers` whose output alone feeds everything behind them.
        prepare: layers before the base, for a family that wants other numbers than -1..1.
        head: layers behind it, in order; those named `dropout_*` work in training only.
        whole: pictures (N, side, side, 3) float32 -1..1 to logits (N, labels); what is shipped, without dropout.
    """

    base: Any
    cuts: tuple[int, ...]
    prepare: tuple[Any, ...]
    head: tuple[Any, ...]
    whole: Any


@dataclass(frozen=True, slots=True)
class Learner:
    """What learns in one phase.

    Attributes:
        trunk: pictures to features, all frozen; None where every layer learns.
        model: features (or pictures) to logits; its trainable weights are those of the phase.
        statistics: moving means and variances that change with it.
    """

    trunk: Any | None
    model: Any
    statistics: tuple[Any, ...]


def build_network(
    recipe: Recipe, labels: int, weights: str | None, wide: Any = None, sample: _Sample | None = None
) -> Network:
    """Build all of it.

    Args:
        weights: path, "imagenet" or None; see `find_weights`.
        wide: a trained base of the same family that a narrower one is cut out of, instead of ImageNet's.
        sample: gives pictures (N, side, side, 3) float32 -1..1 that the narrower one is fitted on; only called for it.
    Raises: ConfigError if the weights do not fit.
    """
    import keras

    base = _base(recipe, weights, wide, sample)
    cuts = _cuts(base)
    shape = (recipe.network.side_px, recipe.network.side_px, 3)
    prepare = (_vgg_input(),) if recipe.network.family == "vgg16" else ()
    head = _head(recipe.head, base.output.shape[1:3], labels, recipe.seed)
    picture = keras.Input(shape, name="image")
    shipped = [layer for layer in head if not _is_dropout(layer)]
    whole = keras.Model(picture, _chain([*prepare, base, *shipped], picture), name="waste_sorter")
    if prepare:
        # Zero padding comes after this layer, so that it cannot be folded into the first convolution.
        kernel = np.zeros((1, 1, 3, 3), np.float32)
        for channel in range(3):
            kernel[0, 0, 2 - channel, channel] = STD
        prepare[0].set_weights([kernel, np.float32(MEAN) - np.array(VGG_MEAN_BGR, np.float32)])
    return Network(base, cuts, prepare, head, whole)


def learner(network: Network, phase: Phase, side_px: int) -> Learner:
    """Freeze what does not learn in a phase, and cut the network there.

    Raises: ConfigError if the phase names a layer that the network does not have.
    """
    import keras

    layers = network.base.layers
    first = _first(layers, phase.learns)
    network.base.trainable = True
    statistics: list[Any] = []
    for place, layer in enumerate(layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = place >= first and not (is_norm and phase.batch_norm == "frozen")
        if is_norm and layer.trainable:
            layer.momentum = BATCH_NORM_MOMENTUM
            statistics += [layer.moving_mean, layer.moving_variance]
    for layer in network.head:
        if isinstance(layer, keras.layers.BatchNormalization):
            statistics += [layer.moving_mean, layer.moving_variance]

    picture = keras.Input((side_px, side_px, 3), name="image")
    if first == 0:
        model = keras.Model(picture, _chain([*network.prepare, network.base, *network.head], picture), name="learner")
        return Learner(None, model, tuple(statistics))
    below = [place for place in network.cuts if place < first]
    if not below:
        raise ConfigError(f"learns: {phase.learns} takes in all of the network; write learns: all")
    cut = layers[below[-1]].output
    upper = list(network.head)
    lower = [*network.prepare, keras.Model(network.base.input, cut, name="below")]
    if first < len(layers):
        upper.insert(0, keras.Model(cut, network.base.output, name="body"))
    elif isinstance(upper[0], keras.layers.GlobalAveragePooling2D):
        lower.append(upper.pop(0))
    trunk = keras.Model(picture, _chain(lower, picture), name="trunk")
    features = keras.Input(trunk.output.shape[1:], name="features")
    return Learner(trunk, keras.Model(features, _chain(upper, features), name="upper"), tuple(statistics))


def to_real(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, side, side, 3) uint8 RGB to the float32 that the network takes, -1..1."""
    return (pixels.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)


def _base(recipe: Recipe, weights: str | None, wide: Any, sample: _Sample | None) -> Any:
    import keras

    plan = recipe.network
    shape = (plan.side_px, plan.side_px, 3)
    if plan.family == "cnn":
        return _cnn(shape, plan.width)
    make = {
        "mobilenet_v2": keras.applications.MobileNetV2,
        "vgg16": keras.applications.VGG16,
        "xception": keras.applications.Xception,
    }[plan.family]
    given: dict[str, Any] = {"alpha": plan.width} if plan.family == "mobilenet_v2" else {}
    try:
        if wide is None:
            try:
                return make(input_shape=shape, include_top=False, weights=weights, **given)
            except ValueError:
                if plan.width >= 1.0 or weights is None or not Path(weights).is_file():
                    raise
                # A file of the full width serves a narrower network as well.
                wide = make(input_shape=shape, include_top=False, weights=weights)
    except (OSError, ValueError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else repr(exc)
        raise ConfigError(
            f"ImageNet weights {weights} do not load into {plan.family} ({reason}); check the file or pass --weights"
        ) from exc
    if sample is None:
        raise ValueError("a network that is cut out of another needs pictures to be fitted on")
    from convert.slim import slim_into

    base = make(input_shape=shape, include_top=False, weights=None, **given)
    slim_into(base, wide, sample)
    return base


def _cnn(shape: tuple[int, int, int], width: float) -> Any:
    """Three blocks of a convolution and a pooling."""
    import keras

    picture = keras.Input(shape, name="picture")
    x = picture
    for number, filters in enumerate(CNN_FILTERS, 1):
        channels = max(1, round(filters * width))
        x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"block{number}_conv")(x)
        x = keras.layers.MaxPooling2D(name=f"block{number}_pool")(x)
    return keras.Model(picture, x, name="cnn")


def _vgg_input() -> Any:
    """-1..1 RGB to what VGG16 was trained on, as a convolution of one pixel: any converter and runtime knows it."""
    import keras

    return keras.layers.Conv2D(3, 1, name="to_bgr_without_mean", trainable=False)


def _head(plan: Head, map_size: Sequence[int], labels: int, seed: int) -> tuple[Any, ...]:
    import keras

    def options(number: int) -> dict[str, Any]:
        penalty = keras.regularizers.L2(plan.l2) if plan.l2 else None
        start = keras.initializers.GlorotUniform(seed=1000 * number + seed)
        return {"kernel_regularizer": penalty, "kernel_initializer": start}

    layers: list[Any] = [keras.layers.GlobalAveragePooling2D(name="pool")]
    for number, units in enumerate(plan.dense, 1):
        given = {**options(number), "use_bias": not plan.batch_norm, "name": f"dense_{number}"}
        if number == 1 and plan.pool == "flatten":
            # A convolution over the whole map is a flattening and a dense layer, in a form that XNNPACK takes.
            layers.insert(0, keras.layers.Conv2D(units, tuple(map_size), **given))
        else:
            layers.append(keras.layers.Dense(units, **given))
        # Before the activation, so that it folds into the kernel.
        if plan.batch_norm:
            layers.append(keras.layers.BatchNormalization(name=f"dense_{number}_bn"))
        layers.append(keras.layers.ReLU(name=f"dense_{number}_relu"))
        if plan.dropout:
            layers.append(keras.layers.Dropout(plan.dropout[number - 1], seed=seed + number, name=f"dropout_{number}"))
    if not plan.dense and plan.dropout:
        layers.append(keras.layers.Dropout(plan.dropout[0], seed=seed, name="dropout_0"))
    return (*layers, keras.layers.Dense(labels, name="logits", **options(0)))


def _is_dropout(layer: Any) -> bool:
    return str(layer.name).startswith("dropout_")


def _chain(layers: Sequence[Any], tensor: Any) -> Any:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def _cuts(base: Any) -> tuple[int, ...]:
    """Places whose output alone feeds what lies behind: no shortcut leads past them."""
    place_of = {layer.name: place for place, layer in enumerate(base.layers)}
    last_reader = dict.fromkeys(range(len(base.layers)), 0)
    for place, layer in enumerate(base.layers[1:], 1):
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        for tensor in inputs:
            last_reader[place_of[tensor._keras_history.operation.name]] = place
    return tuple(
        place for place in range(1, len(base.layers)) if all(last_reader[before] <= place for before in range(place))
    )


def _first(layers: Sequence[Any], learns: str) -> int:
    """Place of the trunk's first layer that learns; the number of layers where none does."""
    kind, _, rest = learns.partition(":")
    if kind == "head":
        return len(layers)
    if kind == "all":
        return 0
    if kind == "top":
        return max(0, len(layers) - int(rest))
    names = [layer.name for layer in layers]
    if rest not in names:
        raise ConfigError(f"learns: {learns} names no layer of the network; its layers are {', '.join(names)}")
    return names.index(rest)
