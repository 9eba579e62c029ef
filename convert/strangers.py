"""Photographs of what is no waste, from any folders: how many a bundle would sell as recyclable.

Drawn outliers say what a model makes of drawings. Anybody's photographs say more, and need no labels: animals, fruit,
toys, tools, faces. A cut-out (a PNG or WebP with transparency) is laid on a drawn tray, as an item would lie there;
any other photograph is shown as it is.
"""

import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from convert.calibrate import shares_sold
from convert.outlier_scenes import HEIGHT_PX, WIDTH_PX, light
from convert.photographs import FOREIGN, SUFFIXES, UnreadableError, decode, opacity
from edge.bundle import Bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import ConfigError
from edge.preprocess import fit_frame
from edge.records import BgrImage
from edge.render import Placed, Sprite, Tray

__all__ = ["Strangers", "describe", "find_strangers", "measure_strangers", "stranger_frame"]

_log = logging.getLogger(__name__)
SIDE_PX = (200.0, 420.0)
"""Longest side of a cut-out on the tray, as of the renderer's items."""
CLEAR = 0.02
"""Share of transparent pixels from which a picture is a cut-out."""
SOLID = 0.5
"""Opacity from which a pixel belongs to what was cut out."""
Strangers = Mapping[str, tuple[Path, ...]]
"""Files by kind."""


def find_strangers(folders: Sequence[Path]) -> Strangers:
    """The photographs below some folders, by kind; folders in them are searched too.

    Args:
        folders: each is a kind, by its name.
    Raises: ConfigError if a folder is missing, holds no photograph, or is called like another.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for folder in folders:
        kind = folder.resolve().name
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no folder; pass --strangers a folder of photographs of what is no waste")
        if kind in found:
            raise ConfigError(f"two folders of strangers are called {kind}; pass --strangers the one that holds both")
        paths = sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES | FOREIGN and path.is_file()
        )
        if not paths:
            raise ConfigError(
                f"{folder} holds no photographs ({', '.join(sorted(SUFFIXES))}); pass --strangers another"
            )
        found[kind] = tuple(paths)
    return found


def measure_strangers(strangers: Strangers, bundle: Bundle, residue: Sequence[str], seed: int) -> dict[str, Any]:
    """Show a bundle every one of them.

    Args:
        residue: labels that are residue.
        seed: of the trays, and of how cut-outs lie on them.
    Returns: `all` and every kind with `n`, `rejected`, `sold_without_limit` and `sold`, and `unreadable`, the number of
        files that show nothing; ready for JSON.
    Raises: ConfigError if of a kind nothing can be read.
    """
    classifier = TfliteClassifier(bundle, runtime="litert", threads=1)
    manifest = bundle.manifest
    columns = [place for place, label in enumerate(bundle.labels) if label in residue]
    raw: dict[str, list[list[int]]] = {}
    unreadable = 0
    for kind, paths in strangers.items():
        raw[kind] = []
        for path in paths:
            key = (seed, zlib.crc32(f"{kind}/{path.name}".encode("utf-8", "surrogateescape")))
            try:
                frame = stranger_frame(path.read_bytes(), np.random.default_rng(key))
            except (OSError, UnreadableError) as exc:
                _log.warning("%s is left out: %s", path, exc)
                unreadable += 1
                continue
            raw[kind].append(classifier.logits(frame))
        if not raw[kind]:
            raise ConfigError(f"no photograph of {kind} can be read; pass --strangers another folder")

    def row(rows: list[list[int]]) -> dict[str, Any]:
        real = (np.array(rows, np.float64) - manifest.output.zero_point) * manifest.output.scale
        return {"n": len(rows), **shares_sold(real, manifest.temperature, columns, manifest.thresholds)}

    everything = row([one for rows in raw.values() for one in rows])
    return {"all": everything, "kinds": {kind: row(rows) for kind, rows in raw.items()}, "unreadable": unreadable}


def stranger_frame(content: bytes, rng: np.random.Generator) -> BgrImage:
    """What a camera sees of it.

    Args:
        content: of the file.
        rng: source of tray, light and place; not used for a picture without transparency.
    Returns: (H, W, 3) uint8 BGR, longest side at most 640 px.
    Raises: UnreadableError if it gives no picture, or nothing in it is opaque.
    """
    image, share = decode(content), opacity(content)
    if share is None or float((share < SOLID).mean()) < CLEAR:
        return fit_frame(image)
    rows, columns = (np.flatnonzero((share >= SOLID).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise UnreadableError("nothing in it is opaque")
    shown = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # `decode` has laid it on grey, which only shows at the soft border.
    cut = np.dstack([image[shown], np.rint(255 * share[shown]).astype(np.uint8)])
    sprite = Sprite("stranger", "stranger", _turned(cut, rng))
    x, y = rng.uniform(0.35, 0.65, 2) * (WIDTH_PX, HEIGHT_PX)
    tray = Tray(rng, WIDTH_PX, HEIGHT_PX)
    placed = [Placed(sprite, float(x), float(y))]
    return tray.compose(placed, light(rng, 0.7, 1.25), rng, float(rng.uniform(0.5, 4)))


def describe(found: dict[str, Any]) -> str:
    """One line of what `measure_strangers` found."""
    kinds = ", ".join(f"{kind} {row['sold']:.1%} of {row['n']}" for kind, row in found["kinds"].items())
    text = f"sold as recyclable: {found['all']['sold']:.1%} of {found['all']['n']} ({kinds})"
    return text + (f"; files that show nothing: {found['unreadable']}" if found["unreadable"] else "")


def _turned(bgra: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Scaled to a size of items and turned by any angle, (h, w, 4) uint8, straight alpha."""
    rows, columns = bgra.shape[:2]
    size = float(rng.uniform(*SIDE_PX)) / max(rows, columns)
    small = cv2.resize(
        bgra,
        (max(1, round(columns * size)), max(1, round(rows * size))),
        interpolation=cv2.INTER_AREA if size < 1 else cv2.INTER_LINEAR,
    )
    rows, columns = small.shape[:2]
    side = math.ceil(math.hypot(rows, columns)) + 2
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(rng.uniform(0, 360)), 1.0)
    turn[:, 2] += (side - columns) / 2, (side - rows) / 2
    solid = cv2.warpAffine(small[..., :3], turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(small[..., 3], turn, (side, side))
    return np.dstack([solid, share]).astype(np.uint8)
