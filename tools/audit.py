"""Audits what is installed, without a network: `python -m tools.audit`. Exit 1 if something is amiss.

Every installed distribution is one that the project needs, has exactly the version of the constraints, and comes under
a licence of the list below. What other environments get is looked through by its lists (tools/lists.py). `make audit`
asks for known vulnerabilities too, which takes a network.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tools import lists
from tools.installed import PROJECT, TOOLS, Package, installed, needed_by

__all__ = ["ALLOWED", "accepted", "complaints", "elsewhere", "main", "pins"]

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""SPDX identifiers. None of them asks anything of code beside the package (MPL-2.0 covers its own files only)."""
ADVISORIES = Path(__file__).with_name("advisories.toml")
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")
_FIELDS = {"id": str, "package": str, "reason": str, "until": date}


def pins(files: Sequence[Path]) -> dict[str, str]:
    """The version of each pinned package, by its normalised name. Raises: ValueError for a line that pins nothing."""
    found: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            text = line.partition("#")[0].strip()
            pin = _PIN.match(text)
            if pin is not None:
                found[canonicalize_name(pin["name"])] = pin["version"]
            elif text:
                raise ValueError(f"{file}:{number}: {text!r} pins nothing, expected NAME==VERSION")
    return found


def complaints(
    packages: Mapping[str, Package], needed: Collection[str], pinned: Mapping[str, str], files: str
) -> Iterator[str]:
    """What is amiss, a sentence each.

    Args:
        needed: names of the packages that the project needs with the extras that it is installed with.
        files: of the pins, for the sentences.
    """
    for name, package in sorted(packages.items()):
        if name == PROJECT or (name in TOOLS and name not in needed):
            continue
        if name not in needed:
            yield f"{package.title} {package.version} is installed, but nothing needs it; uninstall it, or require it"
            continue
        version = pinned.get(name)
        if version is None:
            yield f"{package.title} is not pinned; add {package.title}=={package.version} to {files}"
        elif version != package.version:
            yield f"{package.title} {package.version} is installed, {files} pins {version}; run `make setup`"
        foreign = sorted(_identifiers(package.licence) - ALLOWED)
        if package.licence is None:
            yield f"{package.title} {package.version} names no licence that tools/installed.py knows; look, and add it"
        elif foreign:
            yield f"{package.title} is under {', '.join(foreign)}, which tools/audit.py does not allow; decide on it"


def elsewhere(packages: Mapping[str, Package]) -> tuple[list[str], int]:
    """What is amiss with the lists of other environments, a sentence each, and how many entries they have.

    Raises: ValueError for a line that is no requirement.
    """
    pinned = pins([Path("constraints.txt")])
    wheels = {file: lists.entries(file) for file in lists.wheel_lists()}
    bounds, unpinned = lists.entries(lists.BOUNDS), lists.entries(lists.UNPINNED)
    wanted = lists.required()
    listed = [*(entry for found in wheels.values() for entry in found), *bounds, *unpinned]
    found: list[str] = []
    for file, entries in wheels.items():
        on_bookworm = file.stem.endswith("bookworm")
        found += lists.wheel_complaints(entries, pinned, bounds if on_bookworm else ())
    found += lists.bound_complaints(bounds, pinned)
    found += lists.unpinned_complaints(unpinned, wanted)
    needed = {*needed_by(packages, ("pi", "tflite")), *wanted}
    found += lists.foreign_complaints(listed, packages, needed, ALLOWED)
    return found, len(listed)


def accepted(path: Path = ADVISORIES) -> list[dict[str, Any]]:
    """Advisories that are known and accepted. Raises: ValueError for an entry that lacks something."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", [])
    for entry in entries:
        if set(entry) != set(_FIELDS) or not all(isinstance(entry[name], kind) for name, kind in _FIELDS.items()):
            raise ValueError(f"{path.name}: an entry has {', '.join(sorted(entry))}, expected {', '.join(_FIELDS)}")
    return list(entries)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns: the exit status."""
    parser = argparse.ArgumentParser(description="Audit what is installed, without a network.")
    parser.add_argument("--constraints", type=Path, nargs="+", default=[Path("constraints.txt")])
    parser.add_argument("--extras", nargs="*", default=["dev", "pi", "tflite"], help="extras that may be installed")
    parser.add_argument(
        "--ignored", action="store_true", help="only print what pip-audit is told to ignore, as its options"
    )
    options = parser.parse_args(arguments)
    if options.ignored:
        print(*(f"--ignore-vuln {entry['id']}" for entry in accepted() if entry["until"] >= date.today()))
        return 0
    packages = installed()
    needed = needed_by(packages, options.extras)
    files = " or ".join(str(path) for path in options.constraints)
    found = list(complaints(packages, needed, pins(options.constraints), files))
    beside, count = elsewhere(packages)
    found += beside
    accepted()
    for sentence in found:
        print(f"audit: {sentence}", file=sys.stderr)
    if not found:
        print(f"audit: {len(needed)} distributions are needed, pinned and under allowed licences")
        print(
            f"audit: {count} entries for Debian packages, Bookworm and 32 bit are needed and allowed, and fit the pins"
        )
    return 1 if found else 0


def _identifiers(expression: str | None) -> frozenset[str]:
    words = re.split(r"[\s()]+", expression or "")
    return frozenset(word for word in words if word and word not in ("AND", "OR", "WITH"))


if __name__ == "__main__":
    sys.exit(main())
