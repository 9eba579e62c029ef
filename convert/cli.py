"""`edge-convert`: from photographs to a model bundle.

Exit status: 0 done, 2 bad usage or data, 4 a bundle that a device would refuse, 130 after Ctrl-C.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convert.settings import Settings, Workspace
from edge.errors import SorterError

if TYPE_CHECKING:
    from convert.pipeline import Job

__all__ = ["app", "main"]

DEFAULT_DATA = "../shared/data"
DEFAULT_OUTPUT = Path("models/waste-mobilenetv2")
NAME, VERSION = "waste-mobilenetv2", "0.1.0"
INTERRUPTED = 130
D = Settings()

app = typer.Typer(
    name="edge-convert",
    help="Train, quantize, measure and package the model of a waste sorter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _default_data() -> str:
    return os.environ.get("SORTER_DATA") or DEFAULT_DATA


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        default_factory=_default_data,
        show_default="$SORTER_DATA or ../shared/data",
        help="Folder of the photographs.",
    ),
]
Work = Annotated[Path, typer.Option("--work", help="Folder of intermediate files.")]
Output = Annotated[
    Path, typer.Option("--output", help="Folder of the bundle; an old bundle there is replaced in the end.")
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Decides the split, the pictures and the start of the training.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="ImageNet weights: a file, 'imagenet' (fetched) or 'none'; default: the data folder's.",
    ),
]
Frozen = Annotated[int, typer.Option("--epochs-frozen", min=0, help="Epochs of the head alone.")]
Fine = Annotated[int, typer.Option("--epochs-fine", min=0, help="Epochs of the upper layers.")]
Passes = Annotated[
    int, typer.Option("--passes", min=1, help="Differently bent copies of the photographs, taken in turn.")
]
Rendered = Annotated[int, typer.Option("--rendered", min=0, help="Simulated items a pass.")]
RenderedVal = Annotated[int, typer.Option("--rendered-val", min=0, help="Simulated items of the validation.")]
RenderedTest = Annotated[int, typer.Option("--rendered-test", min=0, help="Simulated items of the evaluation.")]
Side = Annotated[int, typer.Option("--side", min=32, help="Height and width of the model's input in pixels.")]
Alpha = Annotated[float, typer.Option("--alpha", min=0.1, help="Width of MobileNetV2.")]
Residue = Annotated[list[str], typer.Option("--residue", help="A label that is not recyclable; may be given again.")]
Name = Annotated[str, typer.Option("--name", help="Name of the bundle.")]
Version = Annotated[str, typer.Option("--bundle-version", help="Version of the bundle.")]

WORK_DEFAULT = Path("build/convert")


@app.command()
def split(context: typer.Context, data: Data, work: Work = WORK_DEFAULT, seed: Seed = D.seed) -> None:
    """Split the photographs by blocks of neighbours into train, val and test."""
    from convert.pipeline import run_split

    run_split(_job(context, data, work))


@app.command()
def train(
    context: typer.Context,
    data: Data,
    work: Work = WORK_DEFAULT,
    seed: Seed = D.seed,
    weights: Weights = None,
    epochs_frozen: Frozen = D.epochs_frozen,
    epochs_fine: Fine = D.epochs_fine,
    passes: Passes = D.passes,
    rendered: Rendered = D.rendered,
    rendered_val: RenderedVal = D.rendered_val,
    rendered_test: RenderedTest = D.rendered_test,
    side_px: Side = D.side_px,
    alpha: Alpha = D.alpha,
    residue: Residue = list(D.residue),  # noqa: B006
) -> None:
    """Train the float model: the head on frozen features, then the upper layers."""
    from convert.pipeline import run_train

    run_train(_job(context, data, work), weights)


@app.command()
def quantize(
    context: typer.Context,
    data: Data,
    work: Work = WORK_DEFAULT,
    name: Name = NAME,
    bundle_version: Version = VERSION,
) -> None:
    """Make the int8 model, calibrate it, and write both as a candidate bundle into the work folder."""
    from convert.pipeline import run_quantize

    run_quantize(_job(context, data, work), name, bundle_version)


@app.command()
def evaluate(
    context: typer.Context,
    data: Data,
    work: Work = WORK_DEFAULT,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Measure this bundle instead of the candidate.")
    ] = None,
    seed: Seed = D.seed,
    rendered_test: RenderedTest = D.rendered_test,
    residue: Residue = list(D.residue),  # noqa: B006
) -> None:
    """Measure the candidate on test photographs, simulated items and tray videos; Markdown goes to stdout."""
    from convert.evaluate import markdown
    from convert.pipeline import run_evaluate

    metrics = run_evaluate(_job(context, data, work), bundle)
    typer.echo(markdown(metrics), nl=False)


@app.command()
def package(context: typer.Context, work: Work = WORK_DEFAULT, output: Output = DEFAULT_OUTPUT) -> None:
    """Write the measured candidate as a bundle."""
    from convert.pipeline import run_package

    run_package(_job(context, Path(), work), output)
    typer.echo(output)


@app.command()
def build(
    context: typer.Context,
    data: Data,
    work: Work = WORK_DEFAULT,
    output: Output = DEFAULT_OUTPUT,
    seed: Seed = D.seed,
    weights: Weights = None,
    epochs_frozen: Frozen = D.epochs_frozen,
    epochs_fine: Fine = D.epochs_fine,
    passes: Passes = D.passes,
    rendered: Rendered = D.rendered,
    rendered_val: RenderedVal = D.rendered_val,
    rendered_test: RenderedTest = D.rendered_test,
    side_px: Side = D.side_px,
    alpha: Alpha = D.alpha,
    residue: Residue = list(D.residue),  # noqa: B006
    name: Name = NAME,
    bundle_version: Version = VERSION,
) -> None:
    """Everything in one go: split, train, quantize, evaluate, package."""
    from convert.pipeline import run_all

    run_all(_job(context, data, work), output, weights, name, bundle_version)
    typer.echo(output)


def main() -> None:
    """Entry point of `edge-convert`: a failure is one sentence, never a traceback."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        status = app(standalone_mode=False)
    except SorterError as exc:
        _fail(str(exc), exc.exit_code)
    except typer.Exit as exc:
        status = exc.exit_code
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at its end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as exc:
        _fail(f"{exc.filename or 'a file'}: {exc.strerror or exc}; check the paths and the room on the disk", 2)
    except Exception as exc:
        if hasattr(exc, "exit_code") and hasattr(exc, "format_message"):
            _fail(exc.format_message(), int(exc.exit_code))
        raise
    if status == INTERRUPTED:
        _fail("stopped; a bundle is replaced as a whole or stays as it was", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> None:
    print(f"edge-convert: {message}", file=sys.stderr)
    sys.exit(status)


def _job(context: typer.Context, data: Path, work: Path) -> "Job":
    """What a command works with; its parameters named like fields of Settings are the settings, the rest defaults."""
    from convert.pipeline import Job

    known = {field.name for field in fields(Settings)}
    chosen: dict[str, Any] = {name: value for name, value in context.params.items() if name in known}
    if "residue" in chosen:
        chosen["residue"] = tuple(chosen["residue"])
    return Job(data, Workspace(work), Settings(**chosen), _progress(), _command())


def _progress() -> Callable[[str], None]:
    """Lines to standard error with the time since the start."""
    start_s = time.monotonic()

    def say(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - start_s), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {line}", file=sys.stderr, flush=True)

    return say


_PATH_OPTIONS = {"--data", "--work", "--output", "--weights", "--bundle"}


def _command() -> str:
    """The command line for the manifest; of absolute paths only the last part, for they are this machine's own."""
    words = []
    for word in sys.argv[1:]:
        option, equals, value = word.partition("=")
        if option in _PATH_OPTIONS and equals and Path(value).is_absolute():
            word = f"{option}={Path(value).name}"
        elif Path(word).is_absolute():
            word = Path(word).name
        words.append(word)
    return " ".join(["python -m convert", *words])
