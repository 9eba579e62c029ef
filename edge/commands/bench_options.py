"""What `edge-sorter bench` was asked for, and the words of its options made into numbers. Nothing is measured here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from edge.classify.interpreters import RuntimeName
from edge.config import Config
from edge.errors import ConfigError
from edge.paths import model_path

__all__ = ["BenchOptions", "Matrix", "duration_s_of", "matrix_of", "peers_of"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|)")
_SECONDS = {"s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+)x(\d+)")


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What the command line asked for; None where it said nothing."""

    config: Path | None
    model: Path | None
    json: Path | None
    page: Path | None
    markdown: Path | None
    csv: Path | None
    rounds: int | None
    is_quick: bool
    fps: float
    threads: int | None
    against: str | None
    matrix: tuple[str, ...]
    soak: str | None


@dataclass(frozen=True, slots=True)
class Matrix:
    """The axes of a matrix, each with what it takes where it was not named."""

    threads: tuple[int, ...]
    models: tuple[Path, ...]
    runtimes: tuple[RuntimeName, ...]
    sizes_px: tuple[tuple[int, int], ...]


def peers_of(against: str | None) -> list[str] | None:
    """Names of peers; None: all of them. Raises: ConfigError for one that is not known."""
    if against is None or against == "peers":
        return None

    from edge.bench.peers.registry import choose_peers

    names = [name.strip() for name in against.split(",") if name.strip()]
    if not names:
        raise ConfigError(f"--against {against!r} names nobody; give peers, or some of them by name")
    choose_peers(names)
    return names


def matrix_of(wishes: Sequence[str], config: Config) -> Matrix | None:
    """Raises: ConfigError if a wish is no axis with values."""
    if not wishes:
        return None
    axes: dict[str, list[str]] = {"threads": [], "model": [], "runtime": [], "frame": []}
    for wish in wishes:
        axis, _, values = wish.partition("=")
        found = [value for value in values.split(",") if value]
        if axis not in axes or not found:
            raise ConfigError(f"--matrix {wish} is no AXIS=V,V; axes are {', '.join(axes)}")
        axes[axis] += found
    for name in axes["runtime"]:
        if name not in get_args(RuntimeName):
            raise ConfigError(f"--matrix runtime={name} is unknown; take {' or '.join(get_args(RuntimeName))}")
    for value in axes["threads"]:
        if not value.isdecimal() or not 1 <= int(value) <= 64:
            raise ConfigError(f"--matrix threads={value} is no number from 1 to 64")
    return Matrix(
        threads=tuple(int(value) for value in axes["threads"]) or (1,),
        models=tuple(Path(value) for value in axes["model"]) or (model_path(config),),
        runtimes=cast(tuple[RuntimeName, ...], tuple(axes["runtime"])) or ("litert",),
        sizes_px=tuple(_size_px(value) for value in axes["frame"]) or ((640, 480),),
    )


def _size_px(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(64 <= side <= 4096 for side in size):
        raise ConfigError(f"--matrix frame={text} is no size of 64x64 to 4096x4096, such as 640x480")
    return size


def duration_s_of(text: str) -> float:
    match = _DURATION.fullmatch(text)
    duration_s = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 1.0 <= duration_s <= 30 * 86400:
        raise ConfigError(f"--soak {text} is no duration of one second to 30 days, such as 90s, 30m or 8h")
    return duration_s
