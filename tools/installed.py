"""What is installed in an environment, why, and under which licence; from the metadata alone, without a network."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["PROJECT", "TOOLS", "Library", "Package", "installed", "needed_by"]

PROJECT = "edge-sorter"
TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""What `venv` itself may bring."""

_LICENCES: Mapping[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "unlicense.org": "Unlicense",
}
"""SPDX identifiers for what older packages write in words."""
_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR) [A-Za-z0-9.+-]+)*")
_WORDS = 60
"""Characters of a licence field that is a name; a longer one is the whole text."""


@dataclass(frozen=True, slots=True)
class Library:
    """A native library that a package carries inside: its file name and, where known, its SHA-256 in hex."""

    name: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution.

    `name` is normalised (PEP 503), `title` as the package spells it; `licence` is an SPDX expression, None where the
    package names none that is known; `needs` are the names that it requires here, with no extra of its own.
    """

    name: str
    title: str
    version: str
    licence: str | None
    needs: tuple[str, ...]
    libraries: tuple[Library, ...]


def installed() -> dict[str, Package]:
    """Every distribution of this environment, by its normalised name."""
    found = (_package(distribution) for distribution in metadata.distributions())
    return {package.name: package for package in found}


def needed_by(packages: Mapping[str, Package], extras: Iterable[str] = ()) -> frozenset[str]:
    """Names of the installed packages that the project needs here, with these extras of its own; itself left out."""
    waiting = list(_requirements(metadata.distribution(PROJECT), ("", *extras)))
    reached: set[str] = set()
    while waiting:
        name, its_extras = waiting.pop()
        if name in packages and name not in reached:
            reached.add(name)
            waiting.extend(_requirements(metadata.distribution(packages[name].title), ("", *its_extras)))
    return frozenset(reached)


def _package(distribution: metadata.Distribution) -> Package:
    fields = distribution.metadata
    return Package(
        canonicalize_name(fields["Name"]),
        fields["Name"],
        fields["Version"],
        _licence(fields),
        tuple(sorted({name for name, _ in _requirements(distribution, ("",))})),
        tuple(_libraries(distribution)),
    )


def _requirements(distribution: metadata.Distribution, extras: Iterable[str]) -> Iterator[tuple[str, frozenset[str]]]:
    environments = [{"extra": extra} for extra in extras]
    for text in distribution.requires or ():
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate(environment) for environment in environments):
            yield canonicalize_name(wanted.name), frozenset(wanted.extras)


def _licence(fields: Any) -> str | None:
    if (expression := fields.get("License-Expression")) is not None:
        return str(expression)
    classifiers: list[str] = [
        text.split(" :: ")[-1] for text in fields.get_all("Classifier", []) if text.startswith("License ::")
    ]
    for words in (str(fields.get("License", "")).strip(), *classifiers):
        if words in _LICENCES:
            return _LICENCES[words]
        if 0 < len(words) <= _WORDS and _SPDX.fullmatch(words):
            return words
    return None


def _libraries(distribution: metadata.Distribution) -> Iterator[Library]:
    """Libraries that were put into the wheel from elsewhere; `auditwheel` lays them into a folder `NAME.libs`."""
    for file in distribution.files or ():
        if file.parts[0].endswith(".libs") and ".so" in file.name:
            known = file.hash if file.hash is not None and file.hash.mode == "sha256" else None
            yield Library(file.name, None if known is None else _hexadecimal(known.value))


def _hexadecimal(url_safe: str) -> str:
    return base64.urlsafe_b64decode(url_safe + "=" * (-len(url_safe) % 4)).hex()
