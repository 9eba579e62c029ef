"""Where files lie when neither the command line nor the configuration says so, and how they are written."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import edge
from edge.config import Config

__all__ = ["ledger_path", "model_path", "state_dir", "tuning_path", "write_whole"]

SHIPPED_MODEL = "waste-mobilenetv2"


def state_dir() -> Path:
    """Where data of this program lives for the user who runs it (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "edge-sorter"


def tuning_path() -> Path:
    """File that remembers how inferences run best on this machine (`classify.tuning`)."""
    return state_dir() / "tuning.json"


def model_path(config: Config) -> Path:
    """Folder of the bundle to use: the configured one, else the one that ships with the program."""
    if config.model.path is not None:
        return Path(config.model.path)
    package = Path(edge.__file__).parent
    installed = package / "models" / SHIPPED_MODEL
    return installed if installed.is_dir() else package.parent / "models" / SHIPPED_MODEL


def ledger_path(config: Config) -> Path:
    """File of the ledger to use."""
    return Path(config.ledger.path) if config.ledger.path is not None else state_dir() / "ledger.db"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that others see the old one or the new one, never a part; its folder is made. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
