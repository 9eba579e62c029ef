"""Labels for captured pictures, and class folders of them as `edge-convert` reads photographs."""

import difflib
import errno
import os
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from edge.capture.limits import Entry
from edge.capture.shelf import ID, Shelf
from edge.disk import FULL
from edge.errors import ConfigError
from edge.paths import make_folder, sync_folder, write_whole

__all__ = ["Exported", "check_label", "export", "find", "is_label"]

SIMULATED = "sim"
LABEL_LIMIT, LABEL_LIMIT_BYTES = 64, 255
"""Characters of a label; and what Linux takes as a name, in which a character may have four bytes."""
_HOPELESS = FULL | {errno.EROFS}
"""What the next picture would meet as well."""
_EXPORTED = re.compile(rf"({ID.pattern})\.jpg")


@dataclass
class Exported:
    """What an export did: pictures by label, how many stand there for the first time, and how many were left out."""

    labels: Counter[str] = field(default_factory=Counter)
    new: int = 0
    moved: int = 0
    unlabelled: int = 0
    simulated: int = 0
    unreadable: list[str] = field(default_factory=list)


def find(shelf: Shelf, asked: str) -> Entry:
    """The picture with that event id, or that number. Raises: ConfigError if there is none."""
    is_number = asked.isascii() and asked.isdigit()
    for entry in shelf.scan():
        if entry.id == asked or (is_number and entry.number == int(asked)):
            return entry
    raise ConfigError(f"no picture {asked!r} in {shelf.folder}; `edge-sorter capture list` names them")


def is_label(label: object) -> bool:
    """True for a name that can be a class folder: one line of print, no path, not hidden, no option."""
    return (
        isinstance(label, str)
        and 0 < len(label) <= LABEL_LIMIT
        and label == label.strip()
        and label.isprintable()
        and len(label.encode()) <= LABEL_LIMIT_BYTES
        and not label.startswith((".", "-"))
        and not set(label) & set('/\\:*?"<>|')
    )


def check_label(label: str, known: Collection[str], *, is_new: bool) -> None:
    """Raises: ConfigError if it can be no class folder, or the configuration does not know it and it is not new."""
    if not is_label(label):
        raise ConfigError(
            f"label {label!r} can be no class folder; take up to {LABEL_LIMIT} printable characters "
            f"({LABEL_LIMIT_BYTES} bytes) without a slash that do not begin with a point or a dash"
        )
    if label in known or is_new:
        return
    close = difflib.get_close_matches(label, known, n=1)
    guess = f", did you mean {close[0]!r}?" if close else ""
    raise ConfigError(
        f"label {label!r} is none of the model's{guess}; it knows {', '.join(known)}; a class that is to be "
        "learnt anew needs --new"
    )


def export(shelf: Shelf, folder: Path, *, with_predicted: bool, with_simulated: bool) -> Exported:
    """Copy pictures to `folder/LABEL/ID.jpg`. Those that an earlier export left under another label are moved.

    Args:
        with_predicted: those that nobody labelled too, under the label that the model gave them.
        with_simulated: those of the simulated tray too, which no camera ever sees.
    What it counts is on the disk when it returns. A picture that cannot be read or written is named and left out.
    Raises: ConfigError if the folder is that of the pictures, or none; OSError if the disk takes no more.
    """
    _check_folder(shelf, folder)
    done, standing = Exported(), _standing(folder)
    for entry in shelf.scan():
        about = shelf.about(entry)
        label: object = shelf.label(entry)
        if label is None and with_predicted:
            label = about.get("label")
        if not isinstance(label, str) or not is_label(label):
            done.unlabelled += 1
            continue
        if not with_simulated and str(about.get("source", "")).partition(":")[0] == SIMULATED:
            done.simulated += 1
            continue
        try:
            _put(shelf, entry, folder / label / f"{entry.id}.jpg", standing.get(entry.id), done)
        except OSError as exc:
            if exc.errno in _HOPELESS:
                raise
            done.unreadable.append(f"{entry.id} ({exc.strerror or exc})")
            continue
        done.labels[label] += 1
    return done


def _put(shelf: Shelf, entry: Entry, target: Path, former: Path | None, done: Exported) -> None:
    """Raises: OSError."""
    if former is None:
        write_whole(target, shelf.picture(entry))
        done.new += 1
    elif former != target:
        make_folder(target.parent)
        os.replace(former, target)
        sync_folder(target.parent)
        sync_folder(former.parent)
        done.moved += 1


def _check_folder(shelf: Shelf, folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; name one for the class folders")
    own, asked = shelf.folder.resolve(), folder.resolve()
    if asked == own or own in asked.parents:
        raise ConfigError(f"{folder} lies among the captured pictures; name a folder elsewhere")


def _standing(folder: Path) -> dict[str, Path]:
    """Pictures of earlier exports by their id."""
    found: dict[str, Path] = {}
    if not folder.is_dir():
        return found
    for place in sorted(folder.iterdir()):
        if not place.is_dir() or place.is_symlink():
            continue
        for path in place.iterdir():
            match = _EXPORTED.fullmatch(path.name)
            if match and path.is_file() and not path.is_symlink():
                found[match[1]] = path
    return found
