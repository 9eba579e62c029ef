"""Figures of merit, against numbers worked out by hand."""

import numpy as np
import pytest

from convert.scores import binary_scores, confusion, device_scores, label_scores, macro_f1, softmax
from convert.tables import cell, markdown
from edge.bundle import Thresholds

LABELS = ("glass", "paper", "trash")


def test_confusion_has_true_rows() -> None:
    table = confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_label_scores_by_hand() -> None:
    scores = label_scores(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), LABELS)
    assert scores["n"] == 4
    assert scores["accuracy"] == 0.5
    assert scores["labels"]["paper"] == {"n": 1, "precision": 0.5, "recall": 1.0, "f1": 0.6667}
    assert scores["macro_f1"] == pytest.approx((0.5 + 2 / 3 + 0) / 3, abs=1e-4)


def test_macro_f1_leaves_absent_labels_out() -> None:
    assert macro_f1(confusion(np.array([0, 1]), np.array([0, 1]), 3)) == 1.0


def test_the_route_is_decided_by_probability_mass_not_by_the_top_label() -> None:
    probabilities = np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    scores = binary_scores(np.array([0, 2]), probabilities, LABELS, ("trash",))
    assert scores["accuracy"] == 1.0
    assert scores["residue_recall"] == 1.0
    assert binary_scores(np.array([0]), probabilities[:1], LABELS, ("other",)) == {}


def test_what_is_not_confident_goes_to_residue() -> None:
    probabilities = np.array([[0.9, 0.0, 0.1], [0.7, 0.0, 0.3], [0.7, 0.0, 0.3], [0.9, 0.0, 0.1]])
    found = device_scores(
        np.array([0, 1, 2, 2]), probabilities, LABELS, ("trash",), Thresholds(confidence=0.8, margin=0.6)
    )
    assert found == {
        "accuracy": 0.5,
        "residue_recall": 0.5,
        "recyclables_lost": 0.5,
        "uncertain": 0.5,
        "contamination": 0.5,
    }
    assert device_scores(np.array([0]), probabilities[:1], LABELS, (), Thresholds(confidence=0.8, margin=0.6)) == {}


def test_softmax_of_large_logits_stays_finite() -> None:
    assert softmax(np.array([[1e4, 0.0]]), 1.0).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("is_unseen", [True, False])
def test_photographs_are_called_unseen_only_where_they_are(is_unseen: bool) -> None:
    truth, p = np.array([0, 1, 2]), np.eye(3)
    scores = {**label_scores(truth, truth, LABELS), "binary": binary_scores(truth, p, LABELS, ("trash",))}
    scores["device"] = device_scores(truth, p, LABELS, ("trash",), Thresholds(confidence=0.8, margin=0.6))
    text = markdown({"of": {"are_photographs_unseen": is_unseen}, "test": {"int8": scores}})
    assert ("never trained on" in text) is is_unseen
    assert ("perhaps trained on" in text) is not is_unseen


def test_markdown_names_every_set_with_its_n() -> None:
    truth, p = np.array([0, 1, 2]), np.eye(3)
    scores = {**label_scores(truth, truth, LABELS), "binary": binary_scores(truth, p, LABELS, ("trash",))}
    text = markdown({"test": {"int8": scores, "float": scores}})
    assert (
        "| test photographs (blocks never trained on) | int8 | 3 | 100.0% | 1.000 | 100.0% | 1.000 | 1.000 (n 1) |"
        in text
    )
    assert "| **trash** | 0 | 0 | 1 |" in text


def test_an_interval_stands_beside_its_figure_where_there_is_one() -> None:
    scores = {"accuracy": 0.887, "binary": {"macro_f1": 0.8}, "ci95": {"accuracy": [0.8514, 0.921]}}
    assert cell(scores, "accuracy") == "88.7% [85.1, 92.1]"
    assert cell(scores, "binary", "macro_f1", is_share=False) == "0.800"
    assert cell(scores, "binary", "residue_recall") == "–"
