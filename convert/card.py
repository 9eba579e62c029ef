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
{total} photographs in {len(parts.labels)} classes (TrashNet, MIT licence, re-encoded at JPEG quality 82), split by
blocks of ten neighbouring numbers so that no block stands in two parts: {shares}. Digest of the data
`{parts.data["digest_sha256"]}`.""",
        f"""\
Mixed into training: {settings["rendered"]} rendered items a pass on rendered trays, drawn by `edge.render` as the
simulated camera draws them, so that what the simulation shows is classified and not scripted. Rendered items say
nothing about real waste.""",
        "Training started from the ImageNet weights of MobileNetV2 (Keras applications, Apache-2.0).",
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
margin of {parts.thresholds.margin}, both from the validation photographs.""",
        "## Limits",
        """\
One item at a time, on a plain tray, seen from above in even light. The photographs show a few hundred objects against
a light ground; residue is the smallest class, so its recall is known only roughly (see n). The model knows no
batteries, food or electronics and puts them into one of its classes.""",
        "## Made by",
        f"""\
`{parts.training.get("command", "edge-convert")}` on {parts.training["utc_date"]}, seed {settings["seed"]}. All
settings, the history of the training and the versions of the packages stand in `manifest.json`. The golden images are
rendered, not photographed.""",
        "Licences: model Apache-2.0 (as the weights); training photographs MIT (TrashNet, Gary Thung and Mindy Yang).",
    ]
    return "\n\n".join(sections) + "\n"


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
