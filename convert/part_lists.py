"""Reads somebody else's split: folders train/val/test of class folders, or a list in JSON or CSV."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.dealing import PARTS, Part
from convert.photographs import FOREIGN, SUFFIXES, check_name, files_of
from edge.errors import ConfigError

__all__ = ["Listed", "read_parts"]

_NAMES: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "holdout"), "test"),
}
_COLUMNS = {
    "file": ("file", "path", "image", "filename"),
    "label": ("label", "class", "category"),
    "part": ("part", "split", "set", "subset"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One photograph of a split.

    Attributes:
        name: as the split calls it, with forward slashes.
        path: where it lies.
        label: its class.
        part: `train`, `val` or `test`.
    """

    name: str
    path: Path
    label: str
    part: Part


def read_parts(path: Path, roots: Iterable[Path]) -> list[Listed]:
    """The photographs of a split, sorted by name.

    Args:
        path: a folder of part folders (train, val/valid/validation, test) of class folders; or a JSON file (a list of
            objects, or an object with the list `photos`) or a CSV file with a header, that names `file`, `label` and
            `part` of each photograph.
        roots: folders that a list's relative names may start from, besides the list's own; the first one that holds
            the list's first file counts.
    Raises: ConfigError if there is no such split, a part is unknown, fewer than two parts hold photographs, or a file
        that the list names is missing.
    """
    if path.is_dir():
        found = _of_folder(path)
    elif path.is_file():
        found = _of_list(path, [path.parent, *roots])
    else:
        raise ConfigError(f"{path} does not exist; pass a folder with train, val and test, or a JSON or CSV list")
    filled = {photo.part for photo in found}
    if len(filled) < 2:
        raise ConfigError(
            f"{path} holds photographs of {' and '.join(filled) or 'no part'} only, expected at least two of "
            f"{', '.join(PARTS)}; check the folder names or the column `part`"
        )
    return sorted(found, key=lambda photo: photo.name)


def _of_folder(folder: Path) -> list[Listed]:
    """Photographs of formats that `split` does not read are among them: compared if they can be decoded, else named."""
    found = []
    for part in sorted(entry for entry in folder.iterdir() if entry.is_dir() and entry.name.lower() in _NAMES):
        for label in sorted(entry for entry in part.iterdir() if entry.is_dir()):
            check_name(label)
            found += [
                Listed(file.relative_to(folder).as_posix(), file, label.name, _NAMES[part.name.lower()])
                for file in files_of(label, SUFFIXES | FOREIGN)
            ]
    return found


def _of_list(path: Path, roots: list[Path]) -> list[Listed]:
    try:
        rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    except (ValueError, csv.Error) as exc:
        raise ConfigError(f"{path} cannot be read as a list of photographs ({exc}); pass JSON or CSV") from exc
    entries = [_entry(row, path, number) for number, row in enumerate(rows, 1)]
    if not entries:
        return []
    root = next((root for root in roots if (root / entries[0][0]).is_file()), None)
    if root is None:
        raise ConfigError(
            f"{entries[0][0]}, the first photograph of {path}, is in none of {', '.join(map(str, roots))}; "
            "pass --data with the folder that its names start from"
        )
    missing = [name for name, _, _ in entries if not (root / name).is_file()]
    if missing:
        raise ConfigError(
            f"{len(missing)} photographs of {path} are missing in {root}, the first is {missing[0]}; check --data"
        )
    return [Listed(name, root / name, label, part) for name, label, part in entries]


def _csv_rows(path: Path) -> list[Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _json_rows(path: Path) -> list[Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = content.get("photos") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise ValueError("neither a list nor an object with the list `photos`")
    return rows


def _entry(row: Any, path: Path, number: int) -> tuple[str, str, Part]:
    """File, label and part of a row, whatever the columns are called."""
    if not isinstance(row, Mapping):
        raise ConfigError(f"entry {number} of {path} is no object; expected file, label and part")
    values = {}
    for wanted, names in _COLUMNS.items():
        values[wanted] = next((row[name] for name in names if isinstance(row.get(name), str) and row[name]), None)
        if values[wanted] is None:
            raise ConfigError(f"entry {number} of {path} has no {wanted}; expected one of {', '.join(names)}")
    part = _NAMES.get(values["part"].strip().lower())
    if part is None:
        raise ConfigError(f"entry {number} of {path} has part {values['part']!r}, expected one of {', '.join(PARTS)}")
    return values["file"].replace("\\", "/"), values["label"], part
