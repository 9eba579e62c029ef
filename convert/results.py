"""What an evaluation leaves in the work folder: figures, tables, predictions, plots."""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from convert.evaluate import Evaluation
from convert.files import sync, write_text
from convert.plots import has_matplotlib, plot
from convert.settings import Workspace
from convert.tables import markdown

__all__ = ["PLOTS_NAME", "PREDICTIONS_NAME", "brief", "save_results"]

PREDICTIONS_NAME = "predictions.jsonl"
PLOTS_NAME = "plots"
_LONG = {"reliability", "agreement", "ci95", "abstention"}
_log = logging.getLogger(__name__)


def save_results(work: Workspace, metrics: dict[str, Any], found: Evaluation) -> list[Path]:
    """Write metrics.json last, so that what it stands beside is never older than it.

    Args:
        metrics: all figures.
        found: gives the predictions, a line of `predictions.jsonl` a picture, and what the plots need.
    Returns: the plots; without matplotlib there are none, and old ones are removed, for they would show other figures.
    """
    folder = work.folder / PLOTS_NAME
    folder.mkdir(parents=True, exist_ok=True)
    # Drawing takes seconds; what stays is replaced afterwards, so that a stop leaves the earlier evaluation as it was.
    with tempfile.TemporaryDirectory(prefix=f".{PLOTS_NAME}-", dir=work.folder) as draft:
        drawn = []
        if has_matplotlib():
            drawn = plot(Path(draft), metrics, found.answers.get("test"))
        else:
            _log.warning("matplotlib is not installed: no plots are drawn; install the `convert` extra to have them")
        write_text(work.folder / PREDICTIONS_NAME, "".join(json.dumps(row) + "\n" for row in found.rows))
        plots = [path.replace(folder / path.name) for path in drawn]
    for old in set(folder.glob("*.png")) - set(plots):
        old.unlink()
    sync(folder)
    write_text(work.metrics.with_suffix(".md"), markdown(metrics))
    write_text(work.metrics, json.dumps(metrics, indent=1) + "\n")
    return plots


def brief(metrics: dict[str, Any]) -> dict[str, Any]:
    """The figures for a manifest, which every device reads at start: long lists only of the test photographs' int8."""
    kept: dict[str, Any] = {}
    for name, found in metrics.items():
        if name not in ("test", "apart", "val", "rendered") or not isinstance(found, dict):
            kept[name] = found
            continue
        kept[name] = {
            kind: scores
            if not isinstance(scores, dict)
            else {key: value for key, value in scores.items() if (name, kind) == ("test", "int8") or key not in _LONG}
            for kind, scores in found.items()
            if kind != "agreement"
        }
    return kept
