"""Where files lie when neither the command line nor the configuration says so, and how they are written."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import edge

if TYPE_CHECKING:
    from edge.config import Config

__all__ = [
    "ledger_path",
    "make_folder",
    "model_path",
    "state_dir",
    "stop_path",
    "sync_folder",
    "tuning_path",
    "write_whole",
]

SHIPPED_MODEL = "waste-mobilenetv2"


def state_dir() -> Path:
    """Where data of this program lives for the user who runs it (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "edge-sorter"


def tuning_path() -> Path:
    """File that remembers how inferences run best on this machine (`classify.tuning`)."""
    return state_dir() / "tuning.json"


def model_path(config: "Config") -> Path:
    """Folder of the bundle to use: the configured one, else the one that ships with the program."""
    if config.model.path is not None:
        return Path(config.model.path)
    package = Path(edge.__file__).parent
    installed = package / "models" / SHIPPED_MODEL
    return installed if installed.is_dir() else package.parent / "models" / SHIPPED_MODEL


def ledger_path(config: "Config") -> Path:
    """File of the ledger to use."""
    return Path(config.ledger.path) if config.ledger.path is not None else state_dir() / "ledger.db"


def stop_path(config: "Config") -> Path:
    """File that remembers an emergency stop that was not reset; beside the ledger, which the same user writes."""
    return ledger_path(config).parent / "emergency-stop"


def write_whole(path: Path, content: str | bytes, *, before: Callable[[], None] = lambda: None) -> None:
    """Replace a file as a whole: at any moment, also after a power cut, there is the old one or the new one.

    It keeps its owner and mode; a new one is for all to read whom the umask does not shut out. Its folder is made.

    Args:
        content: text is written as UTF-8.
        before: called when nothing is left that may need room, just before the new file takes the name.
    Raises: OSError; the file is then as it was.
    """
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(handle, "wb") as file:
            # Before the content is there: who may not read the old file never reads the new one.
            _take_after(path, file.fileno())
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        before()
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder, and those above it, so that a power cut takes none of them away again. Raises: OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder as they are now: new ones, others, and none. Raises: OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take_after(path: Path, handle: int) -> None:
    try:
        former = path.stat()
    except FileNotFoundError:
        return
    # Who may not give a file away becomes its owner.
    with suppress(PermissionError):
        os.fchown(handle, former.st_uid, former.st_gid)
    os.fchmod(handle, former.st_mode & 0o7777)
