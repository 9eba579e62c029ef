"""Captured pictures on disks that are really full or read-only, and writers that were killed."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from edge.capture.shelf import Shelf
from tests.capture_rig import ids, keeper, names
from tests.cli_rig import ENVIRONMENT
from tests.fault.rig import can_mount

MOUNT = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
KILLS = 10

HEAD = """
import json, logging, subprocess, sys
from pathlib import Path
from edge.capture.limits import Limits
from edge.capture.store import CaptureStore, LONGEST_PAUSE_S
from edge.disk import Reserve, free_bytes
from tests.capture_rig import HandClock, about, noise

told = []
class Handler(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())
logging.getLogger().addHandler(Handler())

folder, clock = Path(sys.argv[1]), HandClock()
# As with a quota: the disk claims to have room until it refuses.
store = CaptureStore(folder / "captures", Limits(keep_free_bytes=0), now_s=clock, free=lambda _: 1 << 40)
store.open()

def keep(first, count):
    for number in range(first, first + count):
        store.keep(noise(96, seed=number), about(number))
        assert store.flush(10.0)
        clock.s += LONGEST_PAUSE_S

def kept():
    return sorted(int(path.stem.split("-")[-1]) for path in (folder / "captures").glob("*.jpg"))
"""

FULL_DISK = """
reserve = Reserve(folder, 256 << 10, 0, images=store.prune)
whole = reserve.refill()
keep(1, 80)
full = {"kept": kept(), "told": list(told), "problem": store.figures.problem, "free": free_bytes(folder)}
(folder / "ballast").write_bytes(bytes(full["free"]))
try:
    (folder / "row").write_bytes(bytes(100_000))
    row = "written"
except OSError as exc:
    row = exc.strerror
shed = reserve.shed()
(folder / "row").write_bytes(bytes(300_000))
left = kept()
(folder / "row").unlink()
(folder / "ballast").unlink()
keep(200, 2)
print(json.dumps({"whole": whole, "row": row, "shed": shed, "left": left, "reserve_left": (folder / "reserve").exists(),
    "again": kept(), "told": told, "problem": store.figures.problem, **{f"full_{k}": v for k, v in full.items()},
    "partials": [p.name for p in (folder / "captures").glob("*.partial")]}))
store.close()
"""

READ_ONLY = """
def remount(how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)

keep(1, 2)
remount("ro")
keep(3, 5)
middle = {"kept": kept(), "told": list(told), "problem": store.figures.problem}
remount("rw")
keep(9, 1)
print(json.dumps({"middle": middle, "kept": kept(), "told": told, "problem": store.figures.problem}))
store.close()
"""

ENDLESS = """
print("up", flush=True)
number = 0
while True:
    number += 1
    keep(number, 1)
    print(number, flush=True)
"""


def run(code, folder):
    command = ["unshare", "-rm", "sh", "-c", MOUNT, str(folder), sys.executable, "-c", HEAD + code, str(folder)]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.skipif(not can_mount(), reason="no private mounts here")
def test_on_a_full_disk_pictures_go_first_and_come_back_when_there_is_room(tmp_path):
    found = run(FULL_DISK, tmp_path)
    assert found["whole"]
    assert 10 < len(found["full_kept"]) < 80
    assert len(found["full_told"]) == 1
    assert "No space left on device" in found["full_told"][0]
    assert found["full_problem"] == "No space left on device"
    assert found["row"] == "No space left on device"
    assert found["shed"]
    assert found["left"] == []
    assert not found["reserve_left"]
    assert found["again"] == [200, 201]
    assert found["problem"] is None
    assert found["partials"] == []
    assert [("kept again" in line, "gave up" in line) for line in found["told"]] == [
        (False, False),
        (False, True),
        (True, False),
    ]


@pytest.mark.skipif(not can_mount(), reason="no private mounts here")
def test_a_disk_that_is_mounted_read_only_is_told_once_and_mends_without_a_restart(tmp_path):
    found = run(READ_ONLY, tmp_path)
    assert found["middle"]["kept"] == [1, 2]
    assert found["middle"]["problem"] == "Read-only file system"
    assert len(found["middle"]["told"]) == 1
    assert found["kept"] == [1, 2, 9]
    assert found["problem"] is None
    assert len(found["told"]) == 2


def test_a_writer_that_is_killed_at_any_moment_leaves_whole_pictures_only(tmp_path):
    draw, folder = random.Random(6), tmp_path / "captures"
    for _ in range(KILLS):
        command = [sys.executable, "-c", HEAD + ENDLESS, str(tmp_path)]
        with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
            for _ in range(draw.randint(1, 12)):
                assert writer.stdout.readline()
            # Somewhere in the next picture's way to the disk.
            spin = draw.randint(0, 20_000)
            while spin:
                spin -= 1
            os.kill(writer.pid, signal.SIGKILL)
        shelf = Shelf(folder)
        for entry in shelf.scan():
            jpeg = shelf.picture(entry)
            assert jpeg.startswith(b"\xff\xd8")
            assert jpeg.endswith(b"\xff\xd9")
            assert shelf.about(entry)["event_id"] == entry.id
        one = keeper(folder)
        one.open()
        one.close()
        assert not [name for name in names(folder) if name.endswith(".partial")]
        assert len(names(folder)) == 2 * len(ids(one))
    assert ids(one)
