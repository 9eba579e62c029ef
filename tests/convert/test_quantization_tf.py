"""Folding, number formats, the error of layers and tuning for int8, on networks of a few layers; needs TensorFlow."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from convert.dataset import make_split
from convert.equalize import equalize
from convert.fold import fold_batch_norm
from convert.formats import FORMATS, Runner, compare_formats, convert_format
from convert.graph import leftovers, operators, read_tree, undelegated
from convert.layer_errors import EXACT_DB, layer_errors, markdown, sqnr_db
from convert.network import to_real
from convert.qat import QatSettings, fine_tune, rounding_model
from convert.quantization import account_of, best_int8, write_account
from convert.quantize import quantize
from convert.rendered import rendered_frame, rendered_plan
from convert.scores import softmax
from convert.settings import Settings
from edge.errors import BundleError

pytestmark = [pytest.mark.convert, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
SIDE = 16
OUTLIER = 60.0


def pictures(number: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).integers(0, 256, (number, SIDE, SIDE, 3), dtype=np.uint8)
    found[0], found[1] = 0, 255
    # Whole pictures differ in colour and light, not in noise alone: the mean of pure noise is always grey.
    tint = np.random.default_rng(seed + 1).uniform(0.2, 1.0, (number, 1, 1, 3))
    tint[:2] = 1.0
    return (found * tint).astype(np.uint8)


def small_network(outlier: float = 1.0) -> Any:
    """Convolution, depthwise and pointwise convolution, a sum, and a dense layer, all but the last normalized.

    Args:
        outlier: one channel of `project` is so many times as large as the others, and `expand` shrinks it again.
            The network computes the same, but the others share their 256 steps with it.
    """
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    picture = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(picture)
    x = trunk = layers.ReLU(6.0, name="stem_relu")(layers.BatchNormalization(name="stem_norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(layers.BatchNormalization(name="depthwise_norm")(x))
    x = layers.Add(name="sum")([trunk, x])
    x = layers.BatchNormalization(name="project_norm")(layers.Conv2D(8, 1, name="project")(x))
    x = layers.ReLU(name="expand_relu")(layers.Conv2D(16, 1, name="expand")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(picture, layers.Dense(3, name="logits")(x), name="net")
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            count = layer.moving_mean.shape
            layer.set_weights(
                [rng.uniform(*limits, count) for limits in ((0.5, 2.0), (-0.5, 0.5), (-0.5, 0.5), (0.2, 2.0))]
            )
    norm, expand = model.get_layer("project_norm"), model.get_layer("expand")
    gamma, beta, mean, variance = norm.get_weights()
    gamma[3], beta[3] = gamma[3] * outlier, beta[3] * outlier
    norm.set_weights([gamma, beta, mean, variance])
    kernel, bias = expand.get_weights()
    kernel[:, :, 3] /= outlier
    expand.set_weights([kernel, bias])
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel * 4, bias])
    return model


@pytest.fixture(scope="module")
def hard() -> dict[str, Any]:
    """A network that is hard to quantize, and its files."""
    model = small_network(OUTLIER)
    representative = pictures(48, 5)
    return {
        "model": model,
        "representative": representative,
        "int8": quantize(model, representative),
        "float32": convert_format(model, "float32"),
    }


def divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    one, other = softmax(wanted.astype(np.float64), 1.0), softmax(found, 1.0)
    return float((one * np.log(one / other)).sum(axis=1).mean())


def answers(model: Any, shown: np.ndarray) -> np.ndarray:
    import keras

    return np.array(keras.ops.convert_to_numpy(model(shown, training=False)))


def largest_difference(one: Any, other: Any, shown: np.ndarray) -> float:
    return float(np.abs(answers(one, shown) - answers(other, shown)).max())


def test_folding_changes_nothing_but_the_rounding_of_floats() -> None:
    model = small_network()
    folded = fold_batch_norm(model)
    assert sorted(folded.folded) == ["depthwise_norm", "project_norm", "stem_norm"]
    assert folded.kept == []
    assert not any("norm" in layer.name for layer in folded.model.layers)
    assert largest_difference(model, folded.model, to_real(pictures(8, 3))) < 1e-3


def test_folding_reaches_into_models_inside_a_model() -> None:
    import keras

    inner = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    rng = np.random.default_rng(4)
    norms = [layer for layer in inner.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        count = norm.moving_mean.shape
        norm.moving_mean.assign(rng.normal(0, 0.2, count))
        norm.moving_variance.assign(rng.uniform(0.5, 1.5, count))
    picture = keras.Input((32, 32, 3))
    model = keras.Model(picture, keras.layers.GlobalAveragePooling2D()(inner(picture)))
    folded = fold_batch_norm(model)
    assert len(folded.folded) == len(norms)
    shown = rng.uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    assert np.abs(answers(model, shown)).max() > 0.01
    assert largest_difference(model, folded.model, shown) < 1e-3


def test_equalizing_changes_nothing_but_the_rounding_of_floats() -> None:
    """Also in a model inside a model, and behind a layer of padding."""
    import keras

    inner = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    picture = keras.Input((32, 32, 3))
    model = fold_batch_norm(keras.Model(picture, keras.layers.GlobalAveragePooling2D()(inner(picture)))).model
    shown = np.random.default_rng(3).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    equalized = equalize(model, shown)
    pairs = list(zip(model.get_weights(), equalized.get_weights(), strict=True))
    changed = sum(not np.allclose(one, other) for one, other in pairs)
    assert changed > 30, "of 52 kernels, those on the two sides of a ReLU6"
    wanted = answers(model, to_real(shown))
    assert largest_difference(model, equalized, to_real(shown)) < 1e-3 * np.abs(wanted).max()


def test_a_channel_that_would_be_rounded_away_survives_once_equalized() -> None:
    """One channel is a thousandth of the other, and the layer behind makes as much of it."""
    import keras

    picture = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 1, name="quiet_and_loud")(picture)
    x = keras.layers.ZeroPadding2D(1)(keras.layers.ReLU(6.0)(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 1, name="mix")(x))
    model = keras.Model(picture, x)
    model.get_layer("quiet_and_loud").set_weights(
        [np.float32([[[[0.0, 3], [0.002, 0], [0, 0]]]]), np.float32([0.002, 3])]
    )
    model.get_layer("mix").set_weights([np.float32([[[[1500, 0], [0, 1]]]]), np.zeros(2, np.float32)])
    shown = np.random.default_rng(2).integers(0, 256, (32, 8, 8, 3), dtype=np.uint8)
    shown[0], shown[1] = 0, 255
    wanted = answers(model, to_real(shown))

    def error(network: Any) -> float:
        return float(np.abs(Runner(quantize(network, shown)).logits(shown) - wanted).max() / np.abs(wanted).max())

    equalized = equalize(model, shown)
    assert largest_difference(model, equalized, to_real(shown)) < 1e-3
    assert error(equalized) < 0.03 < error(model)


def test_a_normalization_behind_an_activation_stays_and_is_named() -> None:
    import keras

    layers = [
        keras.Input((4,)),
        keras.layers.Dense(3, activation="relu"),
        keras.layers.BatchNormalization(name="late"),
        keras.layers.Dense(2),
        keras.layers.BatchNormalization(name="last"),
    ]
    model = keras.Sequential(layers)
    folded = fold_batch_norm(model)
    assert (folded.folded, folded.kept) == (["last"], ["late"])
    assert largest_difference(model, folded.model, np.ones((2, 4), np.float32)) < 1e-5


def test_the_int8_file_is_the_same_every_time_and_has_nothing_unfolded(hard: dict[str, Any]) -> None:
    assert quantize(hard["model"], hard["representative"]) == hard["int8"]
    tree = read_tree(hard["int8"])
    assert leftovers(tree) == []
    assert undelegated(hard["int8"]) is None
    kinds = [operator.kind for operator in operators(tree)]
    assert kinds == ["CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED"]


def test_number_formats_are_measured_on_the_same_pictures(hard: dict[str, Any]) -> None:
    shown = pictures(12, 7)
    wanted = answers(hard["model"], to_real(shown)).astype(np.float64)
    models = {"int8": hard["int8"], **{name: convert_format(hard["model"], name) for name in FORMATS}}
    labels = ("glass", "paper", "trash")
    rows = {row.name: row for row in compare_formats(models, wanted, shown, wanted.argmax(1), labels, ("trash",))}
    assert rows["float32"].accuracy == rows["float32"].same_label == 1.0
    assert rows["float16"].same_label == rows["float16"].accuracy
    assert rows["int8"].time_ratio == 1.0
    assert {name: row.size_bytes for name, row in rows.items()} == {name: len(file) for name, file in models.items()}
    assert np.abs(Runner(models["float32"]).logits(shown) - wanted).max() < 1e-4


def test_the_layer_that_hurts_is_named_first(hard: dict[str, Any]) -> None:
    entries = layer_errors(hard["float32"], hard["int8"], pictures(8, 9))
    found = {entry.layer: entry for entry in entries}
    assert entries[0].layer == "project"
    assert found["project"].logits_db < found["stem"].logits_db - 6
    assert found["sum"].weights_db is None
    assert 30 < (found["stem"].weights_db or 0) < 60
    assert all(entry.rounding_db >= entry.total_db - 1 for entry in entries)
    assert "| project | CONV_2D |" in markdown(entries).splitlines()[2]


def test_files_of_different_networks_are_not_compared(hard: dict[str, Any]) -> None:
    import keras

    picture = keras.Input((SIDE, SIDE, 3))
    other = keras.Model(picture, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(picture)))
    with pytest.raises(BundleError, match="operator 0 is MEAN"):
        layer_errors(convert_format(other, "float32"), hard["int8"], pictures(2, 1))


@pytest.mark.parametrize(
    ("signal", "noise", "expected"), [(100.0, 1.0, 20.0), (1.0, 0.0, EXACT_DB), (0.0, 1.0, 0.0), (1.0, 10.0, -10.0)]
)
def test_signal_to_noise_is_in_decibels(signal: float, noise: float, expected: float) -> None:
    assert sqnr_db(signal, noise) == pytest.approx(expected)


def test_one_rounding_stands_for_every_operator_of_the_int8_file(hard: dict[str, Any]) -> None:
    _, pairs, points = rounding_model(fold_batch_norm(hard["model"]).model)
    kinds = [operator.kind for operator in operators(read_tree(hard["int8"]))]
    assert len(points) == len(kinds)
    assert len(pairs) == sum(kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") for kind in kinds)


def test_tuning_makes_a_hard_network_bear_int8(hard: dict[str, Any]) -> None:
    folded = fold_batch_norm(hard["model"]).model
    before = [np.array(values) for values in folded.get_weights()]
    settings = QatSettings(pictures=96, epochs=12, rate=2e-3, batch=16)
    lines: list[str] = []
    tuned = fine_tune(folded, pictures(96, 11), hard["representative"], settings, lines.append)
    shown = pictures(64, 13)
    wanted = answers(hard["model"], to_real(shown))
    after_training = divergence(wanted, Runner(hard["int8"]).logits(shown))
    after_tuning = divergence(wanted, Runner(quantize(tuned, hard["representative"])).logits(shown))
    assert after_training > 1e-4
    assert after_tuning < 0.7 * after_training
    assert len(lines) == settings.epochs
    assert all((one == other).all() for one, other in zip(before, folded.get_weights(), strict=True))


def test_from_photographs_to_the_account_of_the_loss(hard: dict[str, Any], tmp_path: Path) -> None:
    for label in ("glass", "paper", "trash"):
        (tmp_path / label).mkdir()
        for number, item in enumerate(rendered_plan([label], 8, 3, "photographs")):
            frame = cv2.resize(rendered_frame(item, is_degraded=False), (80, 60), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(tmp_path / label / f"{label}{number * 5}.png"), frame)
    split, settings = make_split(tmp_path, 5), Settings(side_px=SIDE, rendered=3)
    lines: list[str] = []
    chosen = best_int8(hard["model"], tmp_path, split, settings, "on", lines.append)
    assert len([line for line in lines if line.startswith("quantization-aware epoch")]) == QatSettings().epochs
    assert (chosen.record["method"] == "post-training") == (chosen.source is hard["model"])
    assert list(chosen.record["tried"]) == ["post-training", "equalized", "quantization-aware"]
    found = account_of(chosen, hard["model"], split, settings, lines.append)
    write_account(found, tmp_path / "work", "0123")
    account = {"candidate_sha256": "0123", **found.fields}
    assert json.loads((tmp_path / "work" / "quantization.json").read_text()) == account
    assert account["n"] == len(split.part("val")) > 0
    assert [row["name"] for row in account["formats"]] == ["int8", *FORMATS]
    assert len(account["layers"]) == 7
    files = {path.name for path in (tmp_path / "work" / "variants").iterdir()}
    assert files == {"int8.tflite", "float32.tflite", "float16.tflite", "dynamic_range.tflite"}
    assert (tmp_path / "work" / "variants" / "int8.tflite").read_bytes() == chosen.model
    text = (tmp_path / "work" / "quantization.md").read_text()
    assert "XNNPACK: takes the whole graph." in text
    assert "| project | CONV_2D |" in text
