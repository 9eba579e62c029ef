"""CARD.md: what a bundle is, for people."""

import math
from typing import Any

from convert.calibrate import describe
from convert.package import Parts
from convert.provenance import trainings_in
from convert.tables import markdown, row, rule
from edge.bundle import Frames

__all__ = ["card"]

_FAMILIES = {"mobilenet_v2": "MobileNetV2", "vgg16": "VGG16", "xception": "Xception", "cnn": "plain CNN"}


def card(parts: Parts) -> str:
    """The text of CARD.md, from the parts of a bundle."""
    settings = parts.training["settings"]
    photographs = parts.data["photographs"]
    total = sum(sum(counts.values()) for counts in photographs.values())
    weights = parts.training.get("weights")
    is_trashnet = parts.data.get("source") == "TrashNet"
    origin = " (TrashNet, MIT licence, re-encoded at JPEG quality 82)" if is_trashnet else ""
    residue = ", ".join(settings["residue"])
    shares = ", ".join(f"{part} {sum(counts.values())}" for part, counts in photographs.items())
    sections = [
        f"# {parts.name} {parts.version}",
        f"""\
Names the material of one item on a sorter's tray: {", ".join(parts.labels)}. Residue: {residue}; everything else is
recyclable. {_network(parts)}, {settings["side_px"]} x {settings["side_px"]} RGB, full int8 with a scale
for every output channel, {len(parts.model) / 1e6:.1f} MB, logits out.""",
        "## Data",
        f"""\
{total} photographs in {len(parts.labels)} classes{origin}, split by
groups so that no group stands in two parts: {shares}. A group holds photographs with neighbouring numbers; the whole
rule stands in `manifest.json`. It knows numbers and looks, not objects: a few test photographs may show an object
that was trained on, and the figures may be a little too good for it. Digest of the data
`{parts.data["digest_sha256"]}`.""",
        *_drawn_lines(settings),
        _weights_line(weights, parts),
        "## Figures",
        markdown(parts.metrics).rstrip(),
        *_rendered_lines(parts.metrics),
        "All figures are of single pictures; the device votes over several frames.",
        *_scene_lines(parts.metrics.get("scenes", {})),
        "## Calibration",
        f"""\
Temperature {parts.temperature}; a route is confident from a mean probability of {parts.thresholds.confidence} and a
margin of {parts.thresholds.margin}, both from the validation photographs."""
        + _frames_sentence(parts.thresholds.frames),
        *_calibration_lines(parts.metrics.get("calibration", {})),
        "## Limits",
        "\n".join(f"- {limit}" for limit in _limits(parts, is_trashnet)),
        "## Made by",
        f"""\
`{parts.training.get("command", "edge-convert")}` on {parts.training["utc_date"]}, seed {settings["seed"]}. All
settings, the history of the training and the versions of the packages stand in `manifest.json`. The golden images are
rendered, not photographed.""",
        _licence_line(weights, is_trashnet),
    ]
    return "\n\n".join(sections) + "\n"


def _network(parts: Parts) -> str:
    """Its family and width, as the recipe has them; without one, MobileNetV2."""
    recipe = parts.training.get("recipe")
    plan = recipe.get("network") if isinstance(recipe, dict) else None
    family = plan.get("family", "mobilenet_v2") if isinstance(plan, dict) else "mobilenet_v2"
    return f"{_FAMILIES.get(family, family)} {parts.training['settings']['alpha']}"


def _drawn_lines(settings: dict[str, Any]) -> list[str]:
    lines = []
    if settings["rendered"]:
        lines.append(
            f"""\
Mixed into training: {settings["rendered"]} rendered items a pass on rendered trays, drawn by `edge.render` as the
simulated camera draws them, so that what the simulation shows is classified and not scripted. Rendered items say
nothing about real waste."""
        )
    if settings.get("outliers"):
        lines.append(
            f"""\
Besides {settings["outliers"]} drawn pictures a pass of what is no waste, at which the model learns to be unsure."""
        )
    return lines


def _rendered_lines(metrics: dict[str, Any]) -> list[str]:
    number = metrics.get("rendered", {}).get("int8", {}).get("n", 0)
    if not number:
        return []
    return [
        f"""\
The {number} rendered items of the check were drawn from random numbers that training never used, but by
`edge.render` like those of training (as it stood when measured)."""
    ]


def _weights_line(weights: dict[str, Any] | None, parts: Parts) -> str:
    origin = _origin(parts)
    if weights is None:
        return f"{origin} started from random weights."
    digest = f"SHA-256 `{weights['sha256']}`" if weights["sha256"] else "fetched by Keras, no hash recorded"
    family = _network(parts).rpartition(" ")[0]
    return (
        f"{origin} started from ImageNet weights of {family} (layout of Keras applications, Apache-2.0): "
        f"`{weights['file']}`, {digest}.{_members_line(parts)}"
    )


def _members_line(parts: Parts) -> str:
    """What the weights are the mean of, whether by a recipe's phases or put together afterwards."""
    count = trainings_in(parts.training)
    if count > 1:
        return f" The weights are the mean of {count} trainings that began alike (Wortsman et al., ICML 2022)."
    ends = (parts.training.get("history") or [{}])[-1].get("members", 1)
    if ends > 1:
        return (
            f" The weights are the mean of {ends} states of this training: the best epoch of a phase, and the end of "
            "each phase after it that was averaged (Izmailov et al., UAI 2018)."
        )
    return ""


def _origin(parts: Parts) -> str:
    """What started from the weights: this training, or that of the model whose weights it began with."""
    start, teacher = (parts.training.get(name) for name in ("start_sha256", "teacher_sha256"))
    if start is None:
        return "Training"
    taught = ", and learned from its opinion of every picture" if start == teacher else ""
    return (
        "Training began with the weights of a model that this program had trained on the same split (float model, "
        f"SHA-256 `{start}`){taught}. The training of that one"
    )


def _frames_sentence(frames: Frames | None) -> str:
    if frames is None:
        return ""
    return (
        " Frames of one item at rest differ by a\n"
        f"standard deviation of {frames.log_odds_sd} in the log-odds of a route and of {frames.energy_sd} in energy "
        "(validation photographs in\n"
        f"flickering light before a noisy sensor); the vote ends when an item whose mean lies that far on the wrong "
        f"side\nof a threshold would pass in {frames.alpha:.0%} of the cases, or one on the right side be lost in "
        f"{frames.beta:.0%}."
    )


def _calibration_lines(found: dict[str, Any]) -> list[str]:
    """What the thresholds do, in sentences where they are known, and everything else that is on record as a list."""
    if not found:
        return []
    lines = []
    rest = dict(found)
    if "risk" in found and "energy" in found:
        lines.append(describe(found))
        rest.pop("risk")
        lines += _share_lines(found["risk"].get("bound_at_residue_share", {}))
        lines += _outlier_lines(rest.pop("energy").get("outliers", {}))
    plain = [f"- {_words(name)}: {_value(value)}" for name, value in rest.items() if _is_plain(value)]
    return [*lines, "\n".join(plain)] if plain else lines


def _share_lines(found: Any) -> list[str]:
    """How dirty the recyclable bin is at most where residue is rarer or more frequent than in the photographs."""
    if not isinstance(found, dict) or not all(_is_plain(value) for value in found.values()) or not found:
        return []
    shares = [f"{math.ceil(float(bound) * 1e3) / 1e3:.1%} at {float(share):.0%}" for share, bound in found.items()]
    return [
        f"Where residue has another share of the items, the contamination is at most {', '.join(shares)} of it "
        "(limits of this level alone, not corrected for its choice)."
    ]


def _outlier_lines(found: Any) -> list[str]:
    if not isinstance(found, dict) or not found:
        return []
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    return [
        "What is no waste, drawn, by kind:",
        "\n".join(
            [
                row(("kind", *(_words(name) for name in names))),
                rule(len(names) + 1),
                *(row((kind, *(_value(figures.get(name)) for name in names))) for kind, figures in found.items()),
            ]
        ),
    ]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _words(name: str) -> str:
    return "log loss " + name[4:] if name.startswith("nll_") else name.replace("_", " ")


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _limits(parts: Parts, is_trashnet: bool) -> list[str]:
    limits = ["One item at a time, on a plain tray, seen from above."]
    if parts.thresholds.energy is None:
        limits.append("What belongs to none of its classes, the model puts into one of them all the same.")
    else:
        limits.append(
            "What belongs to none of its classes is rejected only where the energy of its logits is low; the table "
            "above is of drawn pictures, and real strangers may pass more often."
        )
    corrupted = parts.metrics.get("corruptions", {})
    if corrupted:
        worst = sorted(corrupted["kinds"].items(), key=lambda item: item[1]["mean"]["accuracy"])[:2]
        names = " and ".join(f"{kind} ({cells['mean']['accuracy']:.1%} of the labels right)" for kind, cells in worst)
        limits.append(f"Of the corruptions that were tried it bears {names} worst.")
        if parts.training["settings"].get("augmentation") == "field":
            limits.append(
                "Training showed the same kinds of corruption, drawn anew. Others (glare, a dirty lens, something half "
                "hidden) were not tried."
            )
    else:
        limits.append("How it bears bad light, blur, noise and compression was not measured.")
    counts = {label: found["n"] for label, found in _test_labels(parts.metrics).items() if found["n"]}
    if counts:
        fewest = min(counts, key=counts.__getitem__)
        limits.append(
            f"The interval of a label is as wide as its photographs are few: {fewest} has {counts[fewest]} in the test "
            "part. Intervals tell of the choice of photographs, not of another camera, tray or country."
        )
    if is_trashnet:
        limits.append(
            "The photographs show a few hundred objects against a light ground. Batteries, food and electronics are in "
            "no class."
        )
    return limits


def _test_labels(metrics: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = metrics.get("test", {}).get("int8", {}).get("labels", {})
    return found


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
        for part, figures in found.items():
            if part == "wrong" or not figures["items"]:
                continue
            lines.append(
                f"| {name} | {part} | {figures['items_routed_right']} of {figures['items']} | {figures['frames']} | "
                f"{figures['route_right']:.1%} | {figures['label_right']:.1%} |"
            )
    wrong = [f"{name} {file}" for name, found in scenes.items() for file in found["wrong"]]
    return [
        "Tray videos composed from the photographs, frames at rest; only the rows `test` show unseen photographs. The "
        "vote begins 0.2 s after an item came to rest; `edge-sorter run` may begin at another frame and decide "
        "otherwise where it is close:",
        "\n".join(lines),
        *([f"Routed wrong: {', '.join(wrong)}."] if wrong else []),
    ]
