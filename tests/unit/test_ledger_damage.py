"""When the ledger looks at its file, and what it does about one that is damaged or lost."""

import os
import sqlite3

import pytest

from edge import ledger_opening
from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_format import PAGE_BYTES
from edge.ledger_read import LedgerReader
from edge.records import Event
from tests.ledger_rig import INTENT, close_uncleanly, damage, fill, item, run_sql, verify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def opened(path, **options):
    ledger = SqliteLedger(path, **{"when_damaged": "set_aside"} | options)
    ledger.open()
    return ledger


def damaged(path):
    folder = path.parent / "damaged"
    return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.fixture
def checked(monkeypatch):
    """Files that were read through."""
    seen = []
    check = ledger_opening.find_damage

    def note(path):
        seen.append(path)
        return check(path)

    monkeypatch.setattr(ledger_opening, "find_damage", note)
    return seen


def test_a_file_that_was_closed_cleanly_is_not_read_through(path, checked):
    for _ in range(3):
        fill(path, [item()])
    assert checked == []


def test_a_file_that_a_killed_writer_left_is(path, checked):
    fill(path, [item()])
    close_uncleanly(path)
    fill(path, [item()])
    assert checked == [path]
    fill(path, [item()])
    assert checked == [path], "it was closed cleanly since"


def test_the_proof_is_gone_before_anything_is_written(path):
    fill(path, [item()])
    ledger = opened(path)
    assert "closed cleanly" not in path.with_name("ledger.db.lock").read_text()
    ledger.close()
    assert "closed cleanly" in path.with_name("ledger.db.lock").read_text()


def test_the_proof_is_of_that_very_file(path, checked):
    fill(path, [item()])
    os.utime(path, ns=(1, 1))
    fill(path, [item()])
    assert checked == [path]


def test_a_file_with_a_log_is_read_through(path, tmp_path, checked):
    ledger = opened(path)
    ledger.append(item())
    log = path.with_name("ledger.db-wal").read_bytes()
    ledger.close()
    path.with_name("ledger.db-wal").write_bytes(log)
    fill(path, [item()])
    assert checked == [path]


def test_a_writer_that_had_trouble_leaves_no_proof(path, checked, monkeypatch):
    ledger = opened(path)

    def refuse(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("edge.ledger.append_event", refuse)
    with pytest.raises(LedgerError):
        ledger.append(item())
    monkeypatch.undo()
    ledger.close()
    assert "closed cleanly" not in path.with_name("ledger.db.lock").read_text()


def a_damaged_book(path, rows=60):
    fill(path, [item() for _ in range(rows)], boot_id="old")
    damage(path, path.stat().st_size // PAGE_BYTES // 2)
    return path.read_bytes()


def test_a_damaged_book_is_set_aside_whole_and_told_until_it_is_written_down(path):
    content = a_damaged_book(path)
    for _ in range(2):
        ledger = opened(path)
        (finding,) = ledger.findings
        ledger.append(Event("boot", 0.0))
        ledger.close()
    assert (finding.type, finding.body["reason"]) == ("fault", "ledger_damaged")
    target = path.parent / "damaged" / "ledger-000001.db"
    assert finding.body["moved_to"] == str(target)
    assert 0 < finding.body["readable_rows"] < 60
    assert f"{finding.body['readable_rows']} of its rows can still be read in {target}" in finding.body["detail"]
    assert target.read_bytes() == content
    assert damaged(path) == ["ledger-000001.db"]
    ledger.open()
    ledger.append(finding)
    assert ledger.findings == ()
    ledger.close()
    ledger.open()
    assert ledger.findings == ()
    ledger.close()
    assert (verify(path).rows, verify(path).problems) == (3, ())


def test_a_fault_of_another_kind_does_not_pass_for_the_finding(path):
    a_damaged_book(path)
    ledger = opened(path)
    ledger.append(Event("fault", 0.0, {"reason": "gate_jammed"}))
    ledger.append(Event("pause", 0.0, {"reason": "ledger_damaged"}))
    assert len(ledger.findings) == 1
    ledger.close()


def test_a_damaged_book_stops_the_start_where_that_is_asked_for(path):
    content = a_damaged_book(path)
    with pytest.raises(
        LedgerError,
        match=r"is damaged \(.*\); restore a copy, move it away, or start it once with --unattended, which sets it",
    ):
        opened(path, when_damaged="stop")
    assert path.read_bytes() == content
    assert damaged(path) == []


def test_the_item_in_the_gate_survives_the_loss_of_its_book(path):
    ledger = SqliteLedger(path, boot_id="old")
    ledger.open()
    for _ in range(60):
        ledger.append(item())
    ledger.intend(INTENT)
    ledger.close()
    damage(path, path.stat().st_size // PAGE_BYTES - 2)
    ledger = opened(path)
    assert ledger.findings != ()
    assert {name: ledger.open_intent[name] for name in INTENT.body} == INTENT.body
    assert ledger.open_intent["boot_id"] == "old"
    ledger.append(Event("fault", 0.0, {"reason": "interrupted", "item": {}}))
    assert ledger.open_intent is None
    ledger.close()


def test_numbers_of_a_run_go_on_after_its_book_was_damaged_under_it(path):
    ledger = SqliteLedger(path, boot_id="b1", when_damaged="set_aside")
    ledger.open()
    for _ in range(60):
        ledger.append(item())
    ledger.close()
    damage(path, path.stat().st_size // PAGE_BYTES // 2)
    ledger.open()
    assert ledger.append(ledger.findings[0])["event_id"] == "b1-61"
    ledger.close()
    assert verify(path).problems == ()


class BadDisk:
    """Refuses to read the book so many times."""

    def __init__(self, monkeypatch, times):
        self.times = times
        self.waited_s = 0.0
        self._check = ledger_opening.find_damage
        monkeypatch.setattr(ledger_opening, "find_damage", self.find_damage)
        monkeypatch.setattr(ledger_opening.time, "sleep", self.sleep)

    def find_damage(self, path):
        if self.times > 0:
            self.times -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
            raise error
        return self._check(path)

    def sleep(self, pause_s):
        self.waited_s += pause_s


def test_a_disk_that_does_not_read_for_a_moment_is_waited_for(path, monkeypatch):
    fill(path, [item()])
    close_uncleanly(path)
    disk = BadDisk(monkeypatch, 3)
    ledger = opened(path)
    assert ledger.findings == ()
    assert disk.waited_s == 1.5
    ledger.close()


def test_a_start_from_a_disk_that_never_reads_the_book_begins_a_new_one(path, monkeypatch):
    fill(path, [item()])
    close_uncleanly(path)
    BadDisk(monkeypatch, 99)
    ledger = opened(path)
    assert "disk I/O error" in ledger.findings[0].body["detail"]
    ledger.close()
    assert damaged(path) == ["ledger-000001.db"]


def test_a_run_that_had_the_book_open_never_gives_it_up_for_a_disk_that_does_not_read(path, monkeypatch):
    fill(path, [item()])
    ledger = opened(path)
    ledger.append(item())
    ledger.close()
    close_uncleanly(path)
    disk = BadDisk(monkeypatch, 2)
    for _ in range(2):
        with pytest.raises(LedgerError, match="the disk failed or refused"):
            ledger.open()
    assert disk.waited_s == 0
    ledger.open()
    assert ledger.findings == ()
    ledger.close()
    assert damaged(path) == []


def test_numbers_of_a_run_go_on_after_its_book_and_every_trace_of_it_vanished(path):
    ledger = opened(path, boot_id="b1")
    ledger.append(item())
    ledger.close()
    path.unlink()
    path.with_name("ledger.db.lock").unlink()
    ledger.open()
    (finding,) = ledger.findings
    assert "is gone although this run has written to it" in finding.body["detail"]
    assert ledger.append(finding)["event_id"] == "b1-2"
    ledger.close()


def test_each_one_that_is_set_aside_has_a_name_of_its_own(path):
    for _ in range(2):
        a_damaged_book(path)
        opened(path).close()
    assert damaged(path) == ["ledger-000001.db", "ledger-000002.db"]


def test_a_head_that_is_noise_is_ours_only_if_the_lock_file_says_so(path, tmp_path):
    fill(path, [item()])
    damage(path, 0)
    ledger = opened(path)
    assert ledger.findings[0].body["readable_rows"] == 0
    ledger.close()
    stranger = tmp_path / "stranger.db"
    stranger.write_bytes(b"\xff" * 5000)
    with pytest.raises(LedgerError, match="no SQLite database"):
        opened(stranger)
    assert stranger.read_bytes() == b"\xff" * 5000
    assert not stranger.with_name("stranger.db.lock").exists()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [("PRAGMA user_version = 3", "newer version"), ("PRAGMA application_id = 7", "no ledger of this program")],
)
def test_what_is_not_ours_is_never_set_aside(path, statement, reason):
    fill(path, [item()])
    run_sql(path, statement)
    content = path.read_bytes()
    with pytest.raises(LedgerError, match=reason):
        opened(path)
    assert path.read_bytes() == content
    assert damaged(path) == []


def lose_file(path):
    path.unlink()


def lose_content(path):
    path.write_bytes(b"")


def lose_rows(path):
    run_sql(path, "DELETE FROM events")


def lose_file_and_keep_log(path):
    path.unlink()
    path.with_name("ledger.db-wal").write_bytes(b"x" * 5000)


LOSSES = {
    "file": (lose_file, "is missing but ledger.db.lock shows", []),
    "content": (lose_content, "is empty but ledger.db.lock shows", ["ledger-000001.db"]),
    "rows": (lose_rows, "has no rows but ledger.db.lock shows", ["ledger-000001.db"]),
    "file, not its log": (lose_file_and_keep_log, "is missing but ledger.db-wal shows", ["ledger-000001.db-wal"]),
}


@pytest.mark.parametrize(("lose", "reason", "left"), LOSSES.values(), ids=LOSSES.keys())
def test_a_book_that_was_lost_is_told_and_begun_anew(path, lose, reason, left):
    fill(path, [item()])
    lose(path)
    with pytest.raises(LedgerError, match=rf"{reason}.*; restore a copy, or move both away .* once with --unattended"):
        opened(path, when_damaged="stop")
    ledger = opened(path)
    (finding,) = ledger.findings
    assert finding.body["reason"] == "ledger_lost"
    assert reason in finding.body["detail"]
    assert (finding.body["moved_to"] is not None) == bool(left)
    assert damaged(path) == left
    ledger.append(finding)
    ledger.close()
    ledger.open()
    assert ledger.findings == ()
    ledger.close()
    assert (verify(path).rows, verify(path).problems) == (1, ())


def test_a_loss_after_the_lock_file_of_an_earlier_version_is_told_once(path):
    fill(path, [item()])
    lose_rows(path)
    path.with_name("ledger.db.lock").write_text("4711      \nhas held events\n")
    opened(path).close()
    # The new book has no rows either, and the mark names no book; it is not lost for that.
    opened(path).close()
    assert damaged(path) == ["ledger-000001.db"]


def test_a_first_start_finds_nothing_wrong(path):
    ledger = opened(path)
    assert (ledger.findings, ledger.open_intent) == ((), None)
    ledger.close()
    assert damaged(path) == []


def test_an_open_intent_is_a_note_of_verify_and_no_problem(path):
    ledger = opened(path, boot_id="b1")
    ledger.intend(INTENT)
    with LedgerReader(path) as reader:
        report = reader.verify()
        assert reader.open_intent()["label"] == "glass"
    assert report.is_clean
    assert report.notes == (
        "an intent is open: glass for recyclable, at 40 s of boot b1; what became of it is not written down yet",
    )
    ledger.append(item())
    ledger.close()
    assert verify(path).notes == ()
