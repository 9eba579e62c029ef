"""One run at a time in a work folder."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import ConfigError

__all__ = ["claimed"]


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other runs out of a work folder while the block runs.

    The folder itself is locked, so that no lock file is left over, whatever ends this process. A folder that is not
    there is made, and removed again if it is still empty in the end. Where the file system has no locks (some network
    drives, Windows) nothing is kept out.

    Raises: ConfigError if another run is at work there, or `folder` is no folder and cannot become one.
    """
    made = _make(folder)
    try:
        try:
            import fcntl

            number = os.open(folder, os.O_RDONLY)
        except (ImportError, OSError):
            yield
            return
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(number)
            raise ConfigError(
                f"another edge-convert is at work in {folder}; wait until it is done, or pass another --work"
            ) from None
        except OSError:
            pass
        try:
            yield
        finally:
            os.close(number)
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def _make(folder: Path) -> list[Path]:
    """Make a folder and what it lies in; returns what was made, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"{folder} is a file, expected a folder; pass another --work") from None
    except NotADirectoryError:
        raise ConfigError(f"{folder} lies in something that is no folder; pass another --work") from None
    except OSError as exc:
        raise ConfigError(f"cannot make the folder {folder} ({exc.strerror or exc}); pass another --work") from exc
    return missing
