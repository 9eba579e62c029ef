"""What the options of `edge-convert` are called, stand for, and are by default."""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from convert.risk import RiskTarget
from convert.settings import Settings
from edge.errors import ConfigError

__all__ = [
    "DEFAULT_OUTPUT",
    "NAME",
    "RISK",
    "VERSION",
    "WORK_DEFAULT",
    "AllowUndelegated",
    "Changes",
    "Contamination",
    "D",
    "Data",
    "KeepCache",
    "Name",
    "Output",
    "Qat",
    "QatMode",
    "Ratios",
    "RecipeName",
    "RecipeSeed",
    "RenderedTest",
    "Residue",
    "Restart",
    "RiskConfidence",
    "Seed",
    "Strangers",
    "Version",
    "Weights",
    "Work",
    "numbers",
    "sides_px",
]

DEFAULT_DATA = "../shared/data"
DEFAULT_OUTPUT = Path("models/waste-mobilenetv2")
NAME, VERSION = "waste-mobilenetv2", "0.4.1"
D = Settings()
RISK = RiskTarget()


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
RecipeName = Annotated[
    str, typer.Option("--recipe", help="What to train and how: a name out of config/recipes, or a YAML file.")
]
Changes = Annotated[
    list[str],
    typer.Option(
        "--set",
        default_factory=list,
        show_default=False,
        help="KEY=VALUE of the recipe for a quick trial, such as phases.1.epochs=2; may be repeated.",
    ),
]
RecipeSeed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Instead of the recipe's: decides the pictures and the training, and with `build` the split.",
    ),
]
Ratios = Annotated[str, typer.Option("--ratios", help="Shares of train, val and test.")]
Restart = Annotated[bool, typer.Option("--restart", help="Train anew, whatever lies in the work folder.")]
KeepCache = Annotated[bool, typer.Option("--keep-cache", help="Leave the drawn pictures for another training.")]
RenderedTest = Annotated[int, typer.Option("--rendered-test", min=0, help="Simulated items of the evaluation.")]
Strangers = Annotated[
    list[Path],
    typer.Option(
        "--strangers",
        default_factory=list,
        show_default=False,
        help="Folder of photographs of what is no waste (out of distribution), to see how many would count as "
        "recyclable; may be repeated, each is a kind.",
    ),
]
Residue = Annotated[
    list[str],
    typer.Option(
        "--residue",
        default_factory=lambda: list(D.residue),
        show_default=", ".join(D.residue),
        help="A label that is not recyclable; may be given again.",
    ),
]
Name = Annotated[
    str,
    typer.Option(
        "--name", callback=lambda value: bundle_name(value), help="Name of the bundle: a-z, 0-9, '.', '_', '-'."
    ),
]
Version = Annotated[str, typer.Option("--bundle-version", help="Version of the bundle.")]


class QatMode(StrEnum):
    """When the network is tuned for int8."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


Qat = Annotated[
    QatMode,
    typer.Option(
        "--qat",
        help="Tune the network for int8: auto, if quantization loses more than 0.3 points or goes more than 0.01 nats "
        "from the float network; of all int8 models the nearest is taken.",
    ),
]
AllowUndelegated = Annotated[
    bool, typer.Option("--allow-undelegated", help="Take a graph that XNNPACK does not run as a whole.")
]
Contamination = Annotated[
    float, typer.Option("--contamination", help="Largest share of residue in the recyclable bin, 0..1.")
]
RiskConfidence = Annotated[
    float, typer.Option("--risk-confidence", help="Confidence with which the thresholds keep to it, 0..1.")
]

WORK_DEFAULT = Path("build/convert")


def bundle_name(name: str) -> str:
    """The name, if a bundle may have it. Raises: ConfigError."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise ConfigError(f"--name {name!r}: expected small letters, digits, '.', '_' and '-', a letter or digit first")
    return name


def sides_px(text: str) -> list[int]:
    """Sides of an input with commas between. Raises: ConfigError."""
    found = numbers(text, "--sides", 32, 512)
    if any(side != int(side) for side in found):
        raise ConfigError(f"--sides {text!r}: expected whole pixels")
    return [int(side) for side in found]


def numbers(text: str, option: str, least: float, most: float) -> list[float]:
    """Numbers with commas between. Raises: ConfigError."""
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(least <= one <= most for one in found):
        raise ConfigError(f"{option} {text!r}: expected numbers from {least:g} to {most:g} with commas between")
    return found
