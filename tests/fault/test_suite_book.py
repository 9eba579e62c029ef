"""Short version of the fault suite: the book, and the program that keeps it, on a disk that forgets or fails."""

import pytest

from tests.fault.fs.disk import can_mount_recorded
from tests.fault.suite.cuts import cut_writers
from tests.fault.suite.disks import fail_disk
from tests.fault.suite.sorters import cut_sorters
from tests.fault.suite.writer import SPOILERS

pytestmark = pytest.mark.skipif(can_mount_recorded() is not None, reason=f"no FUSE: {can_mount_recorded()}")


def test_power_cuts_lose_no_row_double_none_and_leave_each_intent_open_until_it_is_settled():
    tally = cut_writers(writers=2, cuts=80, events=150)
    assert tally.failures == []
    assert tally.cuts > 200
    assert tally.archived > 50, "rotation was cut as well"
    assert all(count > 20 for count in tally.by_mode.values())


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_a_book_that_promises_too_early_is_found_out(spoiler):
    assert len(cut_writers(writers=1, cuts=60, events=60, spoiler=spoiler).failures) > 5


def test_power_cuts_of_the_program_lose_no_event_that_was_told():
    # A run that is cut as it starts has written nothing that could be cut elsewhere.
    tally = cut_sorters(runs=5, cuts=15)
    assert tally.failures == []
    assert tally.cuts > 20


def test_a_disk_that_fails_for_a_while_credits_nothing_that_is_not_durable():
    assert fail_disk("EIO on fsync", "sort", "moving", failing_s=1.0).problems == []
