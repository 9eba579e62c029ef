"""A book that somebody prepared runs nothing, hides nothing and fills no memory: it is refused, or read as rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.records import Event
from tests.cli_rig import invoke
from tests.hostile_files import ESCAPES, STEERING

FAULT = Event("fault", 1.0, {"reason": "x", "state": "s", "detail": "d"})
ENDLESS = """
ALTER TABLE events RENAME TO others;
CREATE VIEW events AS
    WITH RECURSIVE row(id, boot_id, seq, type, utc, t_s, label, route, decision, record) AS (
        SELECT 1, 'b', 1, 'item', 'u', 0, 'l', 'r', 'd', '{}'
        UNION ALL SELECT id + 1, boot_id, seq + 1, type, utc, t_s, label, route, decision, record FROM row
    ) SELECT * FROM row;
"""
ADDITIONS = {
    "a trigger that deletes": "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events WHERE id < NEW.id; "
    "END;",
    "a trigger that loads code": "CREATE TRIGGER t AFTER INSERT ON events BEGIN SELECT load_extension('/x.so'); END;",
    "a view without an end": ENDLESS,
    "a virtual table": "CREATE VIRTUAL TABLE t USING fts5(x);",
}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A sound book of one row."""
    ledger = SqliteLedger(tmp_path / "l.db")
    ledger.open()
    ledger.append(FAULT)
    ledger.close()
    return tmp_path / "l.db"


def change(book: Path, script: str) -> None:
    with closing(sqlite3.connect(book, isolation_level=None)) as connection:
        connection.executescript(script)


@pytest.mark.parametrize("script", ADDITIONS.values(), ids=ADDITIONS.keys())
def test_a_book_is_neither_written_nor_read_with(book, script):
    change(book, script)
    before = book.read_bytes()
    with pytest.raises(LedgerError, match="which this program never makes: somebody changed it; restore a copy"):
        SqliteLedger(book).open()
    with pytest.raises(LedgerError, match="which this program never makes"), LedgerReader(book):
        pass
    assert book.read_bytes() == before, "it is evidence, and stays as it was"


def test_a_row_that_fills_the_memory_is_an_error_of_the_book(book):
    change(
        book,
        "INSERT INTO events (boot_id, seq, type, utc, t_s, record) "
        "VALUES ('b', 1, 'fault', 'u', 0, zeroblob(100000000));",
    )
    result = invoke("ledger", "tail", "--ledger", book)
    assert result.code == LedgerError.exit_code
    assert len(result.err.splitlines()) == 1


def test_what_stands_in_a_book_steers_no_terminal(book):
    ledger = SqliteLedger(book)
    ledger.open()
    ledger.append(Event("fault", 2.0, {"reason": ESCAPES, "state": "s", "detail": ESCAPES}))
    ledger.close()
    change(book, f"UPDATE events SET type = 'x{ESCAPES}', boot_id = 'b{ESCAPES}' WHERE id = 1;")
    for command in ("tail", "summary", "verify"):
        result = invoke("ledger", command, "--ledger", book)
        assert not any(sign in result.out + result.err for sign in STEERING), command
