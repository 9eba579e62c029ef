"""Photographs of what is no waste: cut-outs lie on a tray, others fill the picture, and what is sold is counted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.package import Parts, write_bundle
from convert.photographs import UnreadableError
from convert.strangers import describe, find_strangers, measure_strangers, stranger_frame
from convert.tables import stranger_lines
from edge.bundle import Bundle, Thresholds
from edge.errors import ConfigError

RESIDUE = ("trash",)


@pytest.fixture
def bundle(parts: Parts, tmp_path: Path) -> Callable[[Thresholds], Bundle]:
    """A bundle of the tiny model with the given thresholds."""

    def make(thresholds: Thresholds) -> Bundle:
        return write_bundle(tmp_path / "bundle", replace(parts, thresholds=thresholds), None)

    return make


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    return bytes(cv2.imencode(suffix, image)[1])


def cut_out(rows: int = 90, columns: int = 60) -> bytes:
    """A red disc; all around it is transparent, and white below."""
    image = np.full((rows, columns, 4), (255, 255, 255, 0), np.uint8)
    cv2.circle(image, (columns // 2, rows // 2), columns // 3, (0, 0, 230, 255), -1)
    return encoded(image)


def red(frame: np.ndarray) -> float:
    blue, green, redness = (frame[..., place].astype(int) for place in range(3))
    return float(((redness > 100) & (blue < 80) & (green < 80)).mean())


def test_a_cut_out_lies_on_a_tray_as_large_as_an_item() -> None:
    frame = stranger_frame(cut_out(), np.random.default_rng(1))
    assert frame.shape == (480, 640, 3)
    assert 0.02 < red(frame) < 0.4
    assert np.array_equal(frame, stranger_frame(cut_out(), np.random.default_rng(1)))
    assert not np.array_equal(frame, stranger_frame(cut_out(), np.random.default_rng(2)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (encoded(np.full((60, 80, 3), (0, 0, 230), np.uint8)), "no transparency at all"),
        (encoded(np.full((60, 80, 4), (0, 0, 230, 255), np.uint8)), "nothing of it is transparent"),
        (encoded(np.full((60, 80, 3), (0, 0, 230), np.uint8), ".jpg"), "JPEG"),
    ],
)
def test_any_other_photograph_is_shown_as_it_is(content: bytes, why: str) -> None:
    frame = stranger_frame(content, np.random.default_rng(1))
    assert frame.shape == (60, 80, 3), why
    assert red(frame) == 1.0, why


def test_the_object_decides_the_size_and_not_what_is_clear_round_it() -> None:
    small = np.zeros((900, 900, 4), np.uint8)
    cv2.circle(small, (700, 200), 30, (0, 0, 230, 255), -1)
    for seed in range(8):
        shown = red(stranger_frame(encoded(small), np.random.default_rng(seed)))
        assert 0.08 < shown < 0.5, "a disc of 200 to 420 px"


def test_what_is_clear_throughout_is_no_stranger() -> None:
    with pytest.raises(UnreadableError, match="nothing in it is opaque"):
        stranger_frame(encoded(np.zeros((90, 60, 4), np.uint8)), np.random.default_rng(1))


def test_a_damaged_file_is_no_stranger() -> None:
    with pytest.raises(UnreadableError, match="truncated"):
        stranger_frame(cut_out()[:60], np.random.default_rng(1))


def test_what_is_sold_is_counted_by_kind(
    bundle: Callable[[Thresholds], Bundle], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for place, kind in enumerate(("cats", "toys")):
        (tmp_path / kind / "below").mkdir(parents=True)
        for number in range(2 + place):
            (tmp_path / kind / "below" / f"{number}.png").write_bytes(cut_out(90 + number))
    (tmp_path / "cats" / "note.txt").write_text("no picture")
    (tmp_path / "cats" / "half.png").write_bytes(cut_out()[:60])
    folders = [tmp_path / "cats", tmp_path / "toys"]

    nothing_held_back = bundle(Thresholds(confidence=0.0, margin=0.0, energy=-1e6))
    found = measure_strangers(find_strangers(folders), nothing_held_back, RESIDUE, 1)
    assert {kind: shares["n"] for kind, shares in found["kinds"].items()} == {"cats": 2, "toys": 3}
    assert found["all"] == {"n": 5, "rejected": 0.0, "sold_without_limit": 1.0, "sold": 1.0}
    assert found["unreadable"] == 1
    assert "cats/half.png is left out: " in caplog.text
    assert describe(found) == (
        "sold as recyclable: 100.0% of 5 (cats 100.0% of 2, toys 100.0% of 3); files that show nothing: 1"
    )

    found = measure_strangers(find_strangers(folders), nothing_held_back, nothing_held_back.labels, 1)
    assert found["all"]["sold"] == 0.0, "every label is residue"

    all_rejected = bundle(Thresholds(confidence=0.0, margin=0.0, energy=1e6))
    found = measure_strangers(find_strangers(folders), all_rejected, RESIDUE, 1)
    assert found["all"] == {"n": 5, "rejected": 1.0, "sold_without_limit": 1.0, "sold": 0.0}
    assert "| cats | 2 | 100.0% | 0.0% | 100.0% |" in stranger_lines(found)
    assert stranger_lines(found)[-1] == "Files that show nothing and are left out: 1."


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (None, "is no folder"),
        ({}, "holds no photographs"),
        ({"note.txt": b"text"}, "holds no photographs"),
        ({"half.png": cut_out()[:60]}, "can be read"),
    ],
)
def test_a_folder_without_photographs_is_refused(
    bundle: Callable[[Thresholds], Bundle], tmp_path: Path, files: dict[str, bytes] | None, said: str
) -> None:
    folder = tmp_path / "cats"
    for name, content in (files or {}).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    if files == {}:
        folder.mkdir()
    with pytest.raises(ConfigError, match=f"cats.*{said}.*--strangers"):
        measure_strangers(find_strangers([folder]), bundle(Thresholds(confidence=0.6, margin=0.2)), RESIDUE, 1)


def test_two_kinds_of_one_name_are_refused(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "cats").mkdir(parents=True)
        (tmp_path / place / "cats" / "0.png").write_bytes(cut_out())
    with pytest.raises(ConfigError, match="two folders of strangers are called cats"):
        find_strangers([tmp_path / "a" / "cats", tmp_path / "b" / "cats"])


def test_nothing_is_said_where_there_were_no_strangers() -> None:
    assert stranger_lines({}) == []
