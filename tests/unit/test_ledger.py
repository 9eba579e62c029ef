"""The SQLite ledger: what is on the disk, who is refused, and what reading finds."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import ledger_format, ledger_read, records
from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event

UTC = "2026-11-22T09:00:00.123Z"


def item(decide: float = 260, total: float = 1890, **changes: Any) -> Event:
    body = {
        "label": "glass",
        "route": "recyclable",
        "decision": "confident",
        "confidence": 0.97,
        "margin": 0.93,
        "votes": {"recyclable": 5, "residue": 0},
        "frames": 5,
        "latency_ms": {"settle": 180, "classify": 21, "decide": decide, "gate": 1450, "total": total},
        "gate": {"commanded_deg": 140.0, "duration_s": 1.45, "confirmed": None, "retries": 0},
        "model": {"name": "m", "version": "1", "sha256": "00"},
    }
    return Event("item", 41.25, body | changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path):
    ledger = SqliteLedger(path, boot_id="b1", utc_now=lambda: UTC)
    ledger.open()
    yield ledger
    ledger.close()


def fill(path, events, boot_id="b1"):
    ledger = SqliteLedger(path, boot_id=boot_id, utc_now=lambda: UTC)
    ledger.open()
    try:
        return [ledger.append(event) for event in events]
    finally:
        ledger.close()


def run_sql(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(statement).fetchall() for statement in statements]


def verify(path):
    with LedgerReader(path) as reader:
        return reader.verify()


def test_the_row_holds_the_record_and_its_columns(path):
    (record,) = fill(path, [item(label="Grüße [b]")])
    columns = "boot_id, seq, type, utc, t_s, label, route, decision, record"
    ((row,),) = run_sql(path, f"SELECT {columns} FROM events")
    assert row[:-1] == ("b1", 1, "item", UTC, 41.25, "Grüße [b]", "recyclable", "confident")
    assert row[-1] == ledger_format.encode_record(record)
    assert json.loads(row[-1]) == record
    assert record["event_id"] == "b1-1"


def test_commits_are_synced_in_full_to_a_write_ahead_log(ledger):
    assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_file_names_its_program_and_version(path):
    fill(path, [])
    found = run_sql(path, "PRAGMA application_id", "PRAGMA user_version")
    assert found == [[(ledger_format.APPLICATION_ID,)], [(ledger_format.LEDGER_VERSION,)]]


def test_missing_folders_are_made(tmp_path):
    fill(tmp_path / "a" / "b" / "ledger.db", [Event("boot", 0.0)])
    assert verify(tmp_path / "a" / "b" / "ledger.db").rows == 1


def test_a_boot_that_is_opened_again_goes_on_counting(path):
    fill(path, [Event("boot", 0.0)] * 2)
    assert fill(path, [Event("boot", 0.0)])[0]["event_id"] == "b1-3"
    assert verify(path).is_clean


@pytest.mark.parametrize("boot_id", ["a-b", "a b", "é", "x" * 65])
def test_a_boot_id_that_would_blur_event_ids_is_refused(path, boot_id):
    with pytest.raises(LedgerError, match="boot id"):
        SqliteLedger(path, boot_id=boot_id).open()


def test_boot_id_before_opening_is_refused(path):
    with pytest.raises(LedgerError, match="never opened"):
        _ = SqliteLedger(path).boot_id


def test_opening_twice_is_refused(ledger):
    with pytest.raises(LedgerError, match="already open"):
        ledger.open()
    assert ledger.append(Event("boot", 0.0))["seq"] == 1


def test_an_interrupted_append_leaves_nothing_behind(ledger):
    class Interrupting(Mapping[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise KeyError(name)

        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[str]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.append(Event("boot", 0.0, Interrupting()))
    assert ledger.append(Event("boot", 0.0))["seq"] == 1


def test_threads_share_a_ledger_without_gaps(path, ledger):
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda n: ledger.append(Event("boot", float(n)))["event_id"], range(40)))
    assert ids == {f"b1-{n}" for n in range(1, 41)}
    assert verify(path).is_clean


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.text(min_size=9), JSON_VALUES, max_size=4), t_s=st.floats(0, 1e9))
def test_any_body_comes_back_as_it_was(path, ledger, body, t_s):
    record = ledger.append(Event("fault", t_s, body))
    with LedgerReader(path) as reader:
        assert reader.tail(1) == [record]
    assert {name: record[name] for name in body} == body
    assert record["t_s"] == t_s


def test_format_and_records_agree_on_the_schema(ledger):
    assert ledger.append(Event("boot", 0.0))["schema"] == records.EVENT_SCHEMA


# Who is refused


def test_a_second_writer_is_told_the_file_and_the_process(path, ledger):
    with pytest.raises(LedgerError, match=rf"{path} is being written by process {os.getpid()};"):
        SqliteLedger(path).open()


def test_another_name_of_the_file_is_no_way_around_the_lock(path, ledger, tmp_path):
    (tmp_path / "alias.db").symlink_to(path)
    with pytest.raises(LedgerError, match="being written"):
        SqliteLedger(tmp_path / "alias.db").open()


FOREIGN = {
    "newer": (["PRAGMA user_version = 2"], "newer version"),
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


# Reading


def test_reading_a_missing_ledger_is_refused_and_makes_no_file(path, tmp_path):
    with pytest.raises(LedgerError, match="does not exist"):
        LedgerReader(path)
    assert os.listdir(tmp_path) == []


def test_reading_a_closed_ledger_leaves_no_file_behind(path, tmp_path):
    fill(path, [item()])
    before = sorted(os.listdir(tmp_path))
    assert verify(path).is_clean
    assert sorted(os.listdir(tmp_path)) == before == ["ledger.db", "ledger.db.lock"]


def test_a_reader_sees_a_writer_that_came_after_it(path):
    fill(path, [Event("boot", 0.0)])
    with LedgerReader(path) as reader:
        assert len(reader.tail(10)) == 1
        later = SqliteLedger(path)
        later.open()
        try:
            later.append(Event("boot", 0.0))
            assert len(reader.tail(10)) == 2
        finally:
            later.close()


def test_closing_a_reader_in_the_same_process_costs_no_event(path, ledger):
    # POSIX locks die with any descriptor of the file: a stranger that leaves would then take the log away.
    ledger.append(Event("boot", 0.0))
    verify(path)
    log = path.with_name("ledger.db-wal").stat().st_ino
    stranger = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('SELECT * FROM events'); d.close()"
    subprocess.run([sys.executable, "-c", stranger, path], check=True)
    assert path.with_name("ledger.db-wal").stat().st_ino == log
    ledger.append(Event("boot", 1.0))
    assert verify(path).rows == 2


def test_tail_gives_the_last_events_oldest_first(path):
    fill(path, [Event("boot", float(n)) for n in range(5)])
    with LedgerReader(path) as reader:
        assert [record["seq"] for record in reader.tail(2)] == [4, 5]
        assert len(reader.tail(99)) == 5
        assert reader.tail(0) == []


def test_iterate_pages_through_everything_in_order(path, monkeypatch):
    monkeypatch.setattr(ledger_read, "PAGE_ROWS", 3)
    fill(path, [item() if n % 2 else Event("boot", 0.0) for n in range(9)])
    with LedgerReader(path) as reader:
        assert [record["seq"] for record in reader.iterate()] == list(range(1, 10))
        assert [record["seq"] for record in reader.iterate("item")] == [2, 4, 6, 8]
        assert list(reader.iterate("fault")) == []


def test_summary_counts_and_measures(path):
    fill(path, [Event("boot", 0.0), *(item(decide=n, total=10 * n) for n in range(1, 21))])
    uncertain = item(decide=21, total=210, route="residue", label="", decision="uncertain")
    fill(path, [Event("boot", 0.0), uncertain], boot_id="b2")
    with LedgerReader(path) as reader:
        found = reader.summary()
    assert found.boots == 2
    assert found.events == {"item": 21, "boot": 2}
    assert found.routes == {"recyclable": 20, "residue": 1}
    assert found.labels == {"glass": 20, "": 1}
    assert found.decisions == {"confident": 20, "uncertain": 1}
    assert (found.first_utc, found.last_utc) == (UTC, UTC)
    # 95 % of 21 is 19.95: the 20th smallest.
    assert (found.decide.count, found.decide.median_ms, found.decide.p95_ms) == (21, 11, 20)
    assert (found.total.median_ms, found.total.p95_ms) == (110, 200)


def test_summary_of_an_empty_ledger(path):
    fill(path, [])
    with LedgerReader(path) as reader:
        found = reader.summary()
    assert (found.boots, found.events, found.first_utc, found.total.median_ms) == (0, {}, None, None)


TAMPERED = {
    "row removed": ("DELETE FROM events WHERE id = 2", "row 3 follows row 1"),
    "gap": ("UPDATE events SET seq = 9 WHERE id = 3", "row 3 of boot b1 has seq 9, expected 3"),
    "boot": ("UPDATE events SET boot_id = 'zz' WHERE id = 3", "row 3 of boot zz has seq 3, expected 1"),
    "label": (
        "UPDATE events SET label = 'x' WHERE id = 2",
        "row 2: column label has 'x', the record 'glass'",
    ),
    "time": ("UPDATE events SET t_s = 1 WHERE id = 2", "row 2: column t_s has 1.0, the record 41.25"),
    "no json": ("UPDATE events SET record = '{' WHERE id = 2", "row 2: the record is no JSON"),
    "blob": ("UPDATE events SET record = x'ff' WHERE id = 2", "row 2: the record is no JSON"),
    "no object": ("UPDATE events SET record = '[]' WHERE id = 2", "row 2: the record is no JSON object"),
    "event_id": (
        "UPDATE events SET record = json_set(record, '$.event_id', 'b1-7') WHERE id = 2",
        "row 2: event_id is 'b1-7', expected 'b1-2'",
    ),
    "field": (
        "UPDATE events SET record = json_remove(record, '$.votes') WHERE id = 2",
        "row 2: `votes` is missing",
    ),
    "inner field": (
        "UPDATE events SET record = json_remove(record, '$.latency_ms.total') WHERE id = 2",
        "row 2: `latency_ms.total` is missing",
    ),
    "schema": (
        "UPDATE events SET record = json_remove(record, '$.schema') WHERE id = 2",
        "row 2: `schema` is missing",
    ),
}


@pytest.mark.parametrize(("statement", "problem"), TAMPERED.values(), ids=TAMPERED.keys())
def test_verify_names_the_row_that_was_tampered_with(path, statement, problem):
    fill(path, [item(), item(), item()])
    assert verify(path).problems == ()
    run_sql(path, statement)
    report = verify(path)
    assert not report.is_clean
    assert any(sentence.startswith(problem) for sentence in report.problems), report.problems


def test_verify_of_a_ruined_ledger_stays_short(path, monkeypatch):
    monkeypatch.setattr(ledger_read, "PROBLEM_LIMIT", 4)
    fill(path, [item()] * 9)
    run_sql(path, "UPDATE events SET record = '{'")
    report = verify(path)
    assert len(report.problems) == 5
    assert report.problems[-1] == "and 5 more problems"


def test_reading_a_ruined_record_is_an_error_that_names_the_row(path):
    fill(path, [item()])
    run_sql(path, "UPDATE events SET record = '{'")
    with LedgerReader(path) as reader:
        with pytest.raises(LedgerError, match="row 1 of ledger"):
            reader.tail(1)
        assert reader.summary().total.count == 0
