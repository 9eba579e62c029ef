"""How a training went, as a picture: loss and accuracy over the epochs, and how far validation lags behind."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from convert.files import replacing

__all__ = ["draw_curves", "gaps"]

_NAMES = {
    "train": ("training photographs", "tab:blue"),
    "photos": ("validation photographs", "tab:orange"),
    "augmented": ("validation, bent", "tab:green"),
    "rendered": ("validation, simulated", "tab:red"),
}


def gaps(history: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """For each epoch, loss of the validation photographs minus that of training, and accuracy the other way round.

    Both are of pictures as they are, through the same weights; a growing gap says that the network learns by heart.
    """
    return [
        {
            "loss": round(epoch["photos_loss"] - epoch["train_loss"], 4),
            "accuracy": round(epoch["train_accuracy"] - epoch["photos_accuracy"], 4),
        }
        for epoch in history
        if "soup" not in epoch
    ]


def draw_curves(history: Sequence[dict[str, Any]], name: str, path: Path, say: Callable[[str], None]) -> None:
    """Write the plot, PNG; without matplotlib say so and write nothing."""
    history = [epoch for epoch in history if "soup" not in epoch]
    if not history:
        return
    if importlib.util.find_spec("matplotlib") is None:
        say(f"no {path.name}: matplotlib is not installed")
        return
    from matplotlib.figure import Figure

    steps = range(len(history))
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    loss, accuracy, gap = figure.subplots(1, 3)
    for axes, what in ((loss, "loss"), (accuracy, "accuracy")):
        for key, (label, colour) in _NAMES.items():
            if f"{key}_{what}" in history[0]:
                axes.plot(steps, [epoch[f"{key}_{what}"] for epoch in history], color=colour, label=label)
        axes.set_ylabel(what)
    accuracy.legend(fontsize=8, loc="lower right")
    found = gaps(history)
    gap.plot(steps, [one["loss"] for one in found], color="tab:purple", label="loss, validation - training")
    gap.plot(steps, [one["accuracy"] for one in found], color="tab:brown", label="accuracy, training - validation")
    gap.axhline(0, color="0.7", linewidth=0.8)
    gap.set_ylabel("gap")
    gap.legend(fontsize=8)
    borders = [place for place in steps if place and history[place]["phase"] != history[place - 1]["phase"]]
    for axes in (loss, accuracy, gap):
        axes.set_xlabel("epochs (a line: the next phase begins)" if borders else "epochs")
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
        for border in borders:
            axes.axvline(border - 0.5, color="0.5", linewidth=0.8, linestyle="--")
    figure.suptitle(name)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=110)
