"""Pictures that a training draws once and epochs take in turn, as arrays on the disk; drawn ahead in the background."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

import convert.augment
import convert.corruptions
import convert.dataset
import convert.outlier_creatures
import convert.outlier_scenes
import convert.outliers
import convert.photographs
import convert.pictures
import convert.rendered
import edge.preprocess
import edge.render
from convert.dataset import Split
from convert.files import replacing
from convert.pictures import Example, chunks
from convert.settings import Settings
from edge.errors import ConfigError

__all__ = ["DRAWERS", "ArrayCache", "drawing_key", "write_array"]

_SPARE = 1.05
_MIB = 1 << 20
DRAWERS = (
    convert.augment,
    convert.corruptions,
    convert.dataset,
    convert.outlier_creatures,
    convert.outlier_scenes,
    convert.outliers,
    convert.photographs,
    convert.pictures,
    convert.rendered,
    edge.preprocess,
    edge.render,
)
"""What decides how a picture looks: when the code changes, pictures are drawn anew."""


def drawing_key(split: Split, settings: Settings) -> str:
    """Name of the pictures that this split, these settings and this code draw: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    fields = {**asdict(settings), "alpha": None, "residue": None, "rendered_test": None}
    parts = [(photo.file, photo.part) for photo in split.photos]
    versions = [np.__version__, cv2.__version__]
    digest.update(json.dumps([fields, split.labels, split.digest, parts, versions]).encode())
    for module in DRAWERS:
        for folder in getattr(module, "__path__", []):
            for path in sorted(Path(folder).glob("*.py")):
                digest.update(path.read_bytes())
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


class ArrayCache:
    """Arrays by name in one folder; each is whole or not there. At most one is drawn in the background."""

    def __init__(self, folder: Path, key: str, side_px: int) -> None:
        """Arrays of another key in `folder` are removed: they belong to settings that are no longer asked for."""
        self._root = folder
        self._folder = folder / key
        self._side_px = side_px
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._ahead: tuple[str, Future[None]] | None = None
        self._is_closed = threading.Event()
        if folder.is_dir():
            for entry in folder.iterdir():
                if entry.is_dir() and entry.name != key:
                    shutil.rmtree(entry)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.forget("features-")
        self.forget("teacher-")

    def pictures(self, name: str, examples: Sequence[Example]) -> npt.NDArray[np.uint8]:
        """(N, side, side, 3) uint8 RGB, mapped from the disk; drawn now unless that was done before or is under way.

        Raises: whatever drawing or writing raised, also in the background.
        """
        if self._ahead is not None and (self._ahead[0] == name or not self._path(name).is_file()):
            # One after the other: drawing takes all cores by itself.
            job, self._ahead = self._ahead[1], None
            job.result()
        self._draw(name, examples)
        return self._open(name, len(examples))

    def draw_ahead(self, name: str, examples: Sequence[Example]) -> None:
        """Begin to draw what `pictures` will be asked for next."""
        if self._ahead is None and not self._path(name).is_file():
            self._ahead = (name, self._worker.submit(self._draw, name, examples))

    def features(self, name: str, make: Callable[[], Iterable[npt.NDArray[Any]]], number: int) -> npt.NDArray[Any]:
        """Float16 rows that a network makes of pictures, made once a training; mapped from the disk."""
        path = self._path(name)
        if not path.is_file():
            parts = (np.asarray(part, dtype=np.float16) for part in make())
            write_array(path, parts, number)
        return self._open(name, number)

    def forget(self, prefix: str) -> None:
        """Remove arrays whose name begins so."""
        for path in self._folder.glob(f"{prefix}*.npy"):
            path.unlink()

    def need(self, sizes: dict[str, int]) -> int:
        """Bytes that these arrays, name to size, will take besides what is there.

        Raises: ConfigError if the disk has not so much room.
        """
        missing = sum(size for name, size in sizes.items() if not self._path(name).is_file())
        free = shutil.disk_usage(self._folder).free
        if missing * _SPARE > free:
            raise ConfigError(
                f"the pictures need {missing / _MIB:.0f} MiB in {self._root}, {free / _MIB:.0f} MiB are free; make "
                "room, pass --work on another disk, or take fewer with --set pictures.passes=2"
            )
        return missing

    def close(self, *, keeps: bool) -> None:
        """Stop drawing; remove the arrays unless they are to be kept. May be called twice."""
        self._is_closed.set()
        self._worker.shutdown(cancel_futures=True)
        if not keeps:
            shutil.rmtree(self._root, ignore_errors=True)

    def _draw(self, name: str, examples: Sequence[Example]) -> None:
        if not self._path(name).is_file():
            write_array(self._path(name), self._until_closed(chunks(examples, self._side_px)), len(examples))

    def _until_closed(self, parts: Iterator[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
        for part in parts:
            if self._is_closed.is_set():
                raise RuntimeError("drawing was stopped")
            yield part

    def _open(self, name: str, number: int) -> npt.NDArray[Any]:
        path = self._path(name)
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{path} is damaged ({exc}); remove {self._root} and train again") from exc
        if len(found) != number:
            raise ConfigError(f"{path} holds {len(found)} rows, expected {number}; remove {self._root}")
        return np.asarray(found) if found.nbytes < _MIB else found

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npy"


def write_array(path: Path, parts: Iterable[npt.NDArray[Any]], number: int) -> None:
    """Write rows as they come, to an .npy file of `number` rows, that is whole or not there.

    A full disk is an error here; of an array mapped into memory it would be the end of the process.

    Raises: ConfigError if it cannot be written; ValueError if there are not `number` rows.
    """
    with replacing(path) as partial, partial.open("wb") as file:
        written = 0
        for part in parts:
            if not written:
                header = {
                    "descr": np.lib.format.dtype_to_descr(part.dtype),
                    "fortran_order": False,
                    "shape": (number, *part.shape[1:]),
                }
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(part).tobytes())
            written += len(part)
        if written != number:
            raise ValueError(f"{written} rows came, expected {number}")
