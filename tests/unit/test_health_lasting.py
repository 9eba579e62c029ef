"""Counters that go on from one process to the next: they never fall, except to 0, whatever stands in the file."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.health.lasting import LASTING, former_counts
from edge.health.place import STATUS_NAME
from edge.health.status import StatusFile
from tests.health_rig import Watched, check, metrics, read
from tests.rigs import FakeClock

FAULT = 'edge_sorter_faults_total{reason="source_lost"}'
COUNTED = {
    "frames": 7, "uncredited": 2, "unfinished": 1, "events": {"item": 3, "fault": 1}, "faults": {"source_lost": 1},
    "items": [{"route": "residue", "decision": "uncertain", "count": 3}],
    "classified": {"count": 9, "sum_s": 0.25},
    "latency": {"decide": {"count": 3, "sum_ms": 600.5}, "total": {"count": 3, "sum_ms": 5000}},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def ended(folder: Path, reason: str = "source_lost") -> dict[str, float]:
    """The metrics of a process that sorted an item and ended in a fault."""
    watched = Watched(folder).start()
    watched.sort()
    watched.append("fault", {"reason": reason, "detail": "the camera is gone", "item": {"label": "glass"}})
    watched.status.close(3, "the camera is gone")
    return metrics(folder)


def counters(found: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in found.items() if "_total" in name or "_seconds_" in name}


def write(folder: Path, content: Any) -> None:
    """A status that some process left."""
    folder.mkdir(exist_ok=True)
    sound = StatusFile(None, FakeClock()).fields() | {LASTING: COUNTED}
    (folder / STATUS_NAME).write_text(json.dumps(sound | content))


def test_a_fault_that_ended_the_process_is_still_counted_by_the_next_one(folder):
    before = ended(folder)
    status = StatusFile(folder, FakeClock())
    status.refresh()
    assert metrics(folder)[FAULT] == 1
    assert counters(metrics(folder)) == counters(before)
    assert check(read(folder))["faults"] == {}, "the status tells of this process"


def test_no_counter_falls_over_many_processes_and_each_counts_on(folder):
    before: dict[str, float] = {}
    for number in range(1, 5):
        now = counters(ended(folder, "source_lost" if number % 2 else "internal_error"))
        assert {name for name, value in before.items() if now[name] < value} == set()
        assert set(before) <= set(now)
        before = now
    assert before[FAULT] == 2
    assert before['edge_sorter_items_total{route="recyclable",decision="confident"}'] == 4
    assert before["edge_sorter_items_unfinished_total"] == 4
    assert before["edge_sorter_cycle_seconds_count"] == 4
    assert read(folder)["items"]["total"] == 1


def test_items_that_the_process_before_missed_are_counted_once(folder):
    watched = Watched(folder)
    watched.append("fault", {"reason": "ledger_failed", "detail": "x", "after_s": 4.0, "missed": {"item": 2}})
    watched.status.follow("uncredited", lambda: 3)
    watched.status.close()
    name = "edge_sorter_items_uncredited_total"
    assert metrics(folder)[name] == 5
    status = StatusFile(folder, FakeClock())
    status.refresh()
    assert metrics(folder)[name] == 5
    status.on_event({"type": "fault", "reason": "ledger_failed", "detail": "in the run before", "missed": {"item": 3}})
    status.close()
    assert (metrics(folder)[name], read(folder)["uncredited"]) == (5, 3)
    status.on_event({"type": "fault", "reason": "ledger_failed", "after_s": 9.0, "missed": {"item": 4}})
    status.close()
    assert (metrics(folder)[name], read(folder)["uncredited"]) == (9, 7)


def test_a_sound_file_is_believed_and_written_as_it_was(folder):
    write(folder, {})
    assert former_counts(folder) == COUNTED
    StatusFile(folder, FakeClock()).close()
    assert read(folder)[LASTING] == COUNTED


def test_after_a_start_of_the_machine_they_begin_at_0(folder):
    write(folder, {"kernel_boot_id": "another"})
    StatusFile(folder, FakeClock()).close()
    assert read(folder)[LASTING]["frames"] == 0


@pytest.mark.parametrize(
    "spoilt",
    [
        {"schema": 2},
        {LASTING: None},
        {LASTING: []},
        {LASTING: {}},
        *[{LASTING: {key: value for key, value in COUNTED.items() if key != name}} for name in COUNTED],
        *[{LASTING: COUNTED | {"frames": value}} for value in (-1, 1.5, True, "7", None, 1 << 60)],
        {LASTING: COUNTED | {"events": {"item": -3}}},
        {LASTING: COUNTED | {"faults": {str(number): 1 for number in range(300)}}},
        {LASTING: COUNTED | {"faults": {"x" * 1000: 1}}},
        {LASTING: COUNTED | {"items": COUNTED["items"] * 300}},
        {LASTING: COUNTED | {"items": [{"route": 1, "decision": "uncertain", "count": 3}]}},
        {LASTING: COUNTED | {"classified": {"count": 1, "sum_s": float("nan")}}},
        {LASTING: COUNTED | {"classified": {"count": 1, "sum_s": float("inf")}}},
        {LASTING: COUNTED | {"latency": {"decide": {"count": 1, "sum_ms": -1.0}}}},
    ],
)
def test_counts_that_are_not_its_own_are_begun_at_0(folder, spoilt, caplog):
    write(folder, spoilt)
    assert former_counts(folder) is None
    StatusFile(folder, FakeClock()).close()
    assert metrics(folder)["edge_sorter_frames_total"] == 0
    assert caplog.text == ""


@pytest.mark.parametrize("content", [b"", b"\0" * 512, b"\xff\xfe", b"[" * 100_000, b"null", b" " * (1 << 21)])
def test_a_file_that_is_no_status_is_begun_at_0(folder, content):
    folder.mkdir()
    (folder / STATUS_NAME).write_bytes(content)
    assert former_counts(folder) is None


def test_a_link_is_not_followed_and_no_file_is_no_matter(folder, tmp_path):
    write(tmp_path / "elsewhere", {})
    folder.mkdir()
    assert former_counts(folder) is None
    (folder / STATUS_NAME).symlink_to(tmp_path / "elsewhere" / STATUS_NAME)
    assert former_counts(folder) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(COUNTED, _json)))
def test_no_values_whatsoever_raise_and_all_that_is_taken_can_be_written(tmp_path_factory, fields):
    folder = tmp_path_factory.mktemp("run")
    write(folder, {LASTING: COUNTED | fields})
    StatusFile(folder, FakeClock()).close()
    check(read(folder))
    metrics(folder)
