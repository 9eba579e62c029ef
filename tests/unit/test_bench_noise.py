"""How steady the machine was, from rounds of the bare inference."""

import pytest

from edge.bench.noise import spread_of, stolen_of, verdict_of, why_too_noisy
from edge.bench.workers import Round


@pytest.mark.parametrize(
    ("spread", "stolen", "verdict"),
    [
        (0.0, 0.0, "quiet"),
        (0.05, 0.05, "quiet"),
        (0.051, 0.0, "fair"),
        (0.0, 0.15, "fair"),
        (0.151, 0.0, "noisy"),
        (0.0, 0.4, "noisy"),
    ],
)
def test_the_worse_of_spread_and_stolen_time_decides(spread, stolen, verdict):
    assert verdict_of(spread, stolen) == verdict


def test_the_spread_is_of_the_rounds_and_the_stolen_time_is_what_the_wall_has_more():
    assert spread_of([100.0, 140.0, 120.0]) == pytest.approx(0.4)
    assert spread_of([100.0]) == 0.0
    assert stolen_of(75.0, 100.0) == 0.25
    # Two threads at work use more processor time than goes by.
    assert stolen_of(180.0, 100.0) == 0.0


def rounds(*cpu_us: float, wall: float = 1.0) -> list[Round]:
    # One wild frame in each: the spread is of medians.
    return [Round((one, one, one * 3), (one * wall, one * wall, one * wall * 3), ("", "", "")) for one in cpu_us]


def test_a_noisy_machine_is_told_by_how_much_and_what_to_do():
    assert why_too_noisy(rounds(100.0, 104.0, 112.0)) is None
    assert why_too_noisy(rounds(100.0, 140.0, 120.0)) == (
        "the machine was too noisy (the bare inference's rounds spread by 40\u00a0%, and 0\u00a0% of its time went to "
        "others); stop what else runs and repeat it"
    )
    assert "20\u00a0% of its time went to others" in why_too_noisy(rounds(100.0, 100.0, wall=1.25))
