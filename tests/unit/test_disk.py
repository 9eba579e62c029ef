"""The reserve of the event book: what is given up, in which order, and which file is never touched."""

import errno
import os
from collections import namedtuple
from pathlib import Path

import pytest

from edge.capture.shelf import Shelf
from edge.capture.store import CaptureStore
from edge.disk import FULL, SHED_BYTES, Reserve, free_bytes, unused_bytes
from tests.capture_rig import filled

BALLAST_BYTES = 1 << 20


class Disk:
    """A disk whose free room is what a test says, and givers that note that they were asked."""

    def __init__(self, monkeypatch, free: int) -> None:
        self.free = free
        self.asked: list[str] = []
        for name in ("free_bytes", "unused_bytes"):
            monkeypatch.setattr(f"edge.disk.{name}", lambda folder: self.free)

    def giver(self, name: str, *portions: int, is_elsewhere: bool = False):
        left = list(portions)

        def give(need_bytes: int, folder: Path) -> int:
            self.asked.append(name)
            given = left.pop(0) if left else 0
            self.free += 0 if is_elsewhere else given
            return given

        return give


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch, free=1 << 40)


def test_the_file_takes_its_room_and_says_what_it_is_for(tmp_path):
    reserve = Reserve(tmp_path, BALLAST_BYTES, keep_free_bytes=0)
    assert not reserve.is_whole
    assert reserve.refill()
    assert reserve.is_whole
    status = (tmp_path / "reserve").stat()
    assert status.st_blocks * 512 >= BALLAST_BYTES
    assert status.st_mode & 0o777 & ~0o640 == 0
    assert b"event book" in (tmp_path / "reserve").read_bytes()[:200]


def test_no_file_is_made_where_room_is_short(tmp_path, disk):
    disk.free = BALLAST_BYTES + 99
    reserve = Reserve(tmp_path, BALLAST_BYTES, keep_free_bytes=100)
    assert not reserve.refill()
    assert not (tmp_path / "reserve").exists()
    disk.free += 1
    assert reserve.refill()


def test_without_ballast_there_is_no_file(tmp_path):
    assert Reserve(tmp_path, 0).refill()
    assert os.listdir(tmp_path) == []


def test_pictures_go_first_then_the_backlog_then_the_file(tmp_path, disk):
    backlog = (disk.giver("telemetry", 10), disk.giver("dashboard", 10))
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0, images=disk.giver("images", 10, 10), backlog=backlog)
    reserve.refill()
    assert reserve.shed()
    assert list(dict.fromkeys(disk.asked)) == ["images", "telemetry", "dashboard"]
    assert not (tmp_path / "reserve").exists()


def test_what_suffices_spares_the_rest(tmp_path, disk):
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0, images=disk.giver("images", SHED_BYTES), backlog=(disk.giver("t"),))
    reserve.refill()
    assert reserve.shed()
    assert disk.asked == ["images"]
    assert reserve.is_whole


def test_it_goes_on_while_freed_room_stays_out_of_reach(tmp_path, disk):
    """What root filled is below the blocks that are kept for root: the first that is freed is not for others."""
    disk.free = -3 * SHED_BYTES
    reserve = Reserve(tmp_path, 0, images=disk.giver("images", *[SHED_BYTES] * 10))
    assert reserve.shed()
    assert disk.asked == ["images"] * 4


def test_what_gives_no_room_is_asked_twice_and_then_the_next(tmp_path, disk):
    """Files that a reader holds open, or on another disk: all of them would go in vain."""
    disk.free = 0
    held = disk.giver("images", *[SHED_BYTES] * 10, is_elsewhere=True)
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0, images=held, backlog=(disk.giver("telemetry", SHED_BYTES),))
    assert reserve.shed()
    assert disk.asked == ["images"] * 2 + ["telemetry"]


def test_pictures_on_another_disk_than_the_book_are_not_given_up_for_it(tmp_path, monkeypatch, disk):
    disk.free = 0
    folder = filled(tmp_path / "other disk" / "captures", 3)
    stat_ = os.stat

    def stat_of_two_disks(path, *rest, **more):
        found = stat_(path, *rest, **more)
        is_other = "other disk" in os.fspath(path) if isinstance(path, str | Path) else False
        return os.stat_result([*found[:2], found.st_dev + is_other, *found[3:10]]) if is_other else found

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat_of_two_disks)
        reserve = Reserve(tmp_path, 0, images=CaptureStore(folder).prune)
        assert not reserve.shed()
    assert len(Shelf(folder).scan()) == 3
    assert reserve.shed(), "on the same disk they go"
    assert Shelf(folder).scan() == []


def test_with_a_quota_each_call_gives_up_more(tmp_path, disk):
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0, images=disk.giver("images", SHED_BYTES))
    reserve.refill()
    assert [reserve.shed(), reserve.shed(), reserve.shed()] == [True, True, False]


def test_nothing_left_to_give_is_told_by_the_answer(tmp_path, disk):
    assert not Reserve(tmp_path, BALLAST_BYTES, images=disk.giver("images")).shed()


def test_the_file_comes_back_when_there_is_room_again(tmp_path, disk):
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0)
    reserve.refill()
    reserve.shed()
    assert not reserve.is_whole
    assert reserve.refill()
    assert reserve.is_whole


@pytest.mark.parametrize("content", [b"my notes", b"\x01" * 200], ids=["text", "bytes"])
def test_a_file_that_only_has_the_name_is_never_touched(tmp_path, caplog, content):
    (tmp_path / "reserve").write_bytes(content)
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0)
    assert not reserve.refill()
    assert not reserve.refill()
    assert not reserve.shed()
    assert (tmp_path / "reserve").read_bytes() == content
    assert len(caplog.records) == 1
    assert "another file" in caplog.text


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"")
    (tmp_path / "reserve").symlink_to(tmp_path / "precious")
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0)
    assert not reserve.refill()
    assert not reserve.shed()
    assert (tmp_path / "precious").stat().st_size == 0
    assert (tmp_path / "reserve").is_symlink()


@pytest.mark.parametrize("content", [b"", bytes(8192)], ids=["empty", "zeros"])
def test_what_a_power_cut_left_of_the_file_is_completed(tmp_path, content):
    (tmp_path / "reserve").write_bytes(content)
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0)
    assert reserve.refill()
    assert reserve.is_whole


def test_a_disk_that_refuses_is_told_once(tmp_path, caplog, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0)
    assert not reserve.refill()
    assert not reserve.refill()
    assert [record.message.count("Read-only file system") for record in caplog.records] == [1]


def test_a_folder_that_is_gone_raises_nothing(tmp_path):
    reserve = Reserve(tmp_path / "gone", BALLAST_BYTES, 0)
    assert not reserve.refill()
    assert not reserve.shed()
    assert not reserve.is_whole


def test_a_file_that_cannot_be_removed_is_shortened(tmp_path, monkeypatch):
    """Some file systems need room to remove a file."""
    reserve = Reserve(tmp_path, BALLAST_BYTES, 0)
    reserve.refill()

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert reserve.shed()
    assert (tmp_path / "reserve").stat().st_size < 4096


def test_free_room_is_what_an_ordinary_user_may_take(monkeypatch):
    found = namedtuple("found", "f_bavail f_bfree f_frsize")(3, 5, 4096)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    assert free_bytes("/anywhere") == 3 * 4096
    assert unused_bytes("/anywhere") == 5 * 4096


def test_a_full_quota_is_a_full_disk():
    assert {errno.ENOSPC, errno.EDQUOT} == FULL
