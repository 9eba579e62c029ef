"""What every `ports.Ledger` promises; a new driver is done when it passes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from edge.errors import LedgerError
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.ports import Ledger
from edge.records import EVENT_SCHEMA, Event
from tests.ledger_rig import INTENT, ITEM


class OpenableLedger(Ledger, Protocol):
    """A driver before it was opened."""

    def open(self) -> None: ...


class Driver:
    """How to make a ledger over one place, and how to read that place back independently."""

    def __init__(self, make: Callable[[Path], OpenableLedger], read: Callable[[Path], list[Any]]) -> None:
        self.make = make
        self.read = read


def read_sqlite(path: Path) -> list[Any]:
    with LedgerReader(path) as reader:
        return list(reader.iterate())


DRIVERS = {"sqlite": Driver(SqliteLedger, read_sqlite)}


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS.keys())
def driver(request):
    return request.param


@pytest.fixture
def ledger(driver, tmp_path):
    ledger = driver.make(tmp_path / "ledger.db")
    ledger.open()
    yield ledger
    ledger.close()


def test_the_record_of_an_event_has_the_public_fields_then_its_body(ledger):
    record = ledger.append(Event("item", 41.25, ITEM))
    assert list(record) == ["schema", "event_id", "boot_id", "seq", "type", "utc", "t_s", *ITEM]
    assert record["schema"] == EVENT_SCHEMA
    assert record["event_id"] == f"{ledger.boot_id}-1"
    assert record["boot_id"] == ledger.boot_id
    assert (record["seq"], record["type"], record["t_s"]) == (1, "item", 41.25)
    assert {name: record[name] for name in ITEM} == ITEM


def test_an_event_without_a_body_is_written_down(ledger):
    assert ledger.append(Event("pause", 0.0))["type"] == "pause"


def test_numbers_run_from_one_without_a_gap(ledger):
    assert [ledger.append(Event("boot", float(n)))["seq"] for n in range(5)] == [1, 2, 3, 4, 5]


def test_what_was_returned_is_read_back_while_the_ledger_is_open(driver, ledger, tmp_path):
    records = [ledger.append(Event("item", 1.0, ITEM)), ledger.append(Event("fault", 2.0, {"reason": "ü"}))]
    assert driver.read(tmp_path / "ledger.db") == records


def test_the_returned_record_is_plain_json_and_nobody_elses(driver, ledger, tmp_path):
    body = {"values": (1, 2)}
    record = ledger.append(Event("fault", 0.0, body))
    assert record == json.loads(json.dumps(record))
    record["values"].append(3)
    assert body == {"values": (1, 2)}
    assert driver.read(tmp_path / "ledger.db")[0]["values"] == [1, 2]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Event("fault", 0.0, {"x": float("nan")}), "JSON"),
        (Event("fault", float("inf"), {}), "JSON"),
        (Event("fault", 0.0, {"x": object()}), "JSON"),
        (Event("fault", 0.0, {"seq": 7}), "seq"),
        (Event("item", 0.0, {name: ITEM[name] for name in ITEM if name != "route"}), "route"),
    ],
    ids=["nan", "infinite time", "object", "reserved name", "item without route"],
)
def test_an_unsound_event_is_refused_and_takes_no_number(driver, ledger, tmp_path, event, reason):
    with pytest.raises(LedgerError, match=reason):
        ledger.append(event)
    assert driver.read(tmp_path / "ledger.db") == []
    assert ledger.append(Event("boot", 0.0))["seq"] == 1


def test_there_is_one_writer(driver, ledger, tmp_path):
    second = driver.make(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        second.open()
    second.close()
    assert ledger.append(Event("boot", 0.0))["seq"] == 1


def test_each_opening_is_a_boot_of_its_own_and_keeps_what_was_there(driver, tmp_path):
    boots = []
    for _ in range(3):
        ledger = driver.make(tmp_path / "ledger.db")
        ledger.open()
        boots.append(ledger.boot_id)
        assert ledger.append(Event("boot", 0.0))["seq"] == 1
        ledger.close()
    assert len(set(boots)) == 3
    assert [record["boot_id"] for record in driver.read(tmp_path / "ledger.db")] == boots


def test_close_may_be_called_twice_and_on_a_ledger_never_opened(driver, tmp_path):
    ledger = driver.make(tmp_path / "ledger.db")
    ledger.close()
    ledger.open()
    ledger.close()
    ledger.close()
    assert driver.read(tmp_path / "ledger.db") == []


def test_append_to_a_closed_ledger_is_refused(driver, tmp_path):
    ledger = driver.make(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match="not open"):
        ledger.append(Event("boot", 0.0))


def test_an_intent_is_no_event_and_takes_no_number(driver, ledger, tmp_path):
    ledger.intend(INTENT)
    assert driver.read(tmp_path / "ledger.db") == []
    assert ledger.append(Event("item", 1.0, ITEM))["seq"] == 1


def test_at_most_one_intent_is_open(ledger):
    ledger.intend(INTENT)
    with pytest.raises(LedgerError, match=r"that of glass for recyclable at 40 s of boot .* is open still"):
        ledger.intend(INTENT)
    ledger.append(Event("item", 1.0, ITEM))
    ledger.intend(INTENT)


INTERRUPTED = Event("fault", 0.0, {"reason": "interrupted", "item": {"label": "glass", "route": "recyclable"}})
SETTLING = {"item": Event("item", 1.0, ITEM), "interrupted": INTERRUPTED}


@pytest.mark.parametrize("outcome", SETTLING.values(), ids=SETTLING.keys())
def test_what_was_left_open_is_found_by_the_next_run_until_it_is_settled(driver, tmp_path, outcome):
    first = driver.make(tmp_path / "ledger.db")
    first.open()
    assert first.open_intent is None
    first.intend(INTENT)
    first.append(Event("bin_full", 41.0, {"bin": "residue"}))
    assert first.open_intent is None, "it is this run's own, and under way"
    first.close()
    for _ in range(2):
        ledger = driver.make(tmp_path / "ledger.db")
        ledger.open()
        found = ledger.open_intent
        assert {name: found[name] for name in INTENT.body} == INTENT.body
        assert (found["boot_id"], found["t_s"]) == (first.boot_id, INTENT.t_s)
        assert list(found) == ["boot_id", "utc", "t_s", *INTENT.body]
        ledger.append(Event("boot", 0.0))
        assert ledger.open_intent is not None
        ledger.close()
    ledger.open()
    ledger.append(outcome)
    assert ledger.open_intent is None
    ledger.close()
    ledger = driver.make(tmp_path / "ledger.db")
    ledger.open()
    assert ledger.open_intent is None
    ledger.close()


def test_an_outcome_that_is_refused_settles_nothing(ledger):
    ledger.intend(INTENT)
    with pytest.raises(LedgerError, match="JSON"):
        ledger.append(Event("fault", 0.0, {"item": float("nan")}))
    with pytest.raises(LedgerError, match="is open still"):
        ledger.intend(INTENT)


@pytest.mark.parametrize("name", INTENT.body)
@pytest.mark.parametrize("value", [None, float("inf"), object()], ids=["missing", "infinite", "object"])
def test_an_unsound_intent_is_refused_and_leaves_none_open(ledger, name, value):
    body = {key: old for key, old in INTENT.body.items() if key != name} | ({} if value is None else {name: value})
    with pytest.raises(LedgerError, match="intent"):
        ledger.intend(Event("item", 0.0, body))
    ledger.intend(INTENT)


def test_an_intent_for_a_closed_ledger_is_refused(driver, tmp_path):
    ledger = driver.make(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match="not open"):
        ledger.intend(INTENT)


def test_a_sound_ledger_has_no_findings_and_needs_nothing(driver, ledger, tmp_path):
    record = ledger.append(Event("item", 1.0, ITEM))
    assert ledger.findings == ()
    ledger.maintain(0.0)
    assert driver.read(tmp_path / "ledger.db") == [record]


def test_a_ledger_that_is_opened_again_goes_on_with_its_boot(ledger):
    record = ledger.append(Event("boot", 0.0))
    ledger.close()
    ledger.open()
    assert ledger.append(Event("boot", 0.0))["event_id"] == f"{record['boot_id']}-2"


def test_what_this_run_left_open_is_known_once_it_is_opened_again(ledger):
    ledger.intend(INTENT)
    ledger.close()
    ledger.open()
    assert ledger.open_intent["boot_id"] == ledger.boot_id
