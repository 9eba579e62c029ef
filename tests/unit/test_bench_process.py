"""Whole processes: how long they take to start, what they hold, and what is said when they fail."""

from pathlib import Path

import pytest

from edge.bench.frames import still_frames
from edge.bench.process import figures_of, measure_process
from edge.errors import SorterError
from tests.rigs import SHIPPED_BUNDLE


def test_starts_and_memory_are_those_of_real_processes():
    found = measure_process(SHIPPED_BUNDLE, still_frames()[0], "litert", 1)
    assert len(found.label_s) == len(found.least_s) == len(found.sorting_s) == 1, "the first one is not counted"
    assert 0.0 < found.least_s[0] < found.label_s[0] * 2
    assert 0.0 < found.sorting_s[0] < found.ready_s[0]
    assert 20.0 < found.memory.end_mb <= found.memory.peak_mb < 1000.0
    figures = figures_of(found)
    assert figures["start_ratio"].median == pytest.approx(found.label_s[0] / found.least_s[0])
    assert set(figures) >= {"start_to_label_s", "start_to_sorting_s", "memory_peak_mb"}


def test_a_command_that_fails_is_named(tmp_path: Path):
    with pytest.raises(SorterError, match=r"python -m edge classify .* ended with 4; run it by hand to see why"):
        measure_process(tmp_path, still_frames()[0], "litert", 1)
