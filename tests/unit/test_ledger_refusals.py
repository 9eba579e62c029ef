"""Who may not open a ledger, and what is not taken for one; nothing of it is touched."""

import os

import pytest

from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event
from tests.ledger_rig import UTC, fill, run_sql, verify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path):
    ledger = SqliteLedger(path, boot_id="b1", utc_now=lambda: UTC)
    ledger.open()
    yield ledger
    ledger.close()


def test_a_second_writer_is_told_the_file_and_the_process(path, ledger):
    with pytest.raises(LedgerError, match=rf"{path} is being written by process {os.getpid()};"):
        SqliteLedger(path).open()


def test_another_name_of_the_file_is_no_way_around_the_lock(path, ledger, tmp_path):
    (tmp_path / "alias.db").symlink_to(path)
    with pytest.raises(LedgerError, match="being written"):
        SqliteLedger(tmp_path / "alias.db").open()


FOREIGN = {
    "newer": (["PRAGMA user_version = 3"], "newer version"),
    "unversioned": (["PRAGMA user_version = 0"], "unknown version"),
    "foreign": (["PRAGMA application_id = 7"], "no ledger of this program"),
    "foreign without id": (["PRAGMA application_id = 0"], "no ledger of this program"),
}


@pytest.mark.parametrize("use", [lambda p: SqliteLedger(p).open(), verify], ids=["write", "read"])
@pytest.mark.parametrize(("statements", "reason"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_database_that_is_not_ours_is_refused_and_untouched(path, tmp_path, statements, reason, use):
    fill(path, [Event("boot", 0.0)])
    run_sql(path, *statements)
    (tmp_path / "ledger.db.lock").unlink()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=reason):
        use(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["ledger.db"]


def test_a_ledger_without_its_table_is_refused(path):
    fill(path, [])
    run_sql(path, "DROP TABLE events")
    with pytest.raises(LedgerError, match="no such table"):
        SqliteLedger(path).open()
    assert not verify(path).is_clean


def test_a_journal_mode_that_a_stranger_changed_is_put_right(path):
    fill(path, [])
    run_sql(path, "PRAGMA journal_mode = DELETE")
    fill(path, [Event("boot", 0.0)])
    assert run_sql(path, "PRAGMA journal_mode") == [[("wal",)]]


def test_an_empty_file_that_was_made_in_advance_becomes_a_ledger(path):
    path.touch()
    fill(path, [Event("boot", 0.0)])
    assert verify(path).rows == 1


def test_a_ledger_that_was_emptied_does_not_pass_for_a_new_one(path):
    fill(path, [Event("boot", 0.0)])
    path.write_bytes(b"")
    with pytest.raises(LedgerError, match=r"is empty but ledger.db.lock shows"):
        SqliteLedger(path).open()
    assert path.read_bytes() == b""


def test_a_folder_is_no_ledger(tmp_path):
    for use in (lambda p: SqliteLedger(p).open(), LedgerReader):
        with pytest.raises(LedgerError, match="no regular file"):
            use(tmp_path)


def lose_rows(path):
    """As a copy of the main file alone has it, or a disk that gave the log away."""
    run_sql(path, "DELETE FROM events")


def test_a_ledger_that_lost_all_of_its_rows_does_not_pass_for_a_new_one(path):
    fill(path, [Event("boot", 0.0)])
    lose_rows(path)
    content = path.read_bytes()
    with pytest.raises(LedgerError, match=r"has no rows but ledger.db.lock shows .*; restore a copy, or move both"):
        SqliteLedger(path).open()
    assert path.read_bytes() == content
    assert verify(path).problems == ("there are no rows, but ledger.db.lock shows that there were: all are lost",)


def test_a_log_that_was_lost_after_a_crash_of_the_first_run_is_noticed(path, tmp_path):
    ledger = SqliteLedger(path)
    ledger.open()
    ledger.append(Event("boot", 0.0))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("ledger.db", "ledger.db.lock"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    ledger.close()
    assert not verify(copy / "ledger.db").is_clean
    with pytest.raises(LedgerError, match="has no rows"):
        SqliteLedger(copy / "ledger.db").open()


def test_a_log_that_can_no_longer_be_read_is_left_where_it_is(path):
    fill(path, [Event("boot", 0.0)])
    lose_rows(path)
    log = path.with_name("ledger.db-wal")
    log.write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError, match="has no rows"):
        SqliteLedger(path).open()
    assert log.read_bytes() == b"x" * 5000


def test_a_first_run_that_ended_before_its_first_event_is_no_loss(path):
    """As when the camera is missing: the ledger was opened, and nothing was written down."""
    fill(path, [])
    assert verify(path).problems == ()
    assert fill(path, [Event("boot", 0.0)])[0]["seq"] == 1


def test_a_ledger_of_an_earlier_version_of_the_lock_file_is_marked_at_its_next_opening(path):
    fill(path, [Event("boot", 0.0)])
    path.with_name("ledger.db.lock").write_text("4711      \n")
    fill(path, [], boot_id="b2")
    lose_rows(path)
    assert not verify(path).is_clean
