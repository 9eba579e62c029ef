"""Runs a bundle over what it is calibrated by: validation photographs, further waste, and what is no waste."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convert.calibrate import BENT, Evidence
from convert.dataset import Photo, Split
from convert.frame_noise import shown_again
from convert.outliers import outlier_frame, outlier_plan
from convert.pictures import augmented, plain, rendered_examples
from convert.settings import Settings
from edge.bundle import Bundle
from edge.classify.tflite import TfliteClassifier
from edge.records import BgrImage

__all__ = ["STREAM", "collect"]

STREAM = "calibrate"
"""Of random numbers; neither training, nor its validation, nor an evaluation draws from it."""


def collect(root: Path, split: Split, settings: Settings, bundle: Bundle) -> Evidence:
    """The int8 logits of every validation photograph, as it is and bent once, and of what is drawn beside them.

    Args:
        settings: `rendered_val` simulated items are drawn, and as many outliers.
        root: folder of the class folders.
    """
    classifier = TfliteClassifier(bundle, runtime="litert")
    photos = split.part("val")

    def logits(pictures: Iterable[BgrImage]) -> npt.NDArray[np.float64]:
        output = bundle.manifest.output
        raw = np.array([classifier.logits(picture) for picture in pictures], np.float64)
        return np.asarray((raw.reshape(-1, len(bundle.labels)) - output.zero_point) * output.scale)

    bent = augmented(root, photos, settings.seed, STREAM)
    simulated = rendered_examples(split.labels, settings.rendered_val, settings.seed, STREAM, is_degraded=True)
    outliers = outlier_plan(settings.rendered_val, settings.seed, STREAM)
    return Evidence(
        photographs=logits(example.draw() for example in plain(root, photos)),
        targets=np.array([bundle.labels.index(photo.label) for photo in photos], np.int64),
        waste={
            BENT: logits(example.draw() for example in bent),
            "simulated items": logits(example.draw() for example in simulated),
        },
        outliers={
            kind: logits(outlier_frame(item) for item in outliers if item.kind == kind)
            for kind in dict.fromkeys(item.kind for item in outliers)
        },
        frames=_frames(root, photos, settings.seed, logits),
    )


def _frames(
    root: Path, photos: Sequence[Photo], seed: int, logits: Callable[[Iterable[BgrImage]], npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """Every photograph as a camera at rest would see it several times: (N, frames, labels)."""
    rng = np.random.default_rng([seed, zlib.crc32(b"frames")])
    found = [logits(shown_again(example.draw(), rng)) for example in plain(root, photos)]
    return np.stack(found) if found else np.zeros((0, 0, 0))
