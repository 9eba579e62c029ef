"""Reading the ledger: what is found in it, and what `verify` says of one that was tampered with."""

import os
import subprocess
import sys

import pytest

from edge import ledger_audit, ledger_read
from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event
from tests.ledger_rig import UTC, fill, item, run_sql, verify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path):
    ledger = SqliteLedger(path, boot_id="b1", utc_now=lambda: UTC)
    ledger.open()
    yield ledger
    ledger.close()


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
    monkeypatch.setattr(ledger_audit, "PROBLEM_LIMIT", 4)
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
