"""CARD.md says what is on record, and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convert.card import card
from convert.package import Parts
from convert.risk import LEVELS, RiskTarget, choose_level
from edge.bundle import Thresholds

_, RISK = choose_level(dict.fromkeys(LEVELS, np.ones(220, np.bool_)), np.arange(220) >= 219, RiskTarget(0.03))
ENERGY = {"limit": 1.5, "rejected": {"photographs": 0.0182}, "undecided": {"photographs": 0.0091}}
CALIBRATION = {"n": 220, "risk": RISK, "energy": ENERGY}
THRESHOLDS = Thresholds(confidence=0.6, margin=0.2)


@pytest.fixture
def make(labels: tuple[str, ...]) -> Callable[..., str]:
    def text(
        source: str | None = None,
        weights: dict[str, Any] | None = None,
        recipe: dict[str, Any] | None = None,
        thresholds: Thresholds = THRESHOLDS,
        metrics: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        **calibration: Any,
    ) -> str:
        counts = {part: dict.fromkeys(labels, 4) for part in ("train", "val", "test")}
        settings = {"seed": 1, "alpha": 1.0, "side_px": 32, "residue": ["trash"], "rendered": 10}
        parts = Parts(
            name="tiny",
            version="1",
            labels=labels,
            model=b"",
            temperature=1.5,
            thresholds=thresholds,
            seed=1,
            data={"source": source, "photographs": counts, "digest_sha256": "0" * 64},
            training={
                "weights": weights,
                "recipe": recipe,
                "settings": settings,
                "utc_date": "2026-11-22",
                **(training or {}),
            },
            metrics={"calibration": {**CALIBRATION, **calibration}, **(metrics or {})},
        )
        return card(parts)

    return text


def test_only_trashnet_is_called_trashnet(make: Callable[..., str]) -> None:
    assert "TrashNet, MIT licence, re-encoded at JPEG quality 82" in make("TrashNet")
    assert "photographs MIT (TrashNet" in make("TrashNet")
    own = make(None)
    for word in ("TrashNet", "MIT", "JPEG"):
        assert word not in own
    assert "for whoever supplied them to state" in own


def test_the_weights_are_those_on_record(make: Callable[..., str]) -> None:
    digest = "ab" * 32
    assert f"`imagenet.h5`, SHA-256 `{digest}`" in make(weights={"file": "imagenet.h5", "sha256": digest})
    assert "`imagenet`, fetched by Keras" in make(weights={"file": "imagenet", "sha256": None})
    hashes = {"start_sha256": "5" * 64, "teacher_sha256": "5" * 64}
    student = make(weights={"file": "imagenet.h5", "sha256": digest}, training=hashes)
    assert (
        f"SHA-256 `{'5' * 64}`), and learned from its opinion of every picture. The training of that one started"
        in (student)
    )
    untaught = make(weights=None, training={**hashes, "teacher_sha256": "6" * 64})
    assert f"SHA-256 `{'5' * 64}`). The training of that one started from random weights." in untaught
    without = make(weights=None)
    assert "Training started from random weights." in without
    assert "ImageNet" not in without


def test_a_mean_of_weights_is_told(make: Callable[..., str]) -> None:
    weights = {"file": "notop.h5", "sha256": "ab"}
    once, thrice = [{"photos_f1": 0.5}], [{"photos_f1": 0.5}, {"soup": "mean", "members": 3}]
    assert "mean of" not in make(weights=weights, training={"history": once})
    assert "the mean of 3 states of this training" in make(weights=weights, training={"history": thrice})
    together = [{"history": once}, {"history": thrice}]
    assert "the mean of 2 trainings that began alike" in make(weights=weights, training={"members": together})


def test_what_the_thresholds_do_is_told(make: Callable[..., str]) -> None:
    assert "Of 220 validation photographs sent to the recyclable bin 1 are residue" in make()
    assert (
        "At most 3.00% at 95% confidence is shown for items like these, 0.5% of them residue. The best epoch" in make()
    )
    missed = make(risk={**RISK, "target_met": False})
    assert "At most 3.00% at 95% confidence is not shown" in missed


def test_the_limits_of_the_split_are_told(make: Callable[..., str]) -> None:
    assert "may show an object" in make()


def test_strangers_are_said_to_be_named_unless_they_are_rejected(make: Callable[..., str]) -> None:
    named = "puts into one of them all the same"
    assert named in make()
    assert named not in make(thresholds=Thresholds(confidence=0.6, margin=0.2, energy=1.5))


def test_figures_that_the_card_does_not_know_are_listed_all_the_same(make: Callable[..., str]) -> None:
    text = make(nll_before=0.51234, odd_share=0.25, nested={"left": "out"})
    assert "- log loss before: 0.5123" in text
    assert "- odd share: 0.25" in text
    assert "nested" not in text


def test_outliers_have_a_table_by_kind(make: Callable[..., str]) -> None:
    row = {"n": 40, "auroc": 0.95, "rejected": 0.7, "sold": 0.1}
    text = make(
        energy={"limit": 1.5, "rejected": {}, "outliers": {"all": row | {"sold_without_limit": 0.3}, "face": row}}
    )
    assert "| kind | n | auroc | rejected | sold | sold without limit |" in text
    assert "| face | 40 | 0.95 | 0.7 | 0.1 | – |" in text


def test_the_card_names_the_network_of_the_recipe(make: Callable[..., str]) -> None:
    assert "MobileNetV2 1.0, 32 x 32" in make()
    weights = {"file": "w.h5", "sha256": None}
    text = make(weights=weights, recipe={"name": "paper", "network": {"family": "vgg16"}})
    assert "VGG16 1.0, 32 x 32" in text
    assert "ImageNet weights of VGG16 (" in text


def test_corruptions_and_their_worst_stand_in_the_card(make: Callable[..., str]) -> None:
    assert "was not measured" in make()
    cells = {"accuracy": [0.9, 0.5], "mean": {"accuracy": 0.7}}
    found = {
        "n": 30,
        "severities": [1, 5],
        "kinds": {"dark": cells, "jpeg": {**cells, "mean": {"accuracy": 0.6}}},
        "mean": {"accuracy": 0.65},
        "ci95": {"mean": {"accuracy": [0.6, 0.7]}},
    }
    text = make(metrics={"corruptions": found})
    assert "| **mean** | 90.0% | 50.0% | 65.0% [60.0, 70.0] |" in text
    assert "it bears jpeg (60.0% of the labels right) and dark (70.0% of the labels right) worst" in text
