"""Accuracy by corruption and severity, through the device's own classifier.

After Hendrycks and Dietterich (ICLR 2019): every test photograph in every kind and severity of `convert.corruptions`;
the figure of merit is the mean over the cells (mean corruption accuracy). What a photograph suffers depends on seed,
file, kind and severity alone.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from convert.corruptions import KINDS, SEVERITIES, corrupt
from convert.dataset import Photo, load_photo
from convert.figures import nested
from convert.intervals import Figure, draw, intervals
from convert.intervals import Path as FigurePath
from convert.pictures import THREADS
from convert.scores import ratio, residue_mass, softmax
from edge.bundle import Bundle, InputTensor
from edge.classify.tflite import TfliteClassifier
from edge.preprocess import resize_rgb
from edge.records import BgrImage

__all__ = ["corrupted_logits", "corruption_scores", "robustness"]

Say = Callable[[str], None]
AHEAD = 3
"""Photographs that are drawn while others are classified."""
EVERY = 50
"""Photographs between two lines of progress."""


def robustness(
    root: Path, photos: Sequence[Photo], bundle: Bundle, residue: Sequence[str], seed: int, say: Say
) -> dict[str, Any]:
    """Corrupt, classify and score photographs: 45 inferences each.

    Args:
        root: folder of the class folders.
        photos: the test part.
        seed: of the corruptions and of the bootstrap.
    Returns: as `corruption_scores`.
    """
    logits = corrupted_logits(root, photos, bundle, seed, say)
    truth = np.array([bundle.labels.index(photo.label) for photo in photos])
    return corruption_scores(truth, logits, [photo.group for photo in photos], bundle, residue, seed)


def corrupted_logits(
    root: Path, photos: Sequence[Photo], bundle: Bundle, seed: int, say: Say
) -> npt.NDArray[np.float64]:
    """Real logits of every photograph in every cell: (kinds, severities, N, labels)."""
    classifier = TfliteClassifier(bundle, runtime="litert", threads=1)
    output = bundle.manifest.output
    raw = np.zeros((len(photos), len(KINDS) * len(SEVERITIES), len(bundle.labels)))
    for place, pictures in enumerate(_drawn(root, photos, bundle.manifest.input, seed)):
        raw[place] = [classifier.logits(picture) for picture in pictures]
        if (place + 1) % EVERY == 0 or place + 1 == len(photos):
            say(f"corruptions: {place + 1} of {len(photos)} photographs, {len(pictures)} times each")
    real = (raw - output.zero_point) * output.scale
    return real.reshape(len(photos), len(KINDS), len(SEVERITIES), -1).transpose(1, 2, 0, 3)


def _drawn(root: Path, photos: Sequence[Photo], source: InputTensor, seed: int) -> Iterator[list[BgrImage]]:
    """The corrupted pictures of one photograph after another, drawn some photographs ahead."""
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(THREADS)
    try:
        waiting: list[Future[list[BgrImage]]] = []
        for photo in photos:
            waiting.append(pool.submit(_corrupted, root, photo, source, seed))
            if len(waiting) > AHEAD:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads_before)


def _corrupted(root: Path, photo: Photo, source: InputTensor, seed: int) -> list[BgrImage]:
    """Every kind and severity of a photograph, BGR at the size of the input: as the device resizes, but kept small."""
    image = load_photo(root, photo)
    file = zlib.crc32(photo.file.encode())
    pictures = []
    for kind in KINDS:
        for severity in SEVERITIES:
            rng = np.random.default_rng([seed, 12, file, zlib.crc32(kind.encode()), severity])
            rgb = resize_rgb(corrupt(image, kind, severity, rng), *source.shape[1:3], source.resize)
            pictures.append(np.ascontiguousarray(rgb[..., ::-1]))
    return pictures


def corruption_scores(
    truth: npt.NDArray[np.int64],
    logits: npt.NDArray[np.float64],
    groups: Sequence[str],
    bundle: Bundle,
    residue: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Accuracy of labels and routes, and residue recall, of every cell, kind and over all.

    Args:
        truth: (N,) index of the true label.
        logits: (kinds, severities, N, labels) real logits.
    Returns: {"n", "severities", "kinds": {kind: {figure: [a severity each], "mean": {figure: number}}},
        "mean": {figure: number}, "ci95": the same tree of "mean"s}; ready for JSON.
    """
    columns = [place for place, label in enumerate(bundle.labels) if label in residue]
    is_residue = np.isin(truth, columns)
    flat = softmax(logits.reshape(-1, logits.shape[-1]), bundle.manifest.temperature)
    shape = logits.shape[:3]
    hits = {"accuracy": (flat.argmax(axis=1).reshape(shape) == truth, np.ones_like(is_residue))}
    if columns:
        to_residue = (residue_mass(flat, bundle.labels, residue) > 0.5).reshape(shape)
        hits["binary_accuracy"] = (to_residue == is_residue, np.ones_like(is_residue))
        if is_residue.any():
            hits["residue_recall"] = (to_residue, is_residue)

    def weighted(weights: npt.NDArray[np.float32]) -> dict[FigurePath, Figure]:
        found: dict[FigurePath, Figure] = {}
        for name, (is_hit, counted) in hits.items():
            whole = weights @ counted.astype(np.float32)
            for path, cells in {("mean",): is_hit, **{("kinds", k): is_hit[i] for i, k in enumerate(KINDS)}}.items():
                share = cells.reshape(-1, len(truth)).mean(axis=0) * counted
                found[(*path, name)] = Figure(ratio(weights @ share, whole), int(counted.sum()))
        return found

    found = intervals(weighted, draw(groups, truth, seed))
    kinds: dict[str, Any] = {}
    for place, kind in enumerate(KINDS):
        kinds[kind] = {
            name: [round(float(row[counted].mean()), 4) for row in is_hit[place]]
            for name, (is_hit, counted) in hits.items()
        }
        kinds[kind]["mean"] = {name: round(found["kinds", kind, name][0], 4) for name in hits}
    return {
        "n": len(truth),
        "severities": list(SEVERITIES),
        "kinds": kinds,
        "mean": {name: round(found["mean", name][0], 4) for name in hits},
        "ci95": nested({path: (low, high) for path, (_, low, high) in found.items()}),
    }
