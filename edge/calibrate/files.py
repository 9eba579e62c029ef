"""Files that are replaced as a whole: at any moment, also after a power cut, there is one version or the next."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["KEPT", "replace_file"]

KEPT = 5
"""Former files that are kept, as `config.yaml.1` (the last one) to `.5`."""


def replace_file(path: Path, data: bytes, *, is_kept: bool = False) -> Path | None:
    """Put `data` in the place of a file, with the file's owner and mode; its folder is made.

    Args:
        is_kept: the file that was there gets another name, and the oldest of `KEPT` goes.
    Returns: where the former file is kept, or None.
    Raises: OSError; the file is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            _take_after(path, file.fileno())
            file.flush()
            os.fsync(file.fileno())
        # Only now, when nothing is left that may need room.
        kept = _keep(path) if is_kept and path.exists() else None
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
    _sync_folder(path.parent)
    return kept


def _take_after(path: Path, handle: int) -> None:
    try:
        former = path.stat()
    except FileNotFoundError:
        os.fchmod(handle, 0o644)
        return
    # Who may not give a file away becomes its owner.
    with suppress(PermissionError):
        os.fchown(handle, former.st_uid, former.st_gid)
    os.fchmod(handle, former.st_mode & 0o7777)


def _keep(path: Path) -> Path:
    """Give the present file a second name; the oldest of those that were kept goes."""
    names = [path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1)]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        if newer.exists():
            os.replace(newer, older)
    try:
        os.link(path, names[0])
    except OSError:
        # A file system without hard links, such as that of an SD card's boot partition.
        shutil.copy2(path, names[0])
    return names[0]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
