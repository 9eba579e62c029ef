"""The files of the captured pictures: written whole, read with distrust, and no others ever touched.

A picture is `NUMBER-EVENT_ID.jpg`, beside it `.json` (what is known of it) and, once a person said what it shows,
`.label`. It counts from the moment that its `.jpg` has its name. Whatever else lies in the folder is left alone, and no
symbolic link is followed. It imports neither numpy nor OpenCV, so that `edge-sorter capture` starts quickly.
"""

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from edge.capture.limits import Entry
from edge.paths import make_folder, sync_folder
from edge.reading import read_whole

__all__ = ["BLOCK_BYTES", "HIGHEST", "ID", "Count", "Shelf", "as_seconds", "on_disk"]

ID = re.compile(r"[0-9A-Za-z]{1,64}-[0-9]{1,12}")
"""An event's id, as the ledger gives it."""
HIGHEST = 999_999_999
"""A file with a higher number is not ours: the store counts from 1, and would need thousands of years."""
BLOCK_BYTES = 4096
"""A file takes whole blocks of the disk."""
JSON_LIMIT_BYTES = 65_536
PICTURE_LIMIT_BYTES = 64 << 20
FILE_MODE, FOLDER_MODE = 0o640, 0o750
_PARTIAL = ".partial"
_OPERATED = ".operated"
_NAME = re.compile(rf"(?P<number>[0-9]{{8,12}})-(?P<id>{ID.pattern})\.(?P<kind>jpg|json|label)(?P<partial>\.partial)?")


class Count(NamedTuple):
    """What the folder remembers beside the pictures, which may all be removed.

    Attributes:
        operated_s: seconds of operation.
        highest: number of the last picture.
        left: pictures that may be kept now (`Allowance`); None in a folder that nobody counted in.
    """

    operated_s: float = 0.0
    highest: int = 0
    left: float | None = None


class Shelf:
    """The folder of the pictures. One process writes pictures; any may read, label and remove them meanwhile.

    Args:
        folder: it may be missing; `make` makes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folder where it is missing, for the owner and the group only. Raises: OSError."""
        make_folder(self.folder, FOLDER_MODE)

    def scan(self) -> list[Entry]:
        """Every picture, oldest first; none where there is no folder. Raises: OSError if it cannot be looked into."""
        pictures: dict[tuple[int, str], int] = {}
        companions: dict[tuple[int, str], int] = {}
        labelled: set[tuple[int, str]] = set()
        for match, size in self._own_files():
            if match["partial"]:
                continue
            key = int(match["number"]), match["id"]
            if match["kind"] == "jpg":
                pictures[key] = size
            else:
                companions[key] = companions.get(key, 0) + size
            if match["kind"] == "label":
                labelled.add(key)
        return [Entry(*key, size + companions.get(key, 0), key in labelled) for key, size in sorted(pictures.items())]

    def sweep(self) -> None:
        """Remove what a power cut left of a picture. Only the one writer may, before it writes. Raises: OSError."""
        found = list(self._own_files())
        pictures = {
            match.group("number", "id") for match, _ in found if match["kind"] == "jpg" and not match["partial"]
        }
        for match, _ in found:
            if match["partial"] or match.group("number", "id") not in pictures:
                (self.folder / match.string).unlink(missing_ok=True)
        (self.folder / f"{_OPERATED}{_PARTIAL}").unlink(missing_ok=True)

    def write(self, number: int, event_id: str, jpeg: bytes, about: Mapping[str, Any]) -> Entry:
        """Write a picture down. Raises: OSError; nothing of it is left then, as far as the disk allows."""
        text = json.dumps(about, ensure_ascii=False, indent=1).encode() + b"\n"
        entry = Entry(number, event_id, on_disk(len(jpeg)) + on_disk(len(text)), False)
        try:
            self._write(f"{entry.stem}.json", text)
            self._write(f"{entry.stem}.jpg", jpeg)
        except OSError:
            with suppress(OSError):
                self.remove(entry)
            raise
        return entry

    def remove(self, entry: Entry) -> None:
        """Remove a picture and what belongs to it; one that is gone already is no error. Raises: OSError."""
        # The picture first: without it the rest is nothing, and is swept at the next start.
        for kind in ("jpg", "label", "json"):
            (self.folder / f"{entry.stem}.{kind}").unlink(missing_ok=True)

    def path(self, entry: Entry) -> Path:
        """File of the picture."""
        return self.folder / f"{entry.stem}.jpg"

    def picture(self, entry: Entry) -> bytes:
        """The JPEG file. Raises: OSError."""
        return self._read(f"{entry.stem}.jpg", PICTURE_LIMIT_BYTES)

    def about(self, entry: Entry) -> dict[str, Any]:
        """What is known of a picture; empty where that cannot be read, or is not what this program writes."""
        return self._fields(f"{entry.stem}.json")

    def label(self, entry: Entry) -> str | None:
        """What a person said it shows; None where nobody did, or it cannot be read."""
        try:
            return self._read(f"{entry.stem}.label", JSON_LIMIT_BYTES).decode().strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def is_labelled(self, entry: Entry) -> bool:
        """A person said what it shows, perhaps just now in another process."""
        return os.path.lexists(self.folder / f"{entry.stem}.label")

    def set_label(self, entry: Entry, label: str | None) -> None:
        """Attach a label, or take it off; a person's work is on the disk when this returns. Raises: OSError."""
        if label is None:
            (self.folder / f"{entry.stem}.label").unlink(missing_ok=True)
        else:
            self._write(f"{entry.stem}.label", f"{label}\n".encode())
        sync_folder(self.folder)

    def count(self) -> Count:
        """What was counted so far, as far as it is written down soundly."""
        fields = self._fields(_OPERATED)
        highest, left = fields.get("highest"), fields.get("left")
        is_sound = isinstance(highest, int) and not isinstance(highest, bool) and 0 <= highest <= HIGHEST
        return Count(
            as_seconds(fields.get("operated_s")),
            int(highest or 0) if is_sound else 0,
            None if left is None else as_seconds(left),
        )

    def remember(self, count: Count) -> None:
        """Write down what was counted. Raises: OSError."""
        left = None if count.left is None else round(max(count.left, 0.0), 3)
        fields = {"operated_s": round(count.operated_s, 1), "highest": count.highest, "left": left}
        self._write(_OPERATED, json.dumps(fields).encode())

    def _own_files(self) -> Iterator[tuple[re.Match[str], int]]:
        """Regular files whose names are ours, and the room they take."""
        try:
            found = os.scandir(self.folder)
        except FileNotFoundError:
            return
        with found:
            for file in found:
                match = _NAME.fullmatch(file.name)
                if match is None or int(match["number"]) > HIGHEST:
                    continue
                with suppress(FileNotFoundError):
                    # What vanishes meanwhile was removed by someone else.
                    status = file.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield match, on_disk(status.st_size)

    def _write(self, name: str, content: bytes) -> None:
        """Under another name first, so that a power cut leaves all of it or none."""
        path, partial = self.folder / name, self.folder / f"{name}{_PARTIAL}"
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        try:
            with os.fdopen(handle, "wb") as file:
                self._give_away(file.fileno())
                file.write(content)
                file.flush()
                os.fdatasync(file.fileno())
            os.replace(partial, path)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    def _give_away(self, handle: int) -> None:
        """To the folder's owner: a label that root attaches is the sorter's to remove."""
        os.fchmod(handle, FILE_MODE)
        if os.geteuid() == 0:
            owner = self.folder.stat()
            with suppress(PermissionError):
                os.fchown(handle, owner.st_uid, owner.st_gid)

    def _read(self, name: str, limit_bytes: int) -> bytes:
        # Whoever may write here must not make root read another file, nor wait for a pipe.
        return read_whole(self.folder / name, limit_bytes, is_link_allowed=False)

    def _fields(self, name: str) -> dict[str, Any]:
        try:
            fields = json.loads(self._read(name, JSON_LIMIT_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return fields if isinstance(fields, dict) else {}


def as_seconds(value: object) -> float:
    """A number of seconds that a file holds; 0 for what is none."""
    is_sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11
    return float(value) if is_sound else 0.0  # type: ignore[arg-type]  # is_sound says that it is a number


def on_disk(size: int) -> int:
    """Room that a file of so many bytes takes."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
