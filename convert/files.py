"""Files and folders that appear whole or not at all, also when the power fails, and what identifies them."""

import ctypes
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from edge.errors import ConfigError

__all__ = [
    "check_room",
    "exchange",
    "refuse_foreign",
    "replacing",
    "replacing_folder",
    "sha256_of",
    "sources_digest",
    "sync",
    "write_text",
]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NOT_OFFERED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; what lies there becomes `path` in the end, unless the block fails.

    The place has the suffix of `path`, for Keras chooses the format by it.

    Raises: ConfigError if it cannot be written.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            sync(partial)
            partial.replace(path)
            sync(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc


def write_text(path: Path, text: str) -> None:
    """Replace a text file as a whole; makes its folder."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until a file, or the list of a folder's files, is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sources_digest(modules: Iterable[str]) -> str:
    """Of the source files of these modules, by name: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in modules:
        digest.update(Path(str(import_module(name).__file__)).read_bytes())
    return digest.hexdigest()[:16]


def exchange(first: Path, second: Path) -> bool:
    """Let two folders swap names in one step, so that neither name is ever missing.

    Returns: False, with nothing done, where the system or the file system cannot (Linux's renameat2 is needed).
    Raises: OSError if it can, but not with these two.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_OFFERED:
        return False
    raise OSError(number, os.strerror(number), str(second))


@contextmanager
def replacing_folder(folder: Path, marker: str, option: str) -> Iterator[Path]:
    """A folder beside `folder` to write to; it takes its place in the end, unless the block fails.

    Both lie on the same file system. What was there stays until then, and is gone afterwards.

    Args:
        marker: name of the file by which an old folder of the same kind is known.
        option: that names the folder on the command line.
    Raises: ConfigError if `folder` holds something else, or cannot be written.
    """
    refuse_foreign(folder, marker, option)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _draft(folder) as draft:
            yield draft
            for path in (draft, *draft.rglob("*")):
                sync(path)
            _swap(draft, folder)
            sync(folder.parent)
    except OSError as exc:
        raise _cannot_write(folder, exc, option) from exc


def refuse_foreign(folder: Path, marker: str, option: str) -> None:
    """Raises: ConfigError if `folder` holds something that `replacing_folder` must not replace."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, expected a folder; choose another {option}")
    if folder.is_dir() and not (folder / marker).is_file() and any(folder.iterdir()):
        raise ConfigError(f"{folder} holds files but no {marker}; it is kept as it is; choose another {option}")


def check_room(folder: Path, option: str) -> None:
    """Find out at once, not after hours of training, whether `folder` could be made or written.

    Raises: ConfigError if not; nothing is left behind either way.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, expected a folder; choose another {option}")
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as exc:
        raise _cannot_write(folder, exc, option) from exc


def _cannot_write(path: Path, exc: OSError, option: str = "folder") -> ConfigError:
    remedy = "make room on the disk" if exc.errno in _FULL else f"choose another {option}"
    return ConfigError(f"cannot write {path} ({exc.strerror or exc}); {remedy}; what was there is as it was")


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`; gone in the end, also after Ctrl-C."""
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        draft.chmod(0o755)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _swap(draft: Path, folder: Path) -> None:
    """Put the draft in the folder's place; what was there is in the draft's place then, or gone.

    Where the two cannot be exchanged in one step, a kill (not Ctrl-C) between the two renames leaves the old folder
    in a hidden one beside `folder`, as `old`.
    """
    if not folder.exists():
        draft.rename(folder)
        return
    if exchange(draft, folder):
        return
    attic = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    old = attic / "old"
    try:
        folder.rename(old)
        draft.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        if folder.exists():
            shutil.rmtree(attic, ignore_errors=True)
