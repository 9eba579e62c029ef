"""`edge-sorter bench …`: measure this machine, compare, and keep the figures from getting worse."""

from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import ConfigOption, ModelOption

__all__ = ["app"]

app = typer.Typer(
    help="Measure latency: without a command, this machine; see `bench COMMAND --help`.",
    invoke_without_command=True,
)

JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the whole report to this JSON file.")]
PageOption = Annotated[Path | None, typer.Option("--report", help="Write it as one self-contained HTML page.")]
MarkdownOption = Annotated[Path | None, typer.Option("--markdown", help="Write a table for a README.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", help="Write every figure as a line of CSV.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Forty seconds instead of two minutes; wider intervals.")]
RecordsOption = Annotated[Path, typer.Option("--records", help="JSON file of the ratios of earlier commits.")]
RECORDS = Path("docs/bench-ratios.json")


@app.callback()
def measure(
    context: typer.Context,
    json_path: JsonOption = None,
    page: PageOption = None,
    markdown: MarkdownOption = None,
    csv: CsvOption = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Interleaved rounds, 9 unless given; seven at least for a comparison.")
    ] = None,
    quick: QuickOption = False,
    fps: Annotated[float, typer.Option(min=1, max=240, help="Frames a second of the camera in real time.")] = 30.0,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Threads of one inference; those of the configuration unless given, or one."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="peers: also measure what one would take instead; or some of them by name, with commas."),
    ] = None,
    matrix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS=V,V",
            help="Also measure combinations: threads=1,2 model=DIR,DIR runtime=litert,tflite_runtime frame=640x480. "
            "May be given several times.",
        ),
    ] = None,
    soak: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Then work for so long, such as 30m or 8h, and watch.")
    ] = None,
    config: ConfigOption = None,
    model: ModelOption = None,
) -> None:
    """Measure this machine: stages, waits from end to end, start, memory, an empty tray, beside the bare inference."""
    if context.invoked_subcommand is not None:
        return
    from edge.commands.bench_options import BenchOptions
    from edge.commands.bench_run import run_bench

    run_bench(
        BenchOptions(
            config=config,
            model=model,
            json=json_path,
            page=page,
            markdown=markdown,
            csv=csv,
            rounds=rounds,
            is_quick=quick,
            fps=fps,
            threads=threads,
            against=against,
            matrix=tuple(matrix or ()),
            soak=soak,
        )
    )


@app.command()
def show(
    path: Annotated[Path, typer.Argument(readable=False, help="A report that `bench --json` wrote.")],
    page: PageOption = None,
    markdown: MarkdownOption = None,
    csv: CsvOption = None,
) -> None:
    """Print a report again, or write it as a page, Markdown or CSV."""
    from edge.commands.bench_run import show_report

    show_report(path, page, markdown, csv)


@app.command()
def compare(
    paths: Annotated[list[Path], typer.Argument(metavar="A B...", readable=False, help="Reports; A is the first.")],
    page: PageOption = None,
    markdown: MarkdownOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare reports with the first of them; what the noise does not allow is not printed."""
    from edge.commands.bench_run import compare_reports

    compare_reports(paths, page, markdown, as_json=as_json)


@app.command()
def growth(
    scale: Annotated[str, typer.Option(help="quick (half a minute) or full (ten minutes or more).")] = "quick",
    markdown: MarkdownOption = None,
    json_path: JsonOption = None,
    folder: Annotated[
        Path | None, typer.Option(readable=False, help="Where large ledgers are made, and removed again.")
    ] = None,
    config: ConfigOption = None,
    model: ModelOption = None,
) -> None:
    """How cost grows with frame size and rate, labels, bins, ledger rows and uptime."""
    from edge.commands.bench_run import run_growth

    run_growth(config, model, scale, markdown, json_path, folder)


@app.command()
def record(records: RecordsOption = RECORDS, config: ConfigOption = None, model: ModelOption = None) -> None:
    """Measure, and write this commit's ratios down; see `bench check`."""
    from edge.commands.bench_run import record_ratios

    record_ratios(records, config, model)


@app.command()
def check(records: RecordsOption = RECORDS, config: ConfigOption = None, model: ModelOption = None) -> None:
    """Measure; exit 1 if a ratio is worse than recorded in three runs, 2 if that cannot be told."""
    from edge.commands.bench_run import check_ratios

    check_ratios(records, config, model)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a report."""
    import json

    from edge.bench.report import json_schema

    typer.echo(json.dumps(json_schema(), indent=1))
