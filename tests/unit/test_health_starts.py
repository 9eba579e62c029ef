"""Starts in a row that came to nothing: back-off, safe mode, and a file that nothing can spoil."""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.health import starts as starts_module
from edge.health.starts import REASON_LIMIT, REASONS_KEPT, Plan, Starts

SEQUENCE = [
    (0.0, False),
    (0.0, False),
    (2.0, False),
    (4.0, False),
    (8.0, False),
    (300.0, True),
    (600.0, True),
    (1200.0, True),
    (2400.0, True),
    (3600.0, True),
    (3600.0, True),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "starts.json"


def process(path: Path, boot_id: str = "kernel-1", spare: Path | None = None) -> Starts:
    """What a new process makes."""
    return Starts(path, spare, boot_id)


def fail(path: Path, times: int, reason: str = "no camera") -> None:
    for _ in range(times):
        starts = process(path)
        starts.begin()
        starts.failed(reason)


def test_waits_grow_until_safe_mode_which_doubles_up_to_an_hour(path):
    plans = []
    for _ in SEQUENCE:
        starts = process(path)
        plans.append(starts.begin())
        starts.failed("no camera")
    assert [(plan.wait_s, plan.is_safe_mode) for plan in plans] == SEQUENCE
    assert [plan.count for plan in plans] == list(range(1, len(SEQUENCE) + 1))


def test_a_million_failed_starts_still_wait_an_hour(path):
    fail(path, 1)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"count": 999_999}))
    assert process(path).begin().wait_s == 3600.0


def test_a_stable_run_ends_the_row(path):
    fail(path, 7)
    starts = process(path)
    starts.begin()
    starts.stable()
    starts.ended()
    assert process(path).begin() == Plan(0.0, False, (), 1, True)


def test_a_run_that_fails_after_it_was_stable_is_the_first_of_a_new_row(path):
    fail(path, 7)
    starts = process(path)
    starts.begin()
    starts.stable()
    starts.failed("camera unplugged")
    plan = process(path).begin()
    assert (plan.wait_s, plan.reasons, plan.count) == (0.0, ("camera unplugged",), 1)


def test_a_reboot_does_not_end_the_row(path):
    for boot in range(5):
        process(path, f"kernel-{boot}").begin()
    plan = process(path, "kernel-6").begin()
    assert plan.is_safe_mode
    assert plan.reasons[-1].startswith("the machine went down")


def test_a_start_that_says_nothing_more_counts_as_failed(path):
    process(path).begin()
    plan = process(path).begin()
    assert plan.count == 2
    assert plan.reasons == ("the sorter was killed without a word (watchdog, memory limit, SIGKILL or a crash)",)


def test_power_cuts_speak_against_nothing_but_a_kill_or_a_fault_does(path):
    for boot in range(3):
        assert process(path, f"kernel-{boot}").begin().is_trusted
    process(path, "kernel-3").begin()
    assert not process(path, "kernel-3").begin().is_trusted, "killed, the machine being up"
    assert not process(path, "kernel-4").begin().is_trusted, "a power cut mends nothing"


def test_a_fault_is_not_forgotten_over_many_power_cuts(path):
    fail(path, 1)
    for boot in range(2 * REASONS_KEPT):
        assert not process(path, f"kernel-{boot}").begin().is_trusted


def test_a_fault_after_a_sound_run_speaks_against_the_next_start(path):
    starts = process(path)
    starts.begin()
    starts.stable()
    starts.failed("camera unplugged")
    plan = process(path).begin()
    assert (plan.count, plan.is_trusted) == (1, False)


def test_a_start_that_was_ended_while_it_stood_by_does_not_count(path):
    fail(path, 6)
    starts = process(path)
    assert starts.begin().wait_s == 600.0
    starts.withdraw()
    again = process(path).begin()
    assert (again.wait_s, again.count, again.reasons[-1]) == (600.0, 7, "no camera")


def test_after_a_stable_run_there_is_no_older_row_to_come_back(path):
    fail(path, 6)
    starts = process(path)
    starts.begin()
    starts.stable()
    starts.withdraw()
    assert process(path).begin() == Plan(0.0, False, (), 1, True)


def test_reasons_are_the_last_ones_each_one_line_of_bounded_length(path):
    for index in range(20):
        starts = process(path)
        starts.begin()
        starts.failed(f"{index}\n{'x' * 1000}")
    reasons = process(path).begin().reasons
    assert [reason.split()[0] for reason in reasons] == [str(index) for index in range(20 - REASONS_KEPT, 20)]
    assert all(len(reason) == REASON_LIMIT and "\n" not in reason for reason in reasons)


def test_the_clock_of_the_wall_plays_no_part(path):
    fail(path, 3)
    os.utime(path, (0, 0))
    assert process(path).begin().wait_s == 4.0


def test_being_stable_again_and_again_is_written_once(path, monkeypatch):
    writes = []
    written = starts_module.write_whole
    monkeypatch.setattr(starts_module, "write_whole", lambda *args: (writes.append(args), written(*args)))
    starts = process(path)
    starts.begin()
    for _ in range(5):
        starts.stable()
    assert len(writes) == 2


GOOD = {"schema": 1, "serial": 9, "count": 4, "is_open": False, "kernel_boot_id": "k", "reasons": ["a"]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 512,
        json.dumps(GOOD).encode()[:-20],
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"1" * 5000,
        json.dumps(GOOD | {"schema": 2}).encode(),
        json.dumps(GOOD | {"count": -1}).encode(),
        json.dumps(GOOD | {"count": 10**9}).encode(),
        json.dumps(GOOD | {"count": True}).encode(),
        json.dumps(GOOD | {"count": 4.0}).encode(),
        json.dumps(GOOD | {"count": "4"}).encode(),
        json.dumps(GOOD | {"serial": None}).encode(),
        json.dumps(GOOD | {"is_open": 1}).encode(),
        json.dumps(GOOD | {"reasons": "no camera"}).encode(),
        json.dumps(GOOD | {"reasons": [1]}).encode(),
        json.dumps(GOOD | {"untold": ["killed"]}).encode(),
        json.dumps(GOOD | {"untold": {"eaten": 1}}).encode(),
        json.dumps(GOOD | {"untold": {"killed": 0}}).encode(),
        json.dumps(GOOD | {"untold": {"killed": True}}).encode(),
        json.dumps({key: value for key, value in GOOD.items() if key != "count"}).encode(),
        json.dumps(GOOD | {"reasons": ["x" * 100_000]}).encode(),
    ],
)
def test_a_file_that_is_not_its_own_is_told_and_begun_anew(path, caplog, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert process(path).begin() == Plan(0.0, False, (), 1, True)
    assert "starts are counted anew" in caplog.text
    assert process(path).begin().count == 2


def test_the_same_file_unspoilt_is_believed(path):
    path.parent.mkdir()
    path.write_text(json.dumps(GOOD))
    assert process(path).begin() == Plan(8.0, False, ("a",), 5, False)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_raise(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("s") / "starts.json"
    path.write_bytes(content)
    assert process(path).begin().count >= 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*GOOD, "untold"], _json)))
def test_no_values_whatsoever_raise(tmp_path_factory, fields):
    path = tmp_path_factory.mktemp("s") / "starts.json"
    path.write_text(json.dumps(GOOD | fields))
    plan = process(path).begin()
    assert 0 <= plan.wait_s <= 3600.0
    assert len(plan.reasons) <= REASONS_KEPT


class Killed(BaseException):
    """The process is gone: nothing after this is done, no clean-up either."""


@pytest.mark.parametrize("step", range(8))
def test_a_kill_at_any_step_leaves_the_old_count_or_the_new_one(path, monkeypatch, step):
    fail(path, 3)
    calls = 0

    def dying(name):
        real = getattr(os, name)

        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls > step:
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("open", "fsync", "replace", "fchmod", "unlink", "fdopen"):
            patch.setattr(os, name, dying(name))
        with suppress(Killed):
            process(path).begin()
    plan = process(path).begin()
    assert plan.count in (4, 5)
    assert [file.name for file in path.parent.iterdir()] == ["starts.json"]


def test_a_disk_that_takes_nothing_is_told_and_counted_in_the_spare_place(tmp_path, caplog, monkeypatch):
    path, spare = tmp_path / "disk" / "starts.json", tmp_path / "run" / "starts.json"
    fail(path, 2)
    written = starts_module.write_whole

    def read_only(target, content):
        if target == path:
            raise OSError(30, "Read-only file system")
        written(target, content)

    monkeypatch.setattr(starts_module, "write_whole", read_only)
    with caplog.at_level(logging.WARNING):
        plans = []
        for _ in range(5):
            starts = process(path, spare=spare)
            plans.append(starts.begin())
            starts.failed("the disk is read-only")
    assert [plan.count for plan in plans] == [3, 4, 5, 6, 7]
    assert "Read-only file system" in caplog.text
    starts = process(path, spare=spare)
    starts.begin()
    starts.stable()
    assert process(path, spare=spare).begin().count == 1


def test_a_spare_of_an_older_time_does_not_come_back(tmp_path):
    path, spare = tmp_path / "disk" / "starts.json", tmp_path / "run" / "starts.json"
    spare.parent.mkdir()
    spare.write_text(json.dumps(GOOD | {"serial": 1, "count": 40}))
    fail(path, 1)
    assert process(path, spare=spare).begin().count == 2
    # Whoever removes the file wants the count to begin anew.
    path.unlink()
    assert process(path, spare=spare).begin().count == 1


def test_where_nothing_can_be_written_it_goes_on_all_the_same(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "starts.json"
    starts = process(path, spare=tmp_path / "file" / "spare.json")
    assert starts.begin() == Plan(0.0, False, (), 1, True)
    starts.failed("no disk")
    starts.stable()
    starts.withdraw()
