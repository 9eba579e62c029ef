"""The comparison of two bundles as Markdown."""

from typing import Any

__all__ = ["markdown"]

_FIGURES = {
    "accuracy": "labels right",
    "macro_f1": "macro-F1",
    "route_accuracy": "route right",
    "route_macro_f1": "route macro-F1",
    "residue_recall": "residue recall",
}
_PAIRS = {"labels": "labels", "routes": "routes", "device_routes": "routes by thresholds"}
_DEVICE = {
    "accuracy": "route right",
    "contamination": "residue in the recyclable bin",
    "residue_recall": "residue that reaches its bin",
    "recyclables_lost": "recyclables lost to residue",
    "uncertain": "below the thresholds",
}
_UNSEEN = {True: "no", False: "perhaps", None: "unknown"}
SHOWN = 40
"""Flipped pictures in the table; JSON holds all."""


def markdown(result: dict[str, Any]) -> str:
    """What `compare` returned, for people."""
    a, b, pictures = result["bundles"]["a"], result["bundles"]["b"], result["pictures"]
    lines = [
        f"{pictures['n']} {pictures['are']}, in {pictures['groups']} groups of neighbours.",
        "",
        "| | bundle | version | model | trained on these pictures |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {which} | {row['name']} (`{row['folder']}`) | {row['version']} | `{row['sha256'][:12]}` "
            f"| {_UNSEEN[row['are_pictures_unseen']]} |"
            for which, row in (("A", a), ("B", b))
        ),
        "",
        *[f"- {note}" for note in result["notes"]],
        *([""] if result["notes"] else []),
        "| figure | A | B | B - A | 95 % interval |",
        "| --- | --- | --- | --- | --- |",
        *(_figure_line(_FIGURES[name], row) for name, row in result["figures"].items()),
        "",
        "The interval is a paired bootstrap by groups of neighbours.",
        "",
        "| McNemar, exact | right to wrong | wrong to right | p |",
        "| --- | --- | --- | --- |",
        *(
            f"| {_PAIRS[name]} | {row['right_to_wrong']} | {row['wrong_to_right']} | {row['p']:.3g} |"
            for name, row in result["mcnemar"].items()
        ),
        "",
        "McNemar takes pictures for independent; where several show one object, p is too small.",
        "",
        "| single pictures, by each bundle's own thresholds | A | B |",
        "| --- | --- | --- |",
        *(
            f"| {title} | {result['device']['a'][name]:.3f} | {result['device']['b'][name]:.3f} |"
            for name, title in _DEVICE.items()
        ),
        "",
        _time_line(result["time"]),
        *_flip_lines(result),
        *_change_lines(result["manifest"]),
    ]
    return "\n".join(lines) + "\n"


def _figure_line(title: str, row: dict[str, float | None]) -> str:
    if row["difference"] is None:
        return f"| {title} | – | – | – | – |"
    limits = "–" if row["low"] is None else f"{row['low']:+.3f} to {row['high']:+.3f}"
    return f"| {title} | {row['a']:.3f} | {row['b']:.3f} | {row['difference']:+.3f} | {limits} |"


def _time_line(time: dict[str, float]) -> str:
    return (
        f"Median time of a picture here, taking turns: A {time['a_ms']:.2f} ms, B {time['b_ms']:.2f} ms; B takes "
        f"{time['ratio']:.2f} times as long as A ({time['low']:.2f} to {time['high']:.2f})."
    )


def _flip_lines(result: dict[str, Any]) -> list[str]:
    flips = result["flips"]
    if not flips:
        return ["", "No picture flipped."]
    rows = [
        f"| {row['file']} | {row['true']} | {row['a']} | {row['b']} | {row['label_change'] or '–'} "
        f"| {_route(row, '')} | {_route(row, 'device_')} |"
        for row in flips[:SHOWN]
    ]
    rest = [] if len(flips) <= SHOWN else ["", f"{len(flips) - SHOWN} more; --json lists all."]
    return [
        "",
        f"{len(flips)} pictures flipped:",
        "",
        "| picture | true | A | B | label | route | route by thresholds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        *rest,
    ]


def _route(row: dict[str, Any], which: str) -> str:
    change = row[f"{which}route_change"]
    return "the same" if change is None else f"{row[f'a_{which}route']} to {row[f'b_{which}route']} ({change})"


def _change_lines(changed: dict[str, dict[str, Any]]) -> list[str]:
    if not changed:
        return ["", "The manifests say the same."]
    return [
        "",
        "| manifest | A | B |",
        "| --- | --- | --- |",
        *(f"| {name} | {_short(row['a'])} | {_short(row['b'])} |" for name, row in changed.items()),
    ]


def _short(value: Any) -> str:
    text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    text = "–" if value is None else text.replace("|", "\\|")
    return text if len(text) <= 60 else f"{text[:59]}…"
