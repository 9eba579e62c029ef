"""`edge-sorter config …`: check a configuration, print its schema, show how it is wired."""

import json
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import ConfigOption

__all__ = ["app"]

app = typer.Typer(help="Check the configuration, and show its wiring.", no_args_is_help=True)


@app.command()
def check(
    path: Annotated[
        Path | None, typer.Argument(readable=False, help="YAML file; without it, the one that `run` would take.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole configuration as JSON.")] = False,
) -> None:
    """Check a configuration, its routes against the model's labels too. Exit 2 with file, line and remedy."""
    from edge.bundle import load_bundle
    from edge.configfile import check_labels, check_model_path, config_file, load_config
    from edge.paths import model_path

    config, file = load_config(path), config_file(path)
    check_model_path(config, file)
    bundle = load_bundle(model_path(config))
    check_labels(config, bundle.labels, file)
    if as_json:
        typer.echo(config.model_dump_json(indent=2))
        return
    routes = ", ".join(f"{label} -> {route}" for label, route in config.routes.items())
    name = "the packaged default" if path is None else str(path)
    typer.echo(f"{name} is valid: source {config.source.spec}, pins {config.pins.factory}, routes {routes}")


@app.command()
def reload() -> None:
    """Have the unattended sorter take its configuration anew, between two items; a bad one changes nothing."""
    from edge.commands.reload import reload_sorter

    typer.echo(reload_sorter())


@app.command()
def default() -> None:
    """Print the default configuration, every key with its unit."""
    from edge.configdoc import default_yaml

    typer.echo(default_yaml(), nl=False)


@app.command()
def schema() -> None:
    """Print the configuration's JSON Schema."""
    from edge.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("show-wiring")
def show_wiring(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", readable=False, help="YAML file; the same as --config."),
    ] = None,
    config: ConfigOption = None,
    svg: Annotated[
        str | None,
        typer.Option(metavar="OUT.svg", help="Draw the 40-pin header into this file; - prints it instead."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the wires as JSON.")] = False,
) -> None:
    """Print what an installer connects to which pin of the header, as a table and as a picture."""
    from edge.commands.wiring import show_wiring as show
    from edge.configfile import config_file, load_config
    from edge.errors import ConfigError

    if path is not None and config is not None:
        raise ConfigError(f"both {path} and --config {config} are given; name one file")
    named = path if path is not None else config
    file = config_file(named)
    show(load_config(named), "the default" if file is None else file.stem, svg=svg, as_json=as_json)
