"""What doctor found: one record a check, from all is well to a reason why the sorter cannot run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["SCHEMA", "Finding", "Level", "blocker", "note", "ok", "refused", "report", "warning"]

SCHEMA = 1
Level = Literal["ok", "note", "warning", "blocker"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: subject and name, such as `power.temperature`.
        level: `ok`; `note`, which needs nothing done; `warning`, which the sorter runs with, but worse or at a risk;
            `blocker`, with which it does not run.
        found: what is so, as a sentence without its stop.
        remedy: what to do; empty if there is nothing.
    """

    check: str
    level: Level
    found: str
    remedy: str = ""

    @property
    def subject(self) -> str:
        """What the check belongs to, such as `power`."""
        return self.check.partition(".")[0]


def ok(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def note(check: str, found: str, remedy: str = "") -> Finding:
    return Finding(check, "note", found, remedy)


def warning(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, "warning", found, remedy)


def blocker(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, "blocker", found, remedy)


def refused(check: str, error: Exception, level: Level = "blocker") -> Finding:
    """From an error of this program, whose sentence ends in what to do."""
    found, separator, remedy = str(error).rpartition("; ")
    return Finding(check, level, found, remedy) if separator else Finding(check, level, remedy)


def report(findings: Sequence[Finding]) -> dict[str, Any]:
    """All of it as `--json` prints it; `ok` is true unless something is a blocker."""
    return {
        "schema": SCHEMA,
        "ok": all(finding.level != "blocker" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }
