"""Photographs in class folders, split so that no object is known to stand in two parts.

Photographs whose numbers are close often show the same object, so a block of ten neighbouring numbers goes to one part
as a whole. The same object also stands far apart in the numbers, at the border of two blocks, or in two class folders:
blocks are joined where photographs look the same (see `convert.grouping`). Names without a number cannot tell
neighbours; they are spread over groups by a hash of the name, and the split says so.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convert.dealing import PARTS, SHARES, Part, deal
from convert.files import write_text
from convert.grouping import RULE, Merge, find_merges, groups_of
from convert.photographs import FOREIGN, SUFFIXES, UnreadableError, check_name, decode, files_of, read
from convert.similar import Looks, looks_of
from edge.errors import ConfigError
from edge.preprocess import fit_frame
from edge.records import BgrImage

__all__ = [
    "Photo",
    "Split",
    "check_data",
    "class_folders",
    "class_root",
    "is_trashnet",
    "load_photo",
    "load_split",
    "make_split",
    "save_split",
]

TRASHNET = "trashnet"
DEFAULT_RATIOS = tuple(100 * share for share in SHARES.values())
SCHEMA = 1
SHOWN = 20
"""Skipped files that the warning names."""
PART_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
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
        skipped: files that could not be decoded, or are of a format that is not read.
        rule: in words, how groups were formed and dealt out.
        ratios: shares of train, val and test in percent.
        merges: what joined groups, so that a person can check it.
    """

    seed: int
    labels: tuple[str, ...]
    digest: str
    photos: tuple[Photo, ...]
    skipped: tuple[str, ...] = ()
    rule: str = ""
    ratios: tuple[float, ...] = DEFAULT_RATIOS
    merges: tuple[Merge, ...] = ()

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


def make_split(root: Path, seed: int, shares: Mapping[Part, float] = SHARES) -> Split:
    """Find, check and split the photographs below `root`.

    The same files, seed and shares give the same split, with one version of OpenCV: at the edge of a threshold another
    version's decoder may join one group more or less. `split.json` is therefore the record, not the seed.

    Args:
        shares: of the parts, summing to 1.
    Raises: ConfigError if there are fewer than two classes, or a class is empty or too small to be split.
    """
    labels = class_folders(root)
    if len(labels) < 2:
        raise ConfigError(
            f"{root} holds {len(labels)} class folders, expected at least two; check SORTER_DATA or --data"
        )
    digest = hashlib.sha256()
    files: dict[str, str] = {}
    looks: list[Looks] = []
    skipped: dict[str, str] = {}
    for label in labels:
        for name, content in _photographs(root, label):
            try:
                looks.append(looks_of(decode(content)))
            except UnreadableError as exc:
                skipped[name] = str(exc)
                continue
            digest.update(_digest_line(name, content))
            files[name] = label
        endings = _endings(root / label)
        if endings and not endings & SUFFIXES:
            raise ConfigError(
                f"class folder {root / label} holds only {', '.join(sorted(endings))} files, which are not read; "
                "convert them to JPEG or PNG, or move the folder elsewhere"
            )
        skipped.update({f"{label}/{path.name}": "this format is not read" for path in files_of(root / label, FOREIGN)})
        if label not in files.values():
            raise ConfigError(f"class folder {root / label} holds no readable photograph; fill it or remove it")
    if skipped:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in list(skipped.items())[:SHOWN])
        more = f", and {len(skipped) - SHOWN} more; `edge-convert doctor` names all" if len(skipped) > SHOWN else ""
        _log.warning("%d files cannot be read and are skipped: %s%s", len(skipped), reasons, more)
    merges = find_merges(list(files), looks)
    groups = groups_of(list(files), merges)
    parts = deal(root, files, groups, seed, shares)
    photos = [Photo(file, label, groups[file], parts[groups[file]]) for file, label in files.items()]
    photos.sort(key=lambda photo: photo.file)
    ratios = tuple(round(100 * shares[part], 4) for part in PARTS)
    rule = f"{RULE}, {'/'.join(f'{ratio:g}' for ratio in ratios)}"
    return Split(seed, tuple(labels), digest.hexdigest(), tuple(photos), tuple(skipped), rule, ratios, tuple(merges))


def check_data(root: Path, split: Split) -> None:
    """Raises: ConfigError if the photographs below `root` are not, bit for bit, those that were split."""
    digest = hashlib.sha256()
    for label in class_folders(root):
        for name, content in _photographs(root, label):
            if name not in split.skipped:
                digest.update(_digest_line(name, content))
    if digest.hexdigest() != split.digest:
        raise ConfigError(
            f"the photographs in {root} have digest {digest.hexdigest()[:12]}…, those that were split "
            f"{split.digest[:12]}…; run `edge-convert split` again, or check SORTER_DATA and --data"
        )


def class_folders(root: Path) -> list[str]:
    """Names of the folders below `root` that hold photographs or nothing, sorted; those that are not read count, too.

    Raises: ConfigError if they are the parts of a split, or a name is not valid UTF-8.
    """
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and _is_class(entry))
    for folder in folders:
        check_name(folder)
    found = [folder.name for folder in folders]
    if found and {name.lower() for name in found} <= PART_NAMES:
        raise ConfigError(
            f"{root} holds the parts of a split ({', '.join(found)}), expected class folders; put each class of all "
            "parts into one folder, or look for leakage with `edge-convert split --check`"
        )
    return found


def _photographs(root: Path, label: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of a class that looks like a photograph, sorted."""
    for path in files_of(root / label):
        yield f"{label}/{path.name}", read(path)


def _digest_line(name: str, content: bytes) -> bytes:
    return f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode()


def _is_class(folder: Path) -> bool:
    """Folders of videos and hidden folders are no classes; one that is empty or not read is, and an error later."""
    if folder.name.startswith("."):
        return False
    endings = _endings(folder)
    return not endings or bool(endings & (SUFFIXES | FOREIGN))


def _endings(folder: Path) -> set[str]:
    """Of the files in a folder, lower case; those of hidden files do not count."""
    return {entry.suffix.lower() for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")}


def save_split(split: Split, path: Path) -> None:
    """Write the split as JSON."""
    fields: dict[str, Any] = {"schema": SCHEMA, **asdict(split), "counts": split.counts()}
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
        split = Split(
            fields["seed"],
            tuple(fields["labels"]),
            fields["digest"],
            photos,
            tuple(fields["skipped"]),
            fields["rule"],
            tuple(fields.get("ratios", DEFAULT_RATIOS)),
            tuple(Merge(**merge) for merge in fields.get("merges", ())),
        )
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
        return fit_frame(decode(path.read_bytes()))
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror}); run `edge-convert split` again") from exc
    except UnreadableError as exc:
        raise ConfigError(f"{path} cannot be decoded ({exc}); run `edge-convert split` again") from exc
