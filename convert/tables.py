"""The figures of an evaluation as Markdown tables."""

from collections.abc import Sequence
from typing import Any

__all__ = ["INTERVALS", "abstention_lines", "cell", "corruption_lines", "markdown", "row", "rule", "stranger_lines"]

_SETS = {
    "test": "test photographs (blocks never trained on)",
    "apart": "of these, those without a neighbouring number in another part",
    "val": "validation photographs",
    "rendered": "simulated items (unseen seeds)",
}
_SETS_PERHAPS_SEEN = {
    **_SETS,
    "test": "photographs of the test part (perhaps trained on)",
    "val": "photographs of the validation part (perhaps trained on)",
}
_KINDS = ("float", "int8")
SHOWN_FLIPS = 20
INTERVALS = (
    "In brackets 95 % intervals: bootstrap over groups of neighbouring photographs and over single pictures, the wider "
    "limits of the two."
)


def row(cells: Sequence[object]) -> str:
    """One line of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def rule(columns: int) -> str:
    """The line below a table's head."""
    return "|" + " --- |" * columns


def cell(scores: dict[str, Any], *path: str, is_share: bool = True) -> str:
    """A figure with its interval where there is one: `88.7% [84.9, 92.1]` or `0.866 [0.816, 0.906]`."""
    value, limits = _at(scores, path), _at(scores.get("ci95", {}), path)
    if value is None:
        return "–"
    text = f"{value:.1%}" if is_share else f"{value:.3f}"
    if not limits:
        return text
    low, high = (f"{100 * limit:.1f}" if is_share else f"{limit:.3f}" for limit in limits)
    return f"{text} [{low}, {high}]"


def _at(tree: Any, path: Sequence[str]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def markdown(metrics: dict[str, Any]) -> str:
    """Every table; photographs that the model may have been trained on are not called unseen."""
    is_unseen = metrics.get("of", {}).get("are_photographs_unseen", True)
    titles = _SETS if is_unseen else _SETS_PERHAPS_SEEN
    sets = [
        (title, kind, metrics[name][kind])
        for name, title in titles.items()
        for kind in _KINDS
        if kind in metrics.get(name, {})
    ]
    lines = _overview(sets) + _probabilities(sets) + _device_lines(sets)
    test = metrics.get("test", {})
    kind = "int8" if "int8" in test else "float"
    if kind in test:
        lines += _labels(titles["test"].partition(" (")[0].capitalize(), kind, test[kind])
    lines += corruption_lines(metrics.get("corruptions", {}))
    lines += abstention_lines(test.get(kind, {}).get("abstention", {}))
    lines += stranger_lines(metrics.get("strangers", {}))
    lines += _agreement_lines(test.get("agreement", {}))
    return "\n".join(lines) + "\n"


def _overview(sets: Sequence[tuple[str, str, dict[str, Any]]]) -> list[str]:
    head = ("pictures", "model", "n", "labels right", "macro-F1", "route right", "route macro-F1", "residue recall")
    lines = [row((*head, "residue precision")), rule(len(head) + 1)]
    for title, kind, scores in sets:
        binary = scores["binary"]
        routes = ("–",) * 4
        if binary:
            routes = (
                cell(scores, "binary", "accuracy"),
                cell(scores, "binary", "macro_f1", is_share=False),
                f"{cell(scores, 'binary', 'residue_recall', is_share=False)} (n {binary['residue_n']})",
                cell(scores, "binary", "residue_precision", is_share=False),
            )
        shares = (cell(scores, "accuracy"), cell(scores, "macro_f1", is_share=False))
        lines.append(row((title, kind, scores["n"], *shares, *routes)))
    if any("ci95" in scores for _, _, scores in sets):
        lines += ["", INTERVALS]
    return lines


def _probabilities(sets: Sequence[tuple[str, str, dict[str, Any]]]) -> list[str]:
    known = [(title, kind, scores) for title, kind, scores in sets if "ece" in scores]
    if not known:
        return []
    names = ("ece", "ece_by_chance", "ece_equal_mass", "nll", "brier")
    head = (
        "pictures",
        "model",
        "ECE (15 bins of equal width)",
        "the same by chance, all confidences true",
        "ECE (15 of equal mass)",
        "log loss",
        "Brier",
    )
    return [
        "",
        "Probabilities:",
        "",
        row(head),
        rule(len(head)),
        *(row((title, kind, *(cell(scores, name, is_share=False) for name in names))) for title, kind, scores in known),
    ]


def _device_lines(sets: Sequence[tuple[str, str, dict[str, Any]]]) -> list[str]:
    known = [(title, scores) for title, kind, scores in sets if kind == "int8" and scores.get("device")]
    if not known:
        return []
    head = ("pictures", "route right", "residue caught", "recyclables lost", "below the thresholds")
    names = ("accuracy", "residue_recall", "recyclables_lost", "uncertain", "contamination")
    return [
        "",
        "Routes of single pictures as the device takes them, int8: what is below the thresholds goes to residue.",
        "",
        row((*head, "residue in the recyclable bin")),
        rule(len(head) + 1),
        *(row((title, *(cell(scores, "device", name) for name in names))) for title, scores in known),
    ]


def _labels(title: str, kind: str, scores: dict[str, Any]) -> list[str]:
    names = list(scores["labels"])
    lines = [
        "",
        f"{title}, {kind}, by label:",
        "",
        row(("label", "n", "groups", "precision", "recall", "F1")),
        rule(6),
    ]
    for name, found in scores["labels"].items():
        parts = [cell(scores, "labels", name, part, is_share=False) for part in ("precision", "recall", "f1")]
        lines.append(row((name, found["n"], found.get("groups", "–"), *parts)))
    lines += [
        "",
        "Confusion, a row a true label, a column a predicted one:",
        "",
        row(("true", *names)),
        rule(len(names) + 1),
    ]
    lines += [row((f"**{name}**", *counts)) for name, counts in zip(names, scores["confusion"], strict=True)]
    return lines


def corruption_lines(found: dict[str, Any]) -> list[str]:
    """Labels right by kind and severity, and the means; empty where nothing was measured."""
    if not found:
        return []
    names = [name for name in ("accuracy", "binary_accuracy", "residue_recall") if name in found["mean"]]
    titles = {"accuracy": "labels right", "binary_accuracy": "route right", "residue_recall": "residue recall"}
    head = (
        "corruption",
        *(f"severity {level}" for level in found["severities"]),
        *(f"mean {titles[n]}" for n in names),
    )
    lines = [
        "",
        f"The {found['n']} test photographs, corrupted, int8: labels right by severity, and means over the severities.",
        "",
        row(head),
        rule(len(head)),
    ]
    limits = found.get("ci95", {})
    for kind, cells in found["kinds"].items():
        scores = {**cells["mean"], "ci95": _at(limits, ("kinds", kind)) or {}}
        by_severity = [f"{share:.1%}" for share in cells["accuracy"]]
        lines.append(row((kind, *by_severity, *(cell(scores, name) for name in names))))
    everything = {**found["mean"], "ci95": limits.get("mean", {})}
    columns = zip(*(cells["accuracy"] for cells in found["kinds"].values()), strict=True)
    by_severity = [f"{sum(column) / len(column):.1%}" for column in columns]
    lines.append(row(("**mean**", *by_severity, *(cell(everything, name) for name in names))))
    return lines


def abstention_lines(found: dict[str, Any]) -> list[str]:
    """What answering less gains, for labels and routes; empty where nothing was measured."""
    lines: list[str] = []
    if "label" in found:
        head = ("pictures answered", "least confidence", "labels right")
        lines += [
            "",
            f"Answering only what is sure, by label (area under the risk-coverage curve {found['label']['aurc']:.4f}):",
            "",
            row(head),
            rule(len(head)),
            *(
                row((f"{at['coverage']:.1%}", f"{at['threshold']:.3f}", f"{at['accuracy']:.1%}"))
                for at in found["label"]["at"]
            ),
        ]
    if "route" in found:
        head = ("pictures answered", "least confidence", "routes right", "residue in the recyclable bin")
        lines += [
            "",
            f"The same by route (area {found['route']['aurc']:.4f}); what is not answered goes to residue:",
            "",
            row(head),
            rule(len(head)),
            *(
                row(
                    (
                        f"{at['coverage']:.1%}",
                        f"{at['threshold']:.3f}",
                        f"{at['accuracy']:.1%}",
                        f"{at['contamination']:.1%}",
                    )
                )
                for at in found["route"]["at"]
            ),
        ]
    return lines


def stranger_lines(found: dict[str, Any]) -> list[str]:
    """What becomes of photographs of no waste; empty where there were none."""
    if not found:
        return []
    head = ("no waste", "n", "rejected", "sold as recyclable", "sold without the energy's limit")
    names = ("rejected", "sold", "sold_without_limit")
    rows = {**found["kinds"], "**all**": found["all"]}
    left_out = ["", f"Files that show nothing and are left out: {found['unreadable']}."] if found["unreadable"] else []
    return [
        "",
        "Photographs of what is no waste, int8, as the device takes them:",
        "",
        row(head),
        rule(len(head)),
        *(row((kind, shares["n"], *(f"{shares[name]:.1%}" for name in names))) for kind, shares in rows.items()),
        *left_out,
    ]


def _agreement_lines(found: dict[str, Any]) -> list[str]:
    if not found:
        return []
    lines = [
        "",
        f"Float against int8 on the same {found['n']} test photographs: same label {found['same_label']:.1%}, "
        f"same route {found['same_route']:.1%}; logits differ by {found['mean_logit_difference']:.3f} on average "
        f"and by at most {found['largest_logit_difference']:.2f}.",
    ]
    flips = found["flips"]
    if flips:
        lines += ["", row(("photograph", "true", "float", "int8", "route")), rule(5)]
        lines += [
            row(
                (
                    flip["file"],
                    flip["true"],
                    flip["float"],
                    flip["int8"],
                    "changed" if flip["is_route_changed"] else "same",
                )
            )
            for flip in flips[:SHOWN_FLIPS]
        ]
    if len(flips) > SHOWN_FLIPS:
        lines.append(row((f"and {len(flips) - SHOWN_FLIPS} more, see metrics.json", "", "", "", "")))
    return lines
