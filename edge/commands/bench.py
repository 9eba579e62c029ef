"""`edge-sorter bench`: start, memory, and the loop's cost beside the bare inference of the same run."""

import json
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.bench.loop import measure_loop
from edge.bench.process import measure_memory, measure_start
from edge.commands.common import load, log_to_stderr
from edge.configfile import config_file
from edge.errors import ConfigError
from edge.paths import model_path

__all__ = ["run_bench"]

MEMORY_ITEMS = 40


def run_bench(config: Path | None, model: Path | None, json_path: Path | None, rounds: int) -> None:
    """Measure, print a table, and write the figures with every round to `json_path`. Raises: SorterError."""
    log_to_stderr()
    settings = load(config, model=model)
    if json_path is not None:
        try:
            json_path.touch()
        except OSError as exc:
            raise ConfigError(f"cannot write {json_path} ({exc.strerror}); check --json") from exc
    loop = measure_loop(settings, rounds, config_file(config))
    folder = model_path(settings)
    memory = measure_memory(folder, MEMORY_ITEMS)
    figures: dict[str, Any] = {
        "schema": 1,
        "machine": {"system": platform.platform(), "machine": platform.machine(), "python": platform.python_version()},
        "rounds": rounds,
        "label_ratio": _spread([one.label_ratio for one in loop]),
        "loop_ratio": _spread([one.ratio for one in loop]),
        "loop_ratio_with_gate": _spread([one.ratio_with_gate for one in loop]),
        "label_us": _spread([one.label_us for one in loop]),
        "classified_frame_us": _spread([one.classified_us for one in loop]),
        "gate_command_us": _spread([one.gate_us for one in loop]),
        "bare_invoke_us": _spread([one.invoke_us for one in loop]),
        "idle_frame_us": _spread([one.idle_us for one in loop]),
        "start_to_first_label_s": _spread(measure_start(folder, rounds)),
        "memory_mb": {"peak": memory.peak_mb, "end": memory.end_mb},
    }
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"cannot write {json_path} ({exc.strerror}); check --json") from exc
    _print(figures, sum(one.classified for one in loop), sum(one.idle for one in loop))


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": list(values)}


def _print(figures: dict[str, Any], classified: int, idle: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"edge-sorter on {figures['machine']['machine']}: processor time, {figures['rounds']} rounds, 1 thread"
    )
    for column in ("figure", "median", "least", "most"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    rows = (
        ("frame to label / bare invoke", "label_ratio", "{:.3f}"),
        (f"whole turn of a classified frame / bare invoke ({classified} frames)", "loop_ratio", "{:.3f}"),
        ("the same with decisions and the gate's first commands", "loop_ratio_with_gate", "{:.3f}"),
        ("frame to label, µs", "label_us", "{:.0f}"),
        ("whole turn of a classified frame, µs", "classified_frame_us", "{:.0f}"),
        ("decision's record and first command, µs", "gate_command_us", "{:.0f}"),
        ("bare invoke, µs", "bare_invoke_us", "{:.0f}"),
        (f"frame of the empty tray, µs ({idle} frames)", "idle_frame_us", "{:.0f}"),
        ("start of the process to its first label, s", "start_to_first_label_s", "{:.3f}"),
    )
    for title, key, form in rows:
        spread = figures[key]
        table.add_row(title, *(form.format(spread[part]) for part in ("median", "min", "max")))
    for title, key in (("largest resident memory of run, MB", "peak"), ("what it keeps while it sorts, MB", "end")):
        table.add_row(title, f"{figures['memory_mb'][key]:.0f}", "", "")
    Console().print(table)
