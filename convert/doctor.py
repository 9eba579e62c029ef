"""What is wrong with a collection of photographs, and what to do about each."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from convert.dataset import class_folders
from convert.mislabelled import Suspicion, by_colours, by_model
from convert.photographs import SUFFIXES, UnreadableError, check_name, decode, printable, read
from convert.quiet import overheard
from convert.similar import FLAT, Looks, find_pairs, looks_of
from edge.errors import ConfigError

__all__ = ["Examination", "Finding", "examine", "findings_markdown"]

Kind = Literal[
    "unreadable",
    "damaged",
    "no photograph",
    "tiny",
    "elongated",
    "uniform",
    "duplicate",
    "duplicate in two classes",
    "mislabelled",
]
REMEDIES: dict[Kind, str] = {
    "unreadable": "get the file again, or remove it; `split` skips what gives no picture",
    "damaged": "look at it, and get it again if a part is spoilt; `split` takes it as it is",
    "no photograph": "convert it to JPEG or PNG, or remove it; it is not looked at",
    "tiny": "replace it by a larger photograph: a model would learn its blur",
    "elongated": "crop it around the object: the model sees every photograph squeezed to a square",
    "uniform": "remove it: nothing is to be seen",
    "duplicate": "keep one of the two; `split` keeps them in one part",
    "duplicate in two classes": "remove the file whose label is wrong",
    "mislabelled": "look at it, and move it to the right class folder if its label is wrong",
}
MIN_SIDE_PX = 128
"""Shorter side below which a photograph is tiny: the least input of the models that are shipped or compared."""
MAX_ASPECT = 3.0
HARMLESS = re.compile(r"libpng warning|: [1-4] extraneous bytes before marker")
"""In what a decoder says of a file: the pixels are whole all the same. Many stray bytes are no padding: the decoder
lost its place before them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should look at.

    Attributes:
        file: path relative to the folder of the class folders.
        kind: see REMEDIES.
        detail: what was measured.
    """

    file: str
    kind: Kind
    detail: str

    @property
    def remedy(self) -> str:
        return REMEDIES[self.kind]


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings, by kind and file, and the number of photographs that were looked at by class."""

    photographs: dict[str, int]
    findings: tuple[Finding, ...]
    judge: str

    def to_json(self) -> dict[str, Any]:
        findings = [{**asdict(finding), "remedy": finding.remedy} for finding in self.findings]
        return {"photographs": self.photographs, "judge_of_labels": self.judge, "findings": findings}


def examine(root: Path, bundle_folder: Path | None = None) -> Examination:
    """Look at every file in the class folders of `root`; nothing is changed.

    Args:
        bundle_folder: a model bundle that judges the labels; without it photographs of like colours do.
    Raises: ConfigError if there are no class folders, or the bundle knows none of the labels; BundleError if the
        bundle is refused.
    """
    labels = class_folders(root)
    if not labels:
        raise ConfigError(f"{root} holds no class folders; check SORTER_DATA or --data")
    model = by_model(bundle_folder, labels) if bundle_folder is not None else None
    findings: list[Finding] = []
    files: list[str] = []
    looks: list[Looks] = []
    suspicions: list[Suspicion] = []
    entries = [(label, path) for label in labels for path in sorted((root / label).iterdir())]
    with overheard() as complaints:
        for label, path in entries:
            name = f"{label}/{printable(path.name)}"
            if path.suffix.lower() not in SUFFIXES or not path.is_file():
                if not path.name.startswith("."):
                    what = (
                        f"suffix {printable(path.suffix) or 'none'}" if path.is_file() else "no file that can be opened"
                    )
                    findings.append(Finding(name, "no photograph", what))
                continue
            complaints()
            try:
                check_name(path)
                image = decode(read(path))
            except (ConfigError, UnreadableError) as exc:
                findings.append(Finding(name, "unreadable", str(exc)))
                continue
            spoilt = [line for line in complaints().splitlines() if not HARMLESS.search(line)]
            if spoilt:
                findings.append(Finding(name, "damaged", spoilt[0]))
            files.append(name)
            looks.append(looks_of(image))
            if model is not None and (suspicion := model(name, label, image)):
                suspicions.append(suspicion)
    for name, look in zip(files, looks, strict=True):
        findings += _shape(name, look)
    pairs = find_pairs(looks)
    findings += [
        _duplicate(files[pair.first], files[pair.second], pair.is_identical, pair.correlation) for pair in pairs
    ]
    if model is None:
        suspicions = by_colours(files, looks)
    findings += [
        Finding(found.file, "mislabelled", f"looks like {found.label}, {found.reason}") for found in suspicions
    ]
    order = list(REMEDIES)
    counts = Counter(name.split("/", 1)[0] for name in files)
    return Examination(
        {label: counts[label] for label in labels},
        tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
        "photographs of like colours" if model is None else f"bundle {bundle_folder.name}" if bundle_folder else "",
    )


def _shape(name: str, look: Looks) -> list[Finding]:
    findings = []
    short, long = sorted(look.size)
    size = f"{look.size[0]} x {look.size[1]} px"
    if short < MIN_SIDE_PX:
        findings.append(Finding(name, "tiny", f"{size}, below {MIN_SIDE_PX} px"))
    if long > MAX_ASPECT * short:
        findings.append(Finding(name, "elongated", f"{size}, more than {MAX_ASPECT:g} to 1"))
    if look.spread < FLAT:
        findings.append(Finding(name, "uniform", f"grey values spread by {look.spread:.1f} of 255"))
    return findings


def _duplicate(first: str, second: str, is_identical: bool, correlation: float) -> Finding:
    detail = f"identical to {first}" if is_identical else f"nearly identical to {first}, correlation {correlation:.2f}"
    is_one_class = first.split("/", 1)[0] == second.split("/", 1)[0]
    return Finding(second, "duplicate" if is_one_class else "duplicate in two classes", detail)


def findings_markdown(found: Examination) -> str:
    """The findings for people, one line a file."""
    total = sum(found.photographs.values())
    lines = ["# Photographs", "", f"{total} photographs in {len(found.photographs)} classes.", ""]
    empty = [label for label, count in found.photographs.items() if not count]
    lines += [f"Classes without a photograph: {', '.join(empty)}; fill or remove them.", ""] if empty else []
    kinds: Sequence[Kind] = [kind for kind in REMEDIES if any(finding.kind == kind for finding in found.findings)]
    for kind in kinds:
        of_kind = [finding for finding in found.findings if finding.kind == kind]
        lines += [f"## {kind.capitalize()} ({len(of_kind)})", "", f"{REMEDIES[kind].capitalize()}.", ""]
        lines += [f"- {finding.file}: {finding.detail}" for finding in of_kind] + [""]
    if not kinds:
        lines += ["Nothing is wrong with them.", ""]
    lines.append(f"Labels were judged by: {found.judge}.")
    return "\n".join(lines) + "\n"
