"""What `edge-sorter bench` does: measure, print, and write what was asked for."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from edge.bench import gate
from edge.bench.compare import compare
from edge.bench.compare_tables import comparison_to_markdown, print_comparison
from edge.bench.facts import machine_facts
from edge.bench.files import read_report
from edge.bench.report import Report
from edge.bench.suite import FULL, QUICK, Plan, measure
from edge.bench.tables import print_report, to_csv, to_markdown
from edge.bundle import load_bundle
from edge.commands.bench_options import BenchOptions, Matrix, duration_s_of, matrix_of, peers_of
from edge.commands.common import load, log_to_stderr
from edge.config import Config
from edge.configfile import config_file
from edge.errors import ConfigError, SorterError
from edge.paths import model_path

__all__ = [
    "check_ratios",
    "compare_reports",
    "record_ratios",
    "run_bench",
    "run_growth",
    "show_report",
]

WIDTH = 100
TRIES = 3
"""Runs in which a ratio must be worse to count as worse."""
SOAK_EVERY_S = 10.0
PEER_FRAMES, MATRIX_FRAMES = 20, 20


def run_bench(options: BenchOptions) -> None:
    """Measure, print, write. Everything that was asked for is checked before anything is measured.

    Raises: SorterError.
    """
    log_to_stderr()
    config = _config(options.config, options.model, options.threads)
    plan = QUICK if options.is_quick else FULL
    if options.rounds is not None:
        plan = replace(plan, rounds=options.rounds)
    matrix = matrix_of(options.matrix, config)
    soak_s = None if options.soak is None else duration_s_of(options.soak)
    peers = peers_of(options.against)
    written = {"--json": options.json, "--report": options.page, "--markdown": options.markdown, "--csv": options.csv}
    for option, path in written.items():
        _check_writable(path, option)
        twin = next((other for other, its in written.items() if other < option and its and path and its == path), None)
        if twin is not None:
            raise ConfigError(f"{twin} and {option} both name {path}; give each its own file")
    for folder in matrix.models if matrix is not None else ():
        load_bundle(folder)
    report = measure(config, plan, options.fps, _command(), _say, file=config_file(options.config))
    # After each part: hours of measuring are not lost by what comes after them.
    _write(options.json, report.write, "--json")
    if matrix is not None:
        report = report.model_copy(update={"matrix": _measure_matrix(matrix, plan)})
        _write(options.json, report.write, "--json")
    if options.against is not None:
        from edge.bench.against import measure_peers

        found = measure_peers(model_path(config), plan.rounds, PEER_FRAMES, peers, _say)
        report = report.model_copy(update={"peers": found})
        _write(options.json, report.write, "--json")
    if soak_s is not None:
        report = report.model_copy(update={"soak": _soak(config, soak_s)})
        _write(options.json, report.write, "--json")
    _write_forms(report, options.page, options.markdown, options.csv)
    _print(lambda console: print_report(report, console))


def show_report(path: Path, page: Path | None, markdown: Path | None, csv: Path | None) -> None:
    """Print a report, or write it in another form. Raises: ConfigError."""
    report = read_report(path)
    _write_forms(report, page, markdown, csv)
    if page is None and markdown is None and csv is None:
        _print(lambda console: print_report(report, console))


def compare_reports(paths: Sequence[Path], page: Path | None, markdown: Path | None, *, as_json: bool) -> None:
    """Compare reports with the first. Raises: ConfigError."""
    if len(paths) < 2:
        raise ConfigError("a comparison needs two reports at least; give the files that `bench --json` wrote")
    reports = [read_report(path) for path in paths]
    found = compare(reports, _names(paths))
    if page is not None:
        from edge.bench.page import render_page

        _write(page, lambda: render_page(reports[0], reports[1:]), "--report")
    _write(markdown, lambda: comparison_to_markdown(found), "--markdown")
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        _print(lambda console: print_comparison(found, console))


def run_growth(
    config: Path | None,
    model: Path | None,
    scale: str,
    markdown: Path | None,
    json_path: Path | None,
    folder: Path | None,
) -> None:
    """Measure how cost grows. Raises: SorterError."""
    from edge.bench.growth import measure_growth
    from edge.bench.growth import to_markdown as growth_to_markdown
    from edge.bench.growth.plan import Scale

    log_to_stderr()
    if scale not in get_args(Scale):
        raise ConfigError(f"--scale is {scale!r}, expected {' or '.join(get_args(Scale))}")
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; check --folder")
    settings = load(config, model=model)
    for option, path in (("--markdown", markdown), ("--json", json_path)):
        _check_writable(path, option)
    found = measure_growth(settings, cast(Scale, scale), _say, file=config_file(config), folder=folder)
    text = growth_to_markdown(found)
    _write(json_path, found.write, "--json")
    _write(markdown, lambda: text, "--markdown")
    if markdown is None:
        print(text, end="")


def record_ratios(records: Path, config: Path | None, model: Path | None) -> None:
    """Measure this commit and keep its ratios. Raises: SorterError."""
    log_to_stderr()
    gate.read_records(records)
    _check_writable(records, "--records")
    settings = _config(config, model, None)
    new = gate.record_of(measure(settings, FULL, 30.0, _command(), _say, file=config_file(config)))
    gate.write_record(records, new)
    print(f"{len(new.ratios)} ratios of {new.commit} on {new.machine} are in {records}")


def check_ratios(records: Path, config: Path | None, model: Path | None) -> None:
    """Measure, and compare with the last records of this machine and model.

    Raises: SorterError, exit 1, if a ratio got worse by more than the noise; ConfigError, exit 2, if there is nothing
        to compare with, or the machine was too noisy to tell.
    """
    log_to_stderr()
    settings = _config(config, model, None)
    # Asked before two minutes are spent.
    bundle = load_bundle(model_path(settings))
    known = gate.same_kind(gate.read_records(records), gate.kind_of(machine_facts()), bundle.id.sha256)
    # All rounds of a run share its luck: only what is worse in every one of several runs is a loss of the code.
    worse: dict[str, str] | None = None
    for number in range(1, TRIES + 1):
        new = gate.record_of(measure(settings, FULL, 30.0, _command(), _say, file=config_file(config)))
        found = gate.check(known, new)
        worse = found if worse is None else {name: found[name] for name in worse if name in found}
        for line in gate.table(known[-1], new):
            print(line)
        if not worse:
            when = known[-1].commit or known[-1].utc
            print(f"no ratio of {len(new.ratios)} is worse than in {when}, beyond the noise")
            return
        if number < TRIES:
            _say(f"{', '.join(worse)}: worse than recorded; measured once more")
    raise SorterError(f"in {TRIES} runs: {'; '.join((worse or {}).values())}")


def _config(path: Path | None, model: Path | None, threads: int | None) -> Config:
    """The configuration; threads are those of the command line, else of the file, else one."""
    settings = load(path, model=model)
    wanted = threads or settings.model.threads or 1
    return settings.model_copy(update={"model": settings.model.model_copy(update={"threads": wanted})})


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names, or whole paths where short ones do not tell them apart."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _measure_matrix(matrix: Matrix, plan: Plan) -> Any:
    from edge.bench.matrix import measure_matrix

    return measure_matrix(
        matrix.models, matrix.threads, matrix.runtimes, matrix.sizes_px, plan.rounds, MATRIX_FRAMES, _say
    )


def _soak(config: Config, duration_s: float) -> Any:
    from edge.bench.soak import soak
    from edge.bench.suite import soak_step
    from edge.board.gauges import Gauges

    _say(f"works for {duration_s:g} s; Ctrl-C ends it with what it has")
    with soak_step(config) as step:
        return soak(step, duration_s, min(SOAK_EVERY_S, duration_s / 20), Gauges())


def _write_forms(report: Report, page: Path | None, markdown: Path | None, csv: Path | None) -> None:
    if page is not None:
        from edge.bench.page import render_page

        _write(page, lambda: render_page(report), "--report")
    _write(markdown, lambda: to_markdown(report), "--markdown")
    _write(csv, lambda: to_csv(report), "--csv")


def _check_writable(path: Path | None, option: str) -> None:
    """Find out before minutes of measuring whether its result can be written. Raises: ConfigError."""
    if path is None:
        return
    try:
        existed = path.exists()
        with path.open("a"):
            pass
        if not existed:
            path.unlink()
    except OSError as exc:
        raise ConfigError(f"cannot write {path} ({exc.strerror}); check {option}") from exc


def _write(path: Path | None, text: Callable[[], str], option: str) -> None:
    if path is None:
        return
    try:
        path.write_text(text(), encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"cannot write {path} ({exc.strerror}); check {option}") from exc


def _print(draw: Callable[[Any], None]) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, emoji=False)
    draw(console)


def _command() -> str:
    """The command as it was typed, without the place of the program."""
    return shlex.join(["edge-sorter", *sys.argv[1:]])


def _say(text: str) -> None:
    print(f"edge-sorter: {text}", file=sys.stderr)
