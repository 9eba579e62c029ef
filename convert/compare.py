"""Two bundles on the same photographs, each through the runtime's own classifier.

Labels are compared where both bundles name the same ones and the photographs have no others; the order may differ.
Otherwise only the route (recyclable or residue) is compared, for it means the same whatever the labels are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.choices import Which
from convert.paired import Pair, exact_mcnemar, flips, paired_figures, time_ratio
from convert.picture_sets import Picture, Pictures
from convert.provenance import are_unseen
from convert.scores import device_routes, device_scores, residue_mass
from edge.bundle import Bundle, load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import ConfigError
from edge.records import BgrImage, Prediction

__all__ = ["changes", "compare"]

ROUTES = ("recyclable", "residue")
PROGRESS = 500
"""Pictures between two lines of progress."""
_NOT_COMPARED = {"golden", "training", "metrics"}
_Float = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Answers:
    """What one bundle said to the pictures: (N, labels) probabilities, (N,) energies, (N,) seconds."""

    probabilities: _Float
    energy: _Float
    times_s: _Float


def compare(
    first: Path, second: Path, pictures: Pictures, residue: Sequence[str], seed: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Show both bundles the same pictures and say what differs.

    Args:
        first, second: folders of the bundles, A and B.
        residue: labels that are not recyclable.
        seed: of the resamples behind the intervals.
    Returns: what `comparison.markdown` prints, ready for JSON; the fields are those of the README.
    Raises: BundleError if a device would refuse a bundle; ConfigError if the two have nothing to be compared on.
    """
    bundles = load_bundle(first), load_bundle(second)
    labels = _common_labels(bundles, pictures, residue)
    notes = [] if labels else [_why_routes_only(bundles, pictures)]
    say(f"{len(pictures.all)} {pictures.title}")
    shown, answers = _ask(bundles, pictures, say, notes)
    names = sorted({picture.label for picture in shown})
    strata = np.array([names.index(picture.label) for picture in shown])
    groups = [picture.group for picture in shown]
    is_residue = np.array([int(picture.label in residue) for picture in shown])
    asked = list(zip(bundles, answers, strict=True))
    routes = Pair(is_residue, *(_routes(bundle, answer, residue) for bundle, answer in asked), classes=2)
    sent = Pair(is_residue, *(_sent(bundle, answer, residue) for bundle, answer in asked), classes=2)
    guesses = [[bundle.labels[place] for place in answer.probabilities.argmax(axis=1)] for bundle, answer in asked]
    of_labels = _label_pair(labels, [picture.label for picture in shown], guesses) if labels else None
    return {
        "pictures": {
            "are": pictures.title,
            "n": len(shown),
            "groups": len(set(groups)),
            "labels": {name: int((strata == place).sum()) for place, name in enumerate(names)},
        },
        "basis": "labels and routes" if labels else "routes",
        "bundles": {
            which: {
                "folder": bundle.folder.name,
                "name": bundle.id.name,
                "version": bundle.id.version,
                "sha256": bundle.id.sha256,
                "are_pictures_unseen": _is_unseen(bundle, pictures),
            }
            for which, bundle in zip("ab", bundles, strict=True)
        },
        "figures": paired_figures(of_labels, routes, groups, strata, seed),
        "mcnemar": {
            name: _mcnemar(pair)
            for name, pair in (("labels", of_labels), ("routes", routes), ("device_routes", sent))
            if pair is not None
        },
        "device": {which: _device(is_residue, one, residue) for which, one in zip("ab", asked, strict=True)},
        "flips": _flipped(shown, guesses, of_labels, routes, sent),
        "time": time_ratio(*(answer.times_s for answer in answers)),
        "manifest": changes(*bundles),
        "notes": [*notes, *_notes(bundles, pictures)],
    }


def _common_labels(
    bundles: tuple[Bundle, Bundle], pictures: Pictures, residue: Sequence[str]
) -> tuple[str, ...] | None:
    """The labels of both, or None where only routes can be compared."""
    for bundle in bundles:
        if not set(bundle.labels) & set(residue) or set(bundle.labels) <= set(residue):
            raise ConfigError(
                f"of the labels {', '.join(bundle.labels)} of {bundle.folder} none or all are residue "
                f"({', '.join(residue)}), so that it has one route only; pass --residue LABEL"
            )
    known = {label for bundle in bundles for label in bundle.labels} | set(residue)
    strange = sorted({picture.label for picture in pictures.all} - known)
    if strange:
        raise ConfigError(
            f"the photographs have labels that neither bundle knows ({', '.join(strange)}), so that their route is "
            "unknown; leave these folders out, or pass --residue LABEL"
        )
    of_a, of_b = (set(bundle.labels) for bundle in bundles)
    is_common = of_a == of_b and {picture.label for picture in pictures.all} <= of_a
    return bundles[0].labels if is_common else None


def _why_routes_only(bundles: tuple[Bundle, Bundle], pictures: Pictures) -> str:
    of_a, of_b = (set(bundle.labels) for bundle in bundles)
    if of_a != of_b:
        return f"only routes are compared, for the labels differ: {', '.join(sorted(of_a ^ of_b))} in one bundle only"
    extra = sorted({picture.label for picture in pictures.all} - of_a)
    return f"only routes are compared, for the bundles do not know the photographs' label {', '.join(extra)}"


def _ask(
    bundles: tuple[Bundle, Bundle], pictures: Pictures, say: Callable[[str], None], notes: list[str]
) -> tuple[list[Picture], list[_Answers]]:
    """Both classifiers on every picture, taking turns, so that the processor's pace is the same for both.

    Returns: pictures that could be read, and the answers of each.
    """
    classifiers = [TfliteClassifier(bundle, runtime="litert", threads=1) for bundle in bundles]
    shown: list[Picture] = []
    predictions: tuple[list[Prediction], list[Prediction]] = ([], [])
    unreadable = []
    for number, (picture, image) in enumerate(_images(pictures)):
        if number and number % PROGRESS == 0:
            say(f"{number} of {len(pictures.all)}")
        if image is None:
            unreadable.append(picture.file)
            continue
        shown.append(picture)
        for turn in (0, 1) if len(shown) % 2 else (1, 0):
            predictions[turn].append(classifiers[turn].classify(image))
    if not shown:
        raise ConfigError(f"none of the {len(pictures.all)} {pictures.title} can be read; check the folder")
    if unreadable:
        notes.append(f"left out, for they cannot be read: {', '.join(unreadable)}")
    return shown, [
        _Answers(
            np.array([one.probabilities for one in of_bundle]),
            np.array([one.energy for one in of_bundle]),
            np.array([one.elapsed_s for one in of_bundle]),
        )
        for of_bundle in predictions
    ]


def _images(pictures: Pictures) -> Iterator[tuple[Picture, BgrImage | None]]:
    for picture in pictures.all:
        yield picture, picture.read()


def _routes(bundle: Bundle, answer: _Answers, residue: Sequence[str]) -> npt.NDArray[np.int64]:
    """1 where the probability of all residue labels together is more than half."""
    return np.asarray(residue_mass(answer.probabilities, bundle.labels, residue) > 0.5, dtype=np.int64)


def _sent(bundle: Bundle, answer: _Answers, residue: Sequence[str]) -> npt.NDArray[np.int64]:
    """1 where the device sends a single picture to residue, by the bundle's own thresholds."""
    mass = residue_mass(answer.probabilities, bundle.labels, residue)
    return device_routes(mass, bundle.manifest.thresholds, answer.energy)[0].astype(np.int64)


def _device(
    is_residue: npt.NDArray[np.int64], asked: tuple[Bundle, _Answers], residue: Sequence[str]
) -> dict[str, Any]:
    """`device_scores` of a bundle, whatever its labels are."""
    bundle, answer = asked
    mass = residue_mass(answer.probabilities, bundle.labels, residue)
    by_route = np.stack([1 - mass, mass], axis=1)
    thresholds = bundle.manifest.thresholds
    return device_scores(is_residue, by_route, ROUTES, ROUTES[1:], thresholds, answer.energy)


def _label_pair(labels: tuple[str, ...], truth: Sequence[str], guesses: Sequence[Sequence[str]]) -> Pair:
    columns = (np.array([labels.index(name) for name in column]) for column in (truth, *guesses))
    return Pair(*columns, classes=len(labels))


def _mcnemar(pair: Pair) -> dict[str, Any]:
    worse, better = flips(pair)
    return {"right_to_wrong": worse, "wrong_to_right": better, "p": float(f"{exact_mcnemar(worse, better):.3g}")}


def _flipped(
    shown: Sequence[Picture], guesses: Sequence[Sequence[str]], labels: Pair | None, routes: Pair, sent: Pair
) -> list[dict[str, Any]]:
    """Pictures that the two name, route, or send by their thresholds, differently; what became wrong first."""
    found = []
    for place, picture in enumerate(shown):
        routed = int(routes.first[place]), int(routes.second[place])
        named = guesses[0][place], guesses[1][place]
        taken = int(sent.first[place]), int(sent.second[place])
        is_named_alike = labels is None or named[0] == named[1]
        if is_named_alike and routed[0] == routed[1] and taken[0] == taken[1]:
            continue
        found.append(
            {
                "file": picture.file,
                "true": picture.label,
                "a": named[0],
                "b": named[1],
                "label_change": None if labels is None else _change(labels, place),
                "a_route": ROUTES[routed[0]],
                "b_route": ROUTES[routed[1]],
                "route_change": _change(routes, place),
                "a_device_route": ROUTES[taken[0]],
                "b_device_route": ROUTES[taken[1]],
                "device_route_change": _change(sent, place),
            }
        )
    order = {"right to wrong": 0, "wrong to right": 1, "wrong to wrong": 2, None: 3}
    kinds = ("label_change", "route_change", "device_route_change")
    found.sort(key=lambda row: (min(order[row[kind]] for kind in kinds), row["file"]))
    return found


def _change(pair: Pair, place: int) -> str | None:
    first, second, truth = pair.first[place], pair.second[place], pair.truth[place]
    if first == second:
        return None
    return f"{'right' if first == truth else 'wrong'} to {'right' if second == truth else 'wrong'}"


def changes(first: Bundle, second: Bundle) -> dict[str, dict[str, Any]]:
    """Fields of the manifest that differ, and the model's size: {dotted name: {a, b}}, None where one lacks it.

    Golden images, training history and figures are left out: they differ between any two trainings.
    """
    rows = []
    for bundle in (first, second):
        fields = bundle.manifest.model_dump(mode="json", by_alias=True, exclude=_NOT_COMPARED)
        rows.append({**_flat(fields, ""), "model_bytes": len(bundle.model)})
    a, b = rows
    names = dict.fromkeys([*a, *b])
    return {name: {"a": a.get(name), "b": b.get(name)} for name in names if a.get(name) != b.get(name)}


def _flat(fields: dict[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{prefix}{name}."))
        else:
            found[prefix + name] = value
    return found


def _is_unseen(bundle: Bundle, pictures: Pictures) -> bool | None:
    """True if the bundle was surely not trained on these; None if nobody can know."""
    if pictures.split is None:
        return None
    return pictures.part is not Which.ALL and are_unseen(bundle, pictures.split)


def _notes(bundles: tuple[Bundle, Bundle], pictures: Pictures) -> list[str]:
    notes = []
    if bundles[0].id.sha256 == bundles[1].id.sha256:
        notes.append(
            "the model files are the same, byte for byte: only the manifests' temperature, labels and thresholds can "
            "make a difference"
        )
    if pictures.part is Which.ALL:
        notes.append("the photographs that training used are among these: the figures are no estimate for new ones")
    if pictures.part is Which.VAL:
        notes.append(
            "epochs, temperatures and thresholds were chosen on these photographs: the figures are a little too good"
        )
    if pictures.split is None:
        notes.append("nothing tells whether a bundle was trained on some of these photographs")
        return notes
    for which, bundle in zip("AB", bundles, strict=True):
        if not are_unseen(bundle, pictures.split):
            notes.append(
                f"{which} ({bundle.folder.name}) was not made from this split: some of these photographs may have been "
                "in its training, which flatters it"
            )
    return notes
