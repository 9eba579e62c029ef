"""Batch normalization folded into the layer before it: the network that int8 arithmetic really computes.

A normalization with fixed statistics is a scale and an offset for every channel; both go into the kernel and the bias
of the convolution or dense layer in front (Jacob et al. 2018, arXiv:1712.05877, section 3.2).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError

__all__ = ["Fold", "fold_batch_norm", "producers"]

_KERNELS = {
    "Conv2D": "kernel",
    "DepthwiseConv2D": "kernel",
    "SeparableConv2D": "pointwise_kernel",
    "Dense": "kernel",
}


class Fold:
    """A network without the normalizations that could be folded.

    Attributes:
        model: Keras model that computes what the given one does at inference.
        folded: names of the normalizations that are gone.
        kept: names of those that stand behind no convolution or dense layer of their own, and stay.
    """

    def __init__(self, model: Any, folded: list[str], kept: list[str]) -> None:
        self.model, self.folded, self.kept = model, folded, kept


def fold_batch_norm(model: Any) -> Fold:
    """Fold every batch normalization that directly follows a layer with a kernel.

    Args:
        model: functional or sequential Keras model, also with such models inside; it stays as it is.
    Returns: a copy; at inference its outputs differ from the model's by rounding of float32 only.
    Raises: ConfigError if the model is a subclass with a `call` of its own.
    """
    import keras

    pairs: dict[int, Any] = {}  # id of a kernel layer -> the normalization behind it
    kept: list[str] = []
    _find(model, pairs, kept)
    gone = {id(norm) for norm in pairs.values()}
    copies: list[tuple[Any, Any]] = []

    def clone(layer: Any) -> Any:
        if id(layer) in gone:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if id(layer) in pairs:
            config["use_bias"] = True
        copy = layer.__class__.from_config(config)
        copies.append((layer, copy))
        return copy

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        return inputs[0] if isinstance(layer, keras.layers.Identity) else layer(*inputs, **options)

    is_sequential = isinstance(model, keras.Sequential)
    result = keras.models.clone_model(
        model, clone_function=clone, call_function=None if is_sequential else call, recursive=True
    )
    for layer, copy in copies:
        if id(layer) in pairs:
            _fold_weights(layer, pairs[id(layer)], copy)
        else:
            copy.set_weights(layer.get_weights())
    return Fold(result, [norm.name for norm in pairs.values()], kept)


def producers(model: Any) -> dict[str, list[str]]:
    """The layers of a functional or sequential model, each with the names of the layers that feed it, in order."""
    import keras

    if isinstance(model, keras.Sequential):
        names = [layer.name for layer in model.layers]
        return {name: names[place - 1 : place] if place else [] for place, name in enumerate(names)}
    config = model.get_config()
    if "layers" not in config:
        raise ConfigError(
            f"the model {model.name} is a {type(model).__name__} with a `call` of its own, expected a functional or "
            "sequential Keras model; build it from layers"
        )
    found: dict[str, list[str]] = {}
    for entry in config["layers"]:
        found[entry["name"]] = [name for node in entry["inbound_nodes"] for name in _sources(node)]
    return found


def _sources(node: Any) -> list[str]:
    """The names in the `keras_history` of every tensor in a node of a model's config."""
    if isinstance(node, dict):
        if "keras_history" in node:
            return [node["keras_history"][0]]
        return [name for value in node.values() for name in _sources(value)]
    if isinstance(node, list | tuple):
        return [name for value in node for name in _sources(value)]
    return []


def _find(model: Any, pairs: dict[int, Any], kept: list[str]) -> None:
    import keras

    feeds = producers(model)
    readers: dict[str, list[str]] = {name: [] for name in feeds}
    for name, sources in feeds.items():
        for source in sources:
            readers[source].append(name)
    outputs = {id(tensor) for tensor in model.outputs}
    for layer in model.layers:
        if hasattr(layer, "layers"):
            _find(layer, pairs, kept)
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        sources = feeds[layer.name]
        before = model.get_layer(sources[0]) if len(sources) == 1 else None
        if (
            before is not None
            and type(before).__name__ in _KERNELS
            and readers[before.name] == [layer.name]
            and getattr(before, "activation", None) in (None, keras.activations.linear)
            and layer.axis in (-1, len(layer.input.shape) - 1)
            and id(before.output) not in outputs
        ):
            pairs[id(before)] = layer
        else:
            kept.append(layer.name)


def _fold_weights(layer: Any, norm: Any, copy: Any) -> None:
    def read(name: str, default: float) -> npt.NDArray[np.float64]:
        variable = getattr(norm, name, None)
        if variable is None:
            return np.full(norm.moving_mean.shape, default)
        return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)

    import keras

    factor = read("gamma", 1.0) / np.sqrt(read("moving_variance", 1.0) + norm.epsilon)
    values = {variable.name: keras.ops.convert_to_numpy(variable).astype(np.float64) for variable in layer.weights}
    kernel = values[_KERNELS[type(layer).__name__]]
    shape = kernel.shape[-2:] if type(layer).__name__ == "DepthwiseConv2D" else kernel.shape[-1:]
    values[_KERNELS[type(layer).__name__]] = kernel * factor.reshape(shape)
    values["bias"] = read("beta", 0.0) + (values.get("bias", 0.0) - read("moving_mean", 0.0)) * factor
    for variable in copy.weights:
        variable.assign(values[variable.name].astype(np.float32))
