"""How steady the machine was, by the one thing that does the same work every time: the bare inference."""

from collections.abc import Sequence
from typing import Literal

from edge.bench.stats import median_interval
from edge.bench.wording import percent
from edge.bench.workers import Round

__all__ = ["FAIR", "QUIET", "Verdict", "spread_of", "stolen_of", "verdict_of", "why_too_noisy"]

Verdict = Literal["quiet", "fair", "noisy"]
QUIET, FAIR = 0.05, 0.15
"""Largest spread of the bare inference, or share of its time that was stolen, for the verdict."""


def spread_of(rounds: Sequence[float]) -> float:
    """Upper over lower end of the interval of their median, less one: of few rounds, the most over the least.

    A single round that a neighbour spoilt moves no median, and is no reason to throw the others away.
    """
    found = median_interval(rounds)
    return found.high / found.low - 1.0


def stolen_of(cpu_us: float, wall_us: float) -> float:
    """Share of the wall time that went to others; zero where several threads used more than it."""
    return max(0.0, 1.0 - cpu_us / wall_us)


def verdict_of(spread: float, stolen: float) -> Verdict:
    """What these two allow to be compared: `noisy` is nothing."""
    worst = max(spread, stolen)
    return "quiet" if worst <= QUIET else "fair" if worst <= FAIR else "noisy"


def why_too_noisy(bare: Sequence[Round]) -> str | None:
    """One sentence if rounds that stood beside these of the bare inference must not be compared; None if they may."""
    # Several threads wait for one another in processor time: what is steady on the wall is steady.
    spread = min(spread_of([one.median_cpu_us for one in bare]), spread_of([one.median_wall_us for one in bare]))
    stolen = stolen_of(sum(sum(one.cpu_us) for one in bare), sum(sum(one.wall_us) for one in bare))
    if verdict_of(spread, stolen) != "noisy":
        return None
    return (
        f"the machine was too noisy (the bare inference's rounds spread by {percent(spread)}, and {percent(stolen)} of "
        "its time went to others); stop what else runs and repeat it"
    )
