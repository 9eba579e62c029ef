"""The commands of `edge-convert`: options in, figures and files out."""

import json
from pathlib import Path
from typing import Annotated

import typer

from convert.choices import Format, Which
from convert.job import job_of, progress
from convert.options import (
    DEFAULT_OUTPUT,
    NAME,
    RISK,
    VERSION,
    WORK_DEFAULT,
    AllowUndelegated,
    Changes,
    Contamination,
    D,
    Data,
    KeepCache,
    Name,
    Output,
    Qat,
    QatMode,
    Ratios,
    RecipeName,
    RecipeSeed,
    RenderedTest,
    Residue,
    Restart,
    RiskConfidence,
    Seed,
    Strangers,
    Version,
    Weights,
    Work,
    numbers,
    sides_px,
)
from convert.recipe import DEFAULT_RECIPE
from convert.settings import Workspace
from edge.errors import ConfigError

__all__ = ["app"]

VARIANTS_RECIPE = "variants"
RATIOS = "70/15/15"

app = typer.Typer(
    name="edge-convert",
    help="Train, quantize, measure and package the model of a waste sorter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def split(
    context: typer.Context,
    data: Data,
    work: Work = WORK_DEFAULT,
    seed: Seed = D.seed,
    ratios: Ratios = RATIOS,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            help="Split nothing; look for leakage in this one: a folder of train, val and test, or a JSON or CSV list "
            "of file, label and part. Exit 0: clean, 2: it leaks, files cannot be compared, or training lacks a label.",
        ),
    ] = None,
    reported: Annotated[
        float | None,
        typer.Option("--reported", min=0, max=100, help="With --check: an accuracy in percent; says what it is worth."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON instead of text.")] = False,
) -> None:
    """Split the photographs into train, val and test so that what looks the same stays in one part."""
    from convert.dealing import parse_ratios
    from convert.pipeline import run_split
    from convert.split_report import split_json, split_report

    if reported is not None and 0 < reported <= 1:
        raise ConfigError(f"--reported is in percent, got {reported:g}; pass {100 * reported:g}")
    if check is not None:
        _check_split(check, data, None if reported is None else reported / 100, as_json)
        return
    if reported is not None:
        raise ConfigError("--reported belongs to --check; pass the split that it was measured on")
    done = run_split(job_of(context, data, work), parse_ratios(ratios))
    typer.echo(json.dumps(split_json(done), indent=1) if as_json else split_report(done), nl=as_json)


def _check_split(path: Path, data: Path, reported: float | None, as_json: bool) -> None:
    from convert.leakage import find_leakage, leakage_markdown
    from convert.part_lists import read_parts

    nested = data / "trashnet"
    found = find_leakage(read_parts(path, [nested, data]))
    text = json.dumps(found.to_json(reported), indent=1) if as_json else leakage_markdown(found, reported)
    typer.echo(text, nl=as_json)
    if not found.is_clean:
        raise typer.Exit(2)


@app.command()
def doctor(
    data: Data,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Let this model judge the labels, not the colours.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON instead of text.")] = False,
) -> None:
    """List photographs that are unreadable, tiny, odd, twice there or look mislabelled. Exit 0 whatever is found."""
    from convert.dataset import class_root
    from convert.doctor import examine, findings_markdown

    found = examine(class_root(data), bundle)
    typer.echo(json.dumps(found.to_json(), indent=1) if as_json else findings_markdown(found), nl=as_json)


@app.command()
def train(
    context: typer.Context,
    data: Data,
    changes: Changes,
    residue: Residue,
    work: Work = WORK_DEFAULT,
    recipe: RecipeName = DEFAULT_RECIPE,
    seed: RecipeSeed = None,
    weights: Weights = None,
    restart: Restart = False,
    keep_cache: KeepCache = False,
) -> None:
    """Train the float model by a recipe; goes on where it was interrupted, and does not repeat what is finished."""
    from convert.pipeline import run_train

    run_train(job_of(context, data, work), weights, restarts=restart, keeps_cache=keep_cache)


@app.command()
def soup(
    context: typer.Context,
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Work folders of finished trainings.")],
    data: Data,
    work: Work = WORK_DEFAULT,
) -> None:
    """Average the weights of trainings that began alike, if the mean does at least as well on the validation part."""
    from convert.pipeline import run_soup

    run_soup(job_of(context, data, work), folders)


@app.command()
def quantize(
    context: typer.Context,
    data: Data,
    work: Work = WORK_DEFAULT,
    name: Name = NAME,
    bundle_version: Version = VERSION,
    qat: Qat = QatMode.AUTO,
    allow_undelegated: AllowUndelegated = False,
    contamination: Contamination = RISK.contamination,
    risk_confidence: RiskConfidence = RISK.confidence,
) -> None:
    """Make the int8 model, calibrate it, and write both as a candidate bundle into the work folder."""
    from convert.pipeline import run_quantize

    run_quantize(job_of(context, data, work), name, bundle_version, qat.value, allow_undelegated=allow_undelegated)


@app.command()
def evaluate(
    context: typer.Context,
    data: Data,
    residue: Residue,
    strangers: Strangers,
    work: Work = WORK_DEFAULT,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Measure this bundle instead of the candidate.")
    ] = None,
    seed: Seed = D.seed,
    rendered_test: RenderedTest = D.rendered_test,
    has_corruptions: Annotated[
        bool, typer.Option("--corruptions/--no-corruptions", help="Measure corrupted test photographs as well.")
    ] = True,
    is_float_only: Annotated[
        bool, typer.Option("--float-only", help="Measure the float model alone; no bundle is needed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All figures as JSON instead of tables.")] = False,
) -> None:
    """Measure the candidate on test photographs, simulated items and tray videos; Markdown goes to stdout.

    Figures, tables, the answer to every picture and plots are left in the work folder, unless --bundle is given.
    """
    from convert.measure import run_evaluate
    from convert.tables import markdown

    if bundle is None:
        # The candidate has these from its training.
        for name, option in (("seed", "--seed"), ("rendered_test", "--rendered-test"), ("residue", "--residue")):
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise ConfigError(f"{option} goes with --bundle; of the candidate it was set when it was trained")
    metrics = run_evaluate(
        job_of(context, data, work),
        bundle,
        has_corruptions=has_corruptions,
        is_float_only=is_float_only,
        stranger_folders=strangers,
    )
    typer.echo(json.dumps(metrics, indent=1) + "\n" if as_json else markdown(metrics), nl=False)


@app.command()
def report(
    metrics: Annotated[
        list[Path], typer.Argument(help="Files that `evaluate` wrote (metrics.json or --json), or work folders.")
    ],
) -> None:
    """Several evaluated models side by side, as a Markdown table."""
    from convert.report import load_run, side_by_side

    typer.echo(side_by_side([load_run(path) for path in metrics]), nl=False)


@app.command()
def package(context: typer.Context, work: Work = WORK_DEFAULT, output: Output = DEFAULT_OUTPUT) -> None:
    """Write the measured candidate as a bundle."""
    from convert.pipeline import run_package

    run_package(job_of(context, Path(), work), output)
    typer.echo(output)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Folder of the first bundle.")],
    b: Annotated[Path, typer.Argument(help="Folder of the second bundle.")],
    data: Data,
    residue: Residue,
    work: Work = WORK_DEFAULT,
    images: Annotated[
        Path | None, typer.Option("--images", help="Compare on this folder of class folders instead of a split.")
    ] = None,
    part: Annotated[Which, typer.Option("--part", help="Part of the split.")] = Which.TEST,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Split anew with this seed, instead of the work folder's split.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON instead of tables.")] = False,
) -> None:
    """Show two bundles the same photographs: figures, their difference with a paired test, and what flipped."""
    from convert.compare import compare as compare_bundles
    from convert.comparison import markdown
    from convert.picture_sets import from_folder, from_split

    pictures = from_folder(images) if images else from_split(data, Workspace(work).split, part, seed)
    found = compare_bundles(a, b, pictures, residue, D.seed if seed is None else seed, progress())
    typer.echo(json.dumps(found, indent=1) + "\n" if as_json else markdown(found), nl=False)


@app.command()
def variants(
    context: typer.Context,
    data: Data,
    changes: Changes,
    residue: Residue,
    work: Work = WORK_DEFAULT,
    widths: Annotated[str, typer.Option("--widths", help="Widths of MobileNetV2, with commas.")] = "0.35,0.5,0.75,1.0",
    sides: Annotated[str, typer.Option("--sides", help="Sides of the input in px, with commas.")] = "128,160,192,224",
    recipe: RecipeName = VARIANTS_RECIPE,
    seed: RecipeSeed = None,
) -> None:
    """Train every width and input size alike for a short while, and show accuracy beside time; Markdown to stdout.

    They start from the float model in the work folder. A variant that is finished is not trained again.
    """
    from convert.pipeline import run_variants

    sizes = [(width, side) for width in numbers(widths, "--widths", 0.1, 1.0) for side in sides_px(sides)]
    typer.echo(run_variants(job_of(context, data, work), sizes), nl=False)


@app.command()
def export(
    context: typer.Context,
    format_: Annotated[Format, typer.Option("--format", help="What to write.")],
    folder: Annotated[
        Path, typer.Option("--output", help="Folder of the export; an old export there is replaced in the end.")
    ],
    work: Work = WORK_DEFAULT,
    converter: Annotated[
        Path | None, typer.Option("--tfjs-converter", help="The program tensorflowjs_converter, for --format tfjs.")
    ] = None,
) -> None:
    """Write the float model for other tools."""
    from convert.pipeline import run_export

    run_export(job_of(context, Path(), work), format_, folder, converter)
    typer.echo(folder)


@app.command()
def build(
    context: typer.Context,
    data: Data,
    changes: Changes,
    residue: Residue,
    work: Work = WORK_DEFAULT,
    output: Output = DEFAULT_OUTPUT,
    ratios: Ratios = RATIOS,
    recipe: RecipeName = DEFAULT_RECIPE,
    seed: RecipeSeed = None,
    weights: Weights = None,
    restart: Restart = False,
    keep_cache: KeepCache = False,
    name: Name = NAME,
    bundle_version: Version = VERSION,
    qat: Qat = QatMode.AUTO,
    allow_undelegated: AllowUndelegated = False,
    contamination: Contamination = RISK.contamination,
    risk_confidence: RiskConfidence = RISK.confidence,
) -> None:
    """Everything in one go: split, train, quantize, evaluate, package; a finished training is not repeated."""
    from convert.dealing import parse_ratios
    from convert.pipeline import run_all
    from convert.recipe import load_recipe

    job = job_of(context, data, work)
    is_other = job.recipe != load_recipe() or job.settings.residue != D.residue or ratios != RATIOS
    if (is_other or weights == "none") and output.resolve() == DEFAULT_OUTPUT.resolve():
        raise ConfigError(
            f"{output} is the bundle of recipe {DEFAULT_RECIPE} as it stands; pass --output and --name for another"
        )
    run_all(
        job,
        output,
        weights,
        name,
        bundle_version,
        qat.value,
        allow_undelegated=allow_undelegated,
        shares=parse_ratios(ratios),
        restarts=restart,
        keeps_cache=keep_cache,
    )
    typer.echo(output)
