"""Reports beside the first of them: what the noise allows to be said, and what it does not."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from edge.bench.caveats import caveats, differs_in_frames, needs_frames
from edge.bench.report import Figure, Report, Unit
from edge.bench.stats import compare_rounds, holm, least_shown
from edge.bench.wording import percent

__all__ = ["LEAST_ROUNDS", "LEVEL", "Comparison", "FigureDifference", "Pairing", "compare"]

LEVEL = 0.05
"""The chance that anything at all is claimed where there is no difference, over all that is compared at once."""
LEAST_ROUNDS = 5
_NOTE = (
    "Each report is one run, and the rounds of a run share its luck: measure both again before you rely on a small "
    "difference."
)
_TIMES = frozenset({"us", "ms", "s", "frames/s"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FigureDifference(_Part):
    """One figure of a report beside that of the first."""

    name: str
    title: str
    unit: Unit
    first: float | None = Field(description="median of the first report")
    second: float | None = Field(description="median of this one")
    ratio: float | None = Field(None, description="second over first")
    low: float | None = Field(None, description="the 95 % bootstrap interval of the ratio, over rounds")
    high: float | None = None
    p: float | None = Field(None, description="two-sided, of a permutation test over rounds")
    p_adjusted: float | None = Field(None, description="by Holm, over every figure of the whole comparison")
    needed: float | None = Field(None, description="the least difference that would have been shown, as a share")
    is_shown: bool = Field(False, description="the difference stands out of the noise")
    is_better: bool | None = Field(None, description="where it is shown")
    verdict: str


class Pairing(_Part):
    """One report beside the first."""

    name: str
    refused: str | None = Field(None, description="why nothing of it is compared")
    caveats: tuple[str, ...] = ()
    figures: tuple[FigureDifference, ...] = ()


class Comparison(_Part):
    """All reports beside the first."""

    kind: str = "edge-sorter-bench-comparison"
    baseline: str
    level: float = LEVEL
    pairings: tuple[Pairing, ...]
    note: str = _NOTE


class _Tested(NamedTuple):
    pairing: int
    name: str
    first: Figure
    second: Figure


def compare(reports: Sequence[Report], names: Sequence[str]) -> Comparison:
    """Every report beside the first one.

    Args:
        names: one a report, for people; of equal ones the later get a number.
    Raises: ValueError with fewer than two reports, or another number of names.
    """
    if len(reports) < 2 or len(reports) != len(names):
        raise ValueError(f"{len(reports)} reports and {len(names)} names, expected two or more of each")
    first, names = reports[0], _told_apart(names)
    refusals = [_refusal(first, names[0], other, name) for other, name in zip(reports[1:], names[1:], strict=True)]
    untested: list[dict[str, FigureDifference]] = []
    tested: list[_Tested] = []
    for place, other in enumerate(reports[1:]):
        untested.append({})
        for name in [] if refusals[place] else dict.fromkeys([*first.figures, *other.figures]):
            why = _why_not(name, first, other)
            if why is None:
                tested.append(_Tested(place, name, first.figures[name], other.figures[name]))
            else:
                untested[place][name] = _not_compared(name, first.figures.get(name), other.figures.get(name), why)
    judged = _judge(tested)
    return Comparison(
        baseline=names[0],
        pairings=tuple(
            Pairing(
                name=names[place + 1],
                refused=refusals[place],
                caveats=caveats(first, other),
                figures=_in_order(first, other, untested[place] | judged.get(place, {})),
            )
            for place, other in enumerate(reports[1:])
        ),
    )


def _told_apart(names: Sequence[str]) -> list[str]:
    """The names, each of which stands there once: the second `pi4` is `pi4 (2)`."""
    found: list[str] = []
    for name in names:
        numbered = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
        found.append(next(each for each in numbered if each not in found))
    return found


def _refusal(first: Report, first_name: str, other: Report, name: str) -> str | None:
    noisy = [(report, of) for report, of in ((first, first_name), (other, name)) if report.noise.verdict == "noisy"]
    if not noisy:
        return None
    told = " and ".join(
        f"{of} was measured on a machine that was too noisy (spread {percent(report.noise.spread)}, "
        f"stolen time {percent(report.noise.stolen)})"
        for report, of in noisy
    )
    return f"{told}; stop what else runs there, let it cool down, and measure again."


def _why_not(name: str, first: Report, other: Report) -> str | None:
    """Why a figure is not tested; None if it is."""
    one, two = first.figures.get(name), other.figures.get(name)
    if one is None or two is None:
        return "only one of the two reports has it"
    if one.unit != two.unit:
        return f"one is in {one.unit}, the other in {two.unit}"
    if needs_frames(name, one.unit) and differs_in_frames(first, other):
        return "the pictures were not the same"
    if min(len(one.rounds), len(two.rounds)) < LEAST_ROUNDS:
        return f"{len(one.rounds)} and {len(two.rounds)} rounds, at least {LEAST_ROUNDS} of each are needed"
    if min(*one.rounds, *two.rounds) <= 0:
        return "a round is not above zero, so that there is no ratio"
    return None


def _not_compared(name: str, one: Figure | None, two: Figure | None, why: str) -> FigureDifference:
    known = one or two
    assert known is not None
    return FigureDifference(
        name=name,
        title=known.title,
        unit=known.unit,
        first=None if one is None else one.median,
        second=None if two is None else two.median,
        verdict=f"not compared: {why}",
    )


def _judge(tested: Sequence[_Tested]) -> dict[int, dict[str, FigureDifference]]:
    """By pairing and name. All p-values are adjusted together: they are read side by side."""
    found = [compare_rounds(each.first.rounds, each.second.rounds) for each in tested]
    adjusted = holm([each.p for each in found])
    judged: dict[int, dict[str, FigureDifference]] = {}
    for each, difference, p_adjusted in zip(tested, found, adjusted, strict=True):
        # The interval is of medians, the test of means: a claim needs both.
        is_shown = p_adjusted <= LEVEL and not difference.low <= 1.0 <= difference.high
        needed = _needed(each, difference.ratio, difference.low, difference.high, len(tested))
        judged.setdefault(each.pairing, {})[each.name] = FigureDifference(
            name=each.name,
            title=each.first.title,
            unit=each.first.unit,
            first=each.first.median,
            second=each.second.median,
            ratio=difference.ratio,
            low=difference.low,
            high=difference.high,
            p=difference.p,
            p_adjusted=p_adjusted,
            needed=needed,
            is_shown=is_shown,
            is_better=(difference.ratio < 1) == (each.first.better == "lower") if is_shown else None,
            verdict=_verdict(each, difference.ratio, is_shown, needed),
        )
    return judged


def _needed(each: _Tested, ratio: float, low: float, high: float, tests: int) -> float | None:
    """The least difference that both the test and the interval would have shown; None where no difference could be."""
    least = least_shown(each.first.rounds, each.second.rounds, LEVEL / tests)
    return None if least == float("inf") else max(least, high / ratio, ratio / low) - 1.0


def _verdict(each: _Tested, ratio: float, is_shown: bool, needed: float | None) -> str:
    if not is_shown:
        if needed is None:
            rounds = f"{len(each.first.rounds)} and {len(each.second.rounds)}"
            return f"no difference shown (of so many figures none can be with {rounds} rounds; measure more)"
        return f"no difference shown (a difference of {percent(needed)} would have been needed)"
    if each.first.unit in _TIMES:
        word = "faster" if (ratio < 1) == (each.first.better == "lower") else "slower"
    else:
        word = "less" if ratio < 1 else "more"
    return f"{word} by {percent(ratio - 1.0)}"


def _in_order(first: Report, other: Report, found: dict[str, FigureDifference]) -> tuple[FigureDifference, ...]:
    return tuple(found[name] for name in dict.fromkeys([*first.figures, *other.figures]) if name in found)
