"""Samples of stages, in processor and wall time, and what becomes of them in a report."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.bench.report import Distribution, Series, Stage

__all__ = ["WORDS", "Clock", "Instant", "Samples", "now", "stages"]

Clock = Literal["cpu", "wall"]
"""What figures are made of. A helper thread's processor time reaches the process's clock in steps of milliseconds, so
that with more than one thread only the wall can tell what a single frame takes."""
WORDS: dict[Clock, str] = {"cpu": "processor time", "wall": "wall time"}
Instant = tuple[int, int]
"""Nanoseconds of the process's processor time and of the wall."""


def now() -> Instant:
    """Both clocks, read one right after the other."""
    return time.process_time_ns(), time.perf_counter_ns()


@dataclass(slots=True)
class Samples:
    """All samples of one stage, in microseconds, in order of time.

    Attributes:
        cpu, wall: one value each time.
        at_s: when, in seconds of the performance counter.
    """

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)

    def add(self, began: Instant, ended: Instant) -> None:
        """What lies between two readings of the clocks."""
        self.put((ended[0] - began[0]) / 1000, (ended[1] - began[1]) / 1000, began[1] / 1e9)

    def of(self, clock: Clock) -> list[float]:
        """The samples of one clock."""
        return self.cpu if clock == "cpu" else self.wall

    def put(self, cpu_us: float, wall_us: float, at_s: float) -> None:
        self.cpu.append(cpu_us)
        self.wall.append(wall_us)
        self.at_s.append(at_s)


def _stage(title: str, parts: Sequence[Samples], start_s: float, *, has_cpu: bool = True) -> Stage | None:
    """A stage from the samples of several rounds; None if it never happened.

    Args:
        start_s: zero of the series, of the performance counter.
        has_cpu: False where the processor time is not the stage's own.
    """
    wall = [value for part in parts for value in part.wall]
    if not wall:
        return None
    cpu = [value for part in parts for value in part.cpu]
    return Stage(
        title=title,
        cpu=Distribution.of(cpu, "us", "cpu") if has_cpu else None,
        wall=Distribution.of(wall, "us", "wall"),
        series=Series.of([moment - start_s for part in parts for moment in part.at_s], wall, "us"),
    )


def stages(
    titles: Mapping[str, str], rounds: Sequence[Mapping[str, Samples]], start_s: float, *, has_cpu: bool = True
) -> dict[str, Stage]:
    """Stages by name, in the order of `titles`; what never happened is left out."""
    found = {
        name: _stage(title, [one[name] for one in rounds if name in one], start_s, has_cpu=has_cpu)
        for name, title in titles.items()
    }
    return {name: one for name, one in found.items() if one is not None}
