"""Makes the pictures of training and validation, several at a time, in an order that only the seed decides."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from convert.augment import DEFAULT, NEAR, camera_frame, own_frame
from convert.corruptions import KINDS, SEVERITIES, corrupt
from convert.dataset import Photo, Split, load_photo
from convert.outliers import outlier_frame, outlier_plan
from convert.rendered import rendered_frame, rendered_plan
from convert.settings import Settings
from edge.preprocess import resize_rgb
from edge.records import BgrImage

__all__ = ["Example", "augmented", "chunks", "plain", "rendered_examples", "repeats", "training_pass"]

THREADS = 2
CHUNK = 128
OWN_SHARE, NEAR_SHARE = 0.5, 0.25
"""Shares of the photographs that keep their own format, and that about fill a camera frame; the rest lie farther."""
CORRUPTED_SHARE = 0.35
"""Share of the photographs with one thing badly wrong besides."""
MILDEST = 0.5
"""Least severity of that."""
TURN_DEG, ZOOM = 20.0, 0.2
"""Largest rotation and change of size of the augmentation that the published recipes use."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture yet to be made.

    Attributes:
        label: its class; None for what is no waste.
        draw: makes it, (H, W, 3) uint8 BGR; calling it twice gives the same picture.
    """

    label: str | None
    draw: Callable[[], BgrImage]


def plain(root: Path, photos: Sequence[Photo]) -> list[Example]:
    """Photographs as they are, the way they are validated and tested."""
    return [Example(photo.label, partial(load_photo, root, photo)) for photo in photos]


def augmented(
    root: Path, photos: Sequence[Photo], seed: int, stream: str, augmentation: str = "field"
) -> list[Example]:
    """Photographs bent at random; a picture depends on seed, stream, name and how often the name came before.

    Args:
        augmentation: `field`: on a tray or in their own format, in bad light; `published`: turned, zoomed, flipped.
    """
    word = zlib.crc32(stream.encode())
    seen: Counter[str] = Counter()
    bend = _turned if augmentation == "published" else _bent
    examples = []
    for photo in photos:
        key = (seed, word, zlib.crc32(photo.file.encode()), seen[photo.file])
        seen[photo.file] += 1
        examples.append(Example(photo.label, partial(bend, root, photo, key)))
    return examples


def _bent(root: Path, photo: Photo, key: tuple[int, ...]) -> BgrImage:
    rng = np.random.default_rng(key)
    image, draw = load_photo(root, photo), rng.random()
    if draw < OWN_SHARE:
        picture = own_frame(image, rng)
    else:
        picture = camera_frame(image, rng, NEAR if draw < OWN_SHARE + NEAR_SHARE else DEFAULT)
    if rng.random() >= CORRUPTED_SHARE:
        return picture
    kind = tuple(KINDS)[int(rng.integers(len(KINDS)))]
    return corrupt(picture, kind, float(rng.uniform(MILDEST, SEVERITIES[-1])), rng)


def _turned(root: Path, photo: Photo, key: tuple[int, ...]) -> BgrImage:
    """Rotation, zoom and flip; what comes in from outside repeats the border."""
    rng = np.random.default_rng(key)
    image = load_photo(root, photo)
    height, width = image.shape[:2]
    turn, scale = float(rng.uniform(-TURN_DEG, TURN_DEG)), float(rng.uniform(1 - ZOOM, 1 + ZOOM))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
    bent = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent[:, ::-1] if rng.random() < 0.5 else bent, dtype=np.uint8)


def rendered_examples(
    labels: Sequence[str], number: int, seed: int, stream: str, *, is_degraded: bool
) -> list[Example]:
    """Simulated items of one stream."""
    plan = rendered_plan(labels, number, seed, stream)
    return [Example(item.label, partial(rendered_frame, item, is_degraded=is_degraded)) for item in plan]


def training_pass(root: Path, split: Split, settings: Settings, number: int) -> list[Example]:
    """What one pass shows: the training photographs, those of rare labels several times, and newly drawn items.

    Photographs come first, then simulated items, then what is no waste.
    """
    stream = f"train/{number}"
    times = repeats(split, settings.repeat_power, settings.repeat_most)
    photos = [photo for photo in split.part("train") for _ in range(times[photo.label])]
    if settings.augmentation == "own":
        shown = plain(root, photos)
    else:
        shown = augmented(root, photos, settings.seed, stream, settings.augmentation)
    simulated = rendered_examples(split.labels, settings.rendered, settings.seed, stream, is_degraded=True)
    plan = outlier_plan(settings.outliers, settings.seed, stream)
    return [*shown, *simulated, *(Example(None, partial(outlier_frame, item)) for item in plan)]


def repeats(split: Split, power: float, most: int) -> dict[str, int]:
    """How often a label's photographs stand in a pass: (the median count over its own) ** power, 1 to `most`."""
    counts = split.counts()["train"]
    median = float(np.median(list(counts.values())))
    return {label: int(np.clip(round((median / max(1, count)) ** power), 1, most)) for label, count in counts.items()}


def chunks(examples: Sequence[Example], side_px: int) -> Iterator[npt.NDArray[np.uint8]]:
    """The examples' pictures in order, (<= CHUNK, side, side, 3) uint8 RGB, resized as the device does."""

    def make(example: Example) -> npt.NDArray[Any]:
        return resize_rgb(example.draw(), side_px, side_px)

    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(THREADS)
    try:
        pending = None
        for start in range(0, len(examples), CHUNK):
            following = [pool.submit(make, example) for example in examples[start : start + CHUNK]]
            if pending is not None:
                yield np.stack([job.result() for job in pending])
            pending = following
        if pending is not None:
            yield np.stack([job.result() for job in pending])
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads_before)
