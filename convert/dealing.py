"""Deals groups of photographs out to the parts, class by class, so that each part gets its share of every class."""

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from convert.grouping import group_of
from edge.errors import ConfigError

__all__ = ["PARTS", "SHARES", "Part", "deal", "parse_ratios"]

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
SHARES: dict[Part, float] = {"train": 0.70, "val": 0.15, "test": 0.15}


def parse_ratios(text: str) -> dict[Part, float]:
    """The shares of train, val and test out of words like `70/15/15` (or `0.7/0.15/0.15`); they sum to 1.

    Raises: ConfigError unless there are three positive numbers that sum to 100 or to 1.
    """
    try:
        numbers = [float(word) for word in text.split("/")]
    except ValueError:
        numbers = []
    whole = next((sum_ for sum_ in (100.0, 1.0) if math.isclose(sum(numbers), sum_, abs_tol=1e-6)), None)
    if len(numbers) != len(PARTS) or whole is None or not min(numbers) > 0:
        raise ConfigError(
            f"ratios {text!r} are no three positive numbers that sum to 100; pass train/val/test like 70/15/15"
        )
    return {part: number / whole for part, number in zip(PARTS, numbers, strict=True)}


def deal(
    root: Path, files: Mapping[str, str], groups: Mapping[str, str], seed: int, shares: Mapping[Part, float]
) -> dict[str, Part]:
    """The part of every joined group.

    A class's blocks are shuffled and go, each with all that is joined to it, to the part that lacks most images of the
    class. Classes of few groups come first, while their groups are not yet dealt out with those of another class.
    """
    sizes = Counter((groups[file], label) for file, label in files.items())
    of_label = {
        label: sorted({groups[file] for file, of in files.items() if of == label}) for label in set(files.values())
    }
    assigned: dict[str, Part] = {}
    for label in sorted(of_label, key=lambda label: (len(of_label[label]), label)):
        members = [file for file, of in files.items() if of == label]
        if len(of_label[label]) < len(PARTS):
            raise _too_few(root / label, len(members), len(of_label[label]))
        filled = {
            part: sum(sizes[name, label] for name in of_label[label] if assigned.get(name) == part) for part in PARTS
        }
        left = sum(name not in assigned for name in of_label[label])
        for name in _shuffled(members, groups, label, seed):
            if name in assigned:
                continue
            empty = [part for part in PARTS if filled[part] == 0]
            if len(empty) >= left:
                part = empty[0] if empty else PARTS[0]
            else:
                part = max(PARTS, key=lambda p: shares[p] * len(members) - filled[p])
            assigned[name] = part
            filled[part] += sizes[name, label]
            left -= 1
        if not all(filled.values()):
            raise _too_few(root / label, len(members), len(of_label[label]))
    return assigned


def _shuffled(files: Sequence[str], groups: Mapping[str, str], label: str, seed: int) -> list[str]:
    """Joined groups in the order of their blocks' shuffle: a join moves few others to another part."""
    blocks = {group_of(file): groups[file] for file in files}
    names = sorted(blocks)
    order = np.random.default_rng([seed, zlib.crc32(label.encode())]).permutation(len(names))
    return [blocks[names[place]] for place in order]


def _too_few(folder: Path, photographs: int, groups: int) -> ConfigError:
    return ConfigError(
        f"class folder {folder} has {photographs} photographs in {groups} groups, expected at least "
        f"{len(PARTS)} groups of neighbours; add photographs of other objects or number them so that groups differ"
    )
