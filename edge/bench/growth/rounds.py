"""Measuring in turns: every round does each place of an axis once, so that noise hits them all alike."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

__all__ = ["cpu_us", "interleave"]

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


def interleave(tasks: Mapping[Key, Callable[[], Found]], rounds: int) -> dict[Key, list[Found]]:
    """Run all tasks once a round, each round in another order; what each of them returned, in order of rounds."""
    keys = list(tasks)
    found: dict[Key, list[Found]] = {key: [] for key in keys}
    for index in range(rounds if keys else 0):
        first = index % len(keys)
        order = keys[first:] + keys[:first]
        # Backwards every second time: no place comes always after the same other one.
        for key in order[::-1] if index % 2 else order:
            found[key].append(tasks[key]())
    return found


def cpu_us(action: Callable[[], object], calls: int, batch: int = 1) -> float:
    """Median processor time of one call, in microseconds.

    Args:
        batch: calls that are timed together, where one alone is too short for the clock.
    """
    spent_ns = []
    for _ in range(calls):
        start_ns = time.process_time_ns()
        for _ in range(batch):
            action()
        spent_ns.append(time.process_time_ns() - start_ns)
    return statistics.median(spent_ns) / batch / 1000
