"""The folder of captured pictures: whole files only, modes, and nothing that is not ours believed or touched."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest

from edge.capture.shelf import Shelf
from tests.capture_rig import about, fields_of, filled, ids, keeper, names, noise


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path / "state" / "captures", 2)


def test_a_picture_stands_there_with_what_is_known_of_it(folder):
    assert names(folder) == [
        "00000001-b1-1.jpg",
        "00000001-b1-1.json",
        "00000002-b1-2.jpg",
        "00000002-b1-2.json",
    ]
    (first, _) = fields_of(folder)
    assert first == about(1) | {"width_px": 48, "height_px": 48, "operated_s": 0.0}


def test_colours_come_back_in_their_order(tmp_path):
    one = keeper(tmp_path / "c")
    one.open()
    plain = np.full((48, 64, 3), (20, 120, 240), np.uint8)
    one.put(plain, about(1))
    shown = cv2.imread(str(tmp_path / "c" / "00000001-b1-1.jpg"))
    assert shown.shape == plain.shape
    assert np.abs(shown.astype(int) - plain).max() <= 3


def test_only_owner_and_group_may_look(folder):
    assert folder.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}


@pytest.mark.parametrize("event_id", ["../x-1", "b1-1/..", "b1", "", "b1-1.jpg", "b 1-1", 7, None])
def test_a_name_that_is_no_event_id_is_refused(tmp_path, event_id):
    one = keeper(tmp_path / "c")
    one.open()
    with pytest.raises(ValueError, match="event_id"):
        one.put(noise(), about(1, event_id=event_id))
    assert names(tmp_path / "c") == []


def test_what_cannot_be_encoded_is_refused_and_leaves_nothing(tmp_path):
    one = keeper(tmp_path / "c")
    one.open()
    with pytest.raises(ValueError, match="encoded"):
        one.put(np.zeros((0, 0, 3), np.uint8), about(1))
    assert names(tmp_path / "c") == []


CUT = {
    "before the first file": [],
    "while what is known was written": ["00000003-b1-3.json.partial"],
    "before the picture": ["00000003-b1-3.json"],
    "while the picture was written": ["00000003-b1-3.json", "00000003-b1-3.jpg.partial"],
    "after the picture was removed": ["00000003-b1-3.json", "00000003-b1-3.label"],
    "while a label was written": ["00000001-b1-1.label.partial"],
    "while the time was counted": [".operated.partial"],
}


@pytest.mark.parametrize("left", CUT.values(), ids=CUT.keys())
def test_a_power_cut_at_any_point_leaves_no_half_picture(folder, left):
    whole = names(folder)
    for name in left:
        (folder / name).write_bytes(b"half")
    assert len(Shelf(folder).scan()) == 2
    one = keeper(folder)
    one.open()
    assert ids(one) == ["b1-1", "b1-2"]
    assert names(folder) == whole
    assert not (folder / ".operated.partial").exists()


FOREIGN = (
    "holiday.jpg",
    "1-b1-1.jpg",
    "00000009-b1.jpg",
    "00000009-b1-1.png",
    "00000009-b1-1.jpg.bak",
    "00000009-b1-1.jpg~",
    "x00000009-b1-1.json",
    "notes.json.partial",
    "reserve",
)


def test_foreign_files_are_neither_counted_nor_removed(folder):
    for name in FOREIGN:
        (folder / name).write_bytes(b"mine")
    (folder / "00000009-b1-9.jpg").mkdir()
    (folder / "00000008-b1-8.json").symlink_to(folder / "holiday.jpg")
    os.mkfifo(folder / "00000007-b1-7.json.partial")
    one = keeper(folder, max_bytes=1)
    one.open()
    assert ids(one) == []
    one.prune(1 << 40, folder)
    for name in FOREIGN:
        assert (folder / name).read_bytes() == b"mine", name
    assert (folder / "00000009-b1-9.jpg").is_dir()
    assert (folder / "00000008-b1-8.json").is_symlink()


def test_links_are_not_followed(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"label": "secret"}))
    shelf = Shelf(folder)
    entry = shelf.scan()[0]
    for kind in ("jpg", "json", "label"):
        path = folder / f"{entry.stem}.{kind}"
        path.unlink(missing_ok=True)
        path.symlink_to(secret)
    assert [one.id for one in shelf.scan()] == ["b1-2"]
    assert shelf.about(entry) == {}
    assert shelf.label(entry) is None
    with pytest.raises(OSError):
        shelf.picture(entry)
    shelf.set_label(entry, "glass")
    assert json.loads(secret.read_text()) == {"label": "secret"}
    assert shelf.label(entry) == "glass"


def test_a_link_in_the_place_of_the_lock_is_refused(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        keeper(folder).open()
    assert not (tmp_path / "elsewhere").exists()


HOSTILE = {
    "nothing": b"",
    "half": b'{"label": "gl',
    "no object": b"[1, 2]",
    "deep": b"[" * 60_000,
    "large": b'{"label": "' + b"x" * 70_000 + b'"}',
    "no text": b"\xff\xfe\x00",
    "odd time": b'{"operated_s": "soon"}',
    "endless time": b'{"operated_s": 1e999}',
    "negative time": b'{"operated_s": -5}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_spoilt_companion_costs_what_is_known_and_not_the_picture(folder, content):
    (folder / "00000002-b1-2.json").write_bytes(content)
    (folder / ".operated").write_bytes(content)
    one = keeper(folder)
    one.open()
    one.put(noise(), about(3))
    assert ids(one) == ["b1-1", "b1-2", "b1-3"]


def test_a_pipe_is_not_waited_for(folder):
    entry = Shelf(folder).scan()[0]
    (folder / "00000001-b1-1.json").unlink()
    os.mkfifo(folder / "00000001-b1-1.json")
    assert Shelf(folder).about(entry) == {}


def test_one_process_writes_and_the_other_is_told_why_it_may_not(folder):
    one, other = keeper(folder), keeper(folder)
    one.open()
    with pytest.raises(OSError, match="another process"):
        other.open()
    one.close()
    one.close()
    other.open()
    assert ids(other) == ["b1-1", "b1-2"]


def test_numbers_go_on_after_a_restart(folder):
    one = keeper(folder)
    one.open()
    one.put(noise(), about(7))
    assert [entry.number for entry in one.entries] == [1, 2, 3]


def test_a_folder_that_was_removed_while_it_was_in_use_is_an_error_that_a_new_opening_mends(folder):
    one = keeper(folder)
    one.open()
    shutil.rmtree(folder)
    with pytest.raises(OSError):
        one.put(noise(), about(3))
    one.open()
    one.put(noise(), about(4))
    assert [entry.id for entry in Shelf(folder).scan()] == ["b1-4"]
