"""Measures a model: float and int8 on the same pictures, the int8 one through the device's own classifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.dataset import Split
from convert.network import to_real
from convert.pictures import Example, plain, rendered_examples
from convert.scores import binary_scores, device_scores, label_scores, softmax
from convert.settings import Settings
from edge.bundle import Bundle
from edge.classify.tflite import TfliteClassifier
from edge.preprocess import resize_rgb

__all__ = ["Measured", "evaluate", "markdown", "measure"]

Say = Callable[[str], None]
_Logits = npt.NDArray[np.float64]


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


def measure(
    bundle: Bundle, classifier: TfliteClassifier, examples: Sequence[Example], float_model: Any | None
) -> Measured:
    """Run both models over the same examples; the int8 one through the device's preprocessing and interpreter."""
    targets = np.array([bundle.labels.index(example.label) for example in examples])
    side = bundle.manifest.input.shape[1]
    raw: list[list[int]] = []
    floats: list[npt.NDArray[Any]] = []
    waiting: list[npt.NDArray[np.uint8]] = []
    for number, example in enumerate(examples):
        image = example.draw()
        raw.append(classifier.logits(image))
        if float_model is None:
            continue
        waiting.append(resize_rgb(image, side, side))
        if len(waiting) == 64 or number == len(examples) - 1:
            floats.append(np.asarray(float_model.predict_on_batch(to_real(np.stack(waiting))), dtype=np.float64))
            waiting = []
    output = bundle.manifest.output
    int8 = (np.array(raw, np.float64) - output.zero_point) * output.scale
    return Measured(targets, int8, np.concatenate(floats) if floats else None)


def evaluate(
    root: Path,
    split: Split,
    bundle: Bundle,
    float_model: Any | None,
    settings: Settings,
    say: Say,
) -> dict[str, Any]:
    """Measure on the test photographs, the validation photographs and held-out simulated items.

    Args:
        bundle: its temperature is used for both models.
        settings: of the training; the simulated items come from a stream that training never saw.
    Returns: {set: {"int8": scores, "float": scores}}, ready for JSON.
    """
    classifier = TfliteClassifier(bundle, runtime="litert", threads=1)
    sets = {
        "test": plain(root, split.part("test")),
        "val": plain(root, split.part("val")),
        "rendered": rendered_examples(split.labels, settings.rendered_test, settings.seed, "test", is_degraded=False),
    }
    result: dict[str, Any] = {}
    for name, examples in sets.items():
        if not examples:
            continue
        found = measure(bundle, classifier, examples, float_model)
        result[name] = {"int8": _scores(found.targets, found.int8, bundle, settings.residue)}
        if found.floating is not None:
            result[name]["float"] = _scores(found.targets, found.floating, bundle, settings.residue)
            agree = found.floating.argmax(axis=1) == found.int8.argmax(axis=1)
            result[name]["same_label"] = round(float(agree.mean()), 4)
        say(f"{name}: {_line(result[name]['int8'])}")
    return result


def _scores(targets: npt.NDArray[np.int64], logits: _Logits, bundle: Bundle, residue: Sequence[str]) -> dict[str, Any]:
    probabilities = softmax(logits, bundle.manifest.temperature)
    scores = label_scores(targets, probabilities.argmax(axis=1), bundle.labels)
    scores["binary"] = binary_scores(targets, probabilities, bundle.labels, residue)
    scores["device"] = device_scores(targets, probabilities, bundle.labels, residue, bundle.manifest.thresholds)
    return scores


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


_SETS = {
    "test": "test photographs (blocks never trained on)",
    "val": "validation photographs",
    "rendered": "simulated items (unseen seeds)",
}
_SETS_PERHAPS_SEEN = {
    **_SETS,
    "test": "photographs of the test part (perhaps trained on)",
    "val": "photographs of the validation part (perhaps trained on)",
}


def _sets(metrics: dict[str, Any]) -> dict[str, str]:
    return _SETS if metrics.get("of", {}).get("are_photographs_unseen", True) else _SETS_PERHAPS_SEEN


def markdown(metrics: dict[str, Any]) -> str:
    """The figures as Markdown tables; photographs that the model may have been trained on are not called unseen."""
    lines = [
        "| pictures | model | n | labels right | macro-F1 | route right | route macro-F1 | residue recall |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, title in _sets(metrics).items():
        for kind in ("float", "int8"):
            scores = metrics.get(name, {}).get(kind)
            if scores is None:
                continue
            binary = scores["binary"]
            route = (
                f"{binary['accuracy']:.1%} | {binary['macro_f1']:.3f} | "
                f"{binary['residue_recall']:.3f} (n {binary['residue_n']})"
                if binary
                else "– | – | –"
            )
            lines.append(
                f"| {title} | {kind} | {scores['n']} | {scores['accuracy']:.1%} | {scores['macro_f1']:.3f} | {route} |"
            )
    lines += _device_lines(metrics)
    test = metrics.get("test", {}).get("int8")
    if test is not None:
        lines += [
            "",
            f"{_sets(metrics)['test'].partition(' (')[0].capitalize()}, int8, by label:",
            "",
            "| label | n | precision | recall |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {label} | {row['n']} | {row['precision']:.3f} | {row['recall']:.3f} |"
            for label, row in test["labels"].items()
        ]
        names = list(test["labels"])
        lines += [
            "",
            "Confusion, a row a true label:",
            "",
            f"| | {' | '.join(names)} |",
            "| --- |" + " --- |" * len(names),
        ]
        lines += [
            f"| **{name}** | {' | '.join(str(count) for count in row)} |"
            for name, row in zip(names, test["confusion"], strict=True)
        ]
    return "\n".join(lines) + "\n"


def _device_lines(metrics: dict[str, Any]) -> list[str]:
    rows = [(title, metrics.get(name, {}).get("int8", {}).get("device")) for name, title in _sets(metrics).items()]
    known = [(title, found) for title, found in rows if found]
    if not known:
        return []
    return [
        "",
        "Routes of single pictures as the device takes them, int8: what is below the thresholds goes to residue.",
        "",
        "| pictures | route right | residue caught | recyclables lost | below the thresholds |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {title} | {found['accuracy']:.1%} | {found['residue_recall']:.1%} | {found['recyclables_lost']:.1%} "
            f"| {found['uncertain']:.1%} |"
            for title, found in known
        ),
    ]
