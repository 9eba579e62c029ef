"""What a bundle answers to a folder of pictures; the same code on the host and on the emulated Pi."""

from pathlib import Path
from typing import Any


def outputs(classifier: Any, pictures: Path) -> dict[str, list[int]]:
    """The raw int8 logits for each PNG file of a folder, by its name."""
    return {name: classifier.logits(image) for name, image in read_pictures(pictures).items()}


def tensors(classifier: Any, pictures: Path) -> dict[str, Any]:
    """The input tensor that each PNG file of a folder becomes, by its name."""
    return {name: classifier.prepare(image) for name, image in read_pictures(pictures).items()}


def open_classifier(bundle: Path) -> Any:
    from edge.bundle import load_bundle
    from edge.classify.tflite import TfliteClassifier

    return TfliteClassifier(load_bundle(bundle), "litert")


def read_pictures(folder: Path) -> dict[str, Any]:
    import cv2

    return {path.name: cv2.imread(str(path)) for path in sorted(folder.glob("*.png"))}
