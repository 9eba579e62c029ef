"""The disk that forgets: what a cut may leave, and what it may not."""

import random
from pathlib import Path

import pytest

from tests.fault.fs.disk import can_mount_recorded, recorded_disk
from tests.fault.fs.platter import MODES, SECTOR_BYTES, Platter

DRAWS = 60


def left(platter: Platter, tmp_path: Path, mode: str, seed: int = 1) -> dict[str, bytes]:
    """Files that a cut leaves, by name."""
    place = tmp_path / f"{mode}-{seed}-{random.getrandbits(60)}"
    place.mkdir()
    platter.cut(random.Random(seed), mode, place)
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.fixture
def platter(tmp_path: Path) -> Platter:
    """A disk with one old file."""
    content = tmp_path / "content"
    content.mkdir()
    (content / "old").write_bytes(b"o" * 3000)
    return Platter(content)


def test_what_was_synced_is_always_there(platter, tmp_path):
    for op in (
        ("create", "new", 7),
        ("write", 7, 0, b"n" * 2000),
        ("fsync", 7),
        ("fsyncdir", ""),
        ("write", 1, 500, b"x" * 100),
        ("fsync", 1),
    ):
        platter.apply(op)
    assert platter.is_safe
    wanted = {"old": b"o" * 500 + b"x" * 100 + b"o" * 2400, "new": b"n" * 2000}
    for mode in MODES:
        for seed in range(5):
            assert left(platter, tmp_path, mode, seed) == wanted


def test_a_file_whose_folder_was_not_synced_may_be_gone_although_it_was_synced_itself(platter, tmp_path):
    for op in (("create", "new", 7), ("write", 7, 0, b"n"), ("fsync", 7)):
        platter.apply(op)
    assert set(left(platter, tmp_path, "drop")) == {"old"}
    assert set(left(platter, tmp_path, "keep")) == {"old", "new"}


def test_a_write_that_was_not_synced_may_be_torn_at_sectors_and_nowhere_else(platter, tmp_path):
    platter.apply(("write", 1, 100, b"x" * 2000))
    seen = set()
    for seed in range(DRAWS):
        content = left(platter, tmp_path, "random", seed)["old"]
        assert len(content) == 3000
        sectors = [content[at : at + SECTOR_BYTES] for at in range(0, 3000, SECTOR_BYTES)]
        inside = [set(sector) for sector in (sectors[0][100:], *sectors[1:4], sectors[4][: 2100 - 4 * SECTOR_BYTES])]
        assert all(len(found) == 1 for found in inside)
        assert content[:100] + content[2100:] == b"o" * 1000
        seen.add(content)
    assert len(seen) > 10
    assert left(platter, tmp_path, "drop")["old"] == b"o" * 3000


def test_names_come_and_go_in_their_order(platter, tmp_path):
    for op in (("create", "a", 7), ("rename", "old", "older"), ("create", "b", 8), ("unlink", "a")):
        platter.apply(op)
    allowed = [{"old"}, {"old", "a"}, {"older", "a"}, {"older", "a", "b"}, {"older", "b"}]
    seen = [set(left(platter, tmp_path, "random", seed)) for seed in range(DRAWS)]
    assert all(names in allowed for names in seen)
    assert all(names in seen for names in allowed)


def test_a_failed_sync_drops_what_it_was_asked_to_keep(platter, tmp_path):
    platter.apply(("write", 1, 0, b"x" * 3000))
    platter.apply(("lost", 1))
    platter.apply(("fsync", 1))
    assert left(platter, tmp_path, "keep")["old"] == b"o" * 3000


@pytest.mark.skipif(can_mount_recorded() is not None, reason=f"no FUSE: {can_mount_recorded()}")
def test_the_mounted_disk_records_what_a_program_does_and_fails_when_told_to(tmp_path):
    with recorded_disk(tmp_path) as disk:
        (disk.path / "folder").mkdir()
        (disk.path / "folder" / "file").write_bytes(b"content")
        disk.mark("half way")
        disk.fail(errno=28, ops=["write"])
        with pytest.raises(OSError, match="No space"):
            (disk.path / "folder" / "file").write_bytes(b"more")
        disk.heal()
        (disk.path / "folder" / "file").rename(disk.path / "moved")
        assert (disk.path / "moved").read_bytes() == b""
        operations = [op[0] for op in disk.operations()]
        assert operations == ["mkdir", "create", "write", "mark", "truncate", "rename"]
