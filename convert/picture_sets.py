"""The photographs that two bundles are compared on: a part of a split, or any folder of class folders."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from convert.choices import Which
from convert.dataset import Split, check_data, class_root, load_photo, load_split, make_split
from convert.grouping import group_of
from convert.photographs import FOREIGN, SUFFIXES, UnreadableError, decode, files_of
from edge.errors import ConfigError
from edge.preprocess import fit_frame
from edge.records import BgrImage

__all__ = ["Picture", "Pictures", "from_folder", "from_split"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A photograph to compare on.

    Attributes:
        file: name, relative to its folder.
        label: its class folder.
        group: photographs of one group may show one object.
        read: gives (H, W, 3) uint8 BGR, or None if it cannot be read or decoded.
    """

    file: str
    label: str
    group: str
    read: Callable[[], BgrImage | None]


@dataclass(frozen=True, slots=True)
class Pictures:
    """What both bundles are shown.

    Attributes:
        title: what they are, for people.
        all: the photographs.
        split, part: what they are a part of; None for any other folder.
    """

    title: str
    all: tuple[Picture, ...]
    split: Split | None = None
    part: Which | None = None


def from_split(data: Path, split_file: Path, part: Which, seed: int | None) -> Pictures:
    """Photographs of one part of a split.

    Args:
        data: folder of the photographs.
        split_file: what `edge-convert split` wrote.
        seed: splits anew with this seed, in memory only, instead of reading `split_file`.
    Raises: ConfigError if there is no split, or the photographs are not those that were split.
    """
    root = class_root(data)
    if seed is not None:
        split = make_split(root, seed)
    elif split_file.is_file():
        split = load_split(split_file)
        check_data(root, split)
    else:
        raise ConfigError(
            f"{split_file} is missing; run `edge-convert split` first, or pass --seed N, or --images with any folder "
            "of class folders"
        )
    photos = split.photos if part is Which.ALL else split.part(part.value)
    chosen = tuple(Picture(photo.file, photo.label, photo.group, partial(load_photo, root, photo)) for photo in photos)
    title = "all photographs" if part is Which.ALL else f"{part.value} photographs"
    return Pictures(f"{title}, split with seed {split.seed}", chosen, split, part)


def from_folder(folder: Path) -> Pictures:
    """All photographs of a folder of class folders. Raises: ConfigError if it holds none."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; pass --images a folder that holds one folder a class")
    found = []
    for label in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        for path in files_of(label, SUFFIXES | FOREIGN):
            file = f"{label.name}/{path.name}"
            found.append(Picture(file, label.name, group_of(file), partial(_read, path)))
    if not found:
        raise ConfigError(f"{folder} holds no class folder with photographs; pass --images a folder that does")
    return Pictures(f"photographs of {folder.name}", tuple(found))


def _read(path: Path) -> BgrImage | None:
    try:
        return fit_frame(decode(path.read_bytes()))
    except (OSError, UnreadableError):
        return None
