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
from convert.fold import Fold
from convert.quantization import Checks, best_int8
from convert.scores import softmax
from convert.settings import Settings

N = 400
TARGETS = np.zeros(N, np.int64)
SPLIT = object.__new__(Split)


FLOAT = np.tile([3.0, 0.0, 0.0], (N, 1))
"""Logits of the float network: N pictures of label 0, all recognized."""


def near(divergence: float, right: int = N) -> np.ndarray:
    """Answers so far from `FLOAT`, in nats, and of which so many are right where there is room for it."""
    rows = FLOAT.copy()
    wanted = softmax(FLOAT[:1], 1.0)[0]
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        found = softmax(np.array([[3.0 + middle, 0.0, 0.0]]), 1.0)[0]
        low, high = (middle, high) if (wanted * np.log(wanted / found)).sum() < divergence else (low, middle)
    rows[:, 0] += low
    rows[right:, 1] = rows[right:, 0] + 1
    return rows


def tied(right: int, lead: float = 0.05) -> np.ndarray:
    """Answers hardly different from a float network that is in two minds; so many of them are right."""
    rows = np.tile([lead, 0.0, -9.0], (N, 1))
    rows[right:, :2] = rows[right:, 1::-1]
    return rows


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., bytes]) -> Callable[..., Any]:
    """Runs `best_int8` with given logits of the int8 network as it is, equalized, and tuned."""

    def run(
        plain: np.ndarray, equalized: np.ndarray, tuned: np.ndarray, qat: str, float_logits: np.ndarray = FLOAT
    ) -> Any:
        models = {name: tiny_model(labels) for labels, name in enumerate(("float", "equalized", "tuned"), 3)}
        answers = dict(zip(models.values(), (plain, equalized, tuned), strict=True))

        class FakeRunner:
            def __init__(self, model: bytes) -> None:
                self._model = model

            def logits(self, pictures: np.ndarray) -> np.ndarray:
                return answers[self._model]

        pictures = np.zeros((N, 2, 2, 3), np.uint8)
        monkeypatch.setattr(quantization, "quantize", lambda model, representative: models[model])
        monkeypatch.setattr(quantization, "representative_pictures", lambda *given: pictures)
        monkeypatch.setattr(quantization, "class_root", lambda data: data)
        monkeypatch.setattr(quantization, "fold_batch_norm", lambda model: Fold(model, [], []))
        monkeypatch.setattr(quantization, "equalize", lambda model, representative: "equalized")
        monkeypatch.setattr(quantization, "_checks", lambda *given: Checks(pictures, TARGETS, float_logits))
        monkeypatch.setattr(quantization, "_tuned", lambda *given: "tuned")
        monkeypatch.setattr(quantization, "Runner", FakeRunner)
        return best_int8("float", Path(), SPLIT, Settings(), qat, lambda line: None)

    return run


@pytest.mark.parametrize(
    ("plain", "equalized", "tuned", "qat", "method", "reason"),
    [
        (near(0.009), near(0.02), near(0.001), "auto", "post-training", "so little is borne: no tuning"),
        (near(0.02), near(0.009), near(0.001), "auto", "equalized", "equalizing is enough"),
        (near(0.03), near(0.02), near(0.01), "auto", "quantization-aware", "too far, and tuning mends it"),
        (near(0.03), near(0.02), near(0.025), "auto", "equalized", "tuning that makes it worse is not taken"),
        (near(0.03), near(0.02), near(0.01), "off", "equalized", "nobody wants tuning"),
        (near(0.004), near(0.003), near(0.002), "on", "quantization-aware", "tuning is wanted and helps"),
        (near(0.004), near(0.003), near(0.004), "on", "equalized", "tuning is wanted and does harm"),
    ],
)
def test_the_int8_model_nearest_to_the_float_one_is_taken(
    choose: Callable[..., Any],
    plain: np.ndarray,
    equalized: np.ndarray,
    tuned: np.ndarray,
    qat: str,
    method: str,
    reason: str,
) -> None:
    chosen = choose(plain, equalized, tuned, qat)
    assert chosen.record["method"] == method, reason
    assert chosen.source == {"post-training": "float", "equalized": "equalized"}.get(method, "tuned")


@pytest.mark.parametrize(("lost", "method"), [(1, "post-training"), (2, "quantization-aware")])
def test_lost_labels_are_enough_for_tuning(choose: Callable[..., Any], lost: int, method: str) -> None:
    """0.25 points of 400 pictures are borne, 0.5 are not, although the answers are hardly different."""
    near_enough = tied(N - lost)
    chosen = choose(near_enough, near_enough, tied(N), "auto", tied(N))
    assert chosen.record["tried"]["post-training"]["divergence"] < quantization.DIVERGENCE_LIMIT / 10
    assert chosen.record["method"] == method


def test_the_record_says_what_was_tried(choose: Callable[..., Any]) -> None:
    record = choose(near(0.03, N - 4), near(0.02), near(0.01), "auto").record
    assert record["accuracy_float"] == 1
    assert record["tried"]["post-training"]["accuracy"] == pytest.approx(1 - 4 / N)
    assert record["tried"]["equalized"] == {"accuracy": 1, "divergence": 0.02}
    assert record["loss_points"] == 0


def test_the_command_line_hands_on_when_to_tune_and_what_to_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def note(job: Any, name: str, version: str, qat: str = "?", *, allow_undelegated: bool = False) -> None:
        seen.append((qat, allow_undelegated))

    monkeypatch.setattr(convert.pipeline, "run_quantize", note)
    convert.cli.app(["quantize"], standalone_mode=False)
    convert.cli.app(["quantize", "--qat", "off", "--allow-undelegated"], standalone_mode=False)
    assert seen == [("auto", False), ("off", True)]
