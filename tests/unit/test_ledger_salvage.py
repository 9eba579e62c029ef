"""`ledger export --salvage`: every row that a damaged book still gives, and nothing that it does not."""

import json
import shlex
import sqlite3

import pytest
from typer.testing import CliRunner

from edge import ledger_salvage
from edge.commands.ledger import app
from edge.errors import ConfigError, LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_format import PAGE_BYTES
from edge.ledger_salvage import Salvage, count_readable
from edge.records import Event
from tests.ledger_rig import damage, fill, item, run_sql

ROWS = 300


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def records(path):
    return fill(path, [item() if n % 3 else Event("pause", float(n), {"reason": "x" * 200}) for n in range(ROWS)])


def invoke(*arguments, exit_code=0):
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def seqs(result):
    return [json.loads(line)["seq"] for line in result.stdout.splitlines()]


def pages(path):
    return path.stat().st_size // PAGE_BYTES


def test_the_command_that_the_event_names_writes_the_rows_that_it_counts(path, records):
    damage(path, pages(path) // 2)
    book = SqliteLedger(path, when_damaged="set_aside")
    book.open()
    (finding,) = book.findings
    book.close()
    command = shlex.split(finding.body["detail"].partition("(edge-sorter ledger ")[2].partition(")")[0])
    result = invoke(*command[1:], exit_code=5)
    assert command[-1] == finding.body["moved_to"]
    assert len(seqs(result)) == finding.body["readable_rows"]
    assert 0 < ROWS - len(seqs(result)) <= 6
    assert result.stderr == f"{len(seqs(result))} rows written; what else the file held cannot be read\n"


def test_rows_between_two_damaged_places_are_written_too_in_order(path, records):
    for page in (pages(path) // 3, pages(path) // 2, pages(path) - 1):
        damage(path, page)
    found = seqs(invoke("--salvage", "--ledger", path, exit_code=5))
    assert found == sorted(set(found))
    assert ROWS - 18 <= len(found) < ROWS
    by_seq = {record["seq"]: record for record in records}
    assert all(by_seq[record["seq"]] == record for record in Salvage(path).records())


def test_a_book_whose_first_rows_are_damaged_is_read_from_where_they_end(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_salvage, "DAMAGE_TRIES", 10)
    path = tmp_path / "ledger.db"
    book = SqliteLedger(path, boot_id="b1", rotate_bytes=1)
    book.open()
    before = ROWS // 2
    for n in range(ROWS):
        book.append(item())
        if n == before - 1:
            book.maintain(0.0)
    book.close()
    assert run_sql(path, "SELECT min(id) FROM events") == [[(before + 1,)]]
    leaf = next(n for n in range(1, pages(path)) if f'b1-{before + 1}"'.encode() in page_of(path, n))
    damage(path, pages(path) - 1)
    damage(path, leaf)
    found = seqs(invoke("--salvage", "--ledger", path, exit_code=5))
    assert before + 1 < found[0] <= before + 6
    assert ROWS - before - 12 <= len(found) < ROWS - before


def page_of(path, number):
    return path.read_bytes()[PAGE_BYTES * number : PAGE_BYTES * (number + 1)]


def test_what_lies_behind_a_gap_that_is_too_wide_is_read_from_the_end(path, records, monkeypatch):
    monkeypatch.setattr(ledger_salvage, "DAMAGE_TRIES", 0)
    damage(path, pages(path) // 3)
    damage(path, pages(path) // 2)
    found = seqs(invoke("--salvage", "--ledger", path, exit_code=5))
    assert (found[0], found[-1]) == (1, ROWS)
    assert found == sorted(set(found))


def test_a_row_that_is_no_record_is_left_out(path, records):
    run_sql(
        path,
        "UPDATE events SET record = '{' WHERE id = 2",
        "UPDATE events SET record = '[]' WHERE id = 3",
        "UPDATE events SET record = CAST(x'7b22ff227d' AS TEXT) WHERE id = 4",
        "UPDATE events SET record = '{\"a\": NaN}' WHERE id = 5",
    )
    found = seqs(invoke("--salvage", "--ledger", path, exit_code=5))
    assert found == [1, *range(6, ROWS + 1)]
    assert count_readable(path) == ROWS - 4


def test_rows_that_are_missing_are_told(path, records):
    run_sql(path, "DELETE FROM events WHERE id = 7")
    result = invoke("--salvage", "--ledger", path, exit_code=5)
    assert result.stderr == f"{ROWS - 1} rows written; what else the file held cannot be read\n"


def test_a_sound_book_is_written_whole_and_ends_with_0(path, records):
    result = invoke("--salvage", "--ledger", path)
    assert [json.loads(line) for line in result.stdout.splitlines()] == records
    assert result.stderr == f"{ROWS} rows written; every row could be read\n"


def test_form_type_and_file_are_as_of_any_export(path, records, tmp_path):
    damage(path, pages(path) // 2)
    target = tmp_path / "left.csv"
    result = invoke(
        "--salvage", "--ledger", path, "--type", "pause", "--format", "csv", "--output", target, exit_code=5
    )
    rows = target.read_text().splitlines()[1:]
    assert 90 < len(rows) < 100
    assert all(",pause," in row for row in rows)
    assert result.stderr.splitlines()[0] == f"exported to {target}"
    assert result.stderr.splitlines()[1].startswith(f"{len(rows)} rows written; ")
    with pytest.raises(ConfigError, match="--force"):
        invoke("--salvage", "--ledger", path, "--output", target)


def test_the_file_is_left_as_it_was(path, records):
    damage(path, pages(path) // 2)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    invoke("--salvage", "--ledger", path, exit_code=5)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_rows_that_are_in_the_log_only_are_read_there(path, records, tmp_path):
    book = SqliteLedger(path, boot_id="b2")
    book.open()
    book.append(item())
    copy = tmp_path / "damaged" / "ledger-000001.db"
    copy.parent.mkdir()
    for suffix in ("", "-wal"):
        copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    book.close()
    assert len(seqs(invoke("--salvage", "--ledger", copy))) == ROWS + 1


def test_a_disk_that_does_not_read_is_not_asked_for_ever(path, records, monkeypatch):
    asked = []

    class BadDisk:
        def execute(self, query, values=()):
            asked.append(values)
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
            raise error

        def setlimit(self, *_):
            pass

        def close(self):
            pass

    monkeypatch.setattr(ledger_salvage, "open_reading", lambda _: BadDisk())
    assert count_readable(path) == 0
    assert len(asked) <= 2 * ledger_salvage.DISK_TRIES + 2


def test_a_file_of_somebody_else_is_refused(tmp_path):
    stranger = tmp_path / "stranger.db"
    stranger.write_bytes(b"\xff" * 5000)
    with pytest.raises(LedgerError, match="no SQLite database"):
        invoke("--salvage", "--ledger", stranger)


def test_one_file_at_a_time(path, records):
    with pytest.raises(ConfigError, match="--salvage reads one file"):
        invoke("--salvage", "--all", "--ledger", path)


def test_an_export_that_meets_damage_names_the_way_out(path, records):
    damage(path, pages(path) // 2)
    with pytest.raises(LedgerError, match=r"is damaged; .*; `ledger export --salvage` writes what can be read of it"):
        invoke("--ledger", path)
