"""Which photographs must stay in one part: blocks of neighbouring numbers, joined where they show the same thing."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from convert.similar import ALIKE, Looks, Union, alike, find_pairs

__all__ = ["BLOCK", "RULE", "Merge", "Why", "find_merges", "group_of", "groups_of", "neighbours"]

BLOCK = 10
"""Photographs with the same number // BLOCK stay together."""
HASH_GROUPS = 40
REACH = 2
"""Largest difference of two file numbers that counts as neighbouring."""
RULE = (
    f"group = text before the last number of the file name + that number // {BLOCK}; a name without a number: "
    f"SHA-256 of the name modulo {HASH_GROUPS}; groups are joined, across classes too, where two photographs are "
    f"identical or nearly so, or have numbers at most {REACH} apart and like colours; joined groups are shuffled "
    "with the seed and each goes to the part that lacks most images of its class"
)
Why = Literal["identical", "nearly identical", "neighbours alike"]
_LAST_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$")


@dataclass(frozen=True, slots=True)
class Merge:
    """Two photographs that hold two groups together.

    Attributes:
        first, second: files, as in `Photo.file`.
        why: what they have in common.
        likeness: correlation of nearly identical pictures, else likeness of colours; 0 to 1.
    """

    first: str
    second: str
    why: Why
    likeness: float

    @property
    def is_across_classes(self) -> bool:
        """True if the two stand in different class folders: one of the labels is wrong."""
        return PurePosixPath(self.first).parent != PurePosixPath(self.second).parent


def group_of(file: str) -> str:
    """The group of a photograph before any are joined (see RULE).

    Args:
        file: relative path, the label first.
    """
    path = PurePosixPath(file)
    series = _series(file)
    if series:
        return f"{series[0]}#{series[1] // BLOCK}"
    number = int.from_bytes(hashlib.sha256(path.stem.encode()).digest()[:8], "big") % HASH_GROUPS
    return f"{path.parent.as_posix()}/~{number}"


def neighbours(files: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of files of one folder and series whose numbers differ by 1 to REACH, the lower number first."""
    numbered: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, file in enumerate(files):
        series = _series(file)
        if series:
            numbered[series[0]].append((series[1], place))
    for name in sorted(numbered):
        members = sorted(numbered[name])
        for start, (number, place) in enumerate(members):
            for other, second in members[start + 1 :]:
                if other - number > REACH:
                    break
                if other > number:
                    yield place, second


def _series(file: str) -> tuple[str, int] | None:
    path = PurePosixPath(file)
    match = _LAST_NUMBER.match(path.stem)
    return (f"{path.parent.as_posix()}/{match[1]}", int(match[2])) if match else None


def find_merges(files: Sequence[str], looks: Sequence[Looks]) -> list[Merge]:
    """Why groups must be joined, one entry for each two groups that a pair of photographs connects.

    Args:
        files: relative paths.
        looks: of the same photographs.
    """
    found: list[Merge] = []
    for pair in find_pairs(looks):
        why: Why = "identical" if pair.is_identical else "nearly identical"
        found.append(Merge(files[pair.first], files[pair.second], why, pair.correlation))
    for first, second in neighbours(files):
        likeness = alike(looks[first], looks[second])
        if likeness >= ALIKE:
            found.append(Merge(files[first], files[second], "neighbours alike", round(likeness, 3)))
    return [merge for merge in found if group_of(merge.first) != group_of(merge.second)]


def groups_of(files: Sequence[str], merges: Sequence[Merge]) -> dict[str, str]:
    """The joined group of every file; it is called after the first of the groups it was joined from."""
    names = sorted({group_of(file) for file in files})
    places = {name: place for place, name in enumerate(names)}
    sets = Union(len(names))
    for merge in merges:
        sets.join(places[group_of(merge.first)], places[group_of(merge.second)])
    return {file: names[sets.find(places[group_of(file)])] for file in files}
