"""Cutting a narrow network out of a wide one."""

from typing import Any

import numpy as np
import pytest

from convert.slim import slim_into
from edge.errors import ConfigError

pytestmark = pytest.mark.convert
keras = pytest.importorskip("keras")


def body(alpha: float, side: int = 32):
    return keras.applications.MobileNetV2(input_shape=(side, side, 3), alpha=alpha, include_top=False, weights=None)


def pictures(number: int, seed: int = 2):
    return np.random.default_rng(seed).normal(0.0, 1.0, (number, 32, 32, 3)).astype(np.float32)


def randomized(alpha: float, narrow: Any = None):
    """Weights that a trained network might have: no two channels alike, each normalized for what it sees.

    Args:
        narrow: only as many channels as this network has do anything.
    """
    model, rng = body(alpha), np.random.default_rng(1)
    for layer in model.layers:
        if not layer.weights:
            continue
        shape = layer.weights[0].shape
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
            values = [np.abs(rng.normal(1.0, 0.2, shape)), rng.normal(0.0, 0.3, shape), *layer.get_weights()[2:]]
        else:
            values = [rng.normal(0.0, 1.0, shape) / np.sqrt(np.prod(shape[:-1]))]
        if narrow is not None:
            size = narrow.get_layer(layer.name).weights[0].shape[-2 if "Depthwise" in type(layer).__name__ else -1]
            for value in values[: 2 if len(values) > 1 else 0]:
                value[size:] = 0.0
            if type(layer).__name__ == "Conv2D":
                values[0][..., size:] = 0.0
        layer.set_weights(values)
    model(pictures(640), training=True)
    return model


def test_the_same_width_keeps_every_weight():
    wide, narrow = randomized(0.35), body(0.35)
    slim_into(narrow, wide, lambda: pictures(0))
    for mine, given in zip(narrow.get_weights(), wide.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)


def distance(mine, given) -> float:
    return float(np.linalg.norm(mine - given) / np.linalg.norm(given))


def test_a_wide_network_with_channels_that_do_nothing_is_met_by_the_narrow_one():
    narrow = body(0.35)
    wide = randomized(0.5, narrow)
    slim_into(narrow, wide, lambda: pictures(640))
    others = pictures(64, seed=3)
    given = np.asarray(wide(others))
    assert distance(np.asarray(narrow(others)), given) < 0.05 < 0.3 < distance(given[::-1], given)


def test_batch_normalization_has_the_statistics_of_the_pictures():
    """So that a training which goes on with statistics of its batches goes on from the same network."""
    wide, narrow = randomized(0.5), body(0.35)
    sample = pictures(32)
    slim_into(narrow, wide, lambda: sample)
    still, moving = np.asarray(narrow(sample, training=False)), np.asarray(narrow(sample, training=True))
    assert distance(moving, still) < 1e-2


def test_a_narrow_network_takes_another_size_than_the_wide_one():
    wide = body(0.5, 48)  # the padding in front of the last stride differs
    wide.set_weights(randomized(0.5).get_weights())
    narrow, same = body(0.35), body(0.35)
    slim_into(narrow, wide, lambda: pictures(64))
    slim_into(same, randomized(0.5), lambda: pictures(64))
    for mine, given in zip(narrow.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)


def test_a_network_so_narrow_that_its_first_block_has_a_shortcut_is_filled():
    """Of width 0.5, sixteen channels enter the first block and eight leave it; of width 0.1, eight and eight."""
    wide, narrow, sample = randomized(0.5), body(0.1), pictures(64)
    assert "expanded_conv_add" in {layer.name for layer in narrow.layers} - {layer.name for layer in wide.layers}
    given, unfilled = np.asarray(wide(sample)), np.asarray(narrow(sample))
    slim_into(narrow, wide, lambda: sample)
    assert distance(np.asarray(narrow(sample)), given) < 0.8 * distance(unfilled, given)


def test_nothing_to_fit_on_is_an_error():
    with pytest.raises(ValueError, match="no pictures"):
        slim_into(body(0.35), body(0.5), lambda: pictures(0))


def test_a_wider_network_is_refused():
    with pytest.raises(ConfigError, match="take it wider"):
        slim_into(body(0.5), body(0.35), lambda: pictures(1))


def test_another_family_is_refused():
    other = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)])
    with pytest.raises(ConfigError, match="MobileNetV2"):
        slim_into(body(0.35), other, lambda: pictures(1))
