"""`edge-sorter model …`: look at a model bundle, or check it."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(help="Look at model bundles.", no_args_is_help=True)

FolderArgument = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", readable=False, help="The bundle; without it, the one the configuration names."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs to read.")]


_HEADLINE = re.compile(
    r"(test|val|rendered)\.int8\.(n|accuracy|macro_f1|binary\.(accuracy|macro_f1|residue_n|residue_recall))"
)
"""What a person wants to know first of a model's metrics."""


def _folder(explicit: Path | None) -> Path:
    from edge.configfile import check_model_path, config_file, load_config
    from edge.paths import model_path

    if explicit is not None:
        return explicit
    config = load_config()
    check_model_path(config, config_file())
    return model_path(config)


@app.command()
def show(folder: FolderArgument = None, as_json: JsonOption = False) -> None:
    """Print what a bundle is and how well it does."""
    from edge.bundle import load_bundle

    bundle = load_bundle(_folder(folder))
    manifest = bundle.manifest
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2, by_alias=True, exclude_unset=True))
        return
    from rich.console import Console
    from rich.table import Table

    from edge.printable import printable

    table = Table(title=f"{manifest.name} {manifest.version}", show_header=False)
    table.add_column()
    # A path that is cut is of no use.
    table.add_column(overflow="fold")
    table.add_row("folder", str(bundle.folder))
    table.add_row("labels", ", ".join(manifest.labels))
    table.add_row("input", f"{manifest.input.dtype} {list(manifest.input.shape)}, {manifest.input.colour}")
    table.add_row("size", f"{len(bundle.model) / 1e6:.1f} MB, SHA-256 {manifest.sha256[:16]}…")
    thresholds = manifest.thresholds
    energy = "energy without limit" if thresholds.energy is None else f"energy {thresholds.energy}"
    table.add_row("thresholds", f"confidence {thresholds.confidence}, margin {thresholds.margin}, {energy}")
    table.add_row("temperature", f"{manifest.temperature:.3f}")
    for key, value in _flatten(manifest.metrics):
        if _HEADLINE.fullmatch(key):
            table.add_row(key, f"{value:.3f}" if isinstance(value, float) else printable(str(value)))
    table.add_row("more", "CARD.md in the folder; every figure with --json")
    Console(markup=False).print(table)


@app.command()
def verify(
    folder: FolderArgument = None,
    runtime: Annotated[str, typer.Option(help="auto, litert or tflite_runtime.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Check hash, labels, shapes and golden outputs. Exit 4 if one does not hold."""
    from edge.bundle import load_bundle
    from edge.classify.tflite import TfliteClassifier
    from edge.commands.common import log_to_stderr
    from edge.config import ModelConfig
    from edge.errors import ConfigError

    log_to_stderr()
    known = ("auto", "litert", "tflite_runtime")
    if runtime not in known:
        raise ConfigError(f"--runtime {runtime!r} is none of {', '.join(known)}")
    bundle = load_bundle(_folder(folder))
    classifier = TfliteClassifier(bundle, ModelConfig.model_validate({"runtime": runtime}).runtime)
    golden = len(bundle.manifest.golden)
    if as_json:
        fields = {"folder": str(bundle.folder), "is_valid": True, "runtime": classifier.runtime}
        typer.echo(json.dumps({**fields, "is_delegated": classifier.is_delegated, "golden": golden}))
        return
    delegate = "XNNPACK takes the graph" if classifier.is_delegated else "no delegate takes the graph"
    typer.echo(
        f"{bundle.id.name} {bundle.id.version} holds: hash, {len(bundle.labels)} labels, tensors, {golden} golden "
        f"images with {classifier.runtime} ({delegate})"
    )


def _flatten(fields: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in fields.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            rows.append((prefix + key, value))
    return rows
