"""Measures a model: float and int8 on the same pictures, the int8 one through the device's own classifier."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.calibrate import seen, temperature
from convert.dataset import Split
from convert.evidence import STREAM
from convert.figures import Answers, figures
from convert.network import to_real
from convert.pictures import Example, augmented, chunks, plain, rendered_examples
from convert.settings import Settings
from convert.split_report import leftovers
from edge.bundle import Bundle
from edge.classify.tflite import TfliteClassifier
from edge.preprocess import resize_rgb

__all__ = ["Evaluation", "Measured", "PictureSet", "agreement", "evaluate", "evaluate_float", "float_input", "measure"]

Say = Callable[[str], None]
_Logits = npt.NDArray[np.float64]
ROUTES = ("recyclable", "residue")
SMALL_SCALE = 0.1
"""A first layer that rescales by less than this takes grey levels 0..255."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Logits of one set of pictures.

    Attributes:
        targets: (N,) index of the true label.
        int8: (N, labels) real logits of the int8 model.
        floating: the same of the float model, or None where there was none to ask.
    """

    targets: npt.NDArray[np.int64]
    int8: _Logits
    floating: _Logits | None


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures with their names.

    Attributes:
        files: a name each: the photograph's file, or a number of a simulated item.
        groups: those of a group are no independent evidence.
    """

    examples: list[Example]
    files: list[str]
    groups: list[str]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        metrics: {set: {"int8": figures, "float": figures, "agreement": ...}}, ready for JSON.
        rows: what each model said to each picture, ready for JSON Lines.
        answers: by set, of the model that `metrics` is about: int8 where there is one.
        by_kind: by set and kind.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Answers] = field(default_factory=dict)
    by_kind: dict[str, dict[str, Answers]] = field(default_factory=dict)


def measure(
    bundle: Bundle, classifier: TfliteClassifier, examples: Sequence[Example], float_model: Any | None
) -> Measured:
    """Run both models over the same examples; the int8 one through the device's preprocessing and interpreter."""
    targets = np.array([bundle.labels.index(example.label) for example in examples])
    source = bundle.manifest.input
    raw: list[list[int]] = []
    floats: list[npt.NDArray[Any]] = []
    waiting: list[npt.NDArray[np.uint8]] = []
    for number, example in enumerate(examples):
        image = example.draw()
        raw.append(classifier.logits(image))
        if float_model is None:
            continue
        waiting.append(resize_rgb(image, *source.shape[1:3], source.resize))
        if len(waiting) == 64 or number == len(examples) - 1:
            floats.append(np.asarray(float_model.predict_on_batch(float_input(float_model, np.stack(waiting)))))
            waiting = []
    output = bundle.manifest.output
    int8 = (np.array(raw, np.float64) - output.zero_point) * output.scale
    return Measured(targets, int8, np.concatenate(floats).astype(np.float64) if floats else None)


def float_input(model: Any, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What a Keras model takes: -1..1, or 0..255 where its first layer rescales grey levels itself.

    Args:
        pixels: (N, side, side, 3) uint8 RGB.
    Returns: (N, side, side, 3) float32.
    """
    first = next((layer for layer in model.layers if type(layer).__name__ != "InputLayer"), None)
    takes_pixels = type(first).__name__ == "Rescaling" and float(np.max(getattr(first, "scale", 1.0))) < SMALL_SCALE
    return pixels.astype(np.float32) if takes_pixels else to_real(pixels)


def evaluate(
    root: Path,
    split: Split,
    bundle: Bundle,
    float_model: Any | None,
    settings: Settings,
    say: Say,
) -> Evaluation:
    """Measure on the test photographs, the validation photographs and held-out simulated items.

    Args:
        bundle: its temperature is used for both models.
        settings: of the training; the simulated items come from a stream that training never saw.
    """
    classifier = TfliteClassifier(bundle, runtime="litert", threads=1)
    found = Evaluation()
    for name, pictures in _picture_sets(root, split, settings).items():
        measured = measure(bundle, classifier, pictures.examples, float_model)
        logits = {"int8": measured.int8}
        if measured.floating is not None:
            logits["float"] = measured.floating
        calibration = (bundle.manifest.temperature, bundle.manifest.thresholds)
        answers = {
            kind: Answers.of(measured.targets, values, pictures.groups, bundle.labels, settings.residue, *calibration)
            for kind, values in logits.items()
        }
        _record(found, name, pictures, answers, logits, settings.seed, say)
        if measured.floating is not None:
            same = agreement(pictures.files, answers["float"], answers["int8"], logits["float"], logits["int8"])
            found.metrics[name]["same_label"] = same["same_label"]
            found.metrics[name]["agreement"] = same
    _record_apart(found, split, settings.seed)
    return found


def evaluate_float(root: Path, split: Split, float_model: Any, settings: Settings, say: Say) -> Evaluation:
    """Measure a float model alone, at the temperature that suits its validation photographs as they are and bent."""
    side = int(float_model.input_shape[1])
    found = Evaluation()
    sets = _picture_sets(root, split, settings)
    targets = {
        name: np.array([split.labels.index(example.label) for example in pictures.examples])
        for name, pictures in sets.items()
    }

    def logits_of(examples: Sequence[Example]) -> _Logits:
        parts = [float_model.predict_on_batch(float_input(float_model, pixels)) for pixels in chunks(examples, side)]
        return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])

    logits = {name: logits_of(pictures.examples) for name, pictures in sets.items()}
    at = 1.0
    if "val" in logits:
        bent = logits_of(augmented(root, split.part("val"), settings.seed, STREAM))
        at = temperature(*seen(logits["val"], bent, targets["val"]))
    for name, pictures in sets.items():
        answers = Answers.of(targets[name], logits[name], pictures.groups, split.labels, settings.residue, at, None)
        _record(found, name, pictures, {"float": answers}, {"float": logits[name]}, settings.seed, say)
    _record_apart(found, split, settings.seed)
    found.metrics["temperature"] = at
    return found


def _picture_sets(root: Path, split: Split, settings: Settings) -> dict[str, PictureSet]:
    sets = {}
    for part in ("test", "val"):
        photos = split.part("test" if part == "test" else "val")
        sets[part] = PictureSet(
            plain(root, photos), [photo.file for photo in photos], [photo.group for photo in photos]
        )
    simulated = rendered_examples(split.labels, settings.rendered_test, settings.seed, "test", is_degraded=False)
    names = [f"rendered/{number:04d}" for number in range(len(simulated))]
    sets["rendered"] = PictureSet(simulated, names, names)
    return {name: pictures for name, pictures in sets.items() if pictures.examples}


def _record(
    found: Evaluation,
    name: str,
    pictures: PictureSet,
    answers: dict[str, Answers],
    logits: dict[str, _Logits],
    seed: int,
    say: Say,
) -> None:
    found.metrics[name] = {kind: figures(given, seed) for kind, given in answers.items()}
    found.rows.extend(_rows(name, pictures, answers, logits))
    leading = next(iter(answers))
    found.answers[name] = answers[leading]
    found.by_kind[name] = answers
    say(f"{name}: {_line(found.metrics[name][leading])}")


def _record_apart(found: Evaluation, split: Split, seed: int) -> None:
    """The test photographs once more, without those that a photograph of another part has a neighbouring number with.

    Neighbours may show one object, from which no likeness of pictures tells when it was turned or crushed.
    """
    near = {file for pair in leftovers(split) for file in pair}
    is_apart = np.array([photo.file not in near for photo in split.part("test")])
    if not is_apart.any() or is_apart.all():
        return
    found.metrics["apart"] = {
        kind: figures(answers.some(is_apart), seed) for kind, answers in found.by_kind["test"].items()
    }


def _rows(
    name: str, pictures: PictureSet, answers: dict[str, Answers], logits: dict[str, _Logits]
) -> Iterable[dict[str, Any]]:
    for place, (example, file, group) in enumerate(
        zip(pictures.examples, pictures.files, pictures.groups, strict=True)
    ):
        row: dict[str, Any] = {"set": name, "file": file, "group": group, "true": example.label}
        for kind, given in answers.items():
            row[kind] = {
                "label": given.labels[given.guess[place]],
                "route": ROUTES[int(given.mass[place] > 0.5)],
                "confidence": round(float(given.confidence[place]), 4),
                "residue": round(float(given.mass[place]), 4),
                "logits": np.round(logits[kind][place], 4).tolist(),
            }
        yield row


def agreement(
    files: Sequence[str], floating: Answers, int8: Answers, float_logits: _Logits, int8_logits: _Logits
) -> dict[str, Any]:
    """Where the float and the int8 model differ, image by image.

    Args:
        files: N names.
        float_logits, int8_logits: (N, labels) real logits.
    Returns: shares with the same label and route, every flip of a label or route, and the mean and largest
        difference of a logit; ready for JSON.
    """
    same_label = floating.guess == int8.guess
    same_route = (floating.mass > 0.5) == (int8.mass > 0.5)
    apart = np.abs(float_logits - int8_logits)
    return {
        "n": len(files),
        "same_label": round(float(same_label.mean()), 4),
        "same_route": round(float(same_route.mean()), 4),
        "largest_logit_difference": round(float(apart.max()), 4),
        "mean_logit_difference": round(float(apart.mean()), 4),
        "flips": [
            {
                "file": files[place],
                "true": int8.labels[int8.truth[place]],
                "float": int8.labels[floating.guess[place]],
                "int8": int8.labels[int8.guess[place]],
                "is_route_changed": not bool(same_route[place]),
            }
            for place in np.flatnonzero(~(same_label & same_route))
        ],
    }


def _line(scores: dict[str, Any]) -> str:
    text = (
        f"n {scores['n']}, {len(scores['labels'])} labels {scores['accuracy']:.1%}, macro-F1 {scores['macro_f1']:.3f}"
    )
    binary = scores["binary"]
    if binary:
        text += (
            f"; route {binary['accuracy']:.1%}, macro-F1 {binary['macro_f1']:.3f}, "
            f"residue recall {binary['residue_recall']:.2f} of {binary['residue_n']}"
        )
    return text
