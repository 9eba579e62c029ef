"""Kills a writer of the ledger at every step of what it does to files, one after the other, and looks at what is left.

    python -m tests.ledger_kills {rotate,set_aside,lost,migrate} FOLDER

A step is a call that changes files (rename, fsync, unlink, mkdir, write) or a statement that SQLite runs. The process
dies by `_exit` before the step, so that nothing is closed or tidied. Prints how many steps there were.
"""

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.ledger_shelf import LedgerShelf
from edge.records import Event
from tests.ledger_rig import INTENT, a_v1_book, fill, item

KILLED = 9
STEPS = ("rename", "fsync", "unlink", "mkdir", "pwrite")


class Killer:
    """Counts steps, and ends the process before one of them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def step(self, *_: object) -> None:
        self.count += 1
        if self.count == self.at:
            os._exit(KILLED)

    def install(self) -> None:
        for name in STEPS:
            setattr(os, name, self._counted(getattr(os, name)))
        connect = sqlite3.connect

        def connect_traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            self.step()
            connection = connect(*arguments, **options)
            connection.set_trace_callback(self.step)
            return connection

        sqlite3.connect = connect_traced  # type: ignore[assignment]  # the same call, counted

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.step()
            return call(*arguments, **options)

        return counted


class Said:
    """What the writer had acknowledged before it died."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def acknowledge(self, record: dict[str, Any]) -> None:
        os.write(self._fd, f"{record['event_id']}\n".encode())

    def read(self) -> list[str]:
        return self.path.read_text().split()


def rotate(path: Path, said: Said) -> None:
    """A run whose book is full after every other item."""
    ledger = SqliteLedger(path, rotate_bytes=1)
    ledger.open()
    for n in range(4):
        ledger.intend(INTENT)
        said.acknowledge(ledger.append(item()))
        if n % 2:
            ledger.maintain(100.0 * n)
    ledger.close()


def set_aside(path: Path, said: Said) -> None:
    """A start that finds a damaged or a lost book."""
    ledger = SqliteLedger(path, when_damaged="set_aside")
    ledger.open()
    said.acknowledge(ledger.append(Event("boot", 0.0)))
    for event in ledger.findings:
        said.acknowledge(ledger.append(event))
    ledger.close()


def migrate(path: Path, said: Said) -> None:
    """The first start after an upgrade."""
    ledger = SqliteLedger(path)
    ledger.open()
    ledger.intend(INTENT)
    said.acknowledge(ledger.append(item()))
    ledger.close()


def prepare_rotate(path: Path) -> None:
    fill(path, [item() for _ in range(5)])


def prepare_damaged(path: Path) -> None:
    fill(path, [item() for _ in range(40)])
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2 // 2048 * 2048)
        stream.write(b"\xff" * 2048)


def prepare_lost(path: Path) -> None:
    fill(path, [item() for _ in range(5)])
    path.unlink()
    path.with_name(path.name + "-wal").write_bytes(b"x" * 5000)


def check_all_there(path: Path, said: Said) -> None:
    """Nothing is lost, nothing is double, and the next start goes on without a word."""
    ledger = SqliteLedger(path)
    ledger.open()
    assert ledger.findings == ()
    if ledger.open_intent is not None:
        ledger.append(Event("fault", 0.0, {"reason": "interrupted", "item": {}}))
    ledger.append(Event("boot", 0.0))
    ledger.close()
    with LedgerShelf(path) as shelf:
        report = shelf.verify()
        ids = [record["event_id"] for record in shelf.iterate() if record["type"] == "item"]
    assert report.problems == (), report.problems
    assert report.notes == (), report.notes
    acknowledged = said.read()
    assert len(ids) == len(set(ids))
    assert set(acknowledged) <= set(ids), (acknowledged, ids)
    # What stood there before, and one at most that was durable and not acknowledged yet.
    before = len(ids) - len(acknowledged)
    assert before in (BEFORE[path.parent.name], BEFORE[path.parent.name] + 1), before


BEFORE: dict[str, int] = {}


def check_set_aside(path: Path, said: Said) -> None:
    """The old file is kept as it was, and is told of exactly once."""
    kept = path.with_name("before").read_bytes()
    ledger = SqliteLedger(path, when_damaged="set_aside")
    ledger.open()
    for event in ledger.findings:
        ledger.append(event)
    ledger.close()
    with LedgerReader(path) as reader:
        assert reader.verify().problems == ()
        records = list(reader.iterate())
    assert set(said.read()) <= {record["event_id"] for record in records}
    told = [record for record in records if record["type"] == "fault"]
    assert len(told) == 1, told
    left = Path(told[0]["moved_to"])
    where = left if left.exists() else left.with_name(left.name + "-wal")
    assert where.read_bytes() == kept
    assert {file.name.removesuffix("-wal").removesuffix("-shm") for file in left.parent.iterdir()} == {left.name}


SCENARIOS: dict[str, tuple[Callable[[Path], None], Callable[[Path, Said], None], Callable[[Path, Said], None]]] = {
    "rotate": (prepare_rotate, rotate, check_all_there),
    "set_aside": (prepare_damaged, set_aside, check_set_aside),
    "lost": (prepare_lost, set_aside, check_set_aside),
    "migrate": (a_v1_book, migrate, check_all_there),
}


def main(name: str, folder: Path) -> None:
    prepare, act, check = SCENARIOS[name]
    for at in range(1, 1000):
        place = folder / "place"
        place.mkdir()
        path = place / "ledger.db"
        prepare(path)
        BEFORE["place"] = 0
        if path.exists():
            shutil.copyfile(path, place / "before")
            if check is check_all_there:
                with closing(sqlite3.connect(path)) as db:
                    BEFORE["place"] = db.execute("SELECT count(*) FROM events WHERE type = 'item'").fetchone()[0]
        else:
            shutil.copyfile(path.with_name("ledger.db-wal"), place / "before")
        said = Said(place / "said")
        pid = os.fork()
        if pid == 0:
            Killer(at).install()
            try:
                act(path, said)
            except BaseException as exc:
                print(f"step {at}: {exc!r}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, KILLED), (at, code)
        try:
            check(path, said)
        except BaseException as exc:
            exc.add_note(f"killed before step {at} of {name}")
            raise
        shutil.rmtree(place)
        if code == 0:
            print(json.dumps({"steps": at - 1}))
            return
    raise AssertionError("it never came to an end")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
