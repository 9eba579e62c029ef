"""Which photographs show the same thing: identical, nearly identical, or of the same colours.

Nearly identical is decided in two steps. A 64-bit perceptual hash of the discrete cosine transform (Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010) finds candidates, also mirrored ones and
ones turned by 90 degrees. It takes two small objects on a white ground for each other, so a candidate must then be
laid over its partner (Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient
maximization", 2008) and correlate in colour with the broad shades of the ground removed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import BgrImage

__all__ = ["ALIKE", "Looks", "Pair", "Union", "alike", "find_pairs", "looks_of"]

MAX_DISTANCE = 10
"""Most bits of 64 by which two hashes may differ; on TrashNet 526 of 2.3 million pairs do not exceed it."""
MIN_CORRELATION = 0.90
"""Least correlation after alignment. Of TrashNet's pairs 20 reach it, each the same object by eye; from 0.89 down come
different bottles from above (see docs/decisions/0011)."""
ALIKE = 0.95
"""Least likeness of colours at which neighbouring numbers count as shots of one object; by eye, on TrashNet, such
neighbours are nearly always the same object, or two of a kind from one session."""
FLAT = 4.0
"""Standard deviation in grey levels below which a picture has no structure to compare."""
_SIDE, _HASH_SIDE, _BITS = 64, 32, 64
_WORTH_ALIGNING = 0.5
_MIN_OVERLAP = 0.7
_ROWS = 512
_BINS, _RANGES = (6, 12, 12), (0, 256, 64, 192, 64, 192)
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What is kept of a photograph to compare it.

    Attributes:
        pixels: SHA-256 of the decoded pixels.
        size: width and height in pixels.
        thumb: (64, 64, 3) uint8 BGR.
        colours: (864,) float32, square roots of the shares of a Lab histogram; of length 1.
        spread: standard deviation of the thumbnail's grey values.
    """

    pixels: bytes
    size: tuple[int, int]
    thumb: BgrImage
    colours: _Floats
    spread: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photographs of the same thing, as places in the sequence that was searched; `first` < `second`.

    Attributes:
        distance: bits by which the hashes differ; 0 for identical pixels.
        correlation: after alignment, -1 to 1; exactly 1.0 only for identical pixels.
    """

    first: int
    second: int
    distance: int
    correlation: float

    @property
    def is_identical(self) -> bool:
        return self.correlation == 1.0


class Union:
    """Disjoint sets of 0 .. count - 1. The name of a set is its least member."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def find(self, member: int) -> int:
        while self._parents[member] != member:
            self._parents[member] = self._parents[self._parents[member]]
            member = self._parents[member]
        return member

    def join(self, first: int, second: int) -> bool:
        """Make one set of two; False if they were one already."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parents[high] = low
        return low != high


def looks_of(image: BgrImage) -> Looks:
    """Reduce a photograph to what it is compared by.

    Args:
        image: (H, W, 3) uint8 BGR of any size.
    """
    height, width = image.shape[:2]
    thumb = np.asarray(cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    lab = cv2.cvtColor(thumb, cv2.COLOR_BGR2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], None, list(_BINS), list(_RANGES)).ravel()
    colours = np.sqrt(counts / max(1.0, float(counts.sum()))).astype(np.float32)
    digest = hashlib.sha256(f"{height}x{width}".encode() + np.ascontiguousarray(image).tobytes()).digest()
    return Looks(digest, (width, height), thumb, colours, float(_grey(thumb).std()))


def alike(first: Looks, second: Looks) -> float:
    """Likeness of two photographs' colours wherever they lie: the Bhattacharyya coefficient, 0 to 1."""
    return float(first.colours @ second.colours)


def find_pairs(looks: Sequence[Looks]) -> list[Pair]:
    """Pairs that connect all photographs of the same thing; not every pair, but a chain between any two.

    Pictures without structure (see FLAT) are compared for identity only. Cost: about 3 s for 2,000 photographs; it
    grows with the square of their number.
    """
    sets, pairs = Union(len(looks)), []
    first_of: dict[bytes, int] = {}
    for place, look in enumerate(looks):
        first = first_of.setdefault(look.pixels, place)
        if sets.join(first, place):
            pairs.append(Pair(first, place, 0, 1.0))
    places = [place for place in first_of.values() if looks[place].spread >= FLAT]
    for distance, first, second in sorted(_candidates([looks[place] for place in places])):
        one, other = places[first], places[second]
        if sets.find(one) == sets.find(other):
            continue
        found = _correlation(looks[one].thumb, looks[other].thumb)
        if found >= MIN_CORRELATION:
            sets.join(one, other)
            pairs.append(Pair(one, other, distance, min(round(found, 3), 0.999)))
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))


def _candidates(looks: Sequence[Looks]) -> Iterator[tuple[int, int, int]]:
    """(distance, first, second) of pairs whose hashes are close, whichever way one of them is turned."""
    if not looks:
        return
    small = [cv2.resize(_grey(look.thumb), (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA) for look in looks]
    turned = [np.stack([_bits(_turn(grey, way)) for grey in small]) for way in range(8)]
    for start in range(0, len(looks), _ROWS):
        rows = turned[0][start : start + _ROWS]
        distances = np.min([(_BITS - rows @ bits.T) / 2 for bits in turned], axis=0)
        for row, column in np.argwhere(distances <= MAX_DISTANCE).tolist():
            if start + row < column:
                yield int(distances[row, column]), start + row, column


def _bits(grey: npt.NDArray[Any]) -> _Floats:
    """The hash as (64,) float32 of -1 and 1, so that a product counts equal bits."""
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    return np.where(low > np.median(low[1:]), 1, -1).astype(np.float32)


def _turn(image: npt.NDArray[Any], way: int) -> npt.NDArray[Any]:
    """One of the eight ways to lay a square: `way` % 4 quarter turns, mirrored before from 4 on."""
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if way >= 4 else image, way % 4))


def _grey(thumb: BgrImage) -> npt.NDArray[Any]:
    return cv2.cvtColor(thumb, cv2.COLOR_BGR2GRAY)


def _structure(image: npt.NDArray[Any]) -> _Floats:
    """The picture without broad shades: light falling off to a corner makes all photographs of a session correlate."""
    real = image.astype(np.float32)
    return np.asarray(real - cv2.GaussianBlur(real, (0, 0), 8), dtype=np.float32)


def _correlation(first: BgrImage, second: BgrImage) -> float:
    """Correlation of two thumbnails in the way they fit best, aligned by an affine transform if that may help."""
    flat = _structure(_grey(first))
    ways = [_turn(second, way) for way in range(8)]
    likeness = [_pearson(flat, _structure(_grey(turned))) for turned in ways]
    best = int(np.argmax(likeness))
    plain = _pearson(_structure(first), _structure(ways[best]))
    if plain >= MIN_CORRELATION or likeness[best] < _WORTH_ALIGNING:
        return plain
    return max(plain, _aligned(first, ways[best]))


def _aligned(first: BgrImage, second: BgrImage) -> float:
    matrix = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4)
    template, moving = _grey(first).astype(np.float32), _grey(second).astype(np.float32)
    try:
        matrix = cv2.findTransformECC(template, moving, matrix, cv2.MOTION_AFFINE, stop, np.empty(0, np.uint8), 3)[1]
    except cv2.error:  # it says so when it does not converge
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(np.ones((_SIDE, _SIDE), np.float32), matrix, (_SIDE, _SIDE), flags=flags) > 0.99
    if inside.mean() < _MIN_OVERLAP:
        return 0.0
    warped = cv2.warpAffine(second, matrix, (_SIDE, _SIDE), flags=flags)
    return _pearson(_structure(first)[inside], _structure(warped)[inside])


def _pearson(first: _Floats, second: _Floats) -> float:
    one, other = first.ravel() - first.mean(), second.ravel() - second.mean()
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length > 0 else 0.0
