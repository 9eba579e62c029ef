"""Keras layers that round as int8 does while a network learns. Imports Keras: import this inside functions only.

Rounding has no useful slope, so its gradient is taken as 1 within the range and 0 outside (straight-through estimator,
Bengio et al. 2013, arXiv:1308.3432; the scheme of ranges is that of Jacob et al. 2018, arXiv:1712.05877). Only the
backend-neutral interface is used.
"""

from typing import Any

import keras
from keras import ops

__all__ = ["FakeQuant", "RoundedConv2D", "RoundedDense", "RoundedDepthwiseConv2D", "round_output", "round_weights"]

TINY = 1e-8


def round_weights(kernel: Any, axes: tuple[int, ...]) -> Any:
    """Round weights to -127..127 steps, a scale for every output channel, as the converter does.

    Args:
        kernel: float32 of any shape.
        axes: those that one scale spans.
    """
    scale = ops.stop_gradient(ops.maximum(ops.max(ops.abs(kernel), axis=axes, keepdims=True) / 127.0, TINY))
    return kernel + ops.stop_gradient(ops.round(kernel / scale) * scale - kernel)


def round_output(values: Any, low: Any, high: Any) -> Any:
    """Round and clip activations to the 256 steps that span low..high; 0 is one of them.

    Args:
        values: float32 of any shape.
        low, high: scalars, low <= 0 <= high.
    """
    scale = ops.maximum((high - low) / 255.0, TINY)
    zero = ops.round(-128.0 - low / scale)
    inside = ops.clip(values, (-128.0 - zero) * scale, (127.0 - zero) * scale)
    return inside + ops.stop_gradient(ops.round(inside / scale) * scale - inside)


class FakeQuant(keras.layers.Layer):
    """Rounds what passes. While `is_calibrating` it only widens its range, which must happen outside of any graph."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.is_calibrating = False

    def build(self, input_shape: Any) -> None:
        self.low = self.add_weight(shape=(), initializer="zeros", trainable=False, name="low")
        self.high = self.add_weight(shape=(), initializer="zeros", trainable=False, name="high")

    def call(self, inputs: Any) -> Any:
        if self.is_calibrating:
            self.low.assign(ops.minimum(self.low, ops.min(inputs)))
            self.high.assign(ops.maximum(self.high, ops.max(inputs)))
            return inputs
        return round_output(inputs, self.low, self.high)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class RoundedConv2D(keras.layers.Conv2D):
    """A convolution that computes with rounded weights."""

    def call(self, inputs: Any) -> Any:
        outputs = self.convolution_op(inputs, round_weights(self.kernel, (0, 1, 2)))
        return _finish(self, outputs)


class RoundedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A depthwise convolution that computes with rounded weights."""

    def call(self, inputs: Any) -> Any:
        outputs = ops.depthwise_conv(
            inputs,
            round_weights(self.kernel, (0, 1)),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return _finish(self, outputs)


class RoundedDense(keras.layers.Dense):
    """A dense layer that computes with rounded weights."""

    def call(self, inputs: Any, training: Any = None) -> Any:
        return _finish(self, ops.matmul(inputs, round_weights(self.kernel, (0,))))


def _finish(layer: Any, outputs: Any) -> Any:
    if layer.use_bias:
        outputs = ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)
