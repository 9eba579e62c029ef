"""Somebody else's split: what leaks is found, counted and said in one sentence; what does not is left in peace."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import convert.cli
from convert.dataset import make_split, save_split
from convert.leakage import Leakage, find_leakage, leakage_markdown
from convert.part_lists import read_parts
from edge.errors import ConfigError
from tests.photo_rig import draw_object, save_photo

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clean split: 24 things in training, 6 in validation, 10 in test; numbers far apart."""
    for part, count, start in (("train", 24, 0), ("valid", 6, 100), ("test", 10, 200)):
        for seed in range(start, start + count):
            save_photo(
                tmp_path / "split" / part / ("glass", "paper")[seed % 2] / f"{100 * seed}.jpg", draw_object(seed)
            )
    return tmp_path / "split"


def check(path: Path) -> Leakage:
    return find_leakage(read_parts(path, []))


def test_a_clean_split_is_clean(folder: Path) -> None:
    found = check(folder)
    assert found.is_clean
    assert found.photographs == {"train": 24, "val": 6, "test": 10}
    assert (found.share, found.numbers, found.val_affected) == (0, 0, 0)
    assert "measures new photographs" in found.verdict()


def test_copies_are_counted_by_kind_and_named(folder: Path) -> None:
    save_photo(folder / "test" / "glass" / "again.jpg", draw_object(0))
    save_photo(folder / "test" / "glass" / "mirrored.jpg", np.ascontiguousarray(draw_object(2)[:, ::-1]))
    save_photo(folder / "test" / "paper" / "small.png", cv2.resize(draw_object(4), (160, 120)))
    found = check(folder)
    assert found.affected == {"identical": 1, "nearly identical": 2, "neighbours alike": 0}
    assert found.share == pytest.approx(3 / 13)
    by_name = {leak.second: leak for leak in found.leaks}
    assert by_name["test/glass/mirrored.jpg"].first == "train/glass/200.jpg"
    assert by_name["test/paper/small.png"].is_across_classes
    text = leakage_markdown(found)
    assert "23.1% of the test photographs show what training or validation saw" in text
    assert "test test/paper/small.png = train train/glass/400.jpg (nearly identical, labels differ)" in text


def test_likeness_passes_on_within_a_part(folder: Path) -> None:
    save_photo(folder / "test" / "glass" / "again1.jpg", draw_object(0))
    save_photo(folder / "test" / "glass" / "again2.jpg", draw_object(0))
    assert check(folder).affected["identical"] == 2


def test_a_test_part_that_is_the_training_part_says_nothing(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for seed in range(4):
            save_photo(tmp_path / part / "glass" / f"{seed}.jpg", draw_object(seed))
    found = check(tmp_path)
    assert found.share == 1
    assert "says nothing about new photographs" in found.verdict()


@pytest.mark.parametrize(
    ("copies", "reported", "said"),
    [
        # 0.05 ** (1 / 10), the limit of 10 right of 10; and of 9 of 10.
        (
            0,
            1.0,
            "The reported 100% of 10 test photographs: 0 repeat what training or validation saw and prove nothing.",
        ),
        (0, 1.0, "Without an error, the 10 that neither repeat anything"),
        (0, 0.9, "At worst the one error is among the 10 that neither"),
        (0, 0.95, "then the accuracy on new photographs is at least 60.6%"),  # half an error is one
        (30, 1.0, "40 test photographs: 30 repeat what training or validation saw and prove nothing."),
        (30, 1.0, "is at least 74.1% (one-sided"),
        (30, 0.5, "At worst all 20 errors are among the 10 that"),
        (30, 0.5, "is at least 0.0% (one-sided"),
    ],
)
def test_a_reported_figure_is_worth_what_new_photographs_show(
    folder: Path, copies: int, reported: float, said: str
) -> None:
    for number in range(copies):
        save_photo(folder / "test" / "glass" / f"copy{1000 * number}.jpg", draw_object(2 * (number % 12)))
    found = check(folder)
    assert said in found.worth(reported)
    assert found.worth(reported) in leakage_markdown(found, reported)
    assert found.to_json(reported)["worth"] == found.worth(reported)


def test_a_reported_figure_of_copies_alone_is_worth_nothing(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for seed in range(4):
            save_photo(tmp_path / part / "glass" / f"{seed}.jpg", draw_object(seed))
    text = check(tmp_path).worth(1.0)
    assert text == "The reported 100% of 4 val photographs: 4 repeat what training saw; it measures memory."


def test_photographs_with_a_neighbour_elsewhere_are_set_apart(folder: Path) -> None:
    for number in range(5):
        save_photo(folder / "train" / "glass" / f"jar{1000 * number}.jpg", draw_object(600 + number))
        save_photo(folder / "test" / "glass" / f"jar{1000 * number + 1}.jpg", draw_object(700 + number))
    save_photo(folder / "test" / "glass" / "again.jpg", draw_object(0))
    found = check(folder)
    assert (found.numbers, sum(found.affected.values()), found.doubtful) == (5, 1, 6)
    assert "the 10 that neither" in found.worth(1.0)
    assert "at least 74.1%; judged by all 15 that repeat nothing, 81.9% (one-sided" in found.worth(1.0)
    for file in (folder / "test").rglob("*00.jpg"):
        file.unlink()
    text = check(folder).worth(1.0)
    assert "the other 5, which all have a neighbouring number elsewhere and may show the same objects" in text
    assert "at least 54.9% (one-sided" in text


def test_a_reported_figure_is_worth_nothing_known_while_files_are_not_compared(folder: Path) -> None:
    for file in (folder / "test").rglob("*.jpg"):
        file.rename(file.with_suffix(".heic"))
        file.with_suffix(".heic").write_bytes(b"not a picture that is read")
    found = check(folder)
    assert (found.measured, found.photographs["test"]) == ("test", 0)
    assert found.worth(1.0) == "The reported 100%: what it shows is not known while 10 files are not compared."


def test_what_cannot_be_compared_is_not_called_clean(folder: Path) -> None:
    for seed in range(3):
        (folder / "test" / "glass" / f"{seed}.HEIC").write_bytes(b"a photograph of training in another format")
    found = check(folder)
    assert not found.is_clean
    assert found.verdict().startswith("Not known, for 3 files are not compared. Of the others: No test")
    assert "test/glass/0.HEIC (.heic is not read; convert it to JPEG or PNG)" in leakage_markdown(found)


@pytest.mark.parametrize(("is_alike", "leaks"), [(True, 1), (False, 0)])
def test_neighbouring_numbers_leak_only_if_they_look_alike(folder: Path, is_alike: bool, leaks: int) -> None:
    image = draw_object(0)
    other = np.ascontiguousarray(np.roll(image, (60, 90), (0, 1))) if is_alike else draw_object(999)
    save_photo(folder / "train" / "glass" / "jar7.jpg", image)
    save_photo(folder / "test" / "glass" / "jar8.jpg", other)
    found = check(folder)
    assert found.affected["neighbours alike"] == leaks
    assert found.numbers == 1


def test_validation_that_repeats_training_is_no_clean_split(folder: Path) -> None:
    save_photo(folder / "valid" / "glass" / "again.jpg", draw_object(0))
    found = check(folder)
    assert not found.is_clean
    assert (found.share, found.val_affected) == (0, 1)
    assert "validation shows what training saw" in found.verdict()


def test_without_a_test_part_validation_is_what_is_measured(folder: Path) -> None:
    for file in (folder / "test").rglob("*.jpg"):
        file.unlink()
    save_photo(folder / "valid" / "glass" / "again.jpg", draw_object(0))
    found = check(folder)
    assert found.measured == "val"
    assert found.share == pytest.approx(1 / 7)


def test_a_class_in_test_only_and_unreadable_files_are_named(folder: Path) -> None:
    save_photo(folder / "test" / "metal" / "1.jpg", draw_object(500))
    (folder / "test" / "metal" / "2.jpg").write_bytes(b"no picture")
    found = check(folder)
    assert found.untrained == ("metal",)
    assert found.unread == ("test/metal/2.jpg (cannot be decoded)",)
    assert "Classes without a training photograph: metal." in leakage_markdown(found)
    assert not found.is_clean
    assert found.verdict().startswith("metal: in the test part, but not in train. A model cannot know")


@pytest.mark.parametrize("kind", ["csv", "json", "bom csv"])
def test_lists_are_read_whatever_their_columns_are_called(folder: Path, kind: str) -> None:
    rows = [
        {"image": file.relative_to(folder).as_posix(), "class": file.parent.name, "split": file.parts[-3]}
        for file in sorted(folder.rglob("*.jpg"))
    ]
    path = folder / f"list.{kind[-4:].strip()}"
    if kind == "json":
        path.write_text(json.dumps(rows))
    else:
        with path.open("w", encoding="utf-8-sig" if kind == "bom csv" else "utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    assert check(path).photographs == {"train": 24, "val": 6, "test": 10}


def test_our_own_split_is_clean_by_its_own_measure(tmp_path: Path) -> None:
    for label in ("glass", "paper"):
        for number in range(60):
            seed = 7 if number % 17 == 0 else number + 100 * (label == "paper")
            save_photo(tmp_path / "photos" / label / f"{label}{number}.jpg", draw_object(seed))
    save_split(make_split(tmp_path / "photos", 1), tmp_path / "split.json")
    found = find_leakage(read_parts(tmp_path / "split.json", [tmp_path / "photos"]))
    assert found.is_clean
    assert found.numbers > 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "cannot be read as a list"),
        ("a.json", "{}", "neither a list nor an object"),
        ("a.json", "[]", "no part only"),
        ("a.json", "[3]", "entry 1"),
        ("a.csv", "file,part\nx.jpg,train\n", "no label"),
        ("a.csv", "file,label,part\nx.jpg,glass,exam\n", "part 'exam'"),
        ("a.csv", "file,label,part\nx.jpg,glass,train\n", "pass --data"),
        ("a.csv", "file,label,part\na.csv,glass,train\ny.jpg,glass,test\n", "the first is y.jpg"),
    ],
)
def test_a_list_that_is_none_is_refused_in_one_sentence(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        check(tmp_path / name)


def test_folders_without_parts_are_refused(tmp_path: Path) -> None:
    save_photo(tmp_path / "glass" / "1.jpg", draw_object(1))
    with pytest.raises(ConfigError, match="at least two of train, val, test"):
        check(tmp_path)
    with pytest.raises(ConfigError, match="does not exist"):
        check(tmp_path / "nothing")


def test_the_exit_status_tells_a_leaking_split_from_a_clean_one(folder: Path) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "convert", "split", "--check", str(folder), "--json"]
        return subprocess.run(words, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)

    clean = run()
    assert (clean.returncode, json.loads(clean.stdout)["is_clean"]) == (0, True)
    save_photo(folder / "test" / "glass" / "again.jpg", draw_object(0))
    leaking = run()
    assert (leaking.returncode, json.loads(leaking.stdout)["share"]) == (2, 0.0909)
    assert leaking.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reported", "100"], "--reported belongs to --check"),
        (["--reported", "0.96", "--check", "x"], "--reported is in percent, got 0.96; pass 96"),
    ],
)
def test_a_reported_figure_needs_its_split_and_percent(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        convert.cli.app(["split", *words], standalone_mode=False)
