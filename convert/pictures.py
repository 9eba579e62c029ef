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

from convert.augment import DEFAULT, NEAR, camera_frame
from convert.dataset import Photo, Split, load_photo
from convert.rendered import rendered_frame, rendered_plan
from convert.settings import Settings
from edge.preprocess import resize_rgb
from edge.records import BgrImage

__all__ = ["Example", "augmented", "chunks", "plain", "rendered_examples", "repeats", "training_pass"]

THREADS = 2
CHUNK = 128
NEAR_SHARE = 0.5
"""Share of the photographs whose item about fills the picture."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture yet to be made.

    Attributes:
        label: its class.
        draw: makes it, (H, W, 3) uint8 BGR; calling it twice gives the same picture.
    """

    label: str
    draw: Callable[[], BgrImage]


def plain(root: Path, photos: Sequence[Photo]) -> list[Example]:
    """Photographs as they are, the way they are validated and tested."""
    return [Example(photo.label, partial(load_photo, root, photo)) for photo in photos]


def augmented(root: Path, photos: Sequence[Photo], seed: int, stream: str) -> list[Example]:
    """Photographs laid on a tray; a picture depends on seed, stream, name and how often the name came before."""
    word = zlib.crc32(stream.encode())
    seen: Counter[str] = Counter()
    examples = []
    for photo in photos:
        key = (seed, word, zlib.crc32(photo.file.encode()), seen[photo.file])
        seen[photo.file] += 1
        examples.append(Example(photo.label, partial(_bent, root, photo, key)))
    return examples


def _bent(root: Path, photo: Photo, key: tuple[int, ...]) -> BgrImage:
    rng = np.random.default_rng(key)
    strength = NEAR if rng.random() < NEAR_SHARE else DEFAULT
    return camera_frame(load_photo(root, photo), rng, strength)


def rendered_examples(
    labels: Sequence[str], number: int, seed: int, stream: str, *, is_degraded: bool
) -> list[Example]:
    """Simulated items of one stream."""
    plan = rendered_plan(labels, number, seed, stream)
    return [Example(item.label, partial(rendered_frame, item, is_degraded=is_degraded)) for item in plan]


def training_pass(root: Path, split: Split, settings: Settings, number: int) -> list[Example]:
    """What one pass shows: each training photograph, those of rare labels several times, and new simulated items."""
    stream = f"train/{number}"
    times = repeats(split)
    photos = [photo for photo in split.part("train") for _ in range(times[photo.label])]
    bent = augmented(root, photos, settings.seed, stream)
    simulated = rendered_examples(split.labels, settings.rendered, settings.seed, stream, is_degraded=True)
    return bent + simulated


def repeats(split: Split) -> dict[str, int]:
    """How often a label's photographs stand in a pass: the root of the median count over its own, 1 to 3."""
    counts = split.counts()["train"]
    median = float(np.median(list(counts.values())))
    return {label: int(np.clip(round((median / max(1, count)) ** 0.5), 1, 3)) for label, count in counts.items()}


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
