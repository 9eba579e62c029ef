"""What the ledger does when the disk, the folder, the file or the process fails under it."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import edge
from edge.bench.growth.book import real_disk
from edge.config import Config
from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event
from tests.fault.ledger_cost import measure_cost
from tests.fault.rig import can_mount, open_folder, sealed, unwritable_paths

PYTHONPATH = os.pathsep.join([str(Path(edge.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
ENVIRONMENT = {**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONWARNINGS": "error"}
MOUNT_1M = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'

FULL_DISK = """
import json, resource, sqlite3, sys
from pathlib import Path
from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event

folder, kind = Path(sys.argv[1]), sys.argv[2]
path, ballast = folder / "ledger.db", folder / "ballast"

# SQLite itself says SQLITE_FULL when a database reached its largest number of pages.
MOST_PAGES = 0xFFFFFFFE
most_pages = MOST_PAGES
connect = sqlite3.connect

def connect_limited(*arguments, **options):
    connection = connect(*arguments, **options)
    if most_pages < MOST_PAGES:
        connection.execute(f"PRAGMA max_page_count = {most_pages}")
    return connection

sqlite3.connect = connect_limited

def limit_pages(count):
    global most_pages
    most_pages = count
    if ledger._connection is not None:
        ledger._connection.execute(f"PRAGMA max_page_count = {count}")

def fill_up(free):
    if kind == "pages":
        used = ledger._connection.execute("PRAGMA page_count").fetchone()[0] if ledger._connection else 1
        limit_pages(used + free // 4096)
    elif kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (free, resource.RLIM_INFINITY))
    else:
        with ballast.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(4096))
            except OSError:
                stream.truncate(stream.tell() - free if free < stream.tell() else 0)

def relieve():
    if kind == "pages":
        limit_pages(MOST_PAGES)
    elif kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        ballast.unlink()

def attempt(action):
    try:
        action()
    except LedgerError as error:
        assert error.__cause__ is not None
        return str(error)

event = Event("fault", 0.0, {"reason": "x" * 600})
ledger = SqliteLedger(path, boot_id="b1")
fill_up(0)
found = {"at_open": attempt(ledger.open), "is_there": path.exists()}
relieve()
ledger.open()
ledger.append(event)
fill_up(200_000)
acknowledged = 1
while (error := attempt(lambda: ledger.append(event))) is None:
    acknowledged += 1
found |= {"acknowledged": acknowledged, "at_append": error, "again": attempt(lambda: ledger.append(event))}
ledger.close()
with LedgerReader(path) as reader:
    report = reader.verify()
found |= {"rows_while_full": report.rows, "problems": report.problems}
relieve()
ledger.open()
found["next"] = ledger.append(event)["event_id"]
fill_up(100_000)
while attempt(lambda: ledger.append(event)) is None:
    pass
relieve()
found["in_use"] = ledger.append(event)["seq"]
ledger.close()
with LedgerReader(path) as reader:
    report = reader.verify()
found |= {"rows": report.rows, "problems_after": report.problems}
print(json.dumps(found))
"""

READ_ONLY = """
import json, subprocess, sys
from pathlib import Path
from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event

path = Path(sys.argv[1]) / "ledger.db"
ledger = SqliteLedger(path)
ledger.open()
ledger.append(Event("boot", 0.0))
ledger.close()
subprocess.run(["mount", "-o", "remount,bind,ro", sys.argv[1]], check=True)
try:
    ledger.open()
except LedgerError as error:
    print(error)
with LedgerReader(path) as reader:
    report = reader.verify()
print(report.rows, report.problems)
"""

APPEND_FOREVER = """
import sys
from pathlib import Path
from edge.ledger import SqliteLedger
from edge.records import Event

ledger = SqliteLedger(Path(sys.argv[1]))
ledger.open()
while True:
    print(ledger.append(Event("fault", 0.0, {"reason": "x" * 600}))["event_id"], flush=True)
"""

DIE_WHILE_MAKING = """
import os, sys
from pathlib import Path
from edge.ledger import SqliteLedger

Path.rename = lambda *_: os._exit(9)
SqliteLedger(Path(sys.argv[1])).open()
"""


def run(code, *arguments, mounted_on=None):
    """Run code in a process of its own; `mounted_on` gets a disk of 1 MiB that vanishes with it."""
    prefix = ["unshare", "-rm", "sh", "-c", MOUNT_1M, str(mounted_on)] if mounted_on else []
    command = [*prefix, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)


def write(path, count=1):
    ledger = SqliteLedger(path)
    ledger.open()
    try:
        return [ledger.append(Event("boot", float(n)))["event_id"] for n in range(count)]
    finally:
        ledger.close()


def verify(path):
    with LedgerReader(path) as reader:
        return reader.verify()


FULL_DISKS = {"limit": "disk failed or refused|size limit", "pages": "disk is full"}
if can_mount():
    FULL_DISKS["tmpfs"] = "disk is full"


@pytest.mark.parametrize(("kind", "reason"), FULL_DISKS.items(), ids=FULL_DISKS.keys())
def test_a_full_disk_loses_nothing_and_the_ledger_goes_on_once_there_is_room(tmp_path, kind, reason):
    result = run(FULL_DISK, tmp_path, kind, mounted_on=tmp_path if kind == "tmpfs" else None)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    for moment in ("at_open", "at_append", "again"):
        assert found[moment].startswith("cannot "), moment
        assert str(tmp_path / "ledger.db") in found[moment]
        assert any(part in found[moment] for part in reason.split("|")), found[moment]
    assert not found["is_there"]
    assert found["acknowledged"] > 5
    assert found["rows_while_full"] == found["acknowledged"]
    assert found["problems"] == found["problems_after"] == []
    assert found["next"] == f"b1-{found['acknowledged'] + 1}"
    assert found["rows"] == found["in_use"] > found["acknowledged"] + 5


def test_an_unwritable_folder_is_one_sentence_with_its_cause(tmp_path):
    for path, reason in unwritable_paths(tmp_path):
        ledger = SqliteLedger(path)
        with pytest.raises(LedgerError, match=reason) as caught:
            ledger.open()
        assert str(path) in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)
        ledger.close()


def test_a_folder_without_write_permission_refuses_a_new_ledger():
    with open_folder() as folder:
        ledger = SqliteLedger(folder / "ledger.db")
        with sealed(folder), pytest.raises(LedgerError, match="access is denied; check the owner and mode") as caught:
            ledger.open()
        assert isinstance(caught.value.__cause__, PermissionError)
        assert os.listdir(folder) == []
        ledger.open()
        ledger.close()


def test_a_folder_without_write_permission_refuses_writing_and_still_reads():
    with open_folder() as folder:
        path = folder / "ledger.db"
        write(path, 3)
        content = path.read_bytes()
        with sealed(folder):
            with pytest.raises(LedgerError, match="access is denied"):
                write(path)
            assert (verify(path).rows, verify(path).problems) == (3, ())
        assert path.read_bytes() == content


@pytest.mark.skipif(not can_mount(), reason="no private mounts here")
def test_a_disk_that_became_read_only_refuses_writing_and_still_reads(tmp_path):
    result = run(READ_ONLY, tmp_path, mounted_on=tmp_path)
    assert result.returncode == 0, result.stderr
    refusal, report = result.stdout.splitlines()
    assert "mounted read-only" in refusal
    assert report == "1 ()"


@pytest.mark.parametrize(
    "content",
    [b"x", b"hello\n" * 300, b"SQLite format 3\0" + b"\xff" * 4080, random.Random(1).randbytes(8192)],
    ids=["one byte", "text", "magic only", "noise"],
)
def test_a_file_that_is_no_database_is_refused_and_untouched(tmp_path, content):
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    for use in (write, LedgerReader):
        with pytest.raises(LedgerError, match=r"no SQLite database|no ledger of this program|damaged"):
            use(path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["ledger.db"]


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.9])
def test_a_truncated_ledger_is_refused_and_untouched(tmp_path, kept):
    path = tmp_path / "ledger.db"
    write(path, 150)
    os.truncate(path, int(path.stat().st_size * kept))
    content = path.read_bytes()
    with pytest.raises(LedgerError, match="the file is damaged"):
        write(path)
    with pytest.raises(LedgerError, match="the file is damaged"):
        verify(path)
    assert path.read_bytes() == content


def test_a_damaged_page_is_a_problem_that_verify_reports(tmp_path):
    path = tmp_path / "ledger.db"
    write(path, 300)
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(4096 * (size // 4096 // 2))
        stream.write(b"\xff" * 4096)
    report = verify(path)
    assert any("damaged" in problem for problem in report.problems), report.problems


def test_a_log_without_its_ledger_is_not_replayed_into_a_new_one(tmp_path):
    path = tmp_path / "ledger.db"
    with subprocess.Popen(
        [sys.executable, "-c", APPEND_FOREVER, path], env=ENVIRONMENT, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        writer.kill()
    path.unlink()
    with pytest.raises(LedgerError, match=r"is missing but ledger.db-wal shows"):
        write(path)
    assert not path.exists()


def test_a_second_process_is_told_who_writes(tmp_path):
    path = tmp_path / "ledger.db"
    with subprocess.Popen(
        [sys.executable, "-c", APPEND_FOREVER, path], env=ENVIRONMENT, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        with pytest.raises(LedgerError, match=rf"{path} is being written by process {writer.pid};"):
            write(path)
        assert verify(path).is_clean
        writer.kill()
    write(path)
    assert verify(path).is_clean


def test_a_writer_killed_while_it_makes_the_file_is_no_obstacle(tmp_path):
    path = tmp_path / "ledger.db"
    assert run(DIE_WHILE_MAKING, path).returncode == 9
    assert not path.exists()
    assert len(write(path)) == verify(path).rows == 1
    assert not (tmp_path / "ledger.db.new").exists()


def test_twenty_killed_writers_lose_no_acknowledged_event_and_count_none_twice(tmp_path):
    path = tmp_path / "ledger.db"
    draw = random.Random(7)
    acknowledged = []
    for _ in range(20):
        command = [sys.executable, "-c", APPEND_FOREVER, path]
        with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as writer:
            head = [writer.stdout.readline() for _ in range(draw.randint(1, 40))]
            writer.send_signal(signal.SIGKILL)
            # What it printed before it died counts; a line cut short was not acknowledged.
            lines = head + list(writer.stdout)
            acknowledged += [line.strip() for line in lines if line.endswith("\n")]
        assert writer.returncode == -signal.SIGKILL
    report = verify(path)
    assert report.problems == ()
    with LedgerReader(path) as reader:
        stored = [record["event_id"] for record in reader.iterate()]
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    # Each death may leave one event that was durable and not yet printed.
    assert len(stored) - len(acknowledged) <= 20
    assert report.boots == 20


CARD_BYTES_AN_ITEM = 16_000
"""Budget of docs/ledger.md: an intent and its outcome."""


def test_an_item_costs_the_card_what_was_budgeted_and_the_last_no_more_than_the_first():
    cost = measure_cost(real_disk(Config()), 600)
    if cost.bytes_a_row == 0:
        pytest.skip("the kernel counts no writes here: no folder lies on a disk")
    assert cost.bytes_an_item <= CARD_BYTES_AN_ITEM
    assert cost.parts[-1] <= 1.5 * cost.parts[0]
    assert cost.bytes_a_row <= 0.7 * cost.bytes_an_item
