"""A full book goes to the archive and a new one goes on; readers see all of it."""

import os
import sqlite3
from contextlib import closing

import pytest

from edge import ledger, ledger_files
from edge.errors import LedgerError
from edge.ledger import ROTATION_PAUSE_S, SqliteLedger
from edge.ledger_read import LedgerReader
from edge.ledger_shelf import LedgerShelf
from edge.records import Event
from tests.ledger_rig import INTENT, fill, item, run_sql, verify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def book(path):
    book = SqliteLedger(path, boot_id="b1", rotate_bytes=1)
    book.open()
    yield book
    book.close()


def archive(path):
    folder = path.parent / "archive"
    return sorted(os.listdir(folder)) if folder.exists() else []


def all_ids(path):
    with LedgerShelf(path) as shelf:
        assert shelf.verify().problems == ()
        return [record["event_id"] for record in shelf.iterate()]


def test_numbers_go_on_over_as_many_files_as_it_takes(path, book):
    for n in range(6):
        book.append(item())
        if n % 2:
            book.maintain(n * ROTATION_PAUSE_S)
    assert archive(path) == ["ledger-000001.db", "ledger-000002.db", "ledger-000003.db"]
    assert all_ids(path) == [f"b1-{n}" for n in range(1, 7)]
    assert book.append(item())["seq"] == 7
    # Each file is sound by itself too.
    assert verify(path).problems == verify(path.parent / "archive" / "ledger-000002.db").problems == ()


def test_a_boot_after_a_rotation_begins_at_one(path, book):
    book.append(item())
    book.maintain(0.0)
    book.close()
    assert fill(path, [Event("boot", 0.0)], boot_id="b2")[0]["event_id"] == "b2-1"
    assert all_ids(path) == ["b1-1", "b2-1"]


def test_a_boot_that_is_opened_again_after_a_rotation_goes_on(path, book):
    book.append(item())
    book.maintain(0.0)
    book.close()
    fill(path, [Event("boot", 0.0)], boot_id="b2")
    assert fill(path, [Event("boot", 0.0)], boot_id="b1")[0]["event_id"] == "b1-2"
    assert all_ids(path) == ["b1-1", "b2-1", "b1-2"]


def test_a_file_that_is_not_full_stays(path):
    book = SqliteLedger(path, rotate_bytes=10**6)
    book.open()
    book.append(item())
    book.maintain(0.0)
    book.close()
    assert archive(path) == []


def test_nothing_is_rotated_without_a_limit(path):
    book = SqliteLedger(path)
    book.open()
    book.append(item())
    book.maintain(0.0)
    book.close()
    assert archive(path) == []


def test_nothing_is_rotated_while_an_intent_is_open(path, book):
    book.intend(INTENT)
    book.maintain(0.0)
    assert archive(path) == []
    book.append(item())
    book.maintain(1.0)
    assert archive(path) == ["ledger-000001.db"]


def test_the_archive_is_one_whole_file_that_needs_no_companion(path, book):
    book.append(item())
    book.maintain(0.0)
    file = path.parent / "archive" / "ledger-000001.db"
    assert run_sql(file, "PRAGMA journal_mode") == [[("delete",)]]
    file.chmod(0o444)
    assert (verify(file).rows, verify(file).problems) == (1, ())


def test_a_reader_puts_it_off_and_the_book_goes_on(path, book):
    book.append(item())
    with LedgerReader(path):
        book.maintain(0.0)
        assert archive(path) == []
        book.append(item())
        assert run_sql(path, "PRAGMA journal_mode") == [[("wal",)]]
    book.maintain(ROTATION_PAUSE_S - 1)
    assert archive(path) == []
    book.maintain(ROTATION_PAUSE_S)
    assert archive(path) == ["ledger-000001.db"]
    assert all_ids(path) == ["b1-1", "b1-2"]


def test_a_reader_that_began_before_reads_its_file_to_the_end(path, book, monkeypatch):
    monkeypatch.setattr("edge.ledger_read.PAGE_ROWS", 1)
    for _ in range(3):
        book.append(item())
    book.close()
    with LedgerShelf(path) as shelf:
        records = shelf.iterate()
        ids = [next(records)["event_id"]]
        book.open()
        book.maintain(0.0)
        book.append(item())
        ids += [record["event_id"] for record in records]
    assert archive(path) == ["ledger-000001.db"]
    assert ids == ["b1-1", "b1-2", "b1-3"]


def test_a_disk_without_room_for_the_new_file_puts_it_off(path, book, monkeypatch):
    book.append(item())

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "prepare_replacement", refuse)
    book.maintain(0.0)
    monkeypatch.undo()
    assert archive(path) == []
    assert run_sql(path, "PRAGMA journal_mode") == [[("wal",)]]
    assert book.append(item())["seq"] == 2


def test_a_rotation_that_fails_half_way_is_told_and_finished_by_the_next_call(path, book, monkeypatch):
    book.append(item())
    move, calls = ledger_files._move, []

    def refuse_once(old, new):
        calls.append(old)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        move(old, new)

    monkeypatch.setattr(ledger_files, "_move", refuse_once)
    with pytest.raises(LedgerError, match="cannot rotate ledger"):
        book.maintain(0.0)
    assert book.append(item())["seq"] == 2
    assert archive(path) == ["ledger-000001.db"]
    assert all_ids(path) == ["b1-1", "b1-2"]


def test_a_new_file_without_rows_is_no_loss(path, book):
    book.append(item())
    book.maintain(0.0)
    book.close()
    assert (verify(path).rows, verify(path).problems) == (0, ())
    assert fill(path, [], boot_id="b2") == []


def test_a_new_file_that_lost_its_rows_is(path, book):
    book.append(item())
    book.maintain(0.0)
    book.append(item())
    book.close()
    run_sql(path, "DELETE FROM events")
    assert "all are lost" in verify(path).problems[0]
    with pytest.raises(LedgerError, match="has no rows"):
        SqliteLedger(path).open()


def test_the_sum_of_all_files_counts_a_boot_once(path, book):
    for n in range(4):
        book.append(item(decide=n + 1))
        book.maintain(n * ROTATION_PAUSE_S)
    with LedgerShelf(path) as shelf:
        found = shelf.summary()
        assert shelf.files == 5
    assert (found.boots, found.events, found.decide.count, found.decide.median_ms) == (1, {"item": 4}, 4, 2.5)


def test_rows_that_an_archive_lost_at_its_end_are_noticed(path, book):
    for _ in range(3):
        book.append(item())
    book.maintain(0.0)
    book.append(item())
    run_sql(path.parent / "archive" / "ledger-000001.db", "DELETE FROM events WHERE seq = 3")
    with LedgerShelf(path) as shelf:
        problems = shelf.verify().problems
    assert problems[0] == "ledger.db: it goes on after row 3, but ledger-000001.db ends with row 2"


def test_an_archive_that_was_taken_away_is_a_note_and_no_problem(path, book):
    for n in range(2):
        book.append(item())
        book.maintain(n * ROTATION_PAUSE_S)
    (path.parent / "archive" / "ledger-000001.db").unlink()
    with LedgerShelf(path) as shelf:
        report = shelf.verify()
    assert report.problems == ()
    assert report.notes == (
        "ledger-000002.db: it goes on after archive/ledger-000001.db, which is not among these files",
    )


def test_an_archive_that_cannot_be_read_is_a_problem_and_the_others_are_checked(path, book):
    for n in range(2):
        book.append(item())
        book.maintain(n * ROTATION_PAUSE_S)
    (path.parent / "archive" / "ledger-000001.db").write_bytes(b"x" * 5000)
    with LedgerShelf(path) as shelf:
        report = shelf.verify()
    assert report.rows == 1
    assert any("ledger-000001.db" in problem for problem in report.problems)


def test_two_books_in_one_folder_keep_their_archives_apart(path, book):
    other = SqliteLedger(path.with_name("other.db"), rotate_bytes=1)
    other.open()
    for one in (book, other):
        one.append(item())
        one.maintain(0.0)
    other.close()
    assert archive(path) == ["ledger-000001.db", "other-000001.db"]
    with LedgerShelf(path) as shelf:
        assert shelf.files == 2


def test_a_strangers_connection_is_never_left_with_the_new_books_log(path, book):
    """A writing connection deletes, as it closes, the log of whatever file has its name by then."""
    book.append(item())
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("SELECT * FROM events").fetchall()
        book.maintain(0.0)
        book.append(item())
    book.append(item())
    book.close()
    assert all_ids(path) == ["b1-1", "b1-2", "b1-3"]
