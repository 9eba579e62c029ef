"""Two bundles on the same pictures: the statistics on known numbers, the rest on bundles of a few hundred bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convert.cli
from convert.choices import Which
from convert.compare import compare
from convert.comparison import markdown
from convert.paired import Pair, exact_mcnemar, flips, paired_figures, time_ratio
from convert.picture_sets import from_folder, from_split
from convert.settings import Workspace
from edge.bundle import Thresholds
from edge.errors import ConfigError
from tests.tiny_bundle import COLOURS, bundle_in, model_of

RESIDUE = ("trash",)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve plain pictures a class, numbered so that every second begins a new group."""
    rng = np.random.default_rng(5)
    for label, colour in COLOURS.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(12):
            image = np.clip(np.array(colour) + rng.integers(-20, 20, (24, 32, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "photos" / label / f"{label}{number * 5}.png"), image)
    return tmp_path / "photos"


@pytest.fixture
def right(tmp_path: Path, tiny_model: Callable[..., bytes]) -> Path:
    """Names every picture right: glass is blue, paper green, trash red."""
    return bundle_in(tmp_path / "right", model_of(tiny_model, {0: 2, 1: 1, 2: 0}), tuple(COLOURS))


@pytest.fixture
def swapped(tmp_path: Path, tiny_model: Callable[..., bytes]) -> Path:
    """Takes paper for trash and trash for paper."""
    return bundle_in(tmp_path / "swapped", model_of(tiny_model, {0: 2, 1: 0, 2: 1}), tuple(COLOURS))


def run(a: Path, b: Path, photos: Path) -> dict[str, Any]:
    return compare(a, b, from_folder(photos), RESIDUE, 1, lambda line: None)


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (0, 5, 2 / 32),
        (2, 10, 2 * (1 + 12 + 66) / 4096),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
        (6, 6, 1.0),
        (59, 121, 4.434e-06),  # binomial: 2 P(X <= 59), X of 180 at 1/2
    ],
)
def test_mcnemar_is_twice_the_binomial_tail(worse: int, better: int, p: float) -> None:
    assert exact_mcnemar(worse, better) == pytest.approx(p, rel=2e-3)


def test_mcnemar_of_thousands_does_not_overflow() -> None:
    assert 0 < exact_mcnemar(2400, 2600) < 0.01


def test_flips_are_counted_by_their_direction() -> None:
    pair = Pair(np.array([0, 1, 2, 2]), np.array([0, 1, 0, 1]), np.array([1, 1, 2, 0]), 3)
    assert flips(pair) == (1, 1)


def test_the_interval_of_a_difference_is_narrower_than_two_apart_would_be() -> None:
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1], 200)
    first = np.where(rng.random(400) < 0.3, 1 - truth, truth)
    second = first.copy()
    second[:4] = truth[:4]
    groups = [str(place // 4) for place in range(400)]
    row = paired_figures(None, Pair(truth, first, second, 2), groups, truth, 1)["route_accuracy"]
    gained = int((first[:4] != truth[:4]).sum())
    assert row["difference"] == pytest.approx(gained / 400, abs=1e-4)
    assert row["low"] is not None and row["high"] is not None
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["high"] - row["low"] < 0.03  # a proportion of 0.7 among 400 alone has an interval of 0.09


def test_a_figure_without_residue_is_none() -> None:
    zeros = np.zeros(6, np.int64)
    row = paired_figures(None, Pair(zeros, zeros, zeros, 2), list("aabbcc"), zeros, 1)["residue_recall"]
    assert row == {"a": None, "b": None, "difference": None, "low": None, "high": None}


def test_one_slow_picture_does_not_move_the_ratio_of_times() -> None:
    first, second = np.full(101, 2e-3), np.full(101, 1e-3)
    second[7] = 5.0
    found = time_ratio(first, second)
    assert (found["a_ms"], found["b_ms"], found["ratio"]) == (2.0, 1.0, 0.5)
    assert found["low"] == found["high"] == 0.5


def test_every_flip_is_named(right: Path, swapped: Path, photos: Path) -> None:
    found = run(right, swapped, photos)
    assert found["basis"] == "labels and routes"
    assert found["mcnemar"]["labels"] == {"right_to_wrong": 24, "wrong_to_right": 0, "p": 1.19e-07}
    assert found["mcnemar"]["routes"]["right_to_wrong"] == 24
    assert found["figures"]["accuracy"]["a"] == 1.0
    assert found["figures"]["accuracy"]["difference"] == pytest.approx(-2 / 3, abs=1e-4)
    assert found["figures"]["residue_recall"] == {"a": 1.0, "b": 0.0, "difference": -1.0, "low": None, "high": None}
    assert {row["file"] for row in found["flips"]} == {
        f"{label}/{label}{number * 5}.png" for label in ("paper", "trash") for number in range(12)
    }
    row = next(row for row in found["flips"] if row["true"] == "paper")
    assert (row["a"], row["b"], row["label_change"]) == ("paper", "trash", "right to wrong")
    assert (row["a_route"], row["b_route"], row["route_change"]) == ("recyclable", "residue", "right to wrong")
    text = markdown(found)
    assert "24 pictures flipped" in text
    assert "| labels | 24 | 0 | 1.19e-07 |" in text


def test_the_other_way_round_the_signs_change(right: Path, swapped: Path, photos: Path) -> None:
    found = run(swapped, right, photos)
    assert found["mcnemar"]["labels"]["wrong_to_right"] == 24
    assert {row["label_change"] for row in found["flips"]} == {"wrong to right"}
    assert found["figures"]["accuracy"]["difference"] == pytest.approx(2 / 3, abs=1e-4)


def test_the_same_bundle_twice_differs_in_nothing(right: Path, photos: Path) -> None:
    found = run(right, right, photos)
    assert found["flips"] == [] and found["manifest"] == {}
    assert found["mcnemar"]["labels"]["p"] == 1.0
    assert 0 < found["time"]["low"] <= found["time"]["ratio"] <= found["time"]["high"]
    assert "byte for byte" in found["notes"][0]
    assert "No picture flipped." in markdown(found)


@pytest.mark.parametrize(
    "strict", [Thresholds(confidence=1.0, margin=1.0), Thresholds(confidence=0.6, margin=0.2, energy=1e6)]
)
def test_routes_by_the_thresholds_are_compared_as_well(
    right: Path, tmp_path: Path, tiny_model: Callable[..., bytes], photos: Path, strict: Thresholds
) -> None:
    """The same model with thresholds that nothing passes: everything goes to residue."""
    model = model_of(tiny_model, {0: 2, 1: 1, 2: 0})
    found = run(right, bundle_in(tmp_path / "strict", model, tuple(COLOURS), thresholds=strict), photos)
    assert found["mcnemar"]["routes"]["p"] == 1.0
    assert found["mcnemar"]["device_routes"] == {"right_to_wrong": 24, "wrong_to_right": 0, "p": 1.19e-07}
    assert found["device"]["a"]["recyclables_lost"] == 0
    assert found["device"]["b"]["recyclables_lost"] == found["device"]["b"]["uncertain"] == 1
    assert {row["file"] for row in found["flips"]} == {
        f"{label}/{label}{number * 5}.png" for label in ("glass", "paper") for number in range(12)
    }
    row = found["flips"][0]
    assert (row["label_change"], row["route_change"]) == (None, None)
    assert (row["a_device_route"], row["b_device_route"]) == ("recyclable", "residue")
    assert row["device_route_change"] == "right to wrong"
    text = markdown(found)
    assert "| recyclables lost to residue | 0.000 | 1.000 |" in text
    assert "24 pictures flipped" in text
    assert (
        "| glass/glass0.png | glass | glass | glass | – | the same | recyclable to residue (right to wrong) |" in text
    )


def test_labels_in_another_order_are_the_same_labels(
    right: Path, tmp_path: Path, tiny_model: Callable[..., bytes], photos: Path
) -> None:
    other = bundle_in(tmp_path / "other", model_of(tiny_model, {0: 0, 1: 2, 2: 1}), ("trash", "glass", "paper"))
    found = run(right, other, photos)
    assert found["basis"] == "labels and routes"
    assert found["flips"] == []
    assert found["manifest"]["labels"] == {"a": ["glass", "paper", "trash"], "b": ["trash", "glass", "paper"]}


def test_other_labels_are_compared_by_their_route(
    right: Path, tmp_path: Path, tiny_model: Callable[..., bytes], photos: Path
) -> None:
    two = bundle_in(tmp_path / "two", model_of(tiny_model, {0: 1, 1: 0}, labels=2), ("clean", "trash"))
    found = run(right, two, photos)
    assert found["basis"] == "routes"
    assert set(found["mcnemar"]) == {"routes", "device_routes"}
    assert set(found["figures"]) == {"route_accuracy", "route_macro_f1", "residue_recall"}
    assert "only routes are compared" in found["notes"][0]
    markdown(found)


def test_what_has_one_route_only_or_unknown_labels_is_refused(right: Path, photos: Path) -> None:
    with pytest.raises(ConfigError, match="one route only"):
        compare(right, right, from_folder(photos), ("styrofoam",), 1, lambda line: None)
    (photos / "glass").rename(photos / "cats")
    with pytest.raises(ConfigError, match=r"neither bundle knows \(cats\)"):
        run(right, right, photos)


def test_a_picture_that_cannot_be_decoded_is_left_out_and_named(right: Path, photos: Path) -> None:
    (photos / "glass" / "glass999.jpg").write_bytes(b"no picture")
    found = run(right, right, photos)
    assert found["pictures"]["n"] == 36
    assert any("glass/glass999.jpg" in note for note in found["notes"])


def test_a_picture_of_a_format_that_is_not_read_is_named(right: Path, photos: Path) -> None:
    (photos / "glass" / "phone.HEIC").write_bytes(b"")
    found = run(right, right, photos)
    assert "left out, for they cannot be read: glass/phone.HEIC" in found["notes"]
    assert found["pictures"]["n"] == 36


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, message in (("empty", "holds no class folder"), ("nowhere", "is no folder")):
        with pytest.raises(ConfigError, match=message):
            from_folder(tmp_path / folder)


def test_a_bundle_of_another_split_is_suspected(
    right: Path, tmp_path: Path, tiny_model: Callable[..., bytes], photos: Path
) -> None:
    pictures = from_split(photos, tmp_path / "none.json", Which.TEST, 3)
    split = pictures.split
    assert split is not None
    data = {"digest_sha256": split.digest, "split_seed": 3, "photographs": split.counts()}
    own = bundle_in(tmp_path / "own", model_of(tiny_model, {0: 2, 1: 1, 2: 0}), tuple(COLOURS), data)
    found = compare(own, right, pictures, RESIDUE, 1, lambda line: None)
    assert found["bundles"]["a"]["are_pictures_unseen"] is True
    assert found["bundles"]["b"]["are_pictures_unseen"] is False
    assert [note for note in found["notes"] if note.startswith("B (right) was not made from this split")]
    assert not [note for note in found["notes"] if note.startswith("A (")]
    assert found["manifest"]["data.split_seed"] == {"a": 3, "b": None}


def test_the_command_gives_json_and_refuses_with_its_status(
    right: Path, swapped: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", str(right), str(swapped), "--images", str(photos), "--json", "--data", str(tmp_path)]
    convert.cli.app(words, standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["mcnemar"]["labels"]["right_to_wrong"] == 24
    words = ["compare", str(right), str(swapped), "--data", str(photos), "--work", str(tmp_path / "work")]
    with pytest.raises(ConfigError, match="run `edge-convert split` first"):
        convert.cli.app(words, standalone_mode=False)
    assert not Workspace(tmp_path / "work").folder.exists()
