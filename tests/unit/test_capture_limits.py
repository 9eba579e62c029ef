"""Captured pictures stay within their limits, whatever comes: oldest first, labelled ones last."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.capture.limits import DAY_S, Allowance, Entry, surplus
from edge.capture.shelf import Shelf
from tests.capture_rig import PLENTY_BYTES, HandClock, about, filled, ids, keeper, names, noise

ENTRIES = st.lists(
    st.builds(Entry, st.integers(1, 999), st.just("b1-1"), st.integers(1, 100), st.booleans()),
    unique_by=lambda entry: entry.number,
)


@given(ENTRIES, st.integers(0, 2000), st.integers(0, 30))
def test_what_stays_is_within_both_limits_and_nothing_goes_in_vain(entries, max_bytes, max_count):
    gone = surplus(entries, max_bytes=max_bytes, max_count=max_count)
    stays = [entry for entry in entries if entry not in gone]
    assert sum(entry.bytes for entry in stays) <= max_bytes
    assert len(stays) <= max_count
    if gone:
        spared = [*stays, gone[-1]]
        assert sum(entry.bytes for entry in spared) > max_bytes or len(spared) > max_count


@given(ENTRIES, st.integers(0, 2000), st.integers(0, 30))
def test_the_oldest_goes_first_and_a_labelled_one_only_when_no_other_is_left(entries, max_bytes, max_count):
    gone = surplus(entries, max_bytes=max_bytes, max_count=max_count)
    stays = [entry for entry in entries if entry not in gone]
    for kind in (False, True):
        newest_gone = max((entry.number for entry in gone if entry.is_labelled is kind), default=0)
        assert all(entry.number > newest_gone for entry in stays if entry.is_labelled is kind)
    if any(entry.is_labelled for entry in gone):
        assert all(entry.is_labelled for entry in stays)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(16, 96)),
        st.tuples(st.just("label"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
        st.tuples(st.just("removed by another"), st.integers(0, 9)),
        st.tuples(st.just("reopen"), st.just(0)),
        st.tuples(st.just("maintain"), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(STEPS, st.integers(1, 6), st.integers(10_000, 120_000))
def test_no_sequence_of_events_breaks_a_limit_or_touches_a_foreign_file(steps, max_count, max_bytes):
    with tempfile.TemporaryDirectory() as place:
        _play(Path(place) / "captures", steps, {"max_count": max_count, "max_bytes": max_bytes, "max_age_s": 50.0})


def _play(folder: Path, steps, limits) -> None:
    clock, shelf = HandClock(), Shelf(folder)
    one = keeper(folder, now_s=clock, **limits)
    one.open()
    (folder / "holiday.jpg").write_bytes(b"mine")
    for number, (step, value) in enumerate(steps, start=1):
        before = shelf.scan()
        match step:
            case "put":
                try:
                    one.put(noise(value, seed=number), about(number))
                except (OSError, ValueError):
                    # Refused: it is too large, or labelled ones take the room. None of them went.
                    assert [entry for entry in before if entry.is_labelled] == [
                        entry for entry in shelf.scan() if entry.is_labelled
                    ]
            case "label" if before:
                shelf.set_label(before[value % len(before)], "glass")
            case "wait":
                clock.s += value
                one.maintain()
            case "removed by another" if before:
                shelf.remove(before[value % len(before)])
            case "reopen":
                one.close()
                one = keeper(folder, now_s=clock, **limits)
                one.open()
            case "maintain":
                one.maintain()
        found = shelf.scan()
        # A label takes a block of its own, which is counted when the folder is looked at next.
        labels = sum(entry.is_labelled for entry in found) * 4096
        assert len(found) <= limits["max_count"]
        assert sum(entry.bytes for entry in found) <= limits["max_bytes"] + labels
        gone = {entry.number for entry in before} - {entry.number for entry in found}
        is_evicting = step == "put"
        if is_evicting and any(entry.number in gone and entry.is_labelled for entry in before):
            assert all(entry.is_labelled for entry in found if entry in before)
    one.close()
    assert (folder / "holiday.jpg").read_bytes() == b"mine"
    assert not list(folder.glob("*.partial"))


def test_the_oldest_makes_room_for_the_newest(tmp_path):
    one = keeper(tmp_path / "c", max_count=3)
    one.open()
    for number in range(1, 6):
        one.put(noise(), about(number))
    assert ids(one) == ["b1-3", "b1-4", "b1-5"]
    assert len(names(tmp_path / "c")) == 6


def test_a_labelled_picture_outlives_all_newer_ones(tmp_path):
    folder = filled(tmp_path / "c", 2)
    Shelf(folder).set_label(Shelf(folder).scan()[0], "paper")
    one = keeper(folder, max_count=2)
    one.open()
    for number in range(3, 9):
        one.put(noise(), about(number))
    assert ids(one) == ["b1-1", "b1-8"]


def test_a_label_of_another_process_counts_at_once(tmp_path):
    one = keeper(tmp_path / "c", max_count=2)
    one.open()
    one.put(noise(), about(1))
    one.put(noise(), about(2))
    Shelf(tmp_path / "c").set_label(one.entries[0], "paper")
    one.put(noise(), about(3))
    assert ids(one) == ["b1-1", "b1-3"]


def test_a_store_full_of_labels_takes_nothing_new_and_says_what_to_do(tmp_path):
    folder = filled(tmp_path / "c", 2)
    one = keeper(folder, max_count=2)
    one.open()
    for entry in Shelf(folder).scan():
        Shelf(folder).set_label(entry, "paper")
    with pytest.raises(OSError, match="prune --labelled"):
        one.put(noise(), about(3))
    assert ids(one) == ["b1-1", "b1-2"]


def test_age_is_counted_in_operation_over_restarts_and_not_by_the_calendar(tmp_path):
    folder = tmp_path / "c"
    for day in range(1, 5):
        clock = HandClock()
        one = keeper(folder, now_s=clock, max_age_s=2.5 * DAY_S)
        one.open()
        one.put(noise(), about(day))
        # The machine is off for as long as it likes between two of these.
        clock.s += DAY_S
        one.close()
    one = keeper(folder, max_age_s=2.5 * DAY_S)
    one.open()
    assert ids(one) == ["b1-3", "b1-4"]


def test_a_lost_count_of_operation_goes_on_from_the_newest_picture(tmp_path):
    clock, folder = HandClock(), tmp_path / "c"
    one = keeper(folder, now_s=clock, max_age_s=100.0)
    one.open()
    one.put(noise(), about(1))
    clock.s += 90.0
    one.put(noise(), about(2))
    one.close()
    (folder / ".operated").unlink()
    clock = HandClock()
    one = keeper(folder, now_s=clock, max_age_s=100.0)
    one.open()
    clock.s += 20.0
    one.maintain()
    assert ids(one) == ["b1-2"]


def test_room_that_others_take_costs_pictures_but_no_labelled_one(tmp_path):
    folder, free = filled(tmp_path / "c", 4), [PLENTY_BYTES]
    Shelf(folder).set_label(Shelf(folder).scan()[0], "paper")
    one = keeper(folder, free=lambda _: free[0], keep_free_bytes=1_000_000)
    one.open()
    free[0] = 1_000_000 - 1
    one.maintain()
    assert ids(one) == ["b1-1", "b1-3", "b1-4"]
    free[0] = 0
    one.maintain()
    assert ids(one) == ["b1-1"]
    with pytest.raises(OSError, match="1 MB of the disk"):
        one.put(noise(), about(9))
    assert ids(one) == ["b1-1"]


def test_what_the_event_book_needs_takes_labelled_ones_too_but_last(tmp_path):
    folder = filled(tmp_path / "c", 3)
    Shelf(folder).set_label(Shelf(folder).scan()[0], "paper")
    one = keeper(folder)
    first = Shelf(folder).scan()[1].bytes
    assert one.prune(1, tmp_path) == first
    assert [entry.id for entry in Shelf(folder).scan()] == ["b1-1", "b1-3"]
    assert one.prune(1 << 30, tmp_path) > 0
    assert Shelf(folder).scan() == []
    assert one.prune(1, tmp_path) == 0


@given(st.integers(1, 40), st.lists(st.integers(1, 40_000), max_size=200))
def test_no_day_of_operation_brings_more_than_its_share_wherever_it_begins(a_day, waits_s):
    allowance, now_s, taken_s = Allowance(a_day, 0.0), 0, []
    for wait_s in waits_s:
        now_s += wait_s
        while allowance.has_any(float(now_s)):
            allowance.use()
            taken_s.append(now_s)
    for since_s in taken_s:
        assert sum(since_s <= t_s < since_s + DAY_S for t_s in taken_s) <= a_day


@pytest.mark.parametrize("a_day", [1, 2, 7, 24, 500])
def test_a_day_of_many_pictures_brings_its_whole_share(a_day):
    allowance, taken = Allowance(a_day, 0.0), 0
    for second in range(int(DAY_S)):
        if allowance.has_any(float(second)):
            allowance.use()
            taken += 1
    assert taken == a_day


def test_a_restart_brings_nothing_that_was_used_before_it(tmp_path):
    """A process that is started anew every hour, of a model that is unsure of everything."""
    kept = 0
    for _ in range(24):
        clock = HandClock()
        one = keeper(tmp_path / "c", now_s=clock, max_a_day=100)
        one.open()
        for _ in range(60):
            clock.s += 60.0
            if one.allowance.has_any(clock.s):
                one.allowance.use()
                one.put(noise(8), about(kept))
                kept += 1
        # Killed: nothing is closed in order.
        os.close(one._lock_fd)
    assert 50 < kept <= 100


def test_what_was_used_before_the_folder_could_be_opened_counts(tmp_path):
    one = keeper(tmp_path / "c", max_a_day=30)
    one.open()
    one.close()
    again = keeper(tmp_path / "c", max_a_day=30)
    for _ in range(2):
        again.allowance.use()
    again.open()
    again.open()
    assert [again.allowance.has_any(0.0), again.allowance.left] == [True, 1.0]


def test_numbers_go_on_where_all_pictures_were_removed(tmp_path):
    folder = filled(tmp_path / "c", 3)
    for entry in Shelf(folder).scan():
        Shelf(folder).remove(entry)
    one = keeper(folder)
    one.open()
    one.put(noise(), about(4))
    assert [entry.number for entry in one.entries] == [4]


def test_a_number_that_is_no_stores_own_is_not_counted_on(tmp_path):
    folder = filled(tmp_path / "c", 1)
    (folder / "999999999999-zz-1.jpg").write_bytes(b"mine")
    one = keeper(folder, max_count=2)
    one.open()
    for number in range(2, 6):
        one.put(noise(), about(number))
    assert ids(one) == ["b1-4", "b1-5"]
    assert (folder / "999999999999-zz-1.jpg").exists()
    one.close()
    (folder / ".operated").write_text('{"highest": 999999999}')
    again = keeper(folder)
    again.open()
    with pytest.raises(OSError, match="used up"):
        again.put(noise(), about(9))


def test_once_labelled_ones_were_exported_and_removed_there_is_room_at_once(tmp_path):
    folder = filled(tmp_path / "c", 2)
    one = keeper(folder, max_count=2)
    one.open()
    for entry in Shelf(folder).scan():
        Shelf(folder).set_label(entry, "paper")
    with pytest.raises(OSError, match="prune --labelled"):
        one.put(noise(), about(3))
    for entry in Shelf(folder).scan():
        Shelf(folder).remove(entry)
    one.put(noise(), about(4))
    assert ids(one) == ["b1-4"]


def test_how_much_there_is_is_known_without_counting(tmp_path):
    folder = filled(tmp_path / "c", 3)
    Shelf(folder).set_label(Shelf(folder).scan()[0], "paper")
    one = keeper(folder, max_count=3)
    one.open()
    one.put(noise(), about(4))
    one.prune(1, tmp_path)
    found = Shelf(folder).scan()
    assert one.kept == (len(found), sum(entry.bytes for entry in found), 1)
    one._entries = None  # a picture more is no work more
    assert one.kept.pictures == 2
