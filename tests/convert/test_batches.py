"""What a step of training is fed with."""

import numpy as np
import pytest

from convert.batches import NO_WASTE, batches, class_weights, make_batch, rate_at, show, targets_of
from convert.pictures import Example
from convert.recipe import Loss, Phase, Pictures

PLAIN = Pictures(augmentation="own")
TARGETS = np.array([0, 1, 2, NO_WASTE, 0, 1])


def pictures(number: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (number, 4, 4, 3), dtype=np.uint8)


def shown(loss: Loss, inputs: np.ndarray | None = None):
    inputs = pictures(len(TARGETS)) if inputs is None else inputs
    return show(inputs, TARGETS, class_weights(TARGETS, 3, loss), loss)


def test_what_is_no_waste_gets_the_uniform_target_and_its_own_weight() -> None:
    found = shown(Loss(class_weights="balanced", outlier_weight=0.5))
    np.testing.assert_allclose(found.targets[3], 1 / 3)
    assert found.weights[3] == 0.5
    assert found.targets[[0, 1, 2]].tolist() == np.eye(3).tolist()


def test_examples_without_a_label_are_no_waste() -> None:
    examples = [Example(label, lambda: np.zeros((1, 1, 3), np.uint8)) for label in ("paper", None, "glass")]
    assert targets_of(examples, ["glass", "paper"]).tolist() == [1, NO_WASTE, 0]


@pytest.mark.parametrize(
    ("loss", "ratio"),
    [
        (Loss(), 1),
        (Loss(class_weights="balanced"), 4),
        (Loss(class_weights="power"), 2),
        (Loss(class_weights="power", class_power=0.25), 2**0.5),
    ],
)
def test_a_label_four_times_as_rare_weighs_more(loss: Loss, ratio: float) -> None:
    targets = np.array([0] * 40 + [1] * 10 + [NO_WASTE] * 5)
    weight = class_weights(targets, 2, loss)
    assert weight[1] / weight[0] == pytest.approx(ratio)
    assert weight[targets[:50]].mean() == pytest.approx(1)


def test_every_step_has_the_same_size_and_no_row_comes_twice() -> None:
    rows = batches(100, 32, np.random.default_rng(1))
    assert [len(step) for step in rows] == [32, 32, 32]
    assert len(set(np.concatenate(rows).tolist())) == 96
    assert [len(step) for step in batches(5, 32, np.random.default_rng(1))] == [5]


def test_flips_turn_whole_pictures() -> None:
    loss = Loss()
    raw = pictures(6)
    turned = Pictures(augmentation="own", flip_horizontal=1.0, flip_vertical=1.0)
    batch = make_batch(shown(loss, raw), np.arange(6), turned, loss, np.random.default_rng(1))
    np.testing.assert_allclose(batch.inputs * 127.5 + 127.5, raw[:, ::-1, ::-1], atol=1e-3)
    assert raw[0, 0, 0, 0] == pictures(6)[0, 0, 0, 0]


def test_a_mixture_is_of_pictures_targets_and_weights_alike() -> None:
    loss = Loss(class_weights="balanced", mixup_alpha=1.0, mixup_share=1.0)
    # Pictures that show their own target: what is mixed alike can be read off both.
    first = (TARGETS == 0).astype(np.uint8) * 255
    raw = np.broadcast_to(first[:, None, None, None], (6, 4, 4, 3)).copy()
    one = shown(loss, raw)
    batch = make_batch(one, np.arange(6), PLAIN, loss, np.random.default_rng(3))
    is_waste = np.isin(batch.targets.sum(1).round(5), 1.0)
    assert is_waste.all()
    mixed_in = one.targets[3, 0]
    seen = (batch.inputs[:, 0, 0, 0] + 1) / 2
    outlier_share = (batch.targets[:, 0] - seen) / mixed_in
    assert ((outlier_share >= -1e-5) & (outlier_share <= 1 + 1e-5)).all()
    assert ((batch.targets > 1e-3) & (batch.targets < 0.999)).any()
    assert batch.weights.mean() == pytest.approx(one.weights.mean(), abs=0.6)


def test_features_are_left_as_they_are() -> None:
    loss = Loss(mixup_alpha=1.0, mixup_share=1.0)
    features = np.random.default_rng(2).normal(size=(6, 5)).astype(np.float16)
    flips = Pictures(augmentation="own", flip_horizontal=1.0)
    batch = make_batch(shown(loss, features), np.array([4, 2]), flips, loss, np.random.default_rng(1))
    np.testing.assert_array_equal(batch.inputs, features[[4, 2]].astype(np.float32))
    assert batch.inputs.dtype == np.float32


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.1), (5, 0.55), (10, 1.0), (25, 0.505), (40, 0.01), (99, 0.01)],
)
def test_the_rate_warms_up_and_falls_as_a_cosine(step: int, rate: float) -> None:
    phase = Phase(learns="all", epochs=4, rate=1.0, schedule="cosine", warmup_epochs=1.0, last_share=0.01)
    assert rate_at(phase, step, 10) == pytest.approx(rate)


def test_a_constant_rate_stays() -> None:
    phase = Phase(learns="all", epochs=4, rate=0.5)
    assert {rate_at(phase, step, 10) for step in range(50)} == {0.5}
