"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ConfigOption", "ModelOption"]

ConfigOption = Annotated[
    Path | None,
    # What cannot be read is refused where it is read, in one sentence: Typer would print its usage instead.
    typer.Option(
        "--config",
        readable=False,
        help="YAML file; without it /etc/edge-sorter/config.yaml, else the packaged default.",
    ),
]
ModelOption = Annotated[Path | None, typer.Option("--model", readable=False, help="Folder of the model bundle.")]
