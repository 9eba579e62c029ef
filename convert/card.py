"""CARD.md: what a bundle is, for people."""

from typing import Any

from convert.evaluate import markdown
from convert.package import Parts

__all__ = ["card"]


def card(parts: Parts) -> str:
    """The text of CARD.md, from the parts of a bundle."""
    settings = parts.training["settings"]
    photographs = parts.data["photographs"]
    total = sum(sum(counts.values()) for counts in photographs.values())
    rendered_test = parts.metrics.get("rendered", {}).get("int8", {}).get("n", 0)
    weights = parts.training.get("weights")
    is_trashnet = parts.data.get("source") == "TrashNet"
    origin = " (TrashNet, MIT licence, re-encoded at JPEG quality 82)" if is_trashnet else ""
    residue = ", ".join(settings["residue"])
    shares = ", ".join(f"{part} {sum(counts.values())}" for part, counts in photographs.items())
    sections = [
        f"# {parts.name} {parts.version}",
        f"""\
Names the material of one item on a sorter's tray: {", ".join(parts.labels)}. Residue: {residue}; everything else is
recyclable. MobileNetV2 {settings["alpha"]}, {settings["side_px"]} x {settings["side_px"]} RGB, full int8 with a scale
for every output channel, {len(parts.model) / 1e6:.1f} MB, logits out.""",
        "## Data",
        f"""\
{total} photographs in {len(parts.labels)} classes{origin}, split by
blocks of ten neighbouring numbers so that no block stands in two parts: {shares}. Neighbouring blocks can still show
the same object at their border: a few test photographs may show an object that was trained on, and the figures may be
a little too good for it. Digest of the data
`{parts.data["digest_sha256"]}`.""",
        f"""\
Mixed into training: {settings["rendered"]} rendered items a pass on rendered trays, drawn by `edge.render` as the
simulated camera draws them, so that what the simulation shows is classified and not scripted. Rendered items say
nothing about real waste.""",
        _weights_line(weights),
        "## Figures",
        markdown(parts.metrics).rstrip(),
        f"""\
The {rendered_test} rendered items of the check were drawn from random numbers that training never used, but by
`edge.render` like those of training (as it stood when measured).
All figures are of single pictures; the device votes over several frames.""",
        *_scene_lines(parts.metrics.get("scenes", {})),
        "## Calibration",
        f"""\
Temperature {parts.temperature}; a route is confident from a mean probability of {parts.thresholds.confidence} and a
margin of {parts.thresholds.margin}, both from the validation photographs.
{_calibration_line(parts.metrics.get("calibration"))}""".rstrip(),
        "## Limits",
        """\
One item at a time, on a plain tray, seen from above in even light. What belongs to none of its classes, the model puts
into one of them all the same.""",
        *([_TRASHNET_LIMITS] if is_trashnet else []),
        "## Made by",
        f"""\
`{parts.training.get("command", "edge-convert")}` on {parts.training["utc_date"]}, seed {settings["seed"]}. All
settings, the history of the training and the versions of the packages stand in `manifest.json`. The golden images are
rendered, not photographed.""",
        _licence_line(weights, is_trashnet),
    ]
    return "\n\n".join(sections) + "\n"


_TRASHNET_LIMITS = """\
The photographs show a few hundred objects against a light ground; residue is the smallest class, so its recall is
known only roughly (see n). Batteries, food and electronics are in no class."""


def _weights_line(weights: dict[str, Any] | None) -> str:
    if weights is None:
        return "Training started from random weights."
    digest = f"SHA-256 `{weights['sha256']}`" if weights["sha256"] else "fetched by Keras, no hash recorded"
    return (
        "Training started from ImageNet weights of MobileNetV2 (layout of Keras applications, Apache-2.0): "
        f"`{weights['file']}`, {digest}."
    )


def _calibration_line(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    line = (
        f"At these thresholds {found['accepted']:.1%} of the {found['n']} are confident, one picture at a time, and "
        f"{found['accepted_accuracy']:.1%} of the confident are routed right"
    )
    if found["is_wanted_accuracy_reached"]:
        return f"{line} (wanted: {found['wanted_accuracy']:.0%})."
    return f"{line}. **The wanted {found['wanted_accuracy']:.0%} was reached at no threshold that was tried.**"


def _licence_line(weights: dict[str, Any] | None, is_trashnet: bool) -> str:
    model = "model Apache-2.0 (as the weights)" if weights else "no foreign weights are in the model"
    if is_trashnet:
        return f"Licences: {model}; training photographs MIT (TrashNet, Gary Thung and Mindy Yang)."
    return (
        f"Licences: {model}; origin and licence of the training photographs are for whoever supplied them to state; "
        "nothing is claimed about them here."
    )


def _scene_lines(scenes: dict[str, Any]) -> list[str]:
    if not scenes:
        return []
    lines = [
        "| video | photographs of the items | items routed right | frames | frames routed right | labels right |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in scenes.items():
        for part, row in found.items():
            if part == "wrong" or not row["items"]:
                continue
            lines.append(
                f"| {name} | {part} | {row['items_routed_right']} of {row['items']} | {row['frames']} | "
                f"{row['route_right']:.1%} | {row['label_right']:.1%} |"
            )
    return [
        "Tray videos composed from the photographs, frames at rest; only the rows `test` show unseen photographs:",
        "\n".join(lines),
    ]
