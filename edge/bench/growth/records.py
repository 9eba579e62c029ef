"""What a measurement of growth found: axes, their curves, and the exponent of each."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from edge.bench.report import MachineFacts, Noise
from edge.bench.stats import median_interval, slope

__all__ = ["Axis", "Clock", "Cost", "Curve", "Exponent", "Growth", "Unit", "fit_exponent"]

Unit = Literal["us", "ms", "share", "MB", "KB", "count"]
Clock = Literal["cpu", "wall", "none"]
Place = tuple[float, str]
"""A place on an axis: its number, and how it is written."""
NOTHING, SMALL = 1.02, 1.25
"""What is held and becomes so many times as much does not grow, or hardly."""
_NOT, _HARDLY = "does not grow", "hardly grows"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cost(_Part):
    """What something costs at one place of the axis."""

    x: float
    label: str = Field(description="the place, as it is written in a table")
    median: float
    low: float = Field(description="the interval of the median, see `coverage`")
    high: float
    coverage: float = Field(description="probability that [low, high] holds the true median; 0 for a single value")
    rounds: tuple[float, ...] = Field(description="one value a round; the same round of other places stood beside it")


class Exponent(_Part):
    """The slope of log cost over log x: 0 is constant, 1 is linear. Fitted once a round, over all places."""

    exponent: float
    low: float
    high: float
    coverage: float
    upper: float = Field(description="of the upper half of the places alone: what is to be expected beyond them")


class Curve(_Part):
    """One cost along the axis."""

    title: str
    unit: Unit
    clock: Clock = Field(description="processor time, wall time, or no time at all")
    costs: tuple[Cost, ...]
    exponent: Exponent | None = Field(description="null where a cost is not above zero, or there is but one place")
    meaning: str

    @classmethod
    def of(
        cls,
        title: str,
        unit: Unit,
        clock: Clock,
        rounds: Mapping[Place, Sequence[float]],
        what: str,
    ) -> Self:
        """From the rounds at each place, in rising order of x.

        Args:
            what: what there is more of along the axis, for the sentence: `pixels`.
        Raises: ValueError without a place, or a place without a round.
        """
        costs = tuple(_cost(place, values) for place, values in rounds.items())
        exponent = fit_exponent([cost.x for cost in costs], [cost.rounds for cost in costs])
        meaning = _meaning(costs, exponent, what, unit)
        return cls(title=title, unit=unit, clock=clock, costs=costs, exponent=exponent, meaning=meaning)


class Axis(_Part):
    """What grows, and what grows with it."""

    name: str
    title: str
    x_title: str = Field(description="head of the column of places")
    method: str = Field(description="what was measured, in a sentence or two")
    curves: tuple[Curve, ...] = Field(description="over the same places; none where nothing could be measured")
    remarks: tuple[str, ...] = ()


class Growth(_Part):
    """The whole measurement."""

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["edge-sorter-growth"] = "edge-sorter-growth"
    version: str = Field(description="of edge-sorter")
    utc: str
    scale: str
    took_s: float
    model: str = Field(description="name and version of the bundle")
    machine: MachineFacts
    noise: Noise = Field(description="of the bare inference, measured between the axes")
    axes: tuple[Axis, ...]

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """From JSON. Raises: pydantic.ValidationError."""
        return cls.model_validate_json(text)

    def write(self) -> str:
        """As JSON."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def fit_exponent(x: Sequence[float], rounds: Sequence[Sequence[float]]) -> Exponent | None:
    """The exponent of a power law through costs: in each round the median slope between all pairs of places, in logs.

    Fitted a round at a time, since the places of one round met the same noise.

    Args:
        x: places, all different.
        rounds: of each place, the same number of them.
    Returns: None with less than two places, or where an x or a cost is not above zero.
    """
    if len(x) < 2 or min(x) <= 0 or min(min(values) for values in rounds) <= 0:
        return None
    log_x = [math.log(value) for value in x]
    upper_half = max(2, len(x) // 2)
    found = [
        (slope(log_x, logs), slope(log_x[-upper_half:], logs[-upper_half:]))
        for logs in ([math.log(cost) for cost in costs] for costs in zip(*rounds, strict=True))
    ]
    median = median_interval([exponent for exponent, _ in found])
    upper = median_interval([exponent for _, exponent in found]).median
    return Exponent(exponent=median.median, low=median.low, high=median.high, coverage=median.coverage, upper=upper)


def _cost(place: Place, values: Sequence[float]) -> Cost:
    found = median_interval(values)
    return Cost(
        x=place[0],
        label=place[1],
        median=found.median,
        low=found.low,
        high=found.high,
        coverage=found.coverage,
        rounds=tuple(values),
    )


def _meaning(costs: Sequence[Cost], exponent: Exponent | None, what: str, unit: Unit) -> str:
    first, last = costs[0], costs[-1]
    if exponent is None:
        return "too small or too few to say how it grows"
    ratio = last.median / first.median
    overall = _verdict(exponent.exponent, exponent.low)
    if unit in ("us", "ms", "share"):
        change, verdict = f"cost {_plain(ratio)} times as much", overall
    else:
        # What is held is not spent again and again: a small share more is little, however it came.
        change = f"make {_plain(first.median)} into {_plain(last.median)}{'' if unit == 'count' else f' {unit}'}"
        verdict = overall if ratio > SMALL else _NOT if ratio <= NOTHING else _HARDLY
    sentence = f"{_plain(last.x / first.x)} times the {what} {change}: {verdict}"
    if abs(exponent.upper - exponent.exponent) > 0.2:
        upper = _verdict(exponent.upper, exponent.upper)
        sentence += f"; at the upper end {'with' if upper == verdict else f'it {upper},'} exponent {exponent.upper:.2f}"
    if exponent.high - exponent.low > 0.5:
        sentence += "; the rounds scatter too much to be sure"
    return sentence


def _plain(value: float) -> str:
    """Four significant digits at most, and no power of ten."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _verdict(exponent: float, low: float) -> str:
    if exponent < -0.1:
        return "shrinks"
    if exponent < 0.1:
        return _NOT if exponent < 0.02 or low <= 0 else _HARDLY
    if exponent < 0.85:
        return "grows, but slower than in step"
    return "grows in step" if exponent <= 1.15 else "grows faster than in step"
