"""`edge-sorter run`: open a session, sort until it ends, say what happened."""

import io
import logging
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge.app import Session, open_session
from edge.commands.common import load, log_to_stderr
from edge.commands.run_options import RunOptions
from edge.commands.truth import TrueItem, check_truth_path, read_truth, score, write_truth
from edge.commands.watchers import EventsFile, LinePrinter, Silent, Tally
from edge.config import Config
from edge.configfile import config_file
from edge.ending import stop_signals
from edge.errors import ConfigError, SorterError
from edge.ledger_format import refuse_collision
from edge.machine import State
from edge.paths import ledger_path

__all__ = ["run_sorter"]

_log = logging.getLogger(__name__)


def run_sorter(options: RunOptions) -> None:
    """Sort until the source ends, or SIGTERM or SIGINT asks for a stop; then print a summary.

    Raises: SorterError; the gate is parked by then.
    """
    log_to_stderr()
    config = load(
        options.config,
        source=options.source,
        ledger=options.ledger,
        model=options.model,
        sim_items=options.items,
    )
    is_simulated = config.source.spec.partition(":")[0] == "sim"
    if options.truth is not None and not is_simulated:
        raise ConfigError("--truth is what the simulation showed; it needs --source sim")
    if options.items is not None and not is_simulated:
        raise ConfigError("--items is how many items the simulation sends; it needs --source sim")
    for option, written in (("--events", options.events), ("--truth", options.truth)):
        if written is not None:
            refuse_collision(option, written, ledger_path(config))
    if options.truth is not None:
        check_truth_path(options.truth)
    against = None if options.against is None else read_truth(options.against, config.source.spec)
    tally = Tally()
    with ExitStack() as stack:
        watchers: list[Silent] = [tally]
        if options.events is not None:
            events = EventsFile(options.events)
            stack.callback(events.close)
            watchers.append(events)
        is_live = sys.stdout.isatty() and not options.as_json and os.environ.get("TERM") != "dumb"
        if is_live:
            from edge.commands.view import LiveView

            view = LiveView(tally, config)
            watchers.append(view)
        else:
            watchers.append(LinePrinter(as_json=options.as_json))
        asked_signal = stack.enter_context(stop_signals())
        session = stack.enter_context(open_session(config, options.pace, watchers, config_file(options.config)))
        try:
            if is_live:
                with view:
                    session.runtime.run(lambda: asked_signal() is not None)
            else:
                session.runtime.run(lambda: asked_signal() is not None)
        except SorterError as exc:
            try:
                _keep_truth(options.truth, session, config)
            except ConfigError as second:
                exc.add_note(str(second))
            raise
        _keep_truth(options.truth, session, config)
        if session.runtime.machine.state in (State.SETTLING, State.VOTING) and session.parts.source.is_exhausted:
            _log.warning("the source ended while an item was on the tray; it was not decided and is not counted")
    if session.truth is not None and against is None:
        against = _true_items(_truth_rows(session, config))
    _print_summary(tally, against, config, as_json=options.as_json)


def _keep_truth(path: Path | None, session: Session, config: Config) -> None:
    if path is not None:
        rows = _truth_rows(session, config)
        write_truth(path, {"fps": config.source.fps, "source": config.source.spec, "items": rows})


def _truth_rows(session: Session, config: Config) -> list[dict[str, Any]]:
    return [
        {
            "index": item.index,
            "label": item.label,
            "kind": item.kind,
            "route": config.routes.get(item.label, config.uncertain_route),
            "t_in_s": round(item.t_in_s, 3),
            "t_rest_s": round(item.t_rest_s, 3),
            "t_out_s": None if item.t_out_s is None else round(item.t_out_s, 3),
        }
        for item in session.truth.truth()
    ]


def _true_items(rows: list[dict[str, Any]]) -> list[TrueItem]:
    return [TrueItem(row["label"], row["route"], row["t_in_s"], row["t_rest_s"], row["t_out_s"]) for row in rows]


def _print_summary(tally: Tally, truth: list[TrueItem] | None, config: Config, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    stream, summary = sys.stderr if as_json else sys.stdout, io.StringIO()
    console = Console(file=summary, force_terminal=stream.isatty() or None, highlight=False, markup=False, emoji=False)
    wall_s = time.perf_counter() - tally.started_s
    items = sum(tally.routes.values())
    noun = "item" if items == 1 else "items"
    table = Table(title=f"{items} {noun} in {tally.last_s:.0f} s of {config.source.spec}", show_header=False)
    for title, counts in (("bin", tally.routes), ("label", tally.labels), ("decision", tally.decisions)):
        table.add_row(title, ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none")
    others = {name: count for name, count in tally.types.items() if name not in ("item", "boot")}
    if others:
        table.add_row("other events", ", ".join(f"{name} {count}" for name, count in others.items()))
    medians = tally.medians()
    if "decide" in medians:
        table.add_row("rest to decision", f"median {medians['decide']:.0f} ms of the source's time")
    if "classify" in medians:
        table.add_row("frame to label", f"median {medians['classify']:.1f} ms")
    table.add_row("frames looked at", f"{tally.frames}, {tally.frames / max(wall_s, 1e-9):.1f} a second")
    if truth is not None:
        table.add_row("beside the truth", score(truth, tally.items).describe())
    console.print(table)
    console.print(f"ledger: {ledger_path(config)}", soft_wrap=True)
    try:
        print(summary.getvalue(), end="", file=stream, flush=True)
    except OSError:
        # All is sorted and written down: a reader that went away is no error. What stands in the buffer would raise
        # again when the interpreter ends.
        sys.stdout = io.StringIO()
