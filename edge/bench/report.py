"""What a bench found, as it is written to JSON. The schema of it is `config/bench.schema.json`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge.bench.stats import histogram, median_interval, percentiles

__all__ = [
    "SCHEMA",
    "Contender",
    "Distribution",
    "Figure",
    "FrameSet",
    "MachineFacts",
    "ModelFacts",
    "Noise",
    "Report",
    "Series",
    "Soak",
    "Stage",
    "json_schema",
]

SCHEMA: Literal[2] = 2
SERIES_POINTS = 240
"""A time series is thinned to so many points; each keeps the median and the worst of what it stands for."""
Unit = Literal["ratio", "share", "us", "ms", "s", "MB", "frames/s", "frames", "items", "blocks", "KB"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(_Part):
    """One number, its rounds, and what may be claimed of it."""

    title: str = Field(description="what it is, in a few words, for a table's row")
    unit: Unit
    better: Literal["lower", "higher"]
    median: float
    low: float = Field(description="the interval of the median, see `coverage`")
    high: float
    coverage: float = Field(description="probability that [low, high] holds the true median; 0 for a single value")
    rounds: tuple[float, ...] = Field(description="one value a round, in order of time")
    goal: float | None = Field(None, description="what the project holds itself to, where it does")

    @classmethod
    def of(
        cls,
        title: str,
        unit: Unit,
        rounds: Sequence[float],
        *,
        better: Literal["lower", "higher"] = "lower",
        goal: float | None = None,
    ) -> Self:
        """From its rounds. Raises: ValueError without a round."""
        found = median_interval(rounds)
        return cls(
            title=title,
            unit=unit,
            better=better,
            median=found.median,
            low=found.low,
            high=found.high,
            coverage=found.coverage,
            rounds=tuple(rounds),
            goal=goal,
        )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """The median and its interval are those of the rounds: a report that was edited is no report."""
        if not self.rounds:
            raise ValueError("a figure has one round at least")
        found = median_interval(self.rounds)
        for told, true in ((self.median, found.median), (self.low, found.low), (self.high, found.high)):
            if not math.isclose(told, true, rel_tol=1e-6, abs_tol=1e-9):
                raise ValueError(f"{told:g} is said where the rounds give {true:g}")
        return self

    @property
    def is_met(self) -> bool | None:
        """The median reaches the goal; None without one."""
        if self.goal is None:
            return None
        return self.median <= self.goal if self.better == "lower" else self.median >= self.goal


class Distribution(_Part):
    """All samples of something, by their percentiles and their histogram."""

    unit: Unit
    clock: Literal["cpu", "wall", "source", "none"] = Field(
        description="processor time, wall time, the source's own time, or no time at all"
    )
    count: int
    mean: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    histogram: tuple[tuple[float, int], ...] = Field(description="lower edge and count of bins two per cent wide")

    @classmethod
    def of(cls, samples: Sequence[float], unit: Unit, clock: Literal["cpu", "wall", "source", "none"]) -> Self:
        """From all samples. Raises: ValueError without one."""
        return cls(unit=unit, clock=clock, count=len(samples), histogram=histogram(samples), **percentiles(samples))


class Series(_Part):
    """How a figure went over time, thinned."""

    unit: Unit
    t_s: tuple[float, ...] = Field(description="wall time since the start of the measurement")
    median: tuple[float, ...]
    worst: tuple[float, ...]

    @classmethod
    def of(cls, t_s: Sequence[float], samples: Sequence[float], unit: Unit) -> Self:
        """From all samples, in order of time. Raises: ValueError without one."""
        if not samples:
            raise ValueError("no sample to draw")
        places = np.array_split(np.arange(len(samples)), min(SERIES_POINTS, len(samples)))
        values, times = np.asarray(samples, dtype=np.float64), np.asarray(t_s, dtype=np.float64)
        return cls(
            unit=unit,
            t_s=tuple(round(float(times[place].mean()), 4) for place in places),
            median=tuple(round(float(np.median(values[place])), 4) for place in places),
            worst=tuple(round(float(values[place].max()), 4) for place in places),
        )


class Stage(_Part):
    """One stage of a frame's way, or a way from end to end."""

    title: str
    cpu: Distribution | None
    wall: Distribution
    series: Series = Field(description="of the wall time")


class MachineFacts(_Part):
    """On what it was measured. What this machine does not tell is null."""

    model: str = Field(description="the board or the processor")
    board: str | None = Field(None, description="the device tree's name, such as Raspberry Pi 4 Model B Rev 1.4")
    architecture: str
    cores: int = Field(description="processors that this process may run on")
    memory_mb: int
    os: str
    kernel: str
    python: str
    is_virtual: bool | None = None
    governor: str | None = None
    clock_mhz: float | None = None
    clock_max_mhz: float | None = None
    temperature_c: float | None = None
    throttled: str | None = Field(None, description="the firmware's bits in hexadecimal, as vcgencmd prints them")
    throttled_meaning: tuple[str, ...] = ()
    load: float | None = Field(None, description="the system's one-minute load before the measurement")
    libraries: dict[str, str] = Field(default_factory=dict, description="versions")


class ModelFacts(_Part):
    """What was measured."""

    name: str
    version: str
    sha256: str
    runtime: str
    threads: int
    input_px: tuple[int, int] = Field(description="height and width of the input")
    has_delegate: bool


class FrameSet(_Part):
    """The pictures that everybody measures; the digest is of their pixels."""

    version: int
    width_px: int
    height_px: int
    fps: float
    frames: int
    sha256: str


class Noise(_Part):
    """How steady the machine was: of the bare inference, which does the same work every time."""

    spread: float = Field(description="upper over lower end of the interval of its median, less one, in processor time")
    stolen: float = Field(description="share of its wall time that it did not run")
    verdict: Literal["quiet", "fair", "noisy"]
    sentence: str


class Contender(_Part):
    """One combination, or another program, measured in turns with the rest."""

    title: str
    settings: dict[str, str] = Field(default_factory=dict)
    figures: dict[str, Figure] = Field(default_factory=dict)
    missing: str | None = Field(None, description="why it could not be measured")


class Soak(_Part):
    """A long run, one point every few seconds. A column that this machine does not tell is left out."""

    duration_s: float
    t_s: tuple[float, ...]
    columns: dict[str, tuple[float | None, ...]] = Field(description="name with its unit, such as temperature_c")
    slopes_per_hour: dict[str, float] = Field(description="Theil-Sen slopes of the columns, in their unit an hour")
    remarks: tuple[str, ...] = ()


class Report(_Part):
    """A whole report."""

    schema_version: Literal[2] = Field(SCHEMA, alias="schema")
    kind: Literal["edge-sorter-bench"] = "edge-sorter-bench"
    version: str = Field(description="of edge-sorter")
    commit: str | None = Field(None, description="of the checkout it was measured in, where it is one")
    utc: str
    command: str
    machine: MachineFacts
    model: ModelFacts
    frames: FrameSet
    settings: dict[str, Any]
    noise: Noise
    figures: dict[str, Figure]
    stages: dict[str, Stage]
    matrix: tuple[Contender, ...] = ()
    peers: tuple[Contender, ...] = ()
    soak: Soak | None = None
    remarks: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """From JSON. Raises: pydantic.ValidationError."""
        return cls.model_validate_json(text)

    def write(self) -> str:
        """As JSON, one value a line where it matters."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def json_schema() -> Mapping[str, Any]:
    """JSON Schema of a report, for `bench schema`."""
    return Report.model_json_schema(by_alias=True)
