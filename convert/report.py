"""Several evaluated models side by side in one table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convert.tables import INTERVALS, cell, row, rule
from edge.errors import ConfigError

__all__ = ["Run", "load_run", "recipe_name", "side_by_side"]

TRAINING_NAME = "training.json"


class Run:
    """One evaluated model, as the table shows it.

    Attributes:
        name: recipe, bundle or folder, the first that is on record.
        kind: `int8`, or `float` where nothing else was measured.
        metrics: the whole of its `metrics.json`.
    """

    def __init__(self, name: str, metrics: dict[str, Any]) -> None:
        test = metrics["test"]
        self.name = name
        self.kind = "int8" if "int8" in test else "float"
        self.metrics = metrics

    @property
    def scores(self) -> dict[str, Any]:
        """Figures on the test photographs."""
        found: dict[str, Any] = self.metrics["test"][self.kind]
        return found


def load_run(path: Path) -> Run:
    """Read what `edge-convert evaluate` left.

    Args:
        path: a `metrics.json`, or the work folder that holds one.
    Raises: ConfigError if it is missing or holds no figures of test photographs.
    """
    file = path / "metrics.json" if path.is_dir() else path
    metrics = _read(file)
    test = metrics.get("test")
    scores = test.get("int8", test.get("float")) if isinstance(test, dict) else None
    if not isinstance(scores, dict) or not {"n", "accuracy", "macro_f1", "binary"} <= set(scores):
        raise ConfigError(f"{file} holds no figures of test photographs; run `edge-convert evaluate` for it")
    return Run(_name(file, metrics), metrics)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file} is missing; run `edge-convert evaluate` first") from None
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{file} cannot be read as JSON ({exc}); run `edge-convert evaluate` again") from exc
    if not isinstance(content, dict):
        raise ConfigError(f"{file} holds no object; run `edge-convert evaluate` again")
    return content


def _name(file: Path, metrics: dict[str, Any]) -> str:
    of = metrics.get("of")
    recorded = of.get("recipe") or of.get("name") if isinstance(of, dict) else None
    if recorded:
        return str(recorded)
    training = file.with_name(TRAINING_NAME)
    recipe = recipe_name(_read(training)) if training.is_file() else None
    return recipe or (file.absolute().parent.name if file.name == "metrics.json" else file.stem)


def recipe_name(training: dict[str, Any]) -> str | None:
    """The recipe that `training.json` names, or None."""
    recipe = training.get("recipe")
    name = recipe.get("name") if isinstance(recipe, dict) else recipe
    return str(name) if name else None


def side_by_side(runs: Sequence[Run]) -> str:
    """A Markdown table, a model a line, in the order given; all on their own test photographs.

    The columns follow table III of the paper that the recipes come from, with an interval for every figure
    but the mean over corruptions.
    """
    head = ("model", "arithmetic", "n", "labels right", "macro-F1", "route right", "route macro-F1")
    lines = [row((*head, "residue precision", "residue recall", "ECE", "mean over corruptions")), rule(len(head) + 4)]
    lines += [_line(run) for run in runs]
    lines += ["", INTERVALS]
    floating = [run.name for run in runs if run.kind == "float"]
    if floating:
        lines += ["", f"Of {', '.join(floating)} only the float model was measured; the others are int8, as they ship."]
    if any(_is_other_test_part(runs[0], run) for run in runs[1:]):
        lines += ["", "Not all were measured on the same photographs: the lines cannot be compared."]
    return "\n".join(lines) + "\n"


def _line(run: Run) -> str:
    scores = run.scores
    binary = [
        cell(scores, "binary", "accuracy"),
        *(cell(scores, "binary", name, is_share=False) for name in ("macro_f1", "residue_precision", "residue_recall")),
    ]
    shares = (cell(scores, "accuracy"), cell(scores, "macro_f1", is_share=False))
    return row(
        (run.name, run.kind, scores["n"], *shares, *binary, cell(scores, "ece", is_share=False), _corrupted(run))
    )


def _corrupted(run: Run) -> str:
    mean = run.metrics.get("corruptions", {}).get("mean")
    if not mean:
        return "–"
    text = f"{mean['accuracy']:.1%}"
    return f"{text}, route {mean['binary_accuracy']:.1%}" if "binary_accuracy" in mean else text


def _is_other_test_part(first: Run, second: Run) -> bool:
    """True if the two are known to have been measured on different photographs."""
    counts = [{name: found["n"] for name, found in run.scores["labels"].items()} for run in (first, second)]
    known = [run.metrics.get("of", {}) for run in (first, second)]
    return counts[0] != counts[1] or any(
        None not in (known[0].get(key), known[1].get(key)) and known[0][key] != known[1][key]
        for key in ("data_digest_sha256", "split_seed")
    )
