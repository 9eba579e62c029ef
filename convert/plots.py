"""The figures of an evaluation as PNG files. Needs matplotlib, which nothing else here does."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from convert.abstention import Curve
from convert.figures import Answers, curves
from convert.files import replacing

__all__ = ["has_matplotlib", "plot"]

DPI = 120
BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#d4692a", "#2f8f5b", "#8a8a8a"
_LEAST_DARK = 0.55
"""Share of its row from which a cell is so dark that its number is white."""


def has_matplotlib() -> bool:
    """True if plots can be drawn in this environment."""
    return importlib.util.find_spec("matplotlib") is not None


def plot(folder: Path, metrics: dict[str, Any], answers: Answers | None) -> list[Path]:
    """Draw what was measured on the test photographs.

    Args:
        folder: made if need be; each file is replaced as a whole.
        metrics: as `metrics.json` holds them.
        answers: to the test photographs; None leaves out what is drawn from single pictures.
    Returns: the files written.
    """
    test = metrics.get("test", {})
    kind = "int8" if "int8" in test else "float"
    scores = test.get(kind)
    found: list[Path] = []

    def draw(name: str, width: float, height: float, fill: Callable[[Any], None]) -> None:
        found.append(_save(folder / f"{name}.png", width, height, fill))

    if scores:
        title = f"{scores['n']} test photographs, {kind}"
        draw("confusion", 6.0, 5.4, lambda figure: _confusion(figure, scores, title))
        draw("labels", 7.5, 4.2, lambda figure: _labels(figure, scores, title))
        if "reliability" in scores:
            draw("reliability", 5.4, 6.2, lambda figure: _reliability(figure, scores, title))
    if answers is not None:
        draw("risk-coverage", 9.5, 4.2, lambda figure: _risk_coverage(figure, curves(answers)))
    if metrics.get("corruptions"):
        draw("corruptions", 9.5, 8.0, lambda figure: _corruptions(figure, metrics["corruptions"], scores))
    return found


def _save(path: Path, width: float, height: float, fill: Callable[[Any], None]) -> Path:
    """Without pyplot and its global state, and without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    fill(figure)
    with replacing(path) as partial:
        figure.savefig(partial, metadata={"Software": ""})
    return path


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _confusion(figure: Any, scores: dict[str, Any], title: str) -> None:
    names = list(scores["labels"])
    counts = np.array(scores["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (true, guess), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[true, guess] >= _LEAST_DARK else "black"
            axes.text(guess, true, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), [f"{name} ({counts[at].sum()})" for at, name in enumerate(names)])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (number)")
    axes.set_title(title)
    figure.colorbar(image, ax=axes, shrink=0.85, label="share of the true label")


def _labels(figure: Any, scores: dict[str, Any], title: str) -> None:
    axes = figure.add_subplot()
    names = [*scores["labels"]]
    kinds = (("precision", BLUE), ("recall", ORANGE), ("f1", GREEN))
    for shift, (kind, colour) in zip((-0.26, 0.0, 0.26), kinds, strict=True):
        values = np.array([scores["labels"][name][kind] for name in names])
        limits = np.array(
            [
                scores.get("ci95", {}).get("labels", {}).get(name, {}).get(kind, [value, value])
                for name, value in zip(names, values, strict=True)
            ]
        )
        reach = np.maximum(np.abs(limits - values[:, None]).T, 0)
        places = np.arange(len(names)) + shift
        error = {"ecolor": "#222222", "elinewidth": 0.9}
        label = "F1" if kind == "f1" else kind
        axes.bar(places, values, 0.24, yerr=reach, capsize=2.5, color=colour, error_kw=error, label=label)
    axes.set_xticks(range(len(names)), [f"{name}\nn {scores['labels'][name]['n']}" for name in names])
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share, with 95 % interval")
    axes.set_title(title)
    _bare(axes)
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)


def _reliability(figure: Any, scores: dict[str, Any], title: str) -> None:
    bins = scores["reliability"]
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    left = [row["from"] for row in bins]
    width = [row["to"] - row["from"] for row in bins]
    upper.bar(left, [row["accuracy"] for row in bins], width, align="edge", color=BLUE, edgecolor="white", alpha=0.9)
    upper.plot(
        [row["confidence"] for row in bins],
        [row["accuracy"] for row in bins],
        ".",
        color="black",
        label="mean confidence of a bin",
    )
    upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="as sure as right")
    upper.set_ylim(0, 1.02)
    upper.set_xlim(0, 1)
    upper.set_ylabel("labels right")
    limits = scores.get("ci95", {}).get("ece")
    interval = f" [{limits[0]:.3f}, {limits[1]:.3f}]" if limits else ""
    upper.set_title(f"{title}\nECE {scores['ece']:.3f}{interval}, 15 bins of equal width", fontsize=11)
    lower.bar(left, [row["n"] for row in bins], width, align="edge", color=GREY, edgecolor="white")
    lower.set_yscale("log")
    lower.set_ylim(bottom=0.5)
    lower.set_ylabel("photographs")
    lower.set_xlabel("confidence")
    for axes in (upper, lower):
        _bare(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)


def _risk_coverage(figure: Any, found: dict[str, Curve]) -> None:
    left, right = figure.subplots(1, 2)
    titles = {"label": ("label", BLUE), "route": ("route", ORANGE)}
    for name, curve in found.items():
        title, colour = titles[name]
        risk = 100 * (1 - curve.accuracy)
        left.plot(100 * curve.coverage, risk, color=colour, label=f"{title}, area {curve.aurc:.4f}")
    left.set_ylabel("wrong answers, %")
    left.set_title("Risk against coverage")
    left.legend(frameon=False, loc="upper left")
    if "route" in found:
        curve = found["route"]
        right.plot(100 * curve.coverage, 100 * curve.contamination, color=GREEN)
    right.axhline(2, color=GREY, linestyle="--", linewidth=1)
    right.annotate("2 %", (1, 2), (2, 3), xycoords=("axes fraction", "data"), textcoords="offset points", color=GREY)
    right.set_ylabel("residue in the recyclable bin, %")
    right.set_title("Contamination")
    for axes in (left, right):
        axes.set_xlabel("test photographs answered, %")
        axes.set_xlim(0, 100)
        axes.set_ylim(bottom=0)
        _bare(axes)


def _corruptions(figure: Any, found: dict[str, Any], clean: dict[str, Any] | None) -> None:
    kinds = found["kinds"]
    columns = 3
    grid = figure.subplots(-(-len(kinds) // columns), columns, sharex=True, sharey=True, squeeze=False)
    titles = (
        ("accuracy", "label", BLUE),
        ("binary_accuracy", "route", ORANGE),
        ("residue_recall", "residue recall", GREY),
    )
    known = [title for title in titles if title[0] in found["mean"]]
    start = _clean(clean)
    for place, (kind, cells) in enumerate(kinds.items()):
        axes = grid.flat[place]
        for name, title, colour in known:
            levels = [0, *found["severities"]] if name in start else found["severities"]
            values = [start[name], *cells[name]] if name in start else cells[name]
            axes.plot(levels, [100 * value for value in values], "o-", markersize=3, color=colour, label=title)
        axes.set_title(kind, fontsize=10)
        axes.set_xticks([0, *found["severities"]])
        axes.set_ylim(0, 102)
        _bare(axes)
    for axes in grid.flat[len(kinds) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("severity (0: as photographed)")
    for axes in grid[:, 0]:
        axes.set_ylabel("right, %")
    means = ", ".join(f"{title} {found['mean'][name]:.1%}" for name, title, _ in known)
    figure.suptitle(f"{found['n']} test photographs, corrupted, int8; mean: {means}", fontsize=11)
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)


def _clean(scores: dict[str, Any] | None) -> dict[str, float]:
    """The same figures of the photographs as they are."""
    if not scores:
        return {}
    binary = scores.get("binary") or {}
    found = {"accuracy": scores["accuracy"]}
    if binary:
        found |= {"binary_accuracy": binary["accuracy"], "residue_recall": binary["residue_recall"]}
    return found
