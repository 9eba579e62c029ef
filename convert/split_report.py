"""What a split did, for people: counts, what was joined and why, and what may still leak."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from convert.dataset import Split
from convert.dealing import PARTS
from convert.grouping import group_of, neighbours

__all__ = ["leftovers", "split_json", "split_report"]

SHOWN = 40
"""Longest list that is written out; the rest is counted."""


def leftovers(split: Split) -> list[tuple[str, str]]:
    """Photographs with neighbouring numbers in different parts, which do not look alike: the borders of blocks."""
    files = [photo.file for photo in split.photos]
    parts = [photo.part for photo in split.photos]
    return [(files[one], files[other]) for one, other in neighbours(files) if parts[one] != parts[other]]


def split_json(split: Split) -> dict[str, Any]:
    """The report for programs."""
    return {
        "seed": split.seed,
        "digest": split.digest,
        "rule": split.rule,
        "ratios": list(split.ratios),
        "counts": split.counts(),
        "merges": [{**asdict(merge), "is_across_classes": merge.is_across_classes} for merge in split.merges],
        "leftovers": [list(pair) for pair in leftovers(split)],
        "skipped": list(split.skipped),
    }


def split_report(split: Split) -> str:
    """The report as Markdown."""
    lines = ["# Split", "", f"Seed {split.seed}, data digest `{split.digest[:12]}…`.", "", f"Rule: {split.rule}.", ""]
    lines += ["| part | " + " | ".join(split.labels) + " | all | share |", "|---|" + "---:|" * (len(split.labels) + 2)]
    for part, ratio in zip(PARTS, split.ratios, strict=True):
        counts = list(split.counts()[part].values())
        share = sum(counts) / max(1, len(split.photos))
        lines.append(f"| {part} | {' | '.join(map(str, counts))} | {sum(counts)} | {share:.1%} of {ratio:g} % |")
    return "\n".join([*lines, "", *_joined(split), *_contradictions(split), *_left(split), *_skipped(split)])


def _joined(split: Split) -> list[str]:
    blocks: dict[str, set[str]] = defaultdict(set)
    group = {photo.file: photo.group for photo in split.photos}
    for file, name in group.items():
        blocks[name].add(group_of(file))
    lines = ["## Groups that were joined", ""]
    if not split.merges:
        return [*lines, "None: no photograph looks like one of another group.", ""]
    count = sum(len(found) for found in blocks.values())
    lines += [f"{len(split.merges)} pairs of photographs join {count} blocks to {len(blocks)} groups.", ""]
    lines += ["| group | blocks | because of | which are | likeness |", "|---|---:|---|---|---:|"]
    for merge in sorted(split.merges, key=lambda merge: (group[merge.first], merge.first)):
        name = group[merge.first]
        lines.append(
            f"| {name} | {len(blocks[name])} | {merge.first}, {merge.second} | {merge.why} | {merge.likeness:.3f} |"
        )
    return [*lines, ""]


def _contradictions(split: Split) -> list[str]:
    found = [merge for merge in split.merges if merge.is_across_classes]
    if not found:
        return []
    lines = [f"- {merge.first} and {merge.second} ({merge.why})" for merge in found]
    return [
        "## One thing in two classes",
        "",
        "One label of each pair is wrong; remove one of the files.",
        "",
        *lines,
        "",
    ]


def _left(split: Split) -> list[str]:
    found = leftovers(split)
    lines = ["## What is left at the borders", ""]
    if not found:
        return [*lines, "No two photographs with neighbouring numbers stand in different parts.", ""]
    in_test = {file for pair in found for file in pair} & {photo.file for photo in split.part("test")}
    lines += [
        f"{len(found)} pairs with neighbouring numbers stand in different parts, with {len(in_test)} of "
        f"{len(split.part('test'))} test photographs among them. No pair is alike enough to be joined; an object seen "
        "from two unlike sides may be among them. `evaluate` gives the figures without these photographs as well.",
        "",
        *(f"- {first}, {second}" for first, second in found[:SHOWN]),
    ]
    return [*lines, *([f"- and {len(found) - SHOWN} more"] if len(found) > SHOWN else []), ""]


def _skipped(split: Split) -> list[str]:
    if not split.skipped:
        return []
    return [
        "## Skipped",
        "",
        "These files give no picture, or are of a format that is not read:",
        "",
        *(f"- {file}" for file in split.skipped),
        "",
    ]
