"""CARD.md says what is on record, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from convert.card import card
from convert.package import Parts
from edge.bundle import Thresholds

CALIBRATION = {
    "n": 200,
    "accepted": 0.925,
    "accepted_accuracy": 0.984,
    "wanted_accuracy": 0.98,
    "is_wanted_accuracy_reached": True,
}


@pytest.fixture
def make(labels: tuple[str, ...]) -> Callable[..., str]:
    def text(source: str | None = None, weights: dict[str, Any] | None = None, **calibration: Any) -> str:
        counts = {part: dict.fromkeys(labels, 4) for part in ("train", "val", "test")}
        settings = {"seed": 1, "alpha": 1.0, "side_px": 32, "residue": ["trash"], "rendered": 10}
        parts = Parts(
            name="tiny",
            version="1",
            labels=labels,
            model=b"",
            temperature=1.5,
            thresholds=Thresholds(confidence=0.6, margin=0.2),
            seed=1,
            data={"source": source, "photographs": counts, "digest_sha256": "0" * 64},
            training={"weights": weights, "settings": settings, "utc_date": "2026-11-22"},
            metrics={"calibration": {**CALIBRATION, **calibration}},
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
    without = make(weights=None)
    assert "Training started from random weights." in without
    assert "ImageNet" not in without


def test_what_the_thresholds_do_is_told(make: Callable[..., str]) -> None:
    assert "92.5% of the 200 are confident" in make()
    assert "98.4% of the confident are routed right (wanted: 98%)." in make()
    missed = make(accepted_accuracy=0.9, is_wanted_accuracy_reached=False)
    assert "The wanted 98% was reached at no threshold" in missed


def test_the_limits_of_the_block_rule_are_told(make: Callable[..., str]) -> None:
    assert "Neighbouring blocks can still show" in make()
