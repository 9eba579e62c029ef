"""Which int8 model is taken: decided on validation pictures, without TensorFlow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convert.cli
import convert.pipeline
import convert.quantization as quantization
from convert.dataset import Split
from convert.quantization import Checks, best_int8
from convert.settings import Settings

N = 400
TARGETS = np.zeros(N, np.int64)
SPLIT = object.__new__(Split)


def logits(right: int, margin: float = 1.0) -> np.ndarray:
    """Of N pictures of label 0, the first `right` of them recognized."""
    rows = np.zeros((N, 3))
    rows[:right, 0] = rows[right:, 1] = margin
    return rows


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., bytes]) -> Callable[..., Any]:
    """Runs `best_int8` with given logits of the float, the int8 and the tuned int8 network."""

    def run(floating: np.ndarray, after_training: np.ndarray, after_tuning: np.ndarray, qat: str) -> Any:
        models = {"float": tiny_model(), "tuned": tiny_model(4)}
        answers = {models["float"]: after_training, models["tuned"]: after_tuning}

        class FakeRunner:
            def __init__(self, model: bytes) -> None:
                self._model = model

            def logits(self, pictures: np.ndarray) -> np.ndarray:
                return answers[self._model]

        pictures = np.zeros((N, 2, 2, 3), np.uint8)
        monkeypatch.setattr(quantization, "quantize", lambda model, representative: models[model])
        monkeypatch.setattr(quantization, "representative_pictures", lambda *given: pictures)
        monkeypatch.setattr(quantization, "class_root", lambda data: data)
        monkeypatch.setattr(quantization, "_checks", lambda *given: Checks(pictures, TARGETS, floating))
        monkeypatch.setattr(quantization, "_tuned", lambda *given: "tuned")
        monkeypatch.setattr(quantization, "Runner", FakeRunner)
        return best_int8("float", Path(), SPLIT, Settings(), qat, lambda line: None)

    return run


@pytest.mark.parametrize(
    ("right", "qat", "is_tuned", "reason"),
    [
        ((380, 379, 380), "auto", False, "a loss of 0.25 points is borne"),
        ((380, 378, 380), "auto", True, "0.5 points are too much, and tuning mends them"),
        ((380, 378, 377), "auto", False, "tuning that makes it worse is not taken"),
        ((380, 370, 380), "off", False, "nobody wants tuning"),
        ((380, 380, 381), "on", True, "tuning is wanted and helps"),
        ((380, 385, 381), "on", False, "tuning is wanted and does harm"),
    ],
)
def test_the_better_int8_model_is_taken(
    choose: Callable[..., Any], right: tuple[int, int, int], qat: str, is_tuned: bool, reason: str
) -> None:
    chosen = choose(*map(logits, right), qat)
    assert (chosen.source == "tuned") == is_tuned, reason
    assert chosen.record["method"] == ("quantization-aware" if is_tuned else "post-training")
    assert chosen.record["loss_points"] == pytest.approx((right[0] - right[1]) / 4)


def test_among_equally_right_models_the_likelier_answer_wins(choose: Callable[..., Any]) -> None:
    surer, vaguer = logits(N, margin=3.0), logits(N, margin=1.0)
    assert choose(surer, vaguer, surer, "on").source == "tuned"
    assert choose(surer, surer, vaguer, "on").source == "float"


def test_the_command_line_hands_on_when_to_tune_and_what_to_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def note(job: Any, name: str, version: str, qat: str = "?", *, allow_undelegated: bool = False) -> None:
        seen.append((qat, allow_undelegated))

    monkeypatch.setattr(convert.pipeline, "run_quantize", note)
    convert.cli.app(["quantize"], standalone_mode=False)
    convert.cli.app(["quantize", "--qat", "off", "--allow-undelegated"], standalone_mode=False)
    assert seen == [("auto", False), ("off", True)]
