"""Which pictures are taken under a limit: on an even grid, never more than allowed."""

from hypothesis import given
from hypothesis import strategies as st

from edge.sources.rate import RateLimit
from tests.rigs import FakeClock


@given(st.floats(0.5, 60.0), st.lists(st.floats(0.001, 2.0), min_size=1, max_size=200))
def test_no_second_holds_more_pictures_than_the_limit_and_one(fps, steps_s):
    clock = FakeClock(50.0)
    limit = RateLimit(clock)
    limit.set(fps)
    taken_s = []
    for step_s in steps_s:
        clock.advance(step_s)
        if limit.is_due():
            taken_s.append(clock.now_s())
    for since_s in taken_s:
        assert sum(since_s <= t_s < since_s + 1.0 for t_s in taken_s) <= fps + 2


@given(st.floats(1.0, 60.0), st.floats(1.0, 60.0))
def test_an_even_camera_gives_the_limit_or_its_own_rate_whichever_is_less(fps, camera_fps):
    clock = FakeClock(50.0)
    limit = RateLimit(clock)
    limit.set(fps)
    taken = 0
    for number in range(round(20 * camera_fps)):
        clock.wait_until(50.0 + number / camera_fps)
        taken += limit.is_due()
    assert abs(taken - 20 * min(fps, camera_fps)) <= 2


def test_the_first_picture_after_a_pause_is_taken_and_what_was_missed_is_not_caught_up_on():
    clock = FakeClock(0.0)
    limit = RateLimit(clock)
    limit.set(10.0)
    assert limit.is_due()
    clock.advance(5.0)
    assert [limit.is_due(), limit.is_due()] == [True, True], "one that is a step late is made good"
    assert not limit.is_due()


def test_without_a_limit_every_picture_is_taken():
    limit = RateLimit(FakeClock())
    assert not limit.is_on
    assert all(limit.is_due() for _ in range(5))
