"""Photographs in class folders, split so that few objects stand in two parts.

Photographs whose numbers are close often show the same object. A block of ten neighbouring numbers therefore
goes to one part as a whole. At the border of two blocks the same object can still stand in two parts: the last
photograph of one and the first of the next. Names without a number cannot tell neighbours; they are spread over
groups by a hash of the name, and the split says so.
"""

import hashlib
import json
import logging
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np

from convert.files import write_text
from edge.errors import ConfigError
from edge.preprocess import fit_frame
from edge.records import BgrImage

__all__ = [
    "Photo",
    "Split",
    "check_data",
    "class_root",
    "is_trashnet",
    "load_photo",
    "load_split",
    "make_split",
    "save_split",
]

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
SHARES: dict[Part, float] = {"train": 0.70, "val": 0.15, "test": 0.15}
BLOCK = 10
"""Photographs with the same number // BLOCK stay together."""
HASH_GROUPS = 40
TRASHNET = "trashnet"
SCHEMA = 1
RULE = (
    f"group = text before the last number of the file name + that number // {BLOCK}; a name without a number: "
    f"SHA-256 of the name modulo {HASH_GROUPS}; groups are shuffled with the seed and each goes to the part that lacks "
    "most images of its class, 70/15/15"
)
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_LAST_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph.

    Attributes:
        file: path relative to the folder of the class folders, with forward slashes.
        label: name of its class folder.
        group: photographs of one group stay in one part.
        part: `train`, `val` or `test`.
    """

    file: str
    label: str
    group: str
    part: Part


@dataclass(frozen=True, slots=True)
class Split:
    """Which photograph is used for what. No group stands in two parts.

    Attributes:
        seed: of the shuffle.
        labels: class names, sorted; their order is the order of the model's outputs.
        digest: SHA-256 over the sorted names and the files' hashes.
        photos: sorted by file.
        skipped: files that could not be decoded.
    """

    seed: int
    labels: tuple[str, ...]
    digest: str
    photos: tuple[Photo, ...]
    skipped: tuple[str, ...] = ()

    def part(self, part: Part) -> list[Photo]:
        """The photographs of one part."""
        return [photo for photo in self.photos if photo.part == part]

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of photographs, by part and label."""
        found = Counter((photo.part, photo.label) for photo in self.photos)
        return {part: {label: found[part, label] for label in self.labels} for part in PARTS}


def class_root(data: Path) -> Path:
    """The folder that holds the class folders: `data/trashnet` where it exists, else `data` itself.

    Raises: ConfigError if there is no such folder.
    """
    if not data.is_dir():
        raise ConfigError(
            f"data folder {data} does not exist; set SORTER_DATA or --data to the folder with the photographs"
        )
    nested = data / TRASHNET
    return nested if nested.is_dir() else data


def is_trashnet(root: Path) -> bool:
    """True if the folder of the class folders says by its name that it is TrashNet."""
    return root.absolute().name == TRASHNET


def group_of(file: str) -> str:
    """The group that a photograph belongs to (see RULE).

    Args:
        file: relative path, the label first.
    """
    path = Path(file)
    match = _LAST_NUMBER.match(path.stem)
    if match:
        return f"{path.parent.as_posix()}/{match[1]}#{int(match[2]) // BLOCK}"
    number = int.from_bytes(hashlib.sha256(path.stem.encode()).digest()[:8], "big") % HASH_GROUPS
    return f"{path.parent.as_posix()}/~{number}"


def make_split(root: Path, seed: int) -> Split:
    """Find, check and split the photographs below `root`; the same files and seed give the same split.

    Raises: ConfigError if there are fewer than two classes, or a class is empty or too small to be split.
    """
    labels = _labels(root)
    if len(labels) < 2:
        raise ConfigError(
            f"{root} holds {len(labels)} class folders, expected at least two; check SORTER_DATA or --data"
        )
    digest = hashlib.sha256()
    photos: list[Photo] = []
    skipped: list[str] = []
    for label in labels:
        files: list[str] = []
        for name, content in _photographs(root, label):
            if _decode(content) is None:
                skipped.append(name)
                continue
            digest.update(_digest_line(name, content))
            files.append(name)
        if not files:
            raise ConfigError(f"class folder {root / label} holds no readable photograph; fill it or remove it")
        photos += _split_class(root, label, files, seed)
    if skipped:
        _log.warning("%d files cannot be decoded and are skipped: %s", len(skipped), ", ".join(skipped))
    photos.sort(key=lambda photo: photo.file)
    return Split(seed, tuple(labels), digest.hexdigest(), tuple(photos), tuple(skipped))


def check_data(root: Path, split: Split) -> None:
    """Raises: ConfigError if the photographs below `root` are not, bit for bit, those that were split."""
    digest = hashlib.sha256()
    for label in _labels(root):
        for name, content in _photographs(root, label):
            if name not in split.skipped:
                digest.update(_digest_line(name, content))
    if digest.hexdigest() != split.digest:
        raise ConfigError(
            f"the photographs in {root} have digest {digest.hexdigest()[:12]}…, those that were split "
            f"{split.digest[:12]}…; run `edge-convert split` again, or check SORTER_DATA and --data"
        )


def _labels(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and _is_class(entry))


def _photographs(root: Path, label: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of a class that looks like a photograph, sorted."""
    for path in sorted((root / label).iterdir()):
        if path.suffix.lower() in _SUFFIXES:
            yield f"{label}/{path.name}", path.read_bytes()


def _digest_line(name: str, content: bytes) -> bytes:
    return f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode()


def _is_class(folder: Path) -> bool:
    """Folders of videos and hidden folders are no classes; an empty folder is one, and an error later."""
    if folder.name.startswith("."):
        return False
    entries = [entry for entry in folder.iterdir() if entry.is_file()]
    return not entries or any(entry.suffix.lower() in _SUFFIXES for entry in entries)


def _split_class(root: Path, label: str, files: Sequence[str], seed: int) -> list[Photo]:
    groups: dict[str, list[str]] = {}
    for file in files:
        groups.setdefault(group_of(file), []).append(file)
    if len(groups) < len(PARTS):
        raise ConfigError(
            f"class folder {root / label} has {len(files)} photographs in {len(groups)} groups, expected at least "
            f"{len(PARTS)} groups of neighbours; add photographs or number them so that groups differ"
        )
    names = sorted(groups)
    order = np.random.default_rng([seed, zlib.crc32(label.encode())]).permutation(len(names))
    filled: dict[Part, int] = dict.fromkeys(PARTS, 0)
    assigned: dict[str, Part] = {}
    for place in order:
        name = names[place]
        empty = [part for part in PARTS if filled[part] == 0]
        if len(empty) >= len(names) - len(assigned):
            part = empty[0]
        else:
            part = max(PARTS, key=lambda p: SHARES[p] * len(files) - filled[p])
        assigned[name] = part
        filled[part] += len(groups[name])
    return [Photo(file, label, name, assigned[name]) for name, members in groups.items() for file in members]


def save_split(split: Split, path: Path) -> None:
    """Write the split as JSON."""
    fields: dict[str, Any] = {"schema": SCHEMA, "rule": RULE, **asdict(split), "counts": split.counts()}
    write_text(path, json.dumps(fields, indent=1) + "\n")


def load_split(path: Path) -> Split:
    """Read a split that `save_split` wrote. Raises: ConfigError if it is missing, broken or inconsistent."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["schema"] != SCHEMA:
            raise ConfigError(
                f"{path} has schema {fields['schema']}, expected {SCHEMA}; run `edge-convert split` again"
            )
        photos = tuple(Photo(**photo) for photo in fields["photos"])
        split = Split(fields["seed"], tuple(fields["labels"]), fields["digest"], photos, tuple(fields["skipped"]))
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; run `edge-convert split` first") from None
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"{path} is no split ({exc!r}); run `edge-convert split` again") from exc
    _check_groups(split.photos, path)
    return split


def _check_groups(photos: Iterable[Photo], path: Path) -> None:
    seen: dict[str, Part] = {}
    for photo in photos:
        if seen.setdefault(photo.group, photo.part) != photo.part:
            raise ConfigError(f"{path}: group {photo.group} stands in two parts; run `edge-convert split` again")


def load_photo(root: Path, photo: Photo) -> BgrImage:
    """The photograph at camera size: (H, W, 3) uint8 BGR, longest side at most 640 px.

    Raises: ConfigError if it vanished or can no longer be decoded.
    """
    path = root / photo.file
    try:
        image = _decode(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror}); run `edge-convert split` again") from exc
    if image is None:
        raise ConfigError(f"{path} cannot be decoded; run `edge-convert split` again")
    return fit_frame(image)


def _decode(content: bytes) -> BgrImage | None:
    if not content:
        return None
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, dtype=np.uint8)
