"""What other environments get: the lists of packages that are not installed here, read as text, without a network.

| list | for | must |
|---|---|---|
| `packaging/wheels-*.txt` | the Debian packages | pin a version that everything is tested with, with its hashes |
| `constraints-bookworm.txt` | pip on Raspberry Pi OS Bookworm | bound what `constraints.txt` pins |
| `requirements-32bit.txt` | pip on 32-bit Raspberry Pi OS | ask for what the project asks for; it pins nothing |
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools.installed import PROJECT, Package

__all__ = [
    "BOUNDS",
    "UNPINNED",
    "Entry",
    "bound_complaints",
    "entries",
    "foreign_complaints",
    "required",
    "unpinned_complaints",
    "wheel_complaints",
    "wheel_lists",
]

BOUNDS = Path("constraints-bookworm.txt")
UNPINNED = Path("requirements-32bit.txt")
_ELSEWHERE: Mapping[str, str] = {"lgpio": "Unlicense", "tflite-runtime": "Apache-2.0"}
"""Licences of what is never installed beside the tests, by its makers' metadata."""
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: where it stands, its name (normalised), what it asks for, and how many hashes it has."""

    place: str
    name: str
    specifier: SpecifierSet
    hashes: int

    @property
    def pin(self) -> str | None:
        """The version that it pins; None if it pins none."""
        (only,) = self.specifier if len(self.specifier) == 1 else (None,)
        return only.version if only is not None and only.operator == "==" and "*" not in only.version else None


def wheel_lists() -> list[Path]:
    """The lists of the Debian packages. Raises: ValueError if there is none."""
    found = sorted(Path("packaging").glob("wheels-*.txt"))
    if not found:
        raise ValueError("packaging/wheels-*.txt is missing; run it in the project's folder")
    return found


def entries(file: Path) -> list[Entry]:
    """Every entry of a list. Raises: ValueError for a line that is none."""
    found = []
    text = file.read_text(encoding="utf-8").replace("\\\n", "\\ \n")
    number = 1
    for whole in re.split(r"(?<!\\ )\n", text):
        words = whole.replace("\\ \n", " ").partition("#")[0].strip()
        name = words.partition(" --hash")[0].strip()
        if name:
            try:
                wanted = Requirement(name)
            except InvalidRequirement as exc:
                raise ValueError(f"{file}:{number}: {name!r} is no requirement ({exc})") from exc
            hashes = len(_HASH.findall(words))
            found.append(Entry(f"{file}:{number}", canonicalize_name(wanted.name), wanted.specifier, hashes))
        number += whole.count("\n") + 1
    return found


def required(extras: Collection[str] = ("pi", "tflite")) -> dict[str, list[SpecifierSet]]:
    """What the project itself asks for on any machine, with these extras: the bounds of each package."""
    found: dict[str, list[SpecifierSet]] = {}
    for text in metadata.distribution(PROJECT).requires or ():
        wanted = Requirement(text)
        extra = re.search(r"extra == [\"'](\w+)[\"']", str(wanted.marker or ""))
        if extra is None or extra[1] in extras:
            found.setdefault(canonicalize_name(wanted.name), []).append(wanted.specifier)
    return found


def wheel_complaints(wheels: Sequence[Entry], pinned: Mapping[str, str], bounds: Sequence[Entry]) -> Iterator[str]:
    """What is amiss with a list of wheels, a sentence each.

    Args:
        pinned: what everything is tested with, by name.
        bounds: those that hold in place of a pin on the system that the wheels are for.
    """
    bounded = {entry.name: entry.specifier for entry in bounds}
    for entry in wheels:
        if entry.pin is None:
            yield f"{entry.place}: {entry.name} is not pinned; expected {entry.name}==VERSION"
            continue
        if entry.hashes == 0:
            yield f"{entry.place}: {entry.name} has no hash; run `python packaging/wheels.py SUITE --lock`"
        bound = bounded.get(entry.name)
        if bound is not None:
            if not bound.contains(entry.pin):
                yield f"{entry.place}: {entry.name} {entry.pin} is outside {bound}, the bound of {BOUNDS}"
        elif pinned.get(entry.name) != entry.pin:
            tested = pinned.get(entry.name, "none")
            yield f"{entry.place}: {entry.name} {entry.pin} is shipped, but {tested} is what is tested"


def bound_complaints(bounds: Sequence[Entry], pinned: Collection[str]) -> Iterator[str]:
    """What is amiss with bounds: each must say something, of a package that is pinned elsewhere."""
    for entry in bounds:
        if not entry.specifier:
            yield f"{entry.place}: {entry.name} has no bound"
        if entry.name not in pinned:
            yield f"{entry.place}: {entry.name} is bounded, but nothing pins it elsewhere"


def unpinned_complaints(asked: Sequence[Entry], wanted: Mapping[str, Sequence[SpecifierSet]]) -> Iterator[str]:
    """What is amiss with a list that takes the place of the project's own requirements: of what it
    names it must ask for the same."""
    for entry in asked:
        if entry.name in wanted and entry.specifier not in wanted[entry.name]:
            ours = " and ".join(str(each) for each in wanted[entry.name])
            yield f"{entry.place}: {entry.name}{entry.specifier} is asked for, pyproject.toml asks for {ours}"


def foreign_complaints(
    listed: Sequence[Entry], packages: Mapping[str, Package], needed: Collection[str], allowed: Collection[str]
) -> Iterator[str]:
    """What nothing needs, and what has no allowed licence, by what is installed here or known of it.

    Args:
        needed: names of what the sorter runs with, here or elsewhere.
        allowed: SPDX identifiers.
    """
    for entry in listed:
        if entry.name not in needed:
            yield f"{entry.place}: nothing needs {entry.name}; take it out, or require it"
        package = packages.get(entry.name)
        licence = _ELSEWHERE.get(entry.name) if package is None else package.licence
        if licence is None:
            yield f"{entry.place}: no licence of {entry.name} is known here; look, and add it to tools/lists.py"
        elif not {word for word in re.split(r"[\s()]+|\b(?:AND|OR|WITH)\b", licence) if word} <= set(allowed):
            yield f"{entry.place}: {entry.name} is under {licence}, which tools/audit.py does not allow; decide on it"
