"""What really lay on the tray, beside what the sorter made of it."""

import bisect
import json
import logging
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import ConfigError
from edge.paths import write_whole

__all__ = ["Score", "TrueItem", "check_truth_path", "read_truth", "score", "write_truth"]


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrueItem:
    """One item. Times are in seconds of the source's clock.

    Attributes:
        route: the bin it belongs to.
        t_in_s, t_rest_s, t_out_s: it comes into view, comes to rest, leaves; the last is None while it is there.
    """

    label: str
    route: str
    t_in_s: float
    t_rest_s: float
    t_out_s: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """How well a run did.

    Attributes:
        items: how many really came.
        counted_once: of these, how many were counted exactly once.
        right: of these, how many went to the right bin.
        phantoms: events that belong to no item, or to one that was counted before.
        decide_s: median time from rest to decision; None without an item counted once.
    """

    items: int
    counted_once: int
    right: int
    phantoms: int
    decide_s: float | None

    def describe(self) -> str:
        """One line for people."""
        waited = "" if self.decide_s is None else f", median {self.decide_s:.2f} s after rest"
        return (
            f"{self.items} items: {self.counted_once} counted exactly once{waited}; "
            f"{self.right} sorted right; {self.phantoms} phantoms or doubles"
        )


def score(truth: Sequence[TrueItem], decisions: Iterable[tuple[float, str]]) -> Score:
    """Compare. An item owns every decision from its coming into view to the next one's.

    Args:
        decisions: time and route of each item event, in order.
    """
    hits: list[list[tuple[float, str]]] = [[] for _ in truth]
    starts_s = [item.t_in_s for item in truth]
    phantoms = 0
    for t_s, route in decisions:
        owner = bisect.bisect_right(starts_s, t_s) - 1
        if owner < 0 or hits[owner]:
            phantoms += 1
        if owner >= 0:
            hits[owner].append((t_s, route))
    once = [(item, found[0]) for item, found in zip(truth, hits, strict=True) if len(found) == 1]
    waits_s = [t_s - item.t_rest_s for item, (t_s, _) in once]
    return Score(
        items=len(truth),
        counted_once=len(once),
        right=sum(route == item.route for item, (_, route) in once),
        phantoms=phantoms,
        decide_s=statistics.median(waits_s) if waits_s else None,
    )


def read_truth(path: Path, source: str | None = None) -> list[TrueItem]:
    """Read a truth file, `{"items": [{"label", "route", "t_in_s", "t_rest_s", "t_out_s"}, …]}` in order of time.

    Args:
        source: what it is to be compared with; a file that names another source gets a warning.
    Raises: ConfigError.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        written_for = fields.get("source") if isinstance(fields, dict) else None
        if source is not None and written_for not in (None, source):
            _log.warning("%s tells what %s showed, and this run's source is %s", path, written_for, source)
        return [
            TrueItem(
                label=str(item["label"]),
                route=str(item["route"]),
                t_in_s=float(item["t_in_s"]),
                t_rest_s=float(item["t_rest_s"]),
                t_out_s=None if item["t_out_s"] is None else float(item["t_out_s"]),
            )
            for item in fields["items"]
        ]
    except OSError as exc:
        raise ConfigError(f"cannot read the truth {path} ({exc.strerror}); check --against") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"{path} is no truth file ({type(exc).__name__}: {exc}); check --against") from exc


def check_truth_path(path: Path) -> None:
    """Find out before a run whether its truth can be written after it. Raises: ConfigError."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(f"cannot write the truth to {path} ({folder} takes no file); check --truth")


def write_truth(path: Path, fields: dict[str, Any]) -> None:
    """Write a truth file, whole or not at all. Raises: ConfigError."""
    try:
        write_whole(path, json.dumps(fields, indent=1) + "\n")
    except OSError as exc:
        raise ConfigError(f"cannot write the truth to {path} ({exc.strerror}); check --truth") from exc
