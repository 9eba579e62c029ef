"""Where an unfinished training stands: one file, replaced as a whole at the end of every epoch."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.files import replacing
from edge.errors import ConfigError

__all__ = ["Progress", "fits", "load_progress", "recipe_of", "save_progress"]

Arrays = list[npt.NDArray[Any]]
_LISTS = ("weights", "others", "optimizer", "average", "best", "soup")


@dataclass(slots=True)
class Progress:
    """How far a training came.

    Attributes:
        phase, epoch: epochs done of a phase; both count from 0.
        history: of all epochs so far.
        best_merit, since_best: of the best epoch of the phase, and the epochs since.
        steps: of the moving average.
        trained_s: time that it took so far.
        weights, others: of the whole network, and what the phase's model holds besides (states of dropout).
        optimizer: its variables, the number of steps among them.
        average, best: the moving average, and the whole network's weights at the best epoch (of a phase with
            `soup: true` the latest).
        soup: the whole network's weights where a phase with `soup: true` began, which it is averaged with.
        members: ends of phases whose mean `soup` is.
    """

    phase: int = 0
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_merit: float = float("-inf")
    since_best: int = 0
    steps: int = 0
    trained_s: float = 0.0
    weights: Arrays = field(default_factory=list)
    others: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    average: Arrays = field(default_factory=list)
    best: Arrays = field(default_factory=list)
    soup: Arrays = field(default_factory=list)
    members: int = 0


def save_progress(path: Path, key: str, recipe: dict[str, Any], progress: Progress) -> None:
    """Write it; `key` says of which training, `recipe` is what its recipe records."""
    plain = {name: getattr(progress, name) for name in Progress.__slots__ if name not in _LISTS}
    lists = {name: getattr(progress, name) for name in _LISTS}
    plain["key"], plain["recipe"] = key, recipe
    plain["lengths"] = {name: len(values) for name, values in lists.items()}
    arrays = {f"{name}-{place}": value for name, values in lists.items() for place, value in enumerate(values)}
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, plain=np.array(json.dumps(plain)), **arrays)


def recipe_of(path: Path) -> dict[str, Any] | None:
    """What the recipe of an unfinished training recorded; None where there is none, or it is damaged or of old."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found: dict[str, Any] = json.loads(str(archive["plain"]))["recipe"]
            return found
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def load_progress(path: Path, key: str) -> Progress | None:
    """What was saved under this key; None where there is nothing, or it is of another training.

    Raises: ConfigError if the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            plain = json.loads(str(archive["plain"]))
            if plain.pop("key") != key:
                return None
            plain.pop("recipe")
            lengths = plain.pop("lengths")
            lists = {name: [archive[f"{name}-{place}"] for place in range(lengths[name])] for name in _LISTS}
        return Progress(**plain, **lists)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as exc:
        raise ConfigError(f"{path} is damaged ({exc}); pass --restart to begin the training anew") from exc


def fits(present: Sequence[Any], saved: Sequence[npt.NDArray[Any]]) -> bool:
    """True if saved values go into these variables."""
    return [tuple(one.shape) for one in present] == [one.shape for one in saved]
