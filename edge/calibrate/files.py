"""Former versions of a file, kept beside it when it is replaced."""

import os
import shutil
from pathlib import Path

from edge.paths import write_whole

__all__ = ["KEPT", "replace_and_keep"]

KEPT = 5
"""Former files that are kept, as `config.yaml.1` (the last one) to `.5`."""


def replace_and_keep(path: Path, data: bytes) -> Path | None:
    """Put `data` in the place of a file. What was there gets another name, and the oldest of `KEPT` goes.

    Returns: where the former file is kept; None if there was none.
    Raises: OSError; the file is then as it was.
    """
    kept: list[Path] = []
    write_whole(path, data, before=lambda: kept.extend(_keep(path)))
    return kept[0] if kept else None


def _keep(path: Path) -> list[Path]:
    """Give the present file a second name; the oldest of those that were kept goes."""
    if not path.exists():
        return []
    names = [path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1)]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        if newer.exists():
            os.replace(newer, older)
    try:
        os.link(path, names[0])
    except OSError:
        # A file system without hard links, such as that of an SD card's boot partition.
        shutil.copy2(path, names[0])
    return names[:1]
