"""Files appear whole or not at all."""

import ctypes
import hashlib
from pathlib import Path

import pytest

from convert.files import exchange, replacing, sha256_of, write_text


def test_a_file_and_its_folder_are_made(tmp_path: Path) -> None:
    path = tmp_path / "work" / "split.json"
    write_text(path, "größer")
    assert path.read_text(encoding="utf-8") == "größer"
    assert sha256_of(path) == hashlib.sha256("größer".encode()).hexdigest()
    assert list(path.parent.iterdir()) == [path]


def test_a_stop_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "float.keras"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as partial:
        partial.write_text("half")
        assert partial.suffix == path.suffix
        assert partial.parent == path.parent
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_folders_swap_names_or_nothing_happens(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_text(tmp_path / name / "name.txt", name)
    is_done = exchange(tmp_path / "one", tmp_path / "two")
    found = [(tmp_path / name / "name.txt").read_text() for name in ("one", "two")]
    assert found == (["two", "one"] if is_done else ["one", "two"])


def test_a_folder_that_is_missing_is_an_error_or_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    try:
        assert not exchange(tmp_path / "one", tmp_path / "two")
    except FileNotFoundError as exc:
        assert exc.filename == str(tmp_path / "two")
    assert (tmp_path / "one").is_dir()


def test_a_c_library_without_the_call_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert not exchange(tmp_path, tmp_path)
