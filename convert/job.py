"""From a command line to the job that the steps work on."""

import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from convert.files import check_room, refuse_foreign
from convert.lock import claimed
from convert.options import RISK
from convert.risk import RiskTarget
from convert.settings import Settings, Workspace

if TYPE_CHECKING:
    from convert.steps import Job

__all__ = ["job_of", "progress"]


def job_of(context: typer.Context, data: Path, work: Path) -> "Job":
    """What a command works with: a recipe gives the settings, elsewhere the parameters named like their fields."""
    from convert.recipe import load_recipe
    from convert.steps import Job

    known = {field.name for field in fields(Settings)}
    chosen: dict[str, Any] = {name: value for name, value in context.params.items() if name in known}
    if "residue" in chosen:
        chosen["residue"] = tuple(chosen["residue"])
    recipe = None
    if "recipe" in context.params:
        recipe = load_recipe(*(context.params[name] for name in ("recipe", "changes", "seed")))
    settings = Settings(**chosen) if recipe is None else recipe.settings(chosen["residue"])
    _claim(context, work)
    risk = RiskTarget(
        context.params.get("contamination", RISK.contamination), context.params.get("risk_confidence", RISK.confidence)
    )
    return Job(data, Workspace(work), settings, progress(), _command(), risk, recipe)


def _claim(context: typer.Context, work: Path) -> None:
    """Before any work: keep other runs out of the work folder until the end, and see that there is room to write."""
    from edge.bundle import MANIFEST_NAME

    if context.params.get("bundle") is None:
        context.with_resource(claimed(work))
        if "data" in context.params:
            check_room(work, "--work")
        if context.command.name in ("quantize", "build"):
            refuse_foreign(Workspace(work).candidate, MANIFEST_NAME, "--work, or move it away")
    output = context.params.get("output")
    if output is not None:
        refuse_foreign(output, MANIFEST_NAME, "--output")
        check_room(output.parent, "--output")


def progress() -> Callable[[str], None]:
    """Lines to standard error with the time since the start."""
    start_s = time.monotonic()

    def say(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - start_s), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {line}", file=sys.stderr, flush=True)

    return say


def _command() -> str:
    """The command line for the manifest; of absolute paths only the last part, for they are this machine's own."""
    words = []
    for word in sys.argv[1:]:
        # --data FOLDER, --data=FOLDER, --set KEY=FILE, --set=KEY=FILE
        option, equals, value = word.partition("=")
        key, second, file = value.partition("=")
        if Path(word).is_absolute():
            word = Path(word).name
        elif equals and Path(value).is_absolute():
            word = f"{option}={Path(value).name}"
        elif second and Path(file).is_absolute():
            word = f"{option}={key}={Path(file).name}"
        words.append(word)
    return " ".join(["python -m convert", *words])
