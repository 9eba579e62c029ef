"""The writer of the ledger: what is on the disk, in what order, and what comes back."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import ledger_format, ledger_opening, records
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


def test_a_boot_that_comes_back_after_others_goes_on_counting(path):
    for boot_id, count in (("b1", 5), ("b2", 3), ("b1", 2), ("b3", 1), ("b2", 1), ("b1", 1), ("b4", 1), ("b3", 1)):
        fill(path, [Event("boot", 0.0)] * count, boot_id=boot_id)
    assert run_sql(path, "SELECT boot_id, max(seq) FROM events GROUP BY boot_id") == [
        [("b1", 8), ("b2", 4), ("b3", 2), ("b4", 1)]
    ]
    assert verify(path).is_clean


def test_a_new_boot_does_not_read_the_whole_file(path, monkeypatch):
    for n in range(3):
        fill(path, [item() for _ in range(200)], boot_id=f"b{n}")
    ledger = SqliteLedger(path, boot_id="new")
    steps = []
    connect = ledger_opening.connect

    def connect_counted(file):
        connection = connect(file)
        connection.set_progress_handler(lambda: steps.append(1), 100)
        return connection

    monkeypatch.setattr(ledger_opening, "connect", connect_counted)
    ledger.open()
    assert ledger.append(Event("boot", 0.0))["seq"] == 1
    ledger.close()
    assert len(steps) < 10, "hundreds of the database's steps, not thousands"


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


def test_opening_folds_the_log_of_a_killed_writer_into_the_file(path, tmp_path):
    """Only rows of the current run can be lost with the log."""
    ledger = SqliteLedger(path)
    ledger.open()
    for n in range(3):
        ledger.append(Event("boot", float(n)))
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db.lock"):
        (killed / name).write_bytes((tmp_path / name).read_bytes())
    ledger.close()
    again = SqliteLedger(killed / "ledger.db")
    again.open()
    assert (killed / "ledger.db-wal").stat().st_size == 0
    again.close()
    assert verify(killed / "ledger.db").rows == 3


def test_opening_waits_for_no_reader_for_long(path):
    fill(path, [Event("boot", 0.0)])
    ledger = SqliteLedger(path)
    ledger.open()
    ledger.append(Event("boot", 0.0))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchall()
        ledger.append(Event("boot", 0.0))
        ledger.close()
        ledger.open()
        assert ledger.append(Event("boot", 0.0))["seq"] == 3
        ledger.close()
    assert verify(path).rows == 4
