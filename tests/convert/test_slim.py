"""Cutting a narrow network out of a wide one."""

import numpy as np
import pytest

from convert.slim import slim_into
from edge.errors import ConfigError

pytestmark = pytest.mark.convert
keras = pytest.importorskip("keras")


def body(alpha: float):
    return keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=alpha, include_top=False, weights=None)


def randomized(alpha: float):
    """Weights that a trained network might have: no two channels alike."""
    model, rng = body(alpha), np.random.default_rng(1)
    for layer in model.layers:
        if layer.weights:
            drawn = [rng.normal(0.0, 0.3, value.shape) for value in layer.get_weights()]
            if isinstance(layer, keras.layers.BatchNormalization):
                drawn[3] = np.abs(drawn[3]) + 0.5
            layer.set_weights(drawn)
    return model


def test_the_same_width_keeps_every_weight():
    wide, narrow = randomized(0.35), body(0.35)
    slim_into(narrow, wide)
    for mine, given in zip(narrow.get_weights(), wide.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)


def test_channels_that_do_nothing_are_dropped_without_a_trace():
    """A wide network whose extra channels are dead computes the same as the narrow one that is cut out of it."""
    wide, narrow = randomized(0.5), body(0.35)
    for layer in wide.layers:
        if not layer.weights:
            continue
        size = narrow.get_layer(layer.name).weights[0].shape[-2 if "Depthwise" in type(layer).__name__ else -1]
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            for place in (0, 1):
                values[place][size:] = 0.0
        elif type(layer).__name__ == "Conv2D":
            values[0][..., size:] = 0.0
        layer.set_weights(values)
    slim_into(narrow, wide)
    picture = np.random.default_rng(2).normal(0.0, 1.0, (2, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(wide(picture))[..., : narrow.output.shape[-1]]
    np.testing.assert_allclose(np.asarray(narrow(picture)), expected, rtol=1e-4, atol=1e-4)


def test_channels_tied_by_an_addition_stay_together():
    wide, narrow = randomized(0.5), body(0.35)
    slim_into(narrow, wide)
    kept = []
    for name in ("block_1_project_BN", "block_2_project_BN"):
        gamma, given = (model.get_layer(name).get_weights()[0] for model in (narrow, wide))
        kept.append([int(np.flatnonzero(given == value)[0]) for value in gamma])
    assert kept[0] == kept[1] == sorted(kept[0])


def test_a_wider_network_is_refused():
    with pytest.raises(ConfigError, match="take it wider"):
        slim_into(body(0.5), body(0.35))


def test_another_family_is_refused():
    other = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)])
    with pytest.raises(ConfigError, match="MobileNetV2"):
        slim_into(body(0.35), other)
