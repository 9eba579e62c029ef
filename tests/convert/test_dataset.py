"""The split: blocks stay whole, the same files give the same split, and bad folders are named."""

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.dataset import (
    check_data,
    class_folders,
    class_root,
    is_trashnet,
    load_photo,
    load_split,
    make_split,
    save_split,
)
from convert.dealing import SHARES, parse_ratios
from convert.grouping import group_of
from convert.split_report import leftovers, split_json, split_report
from edge.errors import ConfigError
from edge.reading import read_whole
from tests.photo_rig import draw_object, save_photo


def write_photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    cv2.imwrite(str(path), pixels)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for seed, (label, count) in enumerate((("glass", 97), ("paper", 61), ("trash", 34))):
        for number in range(1, count + 1):
            write_photo(tmp_path / label / f"{label}{number}.png", 1000 * seed + number)
    return tmp_path


def test_no_block_of_neighbours_stands_in_two_parts(photographs: Path) -> None:
    split = make_split(photographs, 7)
    parts: dict[str, set[str]] = {}
    for photo in split.photos:
        parts.setdefault(photo.group, set()).add(photo.part)
    assert all(len(found) == 1 for found in parts.values())
    assert {photo.file for photo in split.photos} == {
        path.relative_to(photographs).as_posix() for path in photographs.glob("*/*.png")
    }


def test_parts_hold_about_their_share_of_every_class(photographs: Path) -> None:
    split = make_split(photographs, 7)
    for label in split.labels:
        of_class = [photo for photo in split.photos if photo.label == label]
        for part, share in SHARES.items():
            count = sum(photo.part == part for photo in of_class)
            assert abs(count - share * len(of_class)) <= 10, (label, part)


def test_the_same_seed_gives_the_same_split_and_another_seed_another(photographs: Path) -> None:
    assert make_split(photographs, 7) == make_split(photographs, 7)
    assert make_split(photographs, 7).photos != make_split(photographs, 8).photos


def test_a_split_survives_being_written_and_read(photographs: Path, tmp_path: Path) -> None:
    split = make_split(photographs, 7)
    save_split(split, tmp_path / "work" / "split.json")
    assert load_split(tmp_path / "work" / "split.json") == split


def test_the_digest_follows_content_and_names(photographs: Path) -> None:
    before = make_split(photographs, 7).digest
    assert make_split(photographs, 8).digest == before
    first = photographs / "glass" / "glass1.png"
    first.rename(photographs / "glass" / "glass500.png")
    renamed = make_split(photographs, 7).digest
    write_photo(photographs / "glass" / "glass500.png", 9999)
    assert len({before, renamed, make_split(photographs, 7).digest}) == 3


@pytest.mark.parametrize("change", ["content", "name", "more", "fewer", "class"])
def test_photographs_that_changed_since_the_split_are_refused(photographs: Path, change: str) -> None:
    (photographs / "paper" / "paper3.png").write_bytes(b"no picture")
    split = make_split(photographs, 7)
    check_data(photographs, split)
    first = photographs / "glass" / "glass1.png"
    if change == "content":
        write_photo(first, 9999)
    elif change == "name":
        first.rename(first.with_name("glass500.png"))
    elif change == "more":
        write_photo(first.with_name("glass500.png"), 9999)
    elif change == "fewer":
        first.unlink()
    else:
        write_photo(photographs / "metal" / "metal1.png", 1)
    with pytest.raises(ConfigError, match="edge-convert split"):
        check_data(photographs, split)


def test_only_a_folder_of_that_name_is_trashnet(photographs: Path) -> None:
    assert not is_trashnet(photographs)
    assert is_trashnet(photographs / "trashnet")


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("glass/glass10.jpg", "glass/glass19.jpg", True),
        ("glass/glass9.jpg", "glass/glass10.jpg", False),
        ("glass/a_12.jpg", "glass/b_12.jpg", False),
        ("glass/12_left.jpg", "glass/15_right.jpg", True),
        ("glass/jar.jpg", "glass/jar.png", True),
        ("glass/glass12.jpg", "metal/glass12.jpg", False),
    ],
)
def test_groups_follow_the_stated_rule(first: str, second: str, is_same: bool) -> None:
    assert (group_of(first) == group_of(second)) is is_same


def test_an_unreadable_photograph_is_named_and_skipped(photographs: Path, caplog: pytest.LogCaptureFixture) -> None:
    (photographs / "paper" / "paper3.png").write_bytes(b"no picture")
    (photographs / "paper" / "paper4.png").write_bytes(b"")
    split = make_split(photographs, 7)
    assert split.skipped == ("paper/paper3.png", "paper/paper4.png")
    assert "paper/paper3.png" in caplog.text
    assert not {photo.file for photo in split.photos} & set(split.skipped)


def test_an_empty_class_is_an_error(photographs: Path) -> None:
    (photographs / "metal").mkdir()
    with pytest.raises(ConfigError, match="metal holds no readable photograph"):
        make_split(photographs, 7)


def test_a_class_of_one_block_is_an_error(photographs: Path) -> None:
    for number in range(3):
        write_photo(photographs / "metal" / f"metal{number}.png", number)
    with pytest.raises(ConfigError, match="1 groups"):
        make_split(photographs, 7)


def test_folders_without_photographs_are_no_classes(photographs: Path) -> None:
    (photographs / "scenes").mkdir()
    (photographs / "scenes" / "easy.mp4").write_bytes(b"video")
    assert make_split(photographs, 7).labels == ("glass", "paper", "trash")


@pytest.mark.parametrize(("names", "said"), [(("1.TIFF",), ".tiff"), (("1.HEIC", "1.MOV"), ".heic, .mov")])
def test_photographs_that_are_not_read_do_not_vanish(photographs: Path, names: tuple[str, ...], said: str) -> None:
    (photographs / "metal").mkdir()
    for name in names:
        (photographs / "metal" / name).write_bytes(b"")
    with pytest.raises(ConfigError, match=rf"class folder .*metal holds only {said} files, which are not read"):
        make_split(photographs, 1)


def test_photographs_of_a_format_that_is_not_read_are_skipped_by_name(
    photographs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = make_split(photographs, 7)
    for number in range(30):
        (photographs / "paper" / f"{number:02d}.HEIC").write_bytes(b"")
    split = make_split(photographs, 7)
    assert split.skipped == tuple(f"paper/{number:02d}.HEIC" for number in range(30))
    assert (split.photos, split.digest) == (plain.photos, plain.digest)
    assert "30 files cannot be read and are skipped: paper/00.HEIC (this format is not read)" in caplog.text
    assert "and 10 more" in caplog.text
    check_data(photographs, split)


def test_a_class_whose_name_is_no_text_is_an_error_in_one_sentence(photographs: Path) -> None:
    try:
        (photographs / os.fsdecode(b"gl\xe4ser")).mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(ConfigError, match="rename the folder"):
        make_split(photographs, 7)


def test_a_file_that_may_not_be_read_is_named(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, max_bytes: int) -> bytes:
        if path.name == "paper3.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read_whole(path, max_bytes)

    monkeypatch.setattr("convert.photographs.read_whole", refuse)
    with pytest.raises(ConfigError, match=r"paper3.png \(Permission denied\); make it readable or remove it"):
        make_split(photographs, 7)


def test_the_parts_of_a_split_are_no_classes(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        (tmp_path / part / "glass").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"holds the parts of a split .*split --check"):
        make_split(tmp_path, 1)
    (tmp_path / "glass").mkdir()
    assert class_folders(tmp_path) == ["glass", "test", "train", "val"]


def test_a_missing_data_folder_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SORTER_DATA"):
        class_root(tmp_path / "nothing")


def test_a_tampered_split_is_refused(photographs: Path, tmp_path: Path) -> None:
    path = tmp_path / "work" / "split.json"
    save_split(make_split(photographs, 7), path)
    fields = json.loads(path.read_text())
    first = fields["photos"][0]
    first["part"] = "test" if first["part"] == "train" else "train"
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match="stands in two parts"):
        load_split(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}'])
def test_a_file_that_is_no_split_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(ConfigError, match="split"):
        load_split(tmp_path / "split.json")


def test_a_large_photograph_comes_at_camera_size(photographs: Path) -> None:
    cv2.imwrite(str(photographs / "paper" / "paper1.png"), np.zeros((900, 1600, 3), np.uint8))
    split = make_split(photographs, 7)
    photo = next(photo for photo in split.photos if photo.file == "paper/paper1.png")
    assert load_photo(photographs, photo).shape == (360, 640, 3)
    (photographs / photo.file).unlink()
    with pytest.raises(ConfigError, match="cannot read"):
        load_photo(photographs, photo)


def test_near_duplicates_stay_in_one_part_across_blocks_and_classes(photographs: Path) -> None:
    for seed in range(6):
        image = draw_object(seed)
        save_photo(photographs / "glass" / f"jar{100 * seed}.png", image)
        save_photo(photographs / "glass" / f"copy{100 * seed}.jpg", cv2.resize(image, (200, 150)))
        save_photo(photographs / "paper" / f"wrong{100 * seed}.jpg", np.ascontiguousarray(image[:, ::-1]))
    split = make_split(photographs, 7)
    part = {photo.file: photo.part for photo in split.photos}
    for seed in range(6):
        names = (f"glass/jar{100 * seed}.png", f"glass/copy{100 * seed}.jpg", f"paper/wrong{100 * seed}.jpg")
        assert len({part[name] for name in names}) == 1, names
    assert sum(merge.is_across_classes for merge in split.merges) >= 6
    assert len(split.merges) == 12
    assert split == make_split(photographs, 7)


def test_neighbours_at_a_border_are_joined_if_their_colours_are_alike(tmp_path: Path) -> None:
    for seed, label in enumerate(("glass", "paper")):
        for number in range(40):
            write_photo(tmp_path / label / f"{label}{number}.png", number + 100 * seed)
    image = draw_object(1)
    save_photo(tmp_path / "glass" / "glass9.png", image)
    save_photo(tmp_path / "glass" / "glass10.png", np.roll(image, 40, axis=1))
    split = make_split(tmp_path, 3)
    assert [(merge.first, merge.second) for merge in split.merges] == [("glass/glass9.png", "glass/glass10.png")]
    part = {photo.file: photo.part for photo in split.photos}
    assert part["glass/glass0.png"] == part["glass/glass19.png"]


def test_the_report_says_what_was_joined_and_what_is_left(photographs: Path) -> None:
    save_photo(photographs / "glass" / "glass300.png", draw_object(1))
    save_photo(photographs / "paper" / "paper300.png", draw_object(1))
    (photographs / "paper" / "paper3.png").write_bytes(b"no picture")
    split = make_split(photographs, 7)
    report = split_report(split)
    assert "glass/glass300.png and paper/paper300.png (identical)" in report
    assert "- paper/paper3.png" in report
    left = leftovers(split)
    assert f"{len(left)} pairs with neighbouring numbers" in report
    part = {photo.file: photo.part for photo in split.photos}
    assert left
    assert all(part[first] != part[second] for first, second in left)
    assert json.loads(json.dumps(split_json(split)))["merges"][0]["is_across_classes"] is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [("70/15/15", (0.7, 0.15, 0.15)), ("0.5/0.25/0.25", (0.5, 0.25, 0.25)), ("80 / 10 / 10", (0.8, 0.1, 0.1))],
)
def test_ratios_are_percent_or_shares(text: str, expected: tuple[float, ...]) -> None:
    assert tuple(parse_ratios(text).values()) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "70/30", "70/20/20", "100/0/0", "120/-10/-10", "a/b/c", "nan/50/50", "inf/1/1"])
def test_other_ratios_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="train/val/test"):
        parse_ratios(text)


def test_other_ratios_change_the_parts_and_are_recorded(photographs: Path, tmp_path: Path) -> None:
    split = make_split(photographs, 7, parse_ratios("40/30/30"))
    assert split.ratios == (40.0, 30.0, 30.0)
    assert "40/30/30" in split.rule
    share = len(split.part("train")) / len(split.photos)
    assert 0.3 < share < 0.5
    save_split(split, tmp_path / "split.json")
    assert load_split(tmp_path / "split.json") == split


def test_a_split_of_the_first_release_is_still_read(photographs: Path, tmp_path: Path) -> None:
    path = tmp_path / "work" / "split.json"
    save_split(make_split(photographs, 7), path)
    fields = json.loads(path.read_text())
    del fields["ratios"], fields["merges"]
    path.write_text(json.dumps(fields))
    assert load_split(path).ratios == (70.0, 15.0, 15.0)
    assert load_split(path).merges == ()


def test_a_class_that_is_one_object_throughout_is_an_error(photographs: Path) -> None:
    for number in range(0, 60, 10):
        save_photo(photographs / "metal" / f"metal{number}.png", draw_object(5))
    with pytest.raises(ConfigError, match="6 photographs in 1 groups"):
        make_split(photographs, 7)


def test_names_with_spaces_and_other_letters_are_kept(photographs: Path, tmp_path: Path) -> None:
    save_photo(photographs / "glass" / "grüne Flasche 瓶 7.jpg", draw_object(3))
    split = make_split(photographs, 7)
    save_split(split, tmp_path / "work" / "split.json")
    again = load_split(tmp_path / "work" / "split.json")
    photo = next(photo for photo in again.photos if "瓶" in photo.file)
    assert load_photo(photographs, photo).shape == (240, 320, 3)


def test_one_image_alone_is_refused_with_a_remedy(photographs: Path) -> None:
    write_photo(photographs / "metal" / "metal1.png", 1)
    with pytest.raises(ConfigError, match=r"metal has 1 photographs in 1 groups, .* add photographs"):
        make_split(photographs, 7)
