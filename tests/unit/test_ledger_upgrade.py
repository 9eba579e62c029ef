"""A book of the layout before this one: read as it is, brought up to date by the writer, nothing of it changed."""

import os
import sqlite3
from contextlib import closing

import pytest

from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.ledger_shelf import LedgerShelf
from edge.records import Event
from tests.ledger_rig import INTENT, a_v1_book, close_uncleanly, damage, fill, item, run_sql, verify

ROWS = 40


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.db"
    a_v1_book(path)
    return path


def rows(path):
    return run_sql(path, "SELECT * FROM events ORDER BY id")[0]


def test_a_reader_takes_it_as_it_is(path):
    content = path.read_bytes()
    with LedgerReader(path) as reader:
        assert reader.verify().is_clean
        assert reader.open_intent() is None
        assert reader.summary().events == {"item": 26, "boot": 3, "fault": 3, "pause": 3, "recovered": 3, "bin_full": 2}
        assert len(list(reader.iterate())) == ROWS
    assert path.read_bytes() == content


def test_the_writer_brings_it_up_to_date_and_changes_no_row(path):
    before = rows(path)
    fill(path, [])
    assert rows(path) == before
    assert run_sql(path, "PRAGMA user_version") == [[(2,)]]
    assert verify(path).problems == ()


def test_it_goes_on_with_its_numbers_and_learns_of_intents(path):
    ledger = SqliteLedger(path, boot_id="77aa88bb99cc")
    ledger.open()
    assert ledger.append(Event("boot", 0.0))["event_id"] == "77aa88bb99cc-18"
    ledger.intend(INTENT)
    ledger.append(item())
    ledger.close()
    assert (verify(path).rows, verify(path).problems) == (ROWS + 2, ())


def test_a_book_that_is_large_already_is_rotated_at_the_first_occasion(path):
    before = rows(path)
    ledger = SqliteLedger(path, rotate_bytes=1)
    ledger.open()
    ledger.append(Event("boot", 0.0))
    ledger.maintain(0.0)
    ledger.append(item())
    ledger.close()
    archive = path.parent / "archive" / "ledger-000001.db"
    assert rows(archive)[:-1] == before
    with LedgerShelf(path) as shelf:
        assert (shelf.verify().rows, shelf.verify().problems) == (ROWS + 2, ())
    # The new file is of the new layout altogether, without the index of the old one.
    assert run_sql(path, "SELECT name FROM sqlite_master WHERE type = 'index'") == [[]]


def test_an_index_that_lost_an_entry_is_built_anew_and_told(path):
    fill(path, [item() for _ in range(300)])
    content = bytearray(path.read_bytes())
    # A leaf of the events' index: another index has one entry, of random digits.
    leaf = next(
        at for at in range(0, len(content), 4096) if content[at] == 10 and content.count(b"b1", at, at + 4096) > 9
    )
    entry = content.find(b"b1", leaf)
    content[entry : entry + 2] = b"b0"
    path.write_bytes(content)
    # The file's time of change has steps of milliseconds; what the disk did to it came later than that.
    close_uncleanly(path)
    ledger = SqliteLedger(path, when_damaged="set_aside")
    ledger.open()
    (finding,) = ledger.findings
    assert finding.body["reason"] == "ledger_damaged"
    assert finding.body["moved_to"] is None
    assert "built anew; no row was touched" in finding.body["detail"]
    ledger.append(finding)
    ledger.close()
    assert (verify(path).rows, verify(path).problems) == (ROWS + 301, ())
    assert not (path.parent / "damaged").exists()


def test_a_damaged_one_is_set_aside_as_it_is(path):
    damage(path, 12)
    content = path.read_bytes()
    ledger = SqliteLedger(path, when_damaged="set_aside")
    ledger.open()
    (finding,) = ledger.findings
    assert 0 < finding.body["readable_rows"] < ROWS
    ledger.close()
    assert (path.parent / "damaged" / "ledger-000001.db").read_bytes() == content
    assert os.listdir(path.parent / "damaged") == ["ledger-000001.db"]


def test_a_migration_that_fails_leaves_the_book_as_it_was(path):
    with closing(sqlite3.connect(path)) as db:
        # The name is taken: the statement that makes the table fails in the middle of the migration.
        db.execute("CREATE TABLE meta (x)")
        db.commit()
    with pytest.raises(Exception, match="meta already exists"):
        SqliteLedger(path).open()
    assert run_sql(path, "PRAGMA user_version", "SELECT count(*) FROM events") == [[(1,)], [(ROWS,)]]
    assert run_sql(path, "SELECT name FROM sqlite_master WHERE name = 'intent'") == [[]]
