"""Whether a split leaks: which photographs that measure a model show what the model learnt from."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from convert.dealing import PARTS, Part
from convert.grouping import neighbours
from convert.part_lists import Listed
from convert.photographs import FOREIGN, UnreadableError, decode, read
from convert.risk import lower_limit
from convert.similar import ALIKE, Looks, Union, alike, find_pairs, looks_of
from edge.errors import ConfigError

__all__ = ["Leak", "Leakage", "find_leakage", "leakage_markdown"]

Kind = Literal["identical", "nearly identical", "neighbours alike"]
KINDS: tuple[Kind, ...] = ("identical", "nearly identical", "neighbours alike")
SHOWN = 20
GRAVE, SLIGHT = 0.25, 0.02
"""Shares of affected photographs from which a figure says little, and below which it is hardly touched."""
EXAMPLE = 0.95
"""A reported accuracy, to say what the affected photographs may do to it."""
CONFIDENCE = 0.95
"""Of the limit for a figure that was reported."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Two photographs of one thing in two parts.

    Attributes:
        first, second: names, the one of the earlier part first (train, val, test).
        parts: of the two.
        kind: how they are alike; `neighbours alike` have numbers at most two apart and like colours.
        is_across_classes: True if their labels differ.
    """

    first: str
    second: str
    parts: tuple[Part, Part]
    kind: Kind
    is_across_classes: bool


@dataclass(frozen=True, slots=True)
class Leakage:
    """What `find_leakage` found.

    Attributes:
        photographs: readable ones, by part.
        measured: the part that figures are taken from: `test`, or `val` where there is no test.
        leaks: one example for each affected photograph, the gravest kind first.
        affected: photographs of `measured` that show what another part shows, by kind; one counts for its gravest.
        val_affected: photographs of `val` that show what `train` shows; choices made on them flatter too.
        numbers: photographs of `measured` with a neighbouring number in another part, whatever they look like.
        doubtful: affected ones and these, each counted once.
        untrained: labels that `measured` has and `train` has not.
        unread: files that give no picture and were not compared.
    """

    photographs: dict[str, int]
    measured: Part
    leaks: tuple[Leak, ...]
    affected: dict[str, int]
    val_affected: int
    numbers: int
    doubtful: int
    untrained: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """True if nothing leaks, all was compared, and the training part has every label that is measured."""
        return not self.leaks and not self.untrained and not self.unread

    @property
    def share(self) -> float:
        """Affected photographs of the measured part, 0 to 1."""
        return sum(self.affected.values()) / max(1, self.photographs[self.measured])

    def verdict(self) -> str:
        """One sentence on what a figure of the measured part is worth."""
        if self.untrained:
            text = (
                f"{', '.join(self.untrained)}: in the {self.measured} part, but not in train. A model cannot know what "
                "it was never shown; a figure on such photographs means nothing."
            )
            return f"{text} {self._leakage()}" if self.leaks or self.unread else text
        return self._leakage()

    def worth(self, reported: float) -> str:
        """What an accuracy that somebody reported for this split shows of new photographs.

        What repeats is taken for right whatever the model can do, so that all errors are among the others; what these
        show is bounded from below by Clopper and Pearson (Biometrika 26, 1934), as if each showed another object.

        Args:
            reported: 0 to 1.
        """
        said = f"The reported {100 * reported:.4g}%"
        if self.unread:
            return f"{said}: what it shows is not known while {_files(self.unread)} not compared."
        n, repeated = self.photographs[self.measured], sum(self.affected.values())
        new, alone = n - repeated, n - self.doubtful
        seen = "training or validation" if self.measured == "test" else "training"
        head = f"{said} of {n} {self.measured} photographs: {repeated} repeat what {seen} saw"
        if not new:
            return f"{head}; it measures memory."
        errors = math.ceil((1 - reported) * n - 1e-9)
        worst = {0: "Without an error,", 1: "At worst the one error is among"}
        text = f"{head} and prove nothing. {worst.get(errors, f'At worst all {errors} errors are among')} "
        if alone:
            text += (
                f"the {alone} that neither repeat anything nor have a neighbouring number elsewhere: then the accuracy "
                f"on new photographs is at least {_least(alone, errors):.1%}"
            )
        else:
            text += (
                f"the other {new}, which all have a neighbouring number elsewhere and may show the same objects: if "
                f"none does, the accuracy on new photographs is at least {_least(new, errors):.1%}"
            )
        if 0 < alone < new:
            text += f"; judged by all {new} that repeat nothing, {_least(new, errors):.1%}"
        return f"{text} (one-sided {CONFIDENCE:.0%} limit, as if each showed another object and no repeat was missed)."

    def _leakage(self) -> str:
        if self.unread:
            return f"Not known, for {_files(self.unread)} not compared. Of the others: {self._of_compared()}"
        return self._of_compared()

    def _of_compared(self) -> str:
        if not self.leaks:
            return (
                f"No {self.measured} photograph was found that shows what another part shows: a figure on it measures "
                "new photographs of this collection."
            )
        text = f"At least {self.share:.1%} of the {self.measured} photographs show what training or validation saw"
        if self.share == 0:
            return (
                f"No {self.measured} photograph was found that shows what another part shows, but validation shows "
                "what training saw: what is chosen on it is chosen on too good figures."
            )
        if self.share == 1:
            return f"{text}; a figure on it measures memory and says nothing about new photographs."
        if self.share < SLIGHT:
            return f"{text}; a figure on it is hardly better than it should be."
        least = max(0.0, (EXAMPLE - self.share) / (1 - self.share))
        worth = f"of a reported {EXAMPLE:.0%}, for example, as little as {least:.1%} may be left on the new ones"
        return f"{text}; a figure on it {'says little' if self.share >= GRAVE else 'is too good'}: {worth}."

    def to_json(self, reported: float | None = None) -> dict[str, Any]:
        about = {} if reported is None else {"reported": reported, "worth": self.worth(reported)}
        head = {"is_clean": self.is_clean, "share": round(self.share, 4), "verdict": self.verdict(), **about}
        return {**head, **asdict(self)}


def _files(unread: Sequence[str]) -> str:
    return "1 file is" if len(unread) == 1 else f"{len(unread)} files are"


def _least(n: int, errors: int) -> float:
    """Lower limit of the accuracy where n photographs have as many of the errors as fit."""
    return lower_limit(max(0, n - errors), n, CONFIDENCE)


def find_leakage(photos: Sequence[Listed]) -> Leakage:
    """Compare every photograph with those of the other parts.

    Likeness passes on: a test photograph that resembles one of its own part, which resembles a training photograph, is
    affected. Quarter-turned, mirrored, resized, recompressed and hardly cropped copies are recognized; an object
    photographed anew from another side is not, unless the numbers are close. What is found is therefore the least that
    leaks; the number of neighbours in another part is about the most.

    Args:
        photos: as `read_parts` gives them.
    """
    kept, looks, unread = _read(photos)
    found: dict[str, Leak] = {}
    for kind, links in zip(KINDS, _links(kept, looks), strict=True):
        for photo, partner in _across(kept, links):
            leak = Leak(partner.name, photo.name, (partner.part, photo.part), kind, partner.label != photo.label)
            found.setdefault(photo.name, leak)
    counts = Counter(photo.part for photo in kept)
    measured: Part = "test" if any(photo.part == "test" for photo in photos) else "val"
    affected = Counter(leak.kind for leak in found.values() if leak.parts[1] == measured)
    in_train = {photo.label for photo in kept if photo.part == "train"}
    names = [_plain(photo) for photo in kept]
    near = {p for pair in neighbours(names) for p in pair if kept[pair[0]].part != kept[pair[1]].part}
    numbered = {kept[place].name for place in near if kept[place].part == measured}
    return Leakage(
        photographs={part: counts[part] for part in PARTS},
        measured=measured,
        leaks=tuple(sorted(found.values(), key=lambda leak: (KINDS.index(leak.kind), leak.second))),
        affected={kind: affected[kind] for kind in KINDS},
        val_affected=sum(leak.parts == ("train", "val") for leak in found.values()),
        numbers=len(numbered),
        doubtful=len(numbered | {leak.second for leak in found.values() if leak.parts[1] == measured}),
        untrained=tuple(sorted({photo.label for photo in kept if photo.part == measured} - in_train)),
        unread=tuple(unread),
    )


def _read(photos: Sequence[Listed]) -> tuple[list[Listed], list[Looks], list[str]]:
    kept, looks, unread = [], [], []
    for photo in photos:
        try:
            looks.append(looks_of(decode(read(photo.path))))
            kept.append(photo)
        except (ConfigError, UnreadableError) as exc:
            ending = photo.path.suffix.lower()
            is_foreign = ending in FOREIGN
            reason = f"{ending} is not read; convert it to JPEG or PNG" if is_foreign else str(exc)
            unread.append(f"{photo.name} ({reason})")
    return kept, looks, unread


def _plain(photo: Listed) -> str:
    """The name without the part's folder, so that train/glass/glass8.jpg and test/glass/glass9.jpg are neighbours."""
    return f"{photo.label}/{photo.path.name}"


def _links(kept: Sequence[Listed], looks: Sequence[Looks]) -> list[list[tuple[int, int]]]:
    """Pairs of places by kind, each kind with those of the graver ones."""
    pairs = find_pairs(looks)
    identical = [(pair.first, pair.second) for pair in pairs if pair.is_identical]
    near = [(pair.first, pair.second) for pair in pairs]
    numbered = [
        (first, second)
        for first, second in neighbours([_plain(photo) for photo in kept])
        if alike(looks[first], looks[second]) >= ALIKE
    ]
    return [identical, near, [*near, *numbered]]


def _across(kept: Sequence[Listed], links: Sequence[tuple[int, int]]) -> list[tuple[Listed, Listed]]:
    """Each photograph linked to one of an earlier part, with one such partner."""
    sets = Union(len(kept))
    for first, second in links:
        sets.join(first, second)
    members: dict[int, list[int]] = defaultdict(list)
    for place in range(len(kept)):
        members[sets.find(place)].append(place)
    direct = set(links) | {(second, first) for first, second in links}
    found = []
    for places in members.values():
        first = {part: [p for p in places if kept[p].part == part] for part in PARTS}
        for place in places:
            earlier = [p for part in PARTS[: PARTS.index(kept[place].part)] for p in first[part]]
            if earlier:
                partner = next((p for p in earlier if (p, place) in direct), earlier[0])
                found.append((kept[place], kept[partner]))
    return found


def leakage_markdown(leakage: Leakage, reported: float | None = None) -> str:
    """The finding for people, and what an accuracy that was `reported` (0 to 1) is worth."""
    parts = ", ".join(f"{part} {count}" for part, count in leakage.photographs.items())
    lines = [
        "# Leakage",
        "",
        leakage.verdict(),
        "",
        *([] if reported is None else [leakage.worth(reported), ""]),
        f"Photographs: {parts}.",
        "",
        "| found | photographs |",
        "|---|---:|",
    ]
    lines += [f"| {leakage.measured}: {kind} | {count} |" for kind, count in leakage.affected.items()]
    lines += [f"| val: shows what train shows | {leakage.val_affected} |"] if leakage.measured != "val" else []
    lines += [f"| {leakage.measured}: a neighbouring number elsewhere, alike or not | {leakage.numbers} |", ""]
    if leakage.untrained:
        lines += [f"Classes without a training photograph: {', '.join(leakage.untrained)}.", ""]
    if leakage.unread:
        more = f", and {len(leakage.unread) - SHOWN} more (--json lists all)" if len(leakage.unread) > SHOWN else ""
        lines += [f"Not compared, for they give no picture: {', '.join(leakage.unread[:SHOWN])}{more}.", ""]
    for leak in leakage.leaks[:SHOWN]:
        label = ", labels differ" if leak.is_across_classes else ""
        lines.append(f"- {leak.parts[1]} {leak.second} = {leak.parts[0]} {leak.first} ({leak.kind}{label})")
    if len(leakage.leaks) > SHOWN:
        lines.append(f"- and {len(leakage.leaks) - SHOWN} more (--json lists all)")
    return "\n".join(lines).rstrip() + "\n"
